"""What an unsupervised network says of its input: features, or how unusual it is.

Shape letters: B batch, H features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from zoo.errors import SpecError


@dataclass(frozen=True)
class Features:
    """Numbers in 0..1 that describe an input, as many as the network has hidden units; it gives them as (B, H)."""

    word: ClassVar[str] = "features"

    def decode(self, output: Tensor) -> list[list[float]]:
        """Turn features (B, H) into B lists of numbers."""
        return output.tolist()


@dataclass(frozen=True)
class Anomaly:
    """How unusual an input is; the network gives it as a score (B, 1), the higher the stranger.

    Args:
        threshold: scores above it are anomalies.
        false_alarms: the share of normal examples that are above it, of those on which it was chosen.

    Raises:
        SpecError: one of them is impossible.
    """

    word: ClassVar[str] = "anomaly"

    threshold: float
    false_alarms: float

    def __post_init__(self) -> None:
        for name in ("threshold", "false_alarms"):
            number = getattr(self, name)
            if type(number) not in (int, float) or not math.isfinite(number):
                raise SpecError(f"the {name} of anomalies is a finite number, not {number!r}")
        if not 0 < self.false_alarms < 1:
            raise SpecError(f"the share of false_alarms is above 0 and below 1, not {self.false_alarms}")

    def decode(self, output: Tensor) -> list[dict[str, Any]]:
        """Turn scores (B, 1) into B answers: the score, and whether it is above the threshold."""
        return [{"score": score, "anomaly": score > self.threshold} for (score,) in output.tolist()]
