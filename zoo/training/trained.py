"""What a run gives: the artefact, its validation score, and where the rest of it lies."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo.weights.artefact import Artefact, save

log = logging.getLogger(__name__)


@dataclass(repr=False)
class TrainedArtefact(Artefact):
    """The artefact of a run.

    Args:
        model, options, spec, network, metrics, recipe, calibration: as in `Artefact`.
        folder: of the run, with `model.safetensors` and `card.md`.
        plots: files by name, such as `confusion_matrix`.
        monitor, mode: the validation metric by which the kept weights were chosen, and whether `min` or `max` of it.
        score: of the kept weights, by that metric; NaN where nothing was validated.
    """

    folder: Path = Path()
    plots: dict[str, Path] = field(default_factory=dict)
    monitor: str = ""
    mode: str = ""
    score: float = math.nan


@rank_zero_only
def keep(artefact: TrainedArtefact) -> None:
    """Write the artefact to its folder; metrics that are not finite are left out, and named."""
    finite = {name: value for name, value in artefact.metrics.items() if math.isfinite(value)}
    for name in artefact.metrics.keys() - finite.keys():
        log.warning("%s is %s and is left out", name, artefact.metrics[name])
    artefact.metrics = finite
    save(artefact, artefact.folder / "model.safetensors")
