"""Texts as bags of words, and the topics that they are about.

Shape letters: B batch, V words of the vocabulary, H topics, N words that tell of a topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.text import MAX_TOKENS, checked_vocabulary, tokenise


@dataclass(frozen=True)
class Counts:
    """A text, held as how often each word of the vocabulary stands in it, int32 (V,).

    Args:
        vocabulary: the words that count; all others are passed over.
        longest: of the texts that training saw, the most words that count.

    Raises:
        SpecError: a vocabulary that is empty or holds a word twice, or an impossible length.
    """

    word: ClassVar[str] = "word counts"
    takes: ClassVar[tuple[str, ...]] = ("text",)

    vocabulary: tuple[str, ...]
    longest: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, "words"))
        if type(self.longest) is not int or not 1 <= self.longest <= MAX_TOKENS:
            raise SpecError(f"longest must be a whole number from 1 to {MAX_TOKENS}, not {self.longest!r}")

    @property
    def example(self) -> str:
        return repr(" ".join(self.vocabulary[:3]))

    def encode(self, raw: str) -> Tensor:
        """Turn a text into counts (V,).

        Raises:
            SpecError: it is no str, it is empty, or no word of it counts.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a text is a str, not {type(raw).__name__}; for several texts give a list")
        counts = self.count(raw)
        if not raw.strip():
            raise SpecError("the text is empty; give some words")
        if not counts.any():
            raise SpecError(f"the text {raw[:20]!r} holds none of the {len(self.vocabulary):,} words that count")
        return counts

    def count(self, text: str) -> Tensor:
        """Counts (V,), int32, of a text that may hold no word that counts."""
        places = [self._index[token] for token in tokenise(text, "words") if token in self._index]
        return torch.tensor(places, dtype=torch.long).bincount(minlength=len(self.vocabulary)).int()

    def collate(self, encoded: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(encoded))

    def prepare(self, batch: Tensor) -> Tensor:
        """Counts (B, V) as float32."""
        return batch.float()

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.vocabulary)}


@dataclass(frozen=True)
class Topics:
    """What texts are about; the network gives how likely each has each topic (B, H), and the topics' words (H, N).

    Args:
        vocabulary: the words, by their places.

    Raises:
        SpecError: it is empty, or holds a word twice.
    """

    word: ClassVar[str] = "topics"

    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, "words"))

    def decode(self, output: tuple[Tensor, Tensor], *, least: float = 0.5) -> list[list[dict[str, Any]]]:
        """Turn probabilities (B, H) and places of words (H, N) into B lists of topics, the likeliest first.

        Each names the topic by its number, its probability, and the words that tell of it most.

        Args:
            output: of the network.
            least: the probability from which on a topic is named, in 0..1.

        Raises:
            SpecError: `least` is not in 0..1.
        """
        if not isinstance(least, (int, float)) or not 0 <= least <= 1:
            raise SpecError(f"least, the probability from which on a topic is named, is from 0 to 1, not {least!r}")
        probabilities, places = output
        told = [self.words(row) for row in places.tolist()]
        answers = []
        for row in probabilities.tolist():
            order = sorted((topic for topic, share in enumerate(row) if share >= least), key=lambda topic: -row[topic])
            answers.append([{"topic": topic, "probability": row[topic], "words": told[topic]} for topic in order])
        return answers

    def words(self, places: Sequence[int]) -> list[str]:
        """The words at some places."""
        return [self.vocabulary[place] for place in places]
