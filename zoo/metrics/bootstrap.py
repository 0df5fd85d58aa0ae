"""How sure a difference between two methods is, that were tested on the same examples.

Efron and Tibshirani, "An introduction to the bootstrap", 1993: examples are drawn again, with replacement, and both
methods are scored on what was drawn.

Shape letters: N examples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.metrics.meanings import rounded

CONFIDENCE = 0.95
DRAWS = 1000
Score = Callable[[Tensor], float]  # of the rows that were drawn


@dataclass(frozen=True)
class Interval:
    """A value, and the ends within which it lies with a confidence of 95 %."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{rounded(self.value)} (95 % interval {rounded(self.low)} to {rounded(self.high)})"


def bootstrap_mean(outcomes: Tensor, draws: int = DRAWS) -> Interval:
    """The mean of outcomes (N,), such as differences between those of two methods.

    Percentiles of scipy's bootstrap, by a fixed seed.
    """
    return bootstrap(lambda rows: float(outcomes[rows].mean()), len(outcomes), draws)


def bootstrap(score: Score, count: int, draws: int = DRAWS) -> Interval:
    """A score of N examples, by its percentiles over draws of them, by a fixed seed.

    Args:
        score: of rows (N,), which may repeat themselves; NaN for those that have none.
        count: N, at least 1.
        draws: how many.
    """
    random = torch.Generator().manual_seed(0)
    value = score(torch.arange(count))
    drawn = torch.tensor(
        [score(torch.randint(count, (count,), generator=random)) for _ in range(draws)], dtype=torch.float64
    )
    drawn = drawn[drawn.isfinite()]
    if not len(drawn):
        return Interval(value, value, value)
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(drawn.quantile(share)) for share in (tail, 1 - tail))
    return Interval(value, low, high)
