"""What is left of a trained network besides its weights: metrics of whole splits, plots and the card.

Each may fail without the others: the trained network is on the disk by then.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig

from zoo import plots
from zoo.data.core.data_module import DataModule
from zoo.files import one_line, replacing
from zoo.metrics.meanings import rounded, title
from zoo.progress import busy
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.card import card
from zoo.training.outcomes import FILE, Outcomes, digest
from zoo.training.progress_notes import progress_notes
from zoo.training.recipe import title as title_of
from zoo.training.report import Evaluation
from zoo.training.reports import comparison
from zoo.training.trained import TrainedArtefact, keep

log = logging.getLogger(__name__)
Found = TypeVar("Found")


@rank_zero_only
def complete(cfg: DictConfig, task: Task, data: DataModule, artefact: TrainedArtefact) -> None:
    """Complete the artefact by what whole splits say, draw, and write the card; each may fail without the others."""
    folder = Path(os.path.relpath(cfg.folder))
    evaluation = Evaluation(task, data.splits, data.batch_size)
    nothing: dict[str, float] = {}
    if (calibration := attempt("calibration", lambda: report.calibrate(task, evaluation), None)) is not None:
        artefact.calibration = evaluation.calibration = calibration
    more = attempt("metrics of whole splits", lambda: _named("test", report.split_metrics(task, evaluation)), nothing)
    simpler = attempt("baselines", lambda: _named("baseline", report.baselines(task, evaluation)), nothing)
    artefact.metrics = {
        **{name: value for name, value in artefact.metrics.items() if name.startswith("test/")},
        **more,
        "train/seconds": artefact.metrics["train/seconds"],
        **simpler,
    }
    attempt("to add metrics to the artefact", lambda: keep(artefact), None)
    kept = attempt("to keep the outcomes", lambda: _keep_outcomes(task, evaluation, folder), None)
    undrawn: dict[str, str] = {}
    captions = attempt("plots", lambda: report.plots(task, evaluation, folder), undrawn)
    captions = captions | _views(task, evaluation, folder)
    captions = captions | attempt("curves", lambda: _curves(folder), undrawn)
    artefact.plots = {Path(file).stem: artefact.folder / file for file in captions}
    unsaid: list[str] = []
    notes = attempt("notes", lambda: report.notes(task, evaluation), unsaid)
    notes = notes + attempt("notes", lambda: _more_notes(notes, task, artefact, kept), unsaid)
    artefact.network.cpu()
    heading = f"# {title_of(cfg)}\n\nThe rest could not be written.\n"
    text = attempt("the card", lambda: card(cfg, artefact, data, notes, captions), heading)
    attempt("to write the card", lambda: _write_text(folder / "card.md", text), None)
    log.info(", ".join(f"{name} {rounded(value)}" for name, value in artefact.metrics.items()))
    log.info("Results: %s; see card.md and %s", folder, ", ".join(captions))
    log.info('Use it: zoo.load("%s")(%s)', folder / "model.safetensors", artefact.spec.input.example())


def _named(part: str, metrics: Mapping[str, Any]) -> dict[str, float]:
    return {f"{part}/{name}": float(value) for name, value in metrics.items()}


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def attempt(what: str, step: Callable[[], Found], otherwise: Found, *, has_bar: bool = False) -> Found:
    """What a step gives after training, which loses nothing by failing: that is said in one line.

    So is how long it has taken, every so often, unless it has a bar of its own.
    """
    try:
        with nullcontext() if has_bar else busy(what):
            return step()
    except Exception as error:
        reason = one_line(str(error), 200)
        log.warning("%s failed: %s: %s; the trained network is kept", what, type(error).__name__, reason)
        log.debug("", exc_info=True)
        return otherwise


def _more_notes(notes: Sequence[str], task: Task, artefact: TrainedArtefact, outcomes: Outcomes | None) -> list[str]:
    """What goes for all tasks: simpler methods, where the task's own notes do not tell of them, and the training."""
    verdicts: list[str] = []
    if comparison.HEADING not in notes:
        verdicts = comparison.verdicts(artefact.metrics, outcomes)
    return [*([comparison.HEADING] if verdicts else []), *verdicts, *progress_notes(task, artefact.folder)]


def _views(task: Task, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw looks inside the network; gives their captions."""
    none: dict[str, report.View] = {}
    undrawn: dict[str, str] = {}
    captions: dict[str, str] = {}
    for name, view in attempt("looks inside the network", lambda: report.views(task, evaluation), none).items():
        captions |= attempt(f"the plot of {name}", partial(view, folder), undrawn)
    return captions


def _keep_outcomes(task: Task, evaluation: Evaluation, folder: Path) -> Outcomes | None:
    if (tensors := report.outcomes(task, evaluation)) is None:
        return None
    kind = "classes" if "probabilities" in tensors else "values" if "answers" in tensors else "ratios"
    outcomes = Outcomes(kind, tensors, digest(evaluation.splits["test"]))
    outcomes.save(folder / FILE)
    return outcomes


def _curves(folder: Path) -> dict[str, str]:
    if not (folder / "metrics.csv").exists():
        return {}
    plots.learning_curves(folder / "metrics.csv", folder / "curves.png", title)
    return {"curves.png": "Training and validation, by epoch."}
