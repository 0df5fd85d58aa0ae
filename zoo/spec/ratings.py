"""A user's ratings of items, some of them missing, and the items that the user would rate highest.

Shape letters: B batch, G items, K values of the scale.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.kind import InputKind

if TYPE_CHECKING:
    import numpy as np

MISSING = 0  # code of an item without a rating; the scale's first value has code 1
MAX_VALUES = 255  # codes are uint8
SUGGESTED = 3  # titles, where one is unknown


@dataclass(frozen=True)
class Ratings(InputKind):
    """A user's ratings of some of G items, stored as a code for each, uint8 (G,); 0 is a missing rating.

    Args:
        titles: titles of the items.
        scale: the K possible ratings in ascending order, such as (1, 2, 3, 4, 5), or (0, 1) for likes.

    Raises:
        SpecError: there are no titles, one occurs twice, or the scale is impossible.
    """

    word: ClassVar[str] = "ratings"
    takes: ClassVar[tuple[str, ...]] = ("ratings",)

    titles: tuple[str, ...]
    scale: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "titles", _titles(self.titles))
        object.__setattr__(self, "scale", _scale(self.scale))

    def example(self) -> str:
        return repr({self.titles[0]: self.scale[-1]})

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[dict[str, float]]:
        return ({self.titles[0]: self.scale[-1]},)

    def encode(self, raw: Mapping[str, float]) -> Tensor:
        """Turn titles and their ratings, at least one, into codes (G,).

        Raises:
            SpecError: it is not a dict, it is empty, a title is unknown, or a rating is not on the scale.
        """
        if not isinstance(raw, Mapping):
            raise SpecError(f"ratings are a dict of titles and their ratings, not {type(raw).__name__}")
        codes = torch.full((len(self.titles),), MISSING, dtype=torch.uint8)
        for title, rating in raw.items():
            if title not in self._places:
                raise SpecError(_unknown(str(title), self.titles))
            not_a_number = isinstance(rating, bool) and self.scale != (0, 1)  # True is 1, the worst of five stars
            if not isinstance(rating, (int, float)) or not_a_number or rating not in self._codes:
                raise SpecError(f"'{title}' is rated {rating!r}, and the scale is {_listed(self.scale)}")
            codes[self._places[title]] = self._codes[rating]
        if not raw:
            raise SpecError(f"there are no ratings; give at least one, such as {self.example()}")
        return codes

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn codes (B, G) into one-hot groups of K numbers, zeros for a missing rating: float32 (B, G K)."""
        codes = torch.arange(1, len(self.scale) + 1, device=batch.device)
        return (batch[:, :, None] == codes).flatten(1).float()

    @cached_property
    def _places(self) -> dict[str, int]:
        return {title: place for place, title in enumerate(self.titles)}

    @cached_property
    def _codes(self) -> dict[float, int]:
        return {value: code for code, value in enumerate(self.scale, start=MISSING + 1)}


@dataclass(frozen=True)
class Recommendations:
    """The items that a user would rate highest; the network gives a rating for each item, NaN for known ones: (B, G).

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

    def decode(self, output: Tensor, *, top_k: int = 10) -> list[list[dict[str, Any]]]:
        """Turn ratings (B, G) into B answers: up to `top_k` titles with their expected ratings, the highest first.

        Raises:
            SpecError: `top_k` is not a positive whole number.
        """
        if type(top_k) is not int or top_k < 1:
            raise SpecError(f"top_k must be a whole number of at least 1, got {top_k!r}")
        ratings, places = output.nan_to_num(nan=-math.inf).topk(min(top_k, len(self.titles)), dim=1)
        return [
            [{"title": self.titles[place], "rating": rating} for rating, place in zip(*row) if rating != -math.inf]
            for row in zip(ratings.tolist(), places.tolist())
        ]


def _titles(titles: object) -> tuple[str, ...]:
    if not isinstance(titles, (list, tuple)) or not all(isinstance(title, str) for title in titles):
        raise SpecError("the titles of items are a list of strings")
    if not titles or len(set(titles)) != len(titles):
        raise SpecError("at least one item is needed, and titles must differ")
    return tuple(titles)


def _scale(scale: object) -> tuple[float, ...]:
    if not isinstance(scale, (list, tuple)) or not all(type(value) in (int, float) for value in scale):
        raise SpecError("the scale of ratings is a list of numbers")
    if not 2 <= len(scale) <= MAX_VALUES or not all(math.isfinite(value) for value in scale):
        raise SpecError(f"a scale has from 2 to {MAX_VALUES} values, all finite")
    if any(low >= high for low, high in pairwise(scale)):
        raise SpecError(f"the values of a scale must ascend, and these do not: {_listed(scale)}")
    return tuple(scale)


def _listed(scale: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in scale)


def _unknown(title: str, titles: Sequence[str]) -> str:
    """A message that the title is unknown, with the nearest ones: those that contain it, and those spelt similarly."""
    small = {known.casefold(): known for known in titles}
    sought = title.casefold()
    containing = sorted((known for known in small if sought and sought in known), key=len)
    similar = difflib.get_close_matches(sought, small, n=SUGGESTED, cutoff=0.5)
    nearest = [repr(small[known]) for known in dict.fromkeys([*containing, *similar])][:SUGGESTED]
    return f"unknown title {title!r}; " + (
        f"the nearest {'are' if len(nearest) > 1 else 'is'} {', '.join(nearest)}" if nearest else "none is similar"
    )
