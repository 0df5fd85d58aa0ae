"""Named numbers that a network gives standardised.

Shape letters: B batch, V values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError


@dataclass(frozen=True)
class Values:
    """One or more named numbers; the network gives them standardised, as (B, V).

    Args:
        names: names of the V values.
        mean, std: statistics of each value in the training split.

    Raises:
        SpecError: there is no name, a name occurs twice, or the statistics do not fit.
    """

    word: ClassVar[str] = "values"

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("names", "mean", "std"):
            if not isinstance(getattr(self, name), (list, tuple)):
                raise SpecError(f"{name} of values is a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.names or not all(isinstance(name, str) for name in self.names):
            raise SpecError("values have at least one name, and names are strings")
        if len(set(self.names)) != len(self.names):
            raise SpecError("the names of values must differ")
        if not len(self.names) == len(self.mean) == len(self.std):
            raise SpecError("values have a name, a mean and a standard deviation each")
        for name, mean, std in zip(self.names, self.mean, self.std):
            check_scale(name, mean, std)

    def standardise(self, values: Tensor) -> Tensor:
        """Turn float64 (B, V) in their own units into float32 as the network gives them."""
        mean, std = _row(self.mean, values.device), _row(self.std, values.device)
        return ((values - mean) / std).float()

    def restore(self, output: Tensor) -> Tensor:
        """Undo `standardise`: float64 (B, V), in their own units."""
        return output.double() * _row(self.std, output.device) + _row(self.mean, output.device)

    def decode(self, output: Tensor) -> list[dict[str, float]]:
        """Turn a network's output (B, V) into B answers in the values' own units."""
        return [dict(zip(self.names, numbers)) for numbers in self.restore(output).tolist()]


def check_scale(name: str, mean: object, std: object) -> None:
    for number in (mean, std):
        if type(number) not in (int, float) or not math.isfinite(number):  # type: ignore[arg-type]
            raise SpecError(f"mean and std of '{name}' are finite numbers, not {number!r}")
    if std <= 0:  # type: ignore[operator]
        raise SpecError(f"std of '{name}' must be above 0, not {std}")


@lru_cache(maxsize=64)
def _row(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float64, device=device)
