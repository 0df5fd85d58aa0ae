"""Connectionist temporal classification (CTC): from one distribution a step to a text.

Graves, Fernández, Gomez, Schmidhuber, "Connectionist temporal classification: labelling unsegmented sequence data with
recurrent neural networks", 2006. A path has one symbol a step; merging repeated symbols and dropping blanks gives its
text. Symbol 0 is the blank, symbol k the k-th character of the alphabet, from 1.

Shape letters: B batch, T time (steps), K characters of the alphabet.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError

Text = tuple[int, ...]  # symbols
BLANK = 0
IMPOSSIBLE = -math.inf  # logarithm of a probability of 0
MIN_LOG_PROBABILITY = math.log(1e-4)  # a search ignores symbols that are less likely at their step,
MIN_LOG_PROBABILITY_WITH_LEXICON = math.log(1e-8)  # and with a lexicon, which may need them, far fewer
LENGTH_BONUS = 3.0  # nats a character: somewhat more than one of English costs a small language model


def best_paths(log_probabilities: Tensor) -> list[list[int]]:
    """The texts, as symbols, of the most likely path of each example (B, T, 1 + K): greedy decoding."""
    best = log_probabilities.argmax(dim=2).cpu()  # B, T
    changed = best.diff(dim=1, prepend=torch.full_like(best[:, :1], BLANK)) != 0
    return [row[kept].tolist() for row, kept in zip(best, changed & (best != BLANK))]


def lengthened(logits: Tensor, steps: int) -> Tensor:
    """Logits (B, T, 1 + K) with as many steps as are asked; in those that are added the blank is certain."""
    longer = functional.pad(logits, (0, 0, 0, steps - logits.shape[1]), value=IMPOSSIBLE)
    longer[:, logits.shape[1] :, BLANK] = 0
    return longer


def log_likelihoods(log_probabilities: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """The logarithm of the probability (B,) of a text for each example (B, T, 1 + K): the sum over all its paths."""
    steps = torch.full((len(texts),), log_probabilities.shape[1])
    lengths = torch.tensor([len(text) for text in texts])
    symbols = torch.tensor([symbol for text in texts for symbol in text], dtype=torch.long)
    by_step = log_probabilities.float().cpu().transpose(0, 1)
    return -functional.ctc_loss(by_step, symbols, steps, lengths, blank=BLANK, reduction="none")


def alignments(log_probabilities: Tensor, symbols: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """How likely texts are, and which symbol each step stands for, given its text.

    The forward-backward algorithm (Graves et al., 2006, section 4.1) in plain tensor operations, which give the same
    bits on CUDA each time, wait for nothing, and take 5 operators a step.

    Args:
        log_probabilities: float32 (B, T, 1 + K), finite.
        symbols: the texts (B, L), padded.
        counts: their lengths (B,), on the same device.

    Returns:
        The logarithms of the texts' probabilities (B,), minus infinity where T steps are too few; and the posteriors of
        the symbols (B, T, 1 + K), which are 0 there. The latter are the gradient of the former.
    """
    count, length = symbols.shape
    inside = torch.arange(length, device=symbols.device) < counts[:, None]
    states = torch.stack([torch.full_like(symbols, BLANK), symbols.where(inside, BLANK)], dim=2).flatten(1)
    states = functional.pad(states, (0, 1), value=BLANK)  # B, S = 2 L + 1: a blank, a character, a blank, …
    given = log_probabilities.gather(2, states[:, None].expand(-1, log_probabilities.shape[1], -1))  # B, T, S
    place = torch.arange(states.shape[1], device=states.device)
    first, last = place < 2, (place == 2 * counts[:, None]) | (place == 2 * counts[:, None] - 1)
    skips = (states[:, 2:] != BLANK) & (states[:, 2:] != states[:, :-2])  # the blank before a character
    forward_skips, backward_skips = functional.pad(skips, (2, 0)), functional.pad(skips, (0, 2))
    # From the end it is the same recursion, on all that is reversed
    ends = torch.cat([first.expand_as(states), last.flip(1)])
    through = torch.cat([forward_skips, backward_skips.flip(1)]).to(given).log()  # 0, or minus infinity
    paths = _paths(torch.cat([given, given.flip(1, 2)]), ends.to(given).log(), through)
    forwards, backwards = paths[:count], paths[count:].flip(1, 2)
    likelihood = forwards[:, -1].masked_fill(~last, IMPOSSIBLE).logsumexp(dim=1)
    known = likelihood.isfinite()[:, None, None]
    posterior = (forwards + backwards - given - likelihood[:, None, None]).exp().masked_fill(~known, 0)
    return likelihood, posterior @ functional.one_hot(states, log_probabilities.shape[2]).to(posterior)


def _paths(given: Tensor, start: Tensor, skips: Tensor) -> Tensor:
    """The log-probabilities of all paths that are in a state after a step, (B, T, S).

    Args:
        given: the log-probability of each state's symbol at each step (B, T, S).
        start: 0 of states in which paths may start, otherwise minus infinity (B, S).
        skips: 0 of states that may come after the one before the last one, otherwise minus infinity (B, S).
    """
    reached = [start + given[:, 0]]
    for step in given.unbind(dim=1)[1:]:
        before = functional.pad(reached[-1], (2, 0), value=IMPOSSIBLE)
        reached.append(before[:, 2:].logaddexp(before[:, 1:-1]).logaddexp(before[:, :-2] + skips) + step)
    return torch.stack(reached, dim=1)


class Lexicon:
    """The words that a text may have, in any case; characters that are not letters are unrestricted.

    Raises:
        SpecError: there is no word, or one that does not consist of letters.
    """

    def __init__(self, words: Iterable[str]) -> None:
        if isinstance(words, str) or not isinstance(words, Iterable):
            raise SpecError(f"a lexicon is a list of words, not {words!r}")
        self.words = {str(word).casefold() for word in words}
        for word in self.words:
            if not word.isalpha():
                raise SpecError(f"a lexicon has words of letters, not {word!r}")
        if not self.words:
            raise SpecError("a lexicon needs at least one word")
        self.beginnings = {word[:length] for word in self.words for length in range(1, len(word) + 1)}

    def allows(self, word: str, character: str) -> bool:
        """Whether a character may follow after the letters of an unfinished word ("" between words)."""
        if character.isalpha():
            return (word + character).casefold() in self.beginnings
        return self.complete(word)

    def complete(self, word: str) -> bool:
        return not word or word.casefold() in self.words


class NextCharacter(Protocol):
    """A character language model."""

    def __call__(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """The log-probabilities of the K characters of an alphabet after each text.

        A search asks first for "", and then for texts that are each one character longer than one asked for before.
        """


@dataclass(frozen=True)
class Fusion:
    """What a language model says of a text, in a search ("shallow fusion"; Gulcehre et al., 2015; Hannun et al., 2014).

    Args:
        after: the language model.
        weight: of its log-probabilities; above 0.
    """

    after: NextCharacter
    weight: float

    def added(self, log_probability: float) -> float:
        """What a character adds to the logarithm of a text's weight: long texts are not worth less than short ones."""
        return self.weight * (max(log_probability, MIN_LOG_PROBABILITY) + LENGTH_BONUS)


