"""A sentence as words, each by its code and by its letters, for networks that label words.

Code 0 is padding and code 1 an unknown word or letter; the vocabulary's words and the alphabet have codes from 2.

Shape letters: B batch, T words, L letters of a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError
from zoo.spec.kind import InputKind
from zoo.spec.text import FIRST, MAX_TOKENS, UNKNOWN, checked_vocabulary

if TYPE_CHECKING:
    import numpy as np

LETTERS = 20  # L: of a longer word the first and the last ten
_WORD = re.compile(r"(?:[^\W\d_]\.){2,}|\w+(?:[-'’./,:&]\w+)*|[^\w\s]")
_DIGIT = re.compile(r"\d")


def split_words(text: str) -> list[str]:
    """Words as they are written, and punctuation marks; U.N. and well-known are one word each."""
    return _WORD.findall(text)


def normal(word: str) -> str:
    """How a vocabulary holds a word: in lower case, each digit as 0."""
    return _DIGIT.sub("0", word.lower())


@dataclass(frozen=True)
class Sentence(InputKind):
    """A sentence, stored as codes (T, 1 + L): the code of each word, and those of its letters.

    Words are known in lower case and by their digits as 0, so that letters tell of capitals and numbers.

    Args:
        vocabulary: words that the network knows.
        alphabet: letters that it knows, and other characters.

    Raises:
        SpecError: one of them is empty or holds something twice.
    """

    word: ClassVar[str] = "sentence"
    takes: ClassVar[tuple[str, ...]] = ("sentence",)
    is_text: ClassVar[bool] = True

    vocabulary: tuple[str, ...]
    alphabet: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, "words"))
        object.__setattr__(self, "alphabet", checked_vocabulary(self.alphabet, "characters"))

    @property
    def codes(self) -> tuple[int, int]:
        """The number of codes of words, and of letters."""
        return len(self.vocabulary) + FIRST, len(self.alphabet) + FIRST

    def example(self) -> str:
        return repr(" ".join([word for word in self.vocabulary if split_words(word) == [word]][:5] or ["word"]))

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[str]:
        words = [word for word in self.vocabulary if split_words(word) == [word]] or ["word"]
        return (" ".join(random.choice(words, length)),)

    def words(self, raw: str | Sequence[str]) -> list[str]:
        """The words of a sentence, which may be given as such.

        Raises:
            SpecError: it is neither a str nor a list of them, or has no word.
        """
        if isinstance(raw, str):
            found = split_words(raw)
        elif isinstance(raw, (list, tuple)) and all(isinstance(word, str) for word in raw):
            found = list(raw)
        else:
            raise SpecError(f"a sentence is a str, or a list of its words within a list, not {type(raw).__name__}")
        if not found or not all(word.strip() for word in found):
            raise SpecError("the sentence has no words, or an empty one; give at least one word")
        return found

    def encode(self, raw: str | Sequence[str]) -> Tensor:
        """Turn a sentence, or the list of its words, into codes, int32 (T, 1 + L).

        Raises:
            SpecError: it is neither, or has no word.
        """
        return self.encode_words(self.words(raw))

    def encode_words(self, words: Sequence[str]) -> Tensor:
        """Turn words into codes, int32 (T, 1 + L)."""
        codes = torch.zeros(len(words), 1 + LETTERS, dtype=torch.int32)
        for place, word in enumerate(words):
            codes[place] = torch.tensor(self._codes(word), dtype=torch.int32)
        return codes

    def _codes(self, word: str) -> list[int]:
        kept = word if len(word) <= LETTERS else word[: LETTERS // 2] + word[-(LETTERS // 2) :]
        letters = [self._letters.get(letter, UNKNOWN) for letter in kept]
        return [self._places.get(normal(word), UNKNOWN), *letters, *[0] * (LETTERS - len(letters))]

    def labelled(self, raw: str | Sequence[str], answer: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """An answer for each word, with the word."""
        return [{"word": word, **step} for word, step in zip(self.words(raw), answer)]

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B sentences, each (T, 1 + L), into codes (B, T, 1 + L), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        lengths = torch.tensor([len(example) for example in encoded])
        if (size := len(encoded) * int(lengths.max())) > MAX_TOKENS // 4:
            raise SpecError(f"{len(encoded)} sentences take {size:,} words; give long ones one at a time, or in parts")
        return pad_sequence(list(encoded), batch_first=True), lengths

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Codes (B, T, 1 + L) and lengths (B,), unchanged."""
        codes, lengths = batch
        return codes, lengths

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: code for code, word in enumerate(self.vocabulary, start=FIRST)}

    @cached_property
    def _letters(self) -> dict[str, int]:
        return {letter: code for code, letter in enumerate(self.alphabet, start=FIRST)}
