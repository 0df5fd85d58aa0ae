"""What the curves of a run say, in words for its card: which weights were kept, and whether the run was long enough."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from zoo.metrics.meanings import better
from zoo.tasks.task import Task
from zoo.training.metrics_file import FILE, read_rows

FEW_EPOCHS, MIN_EPOCHS = 4, 10  # of which there is something to say of convergence, and of overfitting
SHARE = 0.1  # of the epochs, which are compared with as many before them
STILL = 0.02  # relative change over so many epochs by which a run has not converged
WORSE = 0.1  # relative rise of the validation loss above its lowest by which a run overfits

Curve = list[tuple[int, float]]  # epochs from 1, and values


def progress_notes(task: Task, folder: Path) -> list[str]:
    """Lines for the card from a run folder's metrics.csv: convergence, overfitting, losses that cannot be compared."""
    rows, _ = read_rows(folder / FILE)
    curves: dict[str, Curve] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith(("train/", "val/")) and "epoch" in row:
                curves.setdefault(name, []).append((int(row["epoch"]) + 1, float(value)))
    chosen = curves.get(task.monitor, [])
    lines = [] if len(chosen) < FEW_EPOCHS else [*_convergence(task.monitor, chosen)]
    lines += _overfitting(curves.get("val/loss", []))
    lines += _losses(task, curves.get("train/loss", []), curves.get("val/loss", []))
    return ["## Training", *lines] if lines else []


def _convergence(name: str, curve: Curve) -> list[str]:
    if better(name) is None:
        return []
    length = max(1 if len(curve) < MIN_EPOCHS else 2, round(SHARE * len(curve)))
    last, before = (fmean(value for _, value in part) for part in (curve[-length:], curve[-2 * length : -length]))
    gain = (last - before) * (1 if better(name) == "max" else -1)
    if gain <= STILL * max(abs(last), abs(before)):
        return []
    return [
        f"**The run has not converged**: `{name}` was still improving at its end, from {before:.4g} to {last:.4g} over "
        f"the last {length} of its {len(curve)} validations. Give more `epochs`."
    ]


def _overfitting(curve: Curve) -> list[str]:
    if len(curve) < MIN_EPOCHS:
        return []
    epoch, lowest = min(curve, key=lambda point: point[1])
    if curve[-1][1] <= lowest + WORSE * abs(lowest):
        return []
    return [
        f"`val/loss` was lowest, {lowest:.4g}, after epoch {epoch} of {curve[-1][0]}, and ended at {curve[-1][1]:.4g}: "
        "the network went on to learn its training examples by heart."
    ]


def _losses(task: Task, train: Curve, val: Curve) -> list[str]:
    """Why the loss of training may lie above that of validation."""
    if not train or not val or train[-1][1] <= val[-1][1]:
        return []
    criterion: Any = getattr(task, "criterion", None)
    smoothed = isinstance(criterion, nn.CrossEntropyLoss) and criterion.label_smoothing > 0
    dropout = any(isinstance(part, nn.Dropout) and part.p > 0 for part in task.network.modules())
    reasons = ["of smoothed labels"] * smoothed + ["with dropout"] * dropout
    reasons.append("while the weights change, and of inputs as training sees them")
    return [f"`train/loss` lies above `val/loss`, for it is measured {', '.join(reasons)}."]
