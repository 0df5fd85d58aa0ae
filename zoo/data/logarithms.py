"""Whether a series is easier to predict by its logarithm: its swings grow with its level.

Guerrero, "Time-series analysis supported by power transformations", 1993. Shape letters: L steps, G groups, P steps
of a group.
"""

from __future__ import annotations

import torch
from torch import Tensor

GROUPS = 4  # at least
GROWTH = 1.5  # how many times as high the highest group is as the lowest, at least


def grows_with_level(values: Tensor, period: int) -> bool:
    """Whether the spread of a series (L,) within its periods goes more by its level than it is constant.

    Values are above 0, or NaN. The spread of each group of `period` steps, divided by the group's mean, varies less
    among groups than the spread itself, relative to their means.
    """
    period = max(2, period)
    groups = values[len(values) % period :].view(-1, period)  # G, P
    groups = groups[~groups.isnan().any(dim=1)]
    if len(groups) < GROUPS:
        return False
    level, spread = groups.mean(dim=1), groups.std(dim=1)
    if not level.max() >= GROWTH * level.min():
        return False
    return bool(_variation(spread / level) < _variation(spread))


def _variation(numbers: Tensor) -> Tensor:
    """The coefficient of variation."""
    return numbers.std() / numbers.mean().clamp(min=torch.finfo(numbers.dtype).tiny)
