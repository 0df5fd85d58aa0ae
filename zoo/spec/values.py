"""Named numbers that a network gives standardised.

Shape letters: B batch, V values, Q quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.calibration import UNCALIBRATED, Calibration

Answer = dict[str, Any]
SMALLEST = 1e-30  # of which a logarithm is taken
ENDS = ("value", "low", "high")


@dataclass(frozen=True)
class Values:
    """One or more named numbers; the network gives them standardised, as (B, V), or quantiles of them, as (B, V Q).

    Args:
        names: names of the V values.
        mean, std: statistics of each value in the training split.
        quantiles: which Q quantiles of each value the network gives, ascending, each above 0 and below 1, with the
            median in the middle; none stands for the value itself.
        log: names of values whose logarithm is standardised; `mean` and `std` are those of the logarithm.

    Raises:
        SpecError: there is no name, a name occurs twice, or the statistics or the quantiles do not fit.
    """

    word: ClassVar[str] = "values"

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    quantiles: tuple[float, ...] = field(default=(), kw_only=True)
    log: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for name in ("names", "mean", "std", "quantiles", "log"):
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
        check_quantiles(self.quantiles)
        if not set(self.log) <= set(self.names):
            raise SpecError(f"logarithms are taken of some of {', '.join(self.names[:5])}, not of {list(self.log)}")

    @property
    def outputs(self) -> int:
        """How many numbers the network gives: V, or V Q."""
        return len(self.names) * max(1, len(self.quantiles))

    def standardise(self, values: Tensor) -> Tensor:
        """Turn float64 (B, V) in their own units into float32 as the network gives them."""
        mean, std = _row(self.mean, values.device), _row(self.std, values.device)
        if self.log:
            logarithms = values.double().clamp(min=SMALLEST).log()
            values = torch.where(_marks(self, values.device), logarithms, values.double())
        return ((values - mean) / std).float()

    def restore(self, output: Tensor) -> Tensor:
        """Undo `standardise`: float64 (B, V), in their own units."""
        return self.raise_logs(self.unscale(output))

    def unscale(self, output: Tensor) -> Tensor:
        """Undo the scale alone: float64 (B, V), in their own units, or logarithms. Errors are reckoned in these."""
        return output.double() * _row(self.std, output.device) + _row(self.mean, output.device)

    def raise_logs(self, values: Tensor) -> Tensor:
        """Logarithms to their own units, among values (…, V)."""
        return torch.where(_marks(self, values.device), values.exp(), values) if self.log else values

    def by_quantile(self, output: Tensor) -> Tensor:
        """A network's output (…, V Q) as (…, V, Q), ascending; without quantiles, Q is 1."""
        quantiles = output.unflatten(-1, (len(self.names), -1))
        return quantiles if quantiles.shape[-1] == 1 else quantiles.sort(dim=-1).values

    def central(self, output: Tensor) -> Tensor:
        """The values (…, V) of a network's output (…, V Q), standardised: the medians, where it gives quantiles."""
        return self.by_quantile(output)[..., len(self.quantiles) // 2]

    def interval(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> tuple[Tensor, Tensor, Tensor] | None:
        """The values of a network's output (…, V Q), and the ends of their intervals, each float64 (…, V), in their own
        units; None for a network that is not calibrated for intervals."""
        if calibration.widths is None:
            return None
        calibration.check(self)
        value = self.unscale(self.central(output))
        widths = torch.tensor(calibration.widths, dtype=torch.float64, device=output.device)  # S, V
        reach = widths * expected_error(value, calibration)
        ends = self.by_quantile(output)
        low, high = self.unscale(ends[..., 0]) - reach, self.unscale(ends[..., -1]) + reach
        if self.quantiles:
            low, high = torch.minimum(low, value), torch.maximum(high, value)
        return self.raise_logs(value), self.raise_logs(low), self.raise_logs(high)

    def decode(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> list[Answer]:
        """Turn a network's output (B, V Q) into B answers in the values' own units.

        An answer holds each value by its name. With intervals, that of one value has `value`, `low` and `high` besides,
        and of several each name has these three.
        """
        found = self.interval(output, calibration)
        if found is None:
            return [dict(zip(self.names, numbers)) for numbers in self.restore(self.central(output)).tolist()]
        rows = torch.stack(found, dim=-1).tolist()  # B, V, 3
        if len(self.names) == 1:
            return [{self.names[0]: ends[0], **dict(zip(ENDS, ends))} for (ends,) in rows]
        return [{name: dict(zip(ENDS, ends)) for name, ends in zip(self.names, row)} for row in rows]


def expected_error(value: Tensor, calibration: Calibration) -> Tensor:
    """The scales of a calibration at values (…, V): linear between its knots, and constant beyond; 1 without knots."""
    if calibration.knots is None or calibration.scales is None:
        return value.new_ones(())  # of no batch size, which an exported program would keep
    tables = (
        torch.tensor(table, dtype=value.dtype, device=value.device) for table in (calibration.knots, calibration.scales)
    )  # V, K
    knots, scales = tables
    if knots.shape[1] == 1:
        return scales[:, 0].expand_as(value)
    slopes = scales.diff(dim=1) / knots.diff(dim=1)
    within = torch.minimum(torch.maximum(value[..., None], knots[:, :-1]), knots[:, 1:]) - knots[:, :-1]
    return scales[:, 0] + (slopes * within).sum(dim=-1)


def check_quantiles(quantiles: tuple[float, ...]) -> None:
    fits = all(type(one) is float and 0 < one < 1 for one in quantiles)
    if not fits or list(quantiles) != sorted(set(quantiles)):
        raise SpecError(f"quantiles are above 0 and below 1 and ascend, not {list(quantiles)}")
    if quantiles and (len(quantiles) % 2 == 0 or quantiles[len(quantiles) // 2] != 0.5):
        raise SpecError(f"quantiles have the median, 0.5, in the middle, not {list(quantiles)}")


def check_scale(name: str, mean: object, std: object) -> None:
    for number in (mean, std):
        if type(number) not in (int, float) or not math.isfinite(number):  # type: ignore[arg-type]
            raise SpecError(f"mean and std of '{name}' are finite numbers, not {number!r}")
    if std <= 0:  # type: ignore[operator]
        raise SpecError(f"std of '{name}' must be above 0, not {std}")


def _marks(kind: Values, device: torch.device) -> Tensor:
    """Which of the values are logarithms (V,)."""
    return torch.tensor([name in kind.log for name in kind.names], device=device)


@lru_cache(maxsize=64)
def _row(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float64, device=device)
