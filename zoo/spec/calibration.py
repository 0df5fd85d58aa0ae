"""Numbers that are chosen after training, on validation, by which outputs become answers.

Shape letters: S steps (1 but for a forecast), V values, K knots, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from zoo.errors import SpecError

Numbers = tuple[float, ...]
Rows = tuple[Numbers, ...]
MAX_NUMBERS = 1_000_000  # in a table of widths


@dataclass(frozen=True)
class Calibration:
    """What `spec.output.decode` needs besides the spec; None stands for not calibrated.

    An interval of a value reaches from `value - width * scale(value)` to `value + width * scale(value)`, by split
    conformal prediction (Lei et al., "Distribution-free predictive inference for regression", 2018), where `scale` is
    the error that is to be expected of such a value. Of a network that gives quantiles, it reaches from
    `lowest quantile - width * scale(value)` to `highest quantile + width * scale(value)` (Romano et al., "Conformalized
    quantile regression", 2019).

    Args:
        threshold: anomaly scores above it are anomalies. Of two classes, the second is the answer where its probability
            is at least this.
        thresholds: of several labels (L,), from 0 to 1: each is given where its probability is at least its own.
        temperature: logits are divided by it before they become probabilities (Guo et al., "On calibration of modern
            neural networks", 2017); above 0.
        coverage: the fraction of true values that intervals are made to hold, above 0 and below 1.
        widths: of intervals, in the values' own units (of logarithms: in these), by step and value (S, V); those of
            quantiles may be negative.
        knots: by value (V, K), ascending, in its own unit: predictions at which `scales` are known.
        scales: by value (V, K), above 0: the expected error at each knot. Between knots it is linear, and beyond them
            constant. Without knots, all scales are 1.

    Raises:
        SpecError: a number is out of range, or the parts do not fit each other.
    """

    threshold: float | None = None
    temperature: float | None = None
    coverage: float | None = None
    widths: Rows | None = None
    knots: Rows | None = None
    scales: Rows | None = None
    thresholds: Numbers | None = None

    def __post_init__(self) -> None:
        for name in ("threshold", "temperature", "coverage"):
            value = getattr(self, name)
            if value is not None and not _is_number(value):
                raise SpecError(f"the {name} of a calibration is a finite number, not {value!r}")
        if self.temperature is not None and self.temperature <= 0:
            raise SpecError(f"the temperature of a calibration is above 0, not {self.temperature!r}")
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", _fractions("thresholds", self.thresholds))
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise SpecError(f"the coverage of a calibration is above 0 and below 1, not {self.coverage!r}")
        for name in ("widths", "knots", "scales"):
            if (table := getattr(self, name)) is not None:
                object.__setattr__(self, name, _rows(name, table))
        if (self.widths is None) != (self.coverage is None):
            raise SpecError("a calibration has widths of intervals and their coverage, or neither")
        self._check_scales()

    def _check_scales(self) -> None:
        if self.knots is None and self.scales is None:
            return
        if self.widths is None or self.knots is None or self.scales is None:
            raise SpecError("a calibration with knots or scales has both, and widths")
        shapes = [(len(table), len(table[0])) for table in (self.knots, self.scales)]
        if shapes[0] != shapes[1] or shapes[0][0] != len(self.widths[0]):
            raise SpecError("the knots and scales of a calibration are as many, a row for each value")
        if any(low >= high for row in self.knots for low, high in pairwise(row)):
            raise SpecError("the knots of a calibration ascend")
        if any(scale <= 0 for row in self.scales for scale in row):
            raise SpecError("the scales of a calibration are above 0")

    def check(self, output: Any) -> None:
        """See that this calibration is for an output: thresholds are for labels, and widths for values or a forecast.

        Raises:
            SpecError: it is not.
        """
        names = getattr(output, "names", ())
        if self.threshold is not None and len(names) not in (0, 2):
            raise SpecError(f"a threshold is for two classes, and these are {len(names)}")
        labels = len(names) if getattr(output, "independent", False) else 0
        if self.thresholds is not None and len(self.thresholds) != labels:
            raise SpecError("the thresholds of a calibration are for several labels, one each")
        if self.widths is None:
            return
        wanted = (getattr(output, "horizon", 1), len(names))
        if (len(self.widths), len(self.widths[0])) != wanted:
            raise SpecError(f"the widths of a calibration are {wanted[0]} x {wanted[1]} numbers for this output")

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: object) -> Calibration:
        """Rebuild a calibration.

        Raises:
            SpecError: it is not the JSON of a calibration.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or not set(data) <= known:
            raise SpecError(f"a calibration holds {', '.join(sorted(known))} and nothing else")
        return cls(**data)


UNCALIBRATED = Calibration()


def _fractions(name: str, row: Any) -> Numbers:
    """Numbers from 0 to 1, as a tuple."""
    if not _is_list(row) or not all(_is_number(value) and 0 <= value <= 1 for value in row):
        raise SpecError(f"the {name} of a calibration are numbers from 0 to 1")
    return tuple(map(float, row))


def _rows(name: str, table: Any) -> Rows:
    """A table of numbers, as tuples."""
    if not _is_list(table) or not table or not all(_is_list(row) and row for row in table):
        raise SpecError(f"the {name} of a calibration are rows of numbers")
    rows = tuple(map(tuple, table))
    if len({len(row) for row in rows}) > 1 or len(rows) * len(rows[0]) > MAX_NUMBERS:
        raise SpecError(f"the {name} of a calibration are rows of one length, up to {MAX_NUMBERS:,} numbers")
    if not all(_is_number(value) for row in rows for value in row):
        raise SpecError(f"the {name} of a calibration are finite numbers")
    return rows


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
