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

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError

BLANK = 0
IMPOSSIBLE = -math.inf  # logarithm of a probability of 0
MIN_LOG_PROBABILITY = math.log(1e-4)  # a search ignores symbols that are less likely at their step,
MIN_LOG_PROBABILITY_WITH_LEXICON = math.log(1e-8)  # and with a lexicon, which may need them, far fewer


def best_paths(log_probabilities: Tensor) -> list[list[int]]:
    """The texts, as symbols, of the most likely path of each example (B, T, 1 + K): greedy decoding."""
    best = log_probabilities.argmax(dim=2).cpu()  # B, T
    changed = best.diff(dim=1, prepend=torch.full_like(best[:, :1], BLANK)) != 0
    return [row[kept].tolist() for row, kept in zip(best, changed & (best != BLANK))]


def log_likelihoods(log_probabilities: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
    """The logarithm of the probability (B,) of a text for each example (B, T, 1 + K): the sum over all its paths."""
    steps = torch.full((len(texts),), log_probabilities.shape[1])
    lengths = torch.tensor([len(text) for text in texts])
    symbols = torch.tensor([symbol for text in texts for symbol in text], dtype=torch.long)
    by_step = log_probabilities.float().cpu().transpose(0, 1)
    return -functional.ctc_loss(by_step, symbols, steps, lengths, blank=BLANK, reduction="none")


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


def beam_search(
    log_probabilities: Tensor, alphabet: str, width: int, lexicon: Lexicon | None = None
) -> tuple[int, ...] | None:
    """The most likely text of one example (T, 1 + K), as symbols, that a search of this width finds.

    Prefix beam search (Graves et al., 2006, section 3.2; Hannun et al., 2014) sums over the paths of a text, whereas
    greedy decoding takes a single path.

    Args:
        log_probabilities: of each step.
        alphabet: the K characters.
        width: number of beams.
        lexicon: words that the text may have; None for any.

    Returns:
        The text; None if no beam has only words of the lexicon.
    """
    floor = MIN_LOG_PROBABILITY if lexicon is None else MIN_LOG_PROBABILITY_WITH_LEXICON
    beams: dict[tuple[int, ...], tuple[float, float]] = {
        (): (0.0, IMPOSSIBLE)
    }  # log p of paths that end in a blank, or not
    for step in log_probabilities.tolist():
        likely = [k for k in range(1, len(step)) if step[k] > floor]
        after: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [IMPOSSIBLE, IMPOSSIBLE])
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
                longer = after[extended]
                # a repeated character is a new one only after a blank
                longer[1] = _add(longer[1], (blank if text and k == text[-1] else both) + step[k])
        ranked = sorted(after.items(), key=lambda item: -_add(*item[1]))
        beams = {text: (ends[0], ends[1]) for text, ends in ranked[:width]}
    for text in beams:  # the most likely comes first
        if lexicon is None or lexicon.complete(_last_word(text, alphabet)):
            return text
    return None


def _last_word(text: tuple[int, ...], alphabet: str) -> str:
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