def beam_search(
    log_probabilities: Tensor, alphabet: str, width: int, lexicon: Lexicon | None = None, fusion: Fusion | None = None
) -> list[tuple[Text, float]]:
    """The most likely texts of one example (T, 1 + K), as symbols, that a search of this width finds; the best first.

    Prefix beam search (Graves et al., 2006, section 3.2; Hannun et al., 2014) sums over the paths of a text, whereas
    greedy decoding takes a single path.

    Args:
        log_probabilities: of each step.
        alphabet: the K characters.
        width: number of beams.
        lexicon: words that the text may have; None for any.
        fusion: a language model; None for none.

    Returns:
        At most `width` texts, each with the logarithm of the weight by which the language model multiplies its
        probability, 0 without one. None at all if no beam has only words of the lexicon.
    """
    floor = MIN_LOG_PROBABILITY if lexicon is None else MIN_LOG_PROBABILITY_WITH_LEXICON
    beams: dict[Text, tuple[float, float]] = {(): (0.0, IMPOSSIBLE)}  # log p of paths that end in a blank, or not
    weights: dict[Text, float] = {(): 0.0}
    following: dict[Text, Sequence[float]] = {}
    for step in log_probabilities.tolist():
        likely = [k for k in range(1, len(step)) if step[k] > floor]
        if fusion and likely and (new := [text for text in beams if text not in following]):
            following.update(zip(new, fusion.after([_characters(text, alphabet) for text in new])))
        after: dict[Text, list[float]] = defaultdict(lambda: [IMPOSSIBLE, IMPOSSIBLE])
        for text, (blank, symbol) in beams.items():
            both = _add(blank, symbol)
            kept = after[text]
            kept[0] = _add(kept[0], both + step[BLANK])
            if text:
                kept[1] = _add(kept[1], symbol + step[text[-1]])
            word = _last_word(text, alphabet) if lexicon else ""
            for k in likely:
                if lexicon and not lexicon.allows(word, alphabet[k - 1]):
                    continue
                extended = (*text, k)
                if extended not in weights:
                    weights[extended] = weights[text] + (fusion.added(following[text][k - 1]) if fusion else 0.0)
                longer = after[extended]
                # a repeated character is a new one only after a blank
                longer[1] = _add(longer[1], (blank if text and k == text[-1] else both) + step[k])
        ranked = sorted(after.items(), key=lambda item: -(_add(*item[1]) + weights[item[0]]))
        beams = {text: (ends[0], ends[1]) for text, ends in ranked[:width] if max(ends) > IMPOSSIBLE}
    complete = (text for text in beams if lexicon is None or lexicon.complete(_last_word(text, alphabet)))
    return [(text, weights[text]) for text in complete]


def _characters(text: Text, alphabet: str) -> str:
    return "".join(alphabet[symbol - 1] for symbol in text)


def _last_word(text: Text, alphabet: str) -> str:
    """The letters at the end of a text."""
    letters: list[str] = []
    for symbol in reversed(text):
        if not alphabet[symbol - 1].isalpha():
            break
        letters.append(alphabet[symbol - 1])
    return "".join(reversed(letters))


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == IMPOSSIBLE else a + math.log1p(math.exp(b - a))
