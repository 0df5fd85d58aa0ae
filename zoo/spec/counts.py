"""Texts as bags of words, and their topics.

Shape letters: B batch, V words of the vocabulary, H topics, N words of a topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.kind import InputKind
from zoo.spec.text import MAX_TOKENS, checked_vocabulary, tokenise

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Counts(InputKind):
    """A text, stored as the count of each word of the vocabulary, int32 (V,).

    Args:
        vocabulary: words that are counted; all others are ignored.
        max_length: the largest total count of a text in training.

    Raises:
        SpecError: the vocabulary is empty or has a word twice, or the length is impossible.
    """

    word: ClassVar[str] = "word counts"
    takes: ClassVar[tuple[str, ...]] = ("text",)
    is_text: ClassVar[bool] = True

    vocabulary: tuple[str, ...]
    max_length: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, "words"))
        if type(self.max_length) is not int or not 1 <= self.max_length <= MAX_TOKENS:
            raise SpecError(f"max_length must be a whole number from 1 to {MAX_TOKENS}, not {self.max_length!r}")

    def example(self) -> str:
        return repr(" ".join(self.vocabulary[:3]))

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[str]:
        return (" ".join(self.vocabulary[:3]),)

    def encode(self, raw: str) -> Tensor:
        """Turn a text into counts (V,).

        Raises:
            SpecError: it is not a str, it is empty, or it has no word of the vocabulary.
        """
        if not isinstance(raw, str):
            raise SpecError(f"a text is a str, not {type(raw).__name__}; for several texts give a list")
        counts = self.count(raw)
        if not raw.strip():
            raise SpecError("the text is empty; give some words")
        if not counts.any():
            raise SpecError(f"the text {raw[:20]!r} has none of the {len(self.vocabulary):,} words of the vocabulary")
        return counts

    def count(self, text: str) -> Tensor:
        """Counts (V,), int32, which may all be 0."""
        places = [self._index[token] for token in tokenise(text, "words") if token in self._index]
        return torch.tensor(places, dtype=torch.long).bincount(minlength=len(self.vocabulary)).int()

    def prepare(self, batch: Tensor) -> Tensor:
        """Counts (B, V) as float32."""
        return batch.float()

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.vocabulary)}


@dataclass(frozen=True)
class Topics:
    """The topics of texts; the network gives the probability of each topic (B, H), and the topics' words (H, N).

    Args:
        vocabulary: words that the network's indices refer to.

    Raises:
        SpecError: the vocabulary is empty, or has a word twice.
    """

    word: ClassVar[str] = "topics"

    vocabulary: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", checked_vocabulary(self.vocabulary, "words"))

    def decode(self, output: tuple[Tensor, Tensor], *, threshold: float = 0.5) -> list[list[dict[str, Any]]]:
        """Turn probabilities (B, H) and indices of words (H, N) into B lists of topics, the most likely first.

        Each topic has its number, its probability and its most typical words.

        Args:
            output: the network's output.
            threshold: topics of a lower probability are not listed; from 0 to 1.

        Raises:
            SpecError: `threshold` is out of range.
        """
        if not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise SpecError(f"threshold must be from 0 to 1, got {threshold!r}")
        probabilities, places = output
        words = [self.words(row) for row in places.tolist()]
        answers = []
        for row in probabilities.tolist():
            listed = [topic for topic, probability in enumerate(row) if probability >= threshold]
            listed.sort(key=lambda topic: -row[topic])
            answers.append([{"topic": topic, "probability": row[topic], "words": words[topic]} for topic in listed])
        return answers

    def words(self, places: Sequence[int]) -> list[str]:
        """The words of the vocabulary at these indices."""
        return [self.vocabulary[place] for place in places]
