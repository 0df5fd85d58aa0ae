"""Text: words, characters or subwords as codes, and codes as text.

Code 0 is padding; it also marks the beginning and the end of a text. Code 1 is an unknown token, and the vocabulary's
tokens (words, characters or subwords) have codes from 2.

Shape letters: B batch, T tokens, V codes (those of the vocabulary and the two others).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError, listed, nearest, unknown
from zoo.files import quoted
from zoo.spec import subwords
from zoo.spec.kind import InputKind

if TYPE_CHECKING:
    import numpy as np

PAD, UNKNOWN, FIRST = 0, 1, 2  # codes; FIRST is the code of the vocabulary's first token
LEVELS = ("words", "characters", "subwords")
MAX_TOKENS = 2**20  # in a padded batch: some gigabytes in a usual network
MOST_NAMED = 5  # unknown tokens in a message
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?%)\]}…])")
_NO_SPACE_AFTER = re.compile(r"(?<=[(\[{]) ")


def tokenise(text: str, level: str) -> list[str]:
    """Split a text into lower-case words and single punctuation marks and symbols; or into unchanged characters."""
    if level == "characters":
        return list(text)
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower().replace("’", "'"))


def _is_word(token: str) -> bool:
    """Whether a token is more than punctuation and symbols."""
    return any(sign.isalnum() for sign in token)


def join(tokens: Iterable[str], level: str) -> str:
    """Undo `tokenise` as far as possible, or put subwords together."""
    if level == "characters":
        return "".join(tokens)
    if level == "subwords":
        return subwords.joined(tokens)
    return _NO_SPACE_AFTER.sub("", _NO_SPACE_BEFORE.sub("", " ".join(tokens)))


def learn_vocabulary(texts: Iterable[str], level: str = "words", min_freq: int = 1) -> tuple[str, ...]:
    """The tokens that occur at least `min_freq` times in texts, the most frequent first."""
    counts = Counter(token for text in texts for token in tokenise(text, level))
    return tuple(sorted((t for t, n in counts.items() if n >= min_freq), key=lambda token: (-counts[token], token)))


@dataclass(frozen=True)
class Text(InputKind):
    """A text, stored as codes (T,).

    Args:
        vocabulary: tokens that the network knows.
        level: the tokens are `words` (in lower case; also punctuation and symbols), `characters` or `subwords`.
        closed: whether other tokens are an error, since nothing was learned about them; punctuation beside words is
            left out. Otherwise they have code 1.
        synonyms: pairs of a phrase that people say and the words of the vocabulary that it stands for, or none.
        tokenizer: of subwords, the JSON of `zoo.spec.subwords`, which has them in the vocabulary's order.
        max_length: the most tokens that the network was made for; None for any number.

    Raises:
        SpecError: the vocabulary is empty or has a token twice, the level is unknown, `closed` is not a bool,
            synonyms are no such pairs of words, the tokenizer does not go with the level and the vocabulary, or
            `max_length` is out of range.
    """

    word: ClassVar[str] = "text"
    takes: ClassVar[tuple[str, ...]] = ("text",)
    is_text: ClassVar[bool] = True

    vocabulary: tuple[str, ...]
    level: str
    closed: bool = False
    synonyms: tuple[tuple[str, str], ...] = ()
    tokenizer: str = ""
    max_length: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, self.level))
        object.__setattr__(self, "synonyms", _checked_synonyms(self.synonyms, self.vocabulary, self.level))
        if type(self.closed) is not bool:
            raise SpecError(f"closed is true or false, not {self.closed!r}")
        if self.level == "subwords" and subwords.vocabulary_of(self.tokenizer) != self.vocabulary:
            raise SpecError("the tokenizer has other subwords than the vocabulary")
        if self.level != "subwords" and self.tokenizer != "":
            raise SpecError(f"a tokenizer is for texts of subwords, not of {self.level}")
        if self.max_length is not None:
            check_length(self.max_length)

    @property
    def codes(self) -> int:
        """V."""
        return len(self.vocabulary) + FIRST

    def tokens(self, raw: str) -> list[str]:
        """The tokens of a text, known or not.

        Raises:
            SpecError: they are subwords, and the library `tokenizers` is not installed.
        """
        if self.level != "subwords":
            return tokenise(raw, self.level)
        return subwords.cut(self._subwords, raw)

    def example(self) -> str:
        if self.level == "subwords":
            return repr(join(self._whole_words[:5] or self.vocabulary[:5], self.level))
        tokens = [token for token in self.vocabulary if token.strip() and self.tokens(token) == [token]]
        return repr(join(tokens[:5] or self.vocabulary, self.level))

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[str]:
        length = min(length, self.max_length or length)
        if self.level == "subwords":
            return (join(random.choice(self._whole_words or self.vocabulary, length), self.level),)
        return (("" if self.level == "characters" else " ").join(random.choice(self.vocabulary, length)),)

    def answerable(self, *raw: Any) -> tuple[Any, ...]:
        """A text of whose words the network knows at least half; punctuation is no word.

        Raises:
            SpecError: it knows fewer, so that its answer would be about another text.
        """
        text = raw[0]
        if isinstance(text, str) and not self.closed:
            tokens = self.tokens(text)
            said = [token for token in tokens if _is_word(token)] or tokens
            strange = [token for token in said if token not in self._index]
            if len(strange) > len(said) / 2:
                known, listed = len(said) - len(strange), ", ".join(map(quoted, strange[:3]))
                raise SpecError(f"too few of its {self.level} are known ({known} of {len(said)}): not {listed}")
        return raw

    def encode(self, raw: str) -> Tensor:
        """Turn a text into codes, int64 (T,).

        Raises:
            SpecError: it is not a str, it is empty, it has a token that is not in a closed vocabulary, or it is longer
                than the network was made for.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a text is a str, not {type(raw).__name__}; for several texts give a list")
        tokens = self.tokens(raw)
        if self.closed and self.level == "words":
            tokens = [token for token in tokens if token in self._index or _is_word(token)]
        tokens = self._without_synonyms(tokens)
        if not tokens:
            raise SpecError(f"the text {raw[:20]!r} has no {self.level}; give at least one")
        if self.closed and (strange := [token for token in dict.fromkeys(tokens) if token not in self._index]):
            raise SpecError(self._unknown(strange))
        if self.max_length is not None and len(tokens) > self.max_length:
            raise SpecError(
                f"the text has {len(tokens)} {self.level}, and the network was made for at most {self.max_length}; "
                "shorten it, or give it in parts"
            )
        return torch.tensor([self._index.get(token, UNKNOWN) for token in tokens])

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B texts, each (T,), into codes (B, T), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        lengths = torch.tensor([len(example) for example in encoded])
        if (size := len(encoded) * int(lengths.max())) > MAX_TOKENS:
            raise SpecError(
                f"{len(encoded)} texts, the longest of {int(lengths.max()):,} {self.level}, take {size:,} codes "
                f"together; the limit is {MAX_TOKENS:,}; give long texts one at a time, or in parts"
            )
        return pad_sequence(list(encoded), batch_first=True, padding_value=PAD), lengths

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Codes (B, T) and lengths (B,), unchanged."""
        codes, lengths = batch
        return codes, lengths

    def _without_synonyms(self, tokens: list[str]) -> list[str]:
        """Tokens with each phrase that is a synonym replaced, from left to right, the longest that fits."""
        if not self.synonyms:
            return tokens
        meant = dict(self.synonyms)
        return self._phrases.sub(lambda found: meant[found[0]], " ".join(tokens)).split()

    def _unknown(self, strange: Sequence[str]) -> str:
        """Say which tokens are unknown, with the nearest to each, and what is known: phrases stand there whole."""
        phrases = {meant for _, meant in self.synonyms if " " in meant}
        known = sorted(set(self.vocabulary).difference(*(phrase.split() for phrase in phrases)) | phrases)
        several, some = len(strange) > 1, strange[:MOST_NAMED]
        near = {token: word for token in some if (word := nearest(token, self._spellings))}
        guesses = ", ".join(f"'{word}'" + f" for {quoted(token)}" * several for token, word in near.items())
        kind = self.level if several else self.level.removesuffix("s")
        asked = f" did you mean {guesses}?" if guesses else ""
        named = ", ".join(map(quoted, some)) + (f" … ({len(strange):,})" if len(strange) > len(some) else "")
        return f"unknown {kind} {named};{asked} choices: {listed(known)}"

    @cached_property
    def _spellings(self) -> list[str]:
        """What one may write: the vocabulary, and what stands for something in it."""
        return sorted({*self.vocabulary, *(phrase for phrase, _ in self.synonyms)})

    @cached_property
    def _phrases(self) -> re.Pattern[str]:
        longest_first = sorted((phrase for phrase, _ in self.synonyms), key=len, reverse=True)
        return re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, longest_first))})(?!\S)")

    @cached_property
    def _subwords(self) -> Any:
        return subwords.loaded(self.tokenizer)

    @property
    def _whole_words(self) -> list[str]:
        """Subwords that begin a word and are letters, and so mostly words."""
        return [
            token for token in self.vocabulary if token[0] == subwords.MARK and token[1:].isalpha() and len(token) > 3
        ]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: code for code, token in enumerate(self.vocabulary, start=FIRST)}


def words_of(codes: Tensor, vocabulary: Sequence[str]) -> list[str]:
    """The token of each code (T,); `�` for padding and for one that is not in the vocabulary."""
    return ["�" if code < FIRST else vocabulary[code - FIRST] for code in codes.tolist()]


@dataclass(frozen=True)
class Tokens:
    """A generated text of at most `max_length` tokens; the network gives codes (B, T), which end with 0.

    Args:
        vocabulary, level: as in `Text`.
        max_length: largest number of generated tokens, at least 1.
        synonyms: as in `Text`, for networks that read such texts.

    Raises:
        SpecError: an argument is impossible.
    """

    word: ClassVar[str] = "text"

    vocabulary: tuple[str, ...]
    level: str
    max_length: int
    synonyms: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, self.level))
        object.__setattr__(self, "synonyms", _checked_synonyms(self.synonyms, self.vocabulary, self.level))
        check_length(self.max_length)

    @property
    def codes(self) -> int:
        """V."""
        return len(self.vocabulary) + FIRST

    @property
    def as_input(self) -> Text:
        """The same text as an input."""
        return Text(self.vocabulary, self.level, synonyms=self.synonyms)

    def read(self, codes: Tensor) -> list[str]:
        """Turn codes (B, T) into B texts, each up to its first 0; an unknown token is `�`."""
        tokens = ("", "�", *self.vocabulary)
        rows = [row[: row.index(PAD)] if PAD in row else row for row in codes.tolist()]
        return [join((tokens[code] for code in row), self.level) for row in rows]

    def decode(self, output: tuple[Tensor, Tensor]) -> list[dict[str, Any]]:
        """Turn codes (B, T) and the log-probabilities (B,) of the texts into B answers."""
        codes, likelihoods = output
        return [
            {"text": text, "confidence": confidence}
            for text, confidence in zip(self.read(codes), likelihoods.double().exp().tolist())
        ]


def check_length(length: object) -> None:
    """Refuse what is no number of tokens.

    Raises:
        SpecError: it is not a whole number from 1 to `MAX_TOKENS`.
    """
    if type(length) is not int or not 1 <= length <= MAX_TOKENS:
        raise SpecError(f"max_length must be a whole number from 1 to {MAX_TOKENS}, not {length!r}")


def checked_vocabulary(vocabulary: object, level: object) -> tuple[str, ...]:
    """A vocabulary as a tuple.

    Raises:
        SpecError: it is empty or has a token twice, or the level is unknown.
    """
    if level not in LEVELS:
        raise SpecError(unknown("level of a text", str(level), LEVELS))
    if not isinstance(vocabulary, (list, tuple)) or {*map(type, vocabulary)} - {str} or "" in vocabulary:
        raise SpecError("a vocabulary is a list of strings, none of them empty")
    if not vocabulary:
        raise SpecError("a vocabulary has at least one token")
    if len(set(vocabulary)) != len(vocabulary):
        raise SpecError("the tokens of a vocabulary must differ")
    return tuple(vocabulary)


def _checked_synonyms(synonyms: object, vocabulary: Sequence[str], level: str) -> tuple[tuple[str, str], ...]:
    """Pairs of phrases, and what they stand for.

    Raises:
        SpecError: they are no pairs of strings, a phrase is empty, or it stands for a word outside the vocabulary.
    """
    if not isinstance(synonyms, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(side, str) for side in pair)
        for pair in synonyms
    ):
        raise SpecError("synonyms are pairs of strings: a phrase, and the known words that it stands for")
    if synonyms and level != "words":
        raise SpecError("synonyms are for texts of words")
    known = set(vocabulary)
    for phrase, words in synonyms:
        if phrase != " ".join(tokenise(phrase, level)) or not phrase:
            raise SpecError(f"a synonym is a phrase of lower-case words, not {quoted(phrase)}")
        if strange := set(words.split()) - known:
            raise SpecError(f"the synonym {quoted(phrase)} stands for unknown words: {', '.join(sorted(strange))}")
    return tuple((phrase, words) for phrase, words in synonyms)
