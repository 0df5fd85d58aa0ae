"""Numbers that are chosen after training, by which outputs become answers."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from zoo.errors import SpecError


@dataclass(frozen=True)
class Calibration:
    """What `spec.output.decode` needs besides the spec; None stands for not calibrated.

    Args:
        threshold: scores above it are anomalies.

    Raises:
        SpecError: a number is not finite.
    """

    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and (
            type(self.threshold) not in (int, float) or not math.isfinite(self.threshold)
        ):
            raise SpecError(f"the threshold of a calibration is a finite number, not {self.threshold!r}")

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
