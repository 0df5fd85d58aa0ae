"""Ratings of items by one person, some of them missing, and the items that this person would rate highest.

Shape letters: B batch, G items, K values of the scale.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError

MISSING = 0  # the code of an item that was not rated; that of the scale's first value is 1
MOST_VALUES = 255  # codes are uint8
SUGGESTED = 3  # titles, where one is unknown


@dataclass(frozen=True)
class Ratings:
    """What somebody thinks of some of G items, held as a code for each, uint8 (G,): 0 where there is none.

    Args:
        titles: of the items.
        scale: the K values that a rating may have, ascending, such as (1, 2, 3, 4, 5), or (0, 1) for likes.

    Raises:
        SpecError: no titles, one twice, or a scale that is none.
    """

    word: ClassVar[str] = "ratings"
    takes: ClassVar[tuple[str, ...]] = ("ratings",)

    titles: tuple[str, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "titles", _titles(self.titles))
        object.__setattr__(self, "scale", _scale(self.scale))

    @property
    def example(self) -> str:
        return repr({self.titles[0]: self.scale[-1]})

    def encode(self, raw: Mapping[str, float]) -> Tensor:
        """Turn titles and their ratings, at least one, into codes (G,).

        Raises:
            SpecError: it is no dict, it is empty, a title is unknown, or a rating is not on the scale.
        """
        if not isinstance(raw, Mapping):
            raise SpecError(f"ratings are a dict of titles and their ratings, not {type(raw).__name__}")
        codes = torch.full((len(self.titles),), MISSING, dtype=torch.uint8)
        for title, rating in raw.items():
            if title not in self._places:
                raise SpecError(_unknown(str(title), self.titles))
            no_number = isinstance(rating, bool) and self.scale != (0, 1)  # True is 1, the worst of five stars
            if not isinstance(rating, (int, float)) or no_number or rating not in self._codes:
                raise SpecError(f"'{title}' is rated {rating!r}, and the scale is {_listed(self.scale)}")
            codes[self._places[title]] = self._codes[rating]
        if not raw:
            raise SpecError(f"there are no ratings; give at least one, such as {self.example}")
        return codes

    def collate(self, encoded: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(encoded))

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn codes (B, G) into one-hot groups of K numbers, zeros where a rating is missing: float32 (B, G K)."""
        return functional.one_hot(batch.long(), len(self.scale) + 1)[:, :, 1:].flatten(1).float()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {title: place for place, title in enumerate(self.titles)}

    @cached_property
    def _codes(self) -> dict[float, int]:
        return {value: code for code, value in enumerate(self.scale, start=MISSING + 1)}


@dataclass(frozen=True)
class Recommendations:
    """What somebody would rate highest; the network gives the rating of each item, NaN where it is known: (B, G).

    Args:
        titles, scale: as in `Ratings`.

    Raises:
        SpecError: as in `Ratings`.
    """

    word: ClassVar[str] = "recommendations"

    titles: tuple[str, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "titles", _titles(self.titles))
        object.__setattr__(self, "scale", _scale(self.scale))

    def decode(self, output: Tensor, *, most: int = 10) -> list[list[dict[str, Any]]]:
        """Turn ratings (B, G) into B answers: up to `most` titles with the ratings to expect, the highest first.

        Raises:
            SpecError: `most` is not a positive whole number.
        """
        if type(most) is not int or most < 1:
            raise SpecError(f"most, the number of titles, is a whole number of at least 1, not {most!r}")
        ratings, places = output.nan_to_num(nan=-math.inf).topk(min(most, len(self.titles)), dim=1)
        return [
            [{"title": self.titles[place], "rating": rating} for rating, place in zip(*row) if rating != -math.inf]
            for row in zip(ratings.tolist(), places.tolist())
        ]


def _titles(titles: object) -> tuple[str, ...]:
    if not isinstance(titles, (list, tuple)) or not all(isinstance(title, str) for title in titles):
        raise SpecError("the titles of what is rated are a list of strings")
    if not titles or len(set(titles)) != len(titles):
        raise SpecError("what is rated has at least one title, and titles differ")
    return tuple(titles)


def _scale(scale: object) -> tuple[float, ...]:
    if not isinstance(scale, (list, tuple)) or not all(type(value) in (int, float) for value in scale):
        raise SpecError("the scale of ratings is a list of numbers")
    if not 2 <= len(scale) <= MOST_VALUES or not all(math.isfinite(value) for value in scale):
        raise SpecError(f"a scale has from 2 to {MOST_VALUES} values, all finite")
    if any(low >= high for low, high in pairwise(scale)):
        raise SpecError(f"the values of a scale ascend, and these do not: {_listed(scale)}")
    return tuple(scale)


def _listed(scale: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in scale)


def _unknown(title: str, titles: Sequence[str]) -> str:
    """Say that there is no such title, and which come nearest: those that hold it, and those spelt alike."""
    small = {known.casefold(): known for known in titles}
    sought = title.casefold()
    holding = sorted((known for known in small if sought and sought in known), key=len)
    alike = difflib.get_close_matches(sought, small, n=SUGGESTED, cutoff=0.5)
    nearest = [repr(small[known]) for known in dict.fromkeys([*holding, *alike])][:SUGGESTED]
    return f"unknown title {title!r}; " + (
        f"the nearest {'are' if len(nearest) > 1 else 'is'} {', '.join(nearest)}" if nearest else "none is like it"
    )
