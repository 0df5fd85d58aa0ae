"""What an unsupervised network says of its input: features, or how unusual it is.

Shape letters: B batch, H features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.calibration import UNCALIBRATED, Calibration


@dataclass(frozen=True)
class Features:
    """Numbers in 0..1 that describe an input, as many as the network has hidden units; it gives them as (B, H)."""

    word: ClassVar[str] = "features"

    def decode(self, output: Tensor) -> list[list[float]]:
        """Turn features (B, H) into B lists of numbers."""
        return output.tolist()


@dataclass(frozen=True)
class Anomaly:
    """How unusual an input is; the network gives it as a score (B, 1), higher for unusual inputs.

    Args:
        false_positive_rate: the fraction of normal examples above the threshold, on the split on which it is chosen.

    Raises:
        SpecError: it is not between 0 and 1.
    """

    word: ClassVar[str] = "anomaly"

    false_positive_rate: float

    def __post_init__(self) -> None:
        rate = self.false_positive_rate
        if type(rate) not in (int, float) or not 0 < rate < 1:
            raise SpecError(f"false_positive_rate is above 0 and below 1, not {rate!r}")

    def decode(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> list[dict[str, Any]]:
        """Turn scores (B, 1) into B answers: the score, and whether it is above the threshold; None without one."""
        threshold = calibration.threshold
        return [
            {"score": score, "anomaly": None if threshold is None else score > threshold}
            for (score,) in output.tolist()
        ]
