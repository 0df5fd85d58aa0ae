"""The report of regression: intervals, simpler methods, residuals.

Shape letters: N examples, V values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.data.core.examples import Examples
from zoo.metrics.calibration import coverage_of, fit_intervals
from zoo.models import MLP
from zoo.spec import Calibration
from zoo.tasks.supervised import Regression
from zoo.training import report
from zoo.training.outcomes import value_metrics
from zoo.training.report import Evaluation
from zoo.training.reports import comparison
from zoo.training.reports.linear import ridge
from zoo.training.reports.supervised import importance, targets
from zoo.training.runtime import seeded

MAX_FITTED = 5_000_000  # numbers that a linear part is fitted to, of a random part of larger data
MIN_CALIBRATED = 10  # validation examples; an interval of fewer says nothing


@report.initialise.register
def _(task: Regression, splits: Mapping[str, Examples]) -> None:
    """The linear part of the network, by the training split."""
    network, train = task.trained_network, splits["train"]
    if not isinstance(network, MLP) or network.linear is None:
        return
    with seeded(0):
        rows = torch.randperm(len(train))[: max(200, MAX_FITTED // len(network.linear.weight))]
    batch: Any = train.__getitems__(rows.sort().values)
    prepared: Any = task.spec.input.prepare(batch[0])
    task.fit_linear(prepared, *batch[1:])


@report.calibrate.register
def _(task: Regression, evaluation: Evaluation) -> Calibration | None:
    """Conformal intervals of the chosen coverage."""
    if task.coverage is None or len(evaluation.splits["val"]) < MIN_CALIBRATED:
        return None
    outputs, true = torch.cat(evaluation.predictions("val")), targets(evaluation, "val")
    return fit_intervals(task.values, outputs, true, task.coverage)


def intervals(task: Regression, evaluation: Evaluation) -> tuple[Tensor, Tensor, Tensor] | None:
    """The values of the test split and the ends of their intervals, each (N, V)."""
    return task.values.interval(torch.cat(evaluation.predictions("test")), evaluation.calibration)


@report.split_metrics.register
def _(task: Regression, evaluation: Evaluation) -> dict[str, float]:
    """How many of the true values the intervals hold, and how wide these are."""
    if (found := intervals(task, evaluation)) is None:
        return {}
    _, low, high = found
    true = task.values.restore(targets(evaluation, "test"))
    return {"interval_coverage": coverage_of(low, high, true), "interval_width": float((high - low).mean())}


def answers(task: Regression, evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """The predicted and the true values of the test split (N, V), in their own units."""
    outputs = torch.cat(evaluation.predictions("test"))
    return task.values.restore(task.values.central(outputs)), task.values.restore(targets(evaluation, "test"))


def simpler_methods(task: Regression, evaluation: Evaluation) -> dict[str, Tensor]:
    """The values (N, V) of the test examples by simpler methods, fitted to the training split."""

    def find() -> dict[str, Tensor]:
        train = targets(evaluation, "train")
        mean = task.values.restore(train).mean(dim=0).expand(len(evaluation.splits["test"]), -1)
        linear = ridge(evaluation, train)
        return {"the mean": mean} | ({} if linear is None else {"ridge regression": task.values.restore(linear)})

    return evaluation.once("simpler", find)


@report.outcomes.register
def _(task: Regression, evaluation: Evaluation) -> dict[str, Tensor]:
    predicted, true = answers(task, evaluation)
    return {"true": true, "answers": predicted}


@report.baselines.register
def _(task: Regression, evaluation: Evaluation) -> dict[str, float]:
    """The mean of the training split, for each example, and ridge regression."""
    _, true = answers(task, evaluation)
    found = {method: value_metrics(given, true) for method, given in simpler_methods(task, evaluation).items()}
    return {f"{name} of {method}": its[name] for method, its in found.items() for name in ("rmse", "mae")}


@report.notes.register
def _(task: Regression, evaluation: Evaluation) -> list[str]:
    """How far the network is above simpler methods, and what its intervals hold."""
    predicted, true = answers(task, evaluation)
    simpler = simpler_methods(task, evaluation)
    network = value_metrics(predicted, true)
    others = {method: value_metrics(given, true) for method, given in simpler.items()}

    def difference(method: str, rows: Tensor) -> float:
        mine, theirs = (value_metrics(given[rows], true[rows]) for given in (predicted, simpler[method]))
        return mine["rmse"] - theirs["rmse"]

    lines = [
        comparison.HEADING,
        comparison.table({"the network": network, **others}),
        comparison.sentence("rmse", network, others, difference, len(true), draws=1000),
    ]
    return [*lines, *_linear_notes(task), *_interval_notes(task, evaluation)]


def _linear_notes(task: Regression) -> list[str]:
    network = task.gated()
    if network is None:
        return []
    kept = ", ".join(f"{share:.0%}" for share in network.gate.tolist())
    return [f"The network adds to a linear regression; by validation, {kept} of what it adds is kept."]


def _interval_notes(task: Regression, evaluation: Evaluation) -> list[str]:
    calibration = evaluation.calibration
    if (found := intervals(task, evaluation)) is None:
        return []
    _, low, high = found
    true = task.values.restore(targets(evaluation, "test"))
    kind = "the network's quantiles" if task.values.quantiles else "its errors"
    count = len(evaluation.splits["val"])
    return [
        "## Intervals",
        f"An answer's interval is made to hold {calibration.coverage:.0%} of the true values, by conformal prediction "
        f"from {kind} on {count} validation examples. On test it holds {coverage_of(low, high, true):.1%}.",
    ]


@report.plots.register
def _(task: Regression, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    predicted, true = answers(task, evaluation)
    found = intervals(task, evaluation)
    ends = None if found is None else (found[1], found[2])
    plots.predicted_against_true(predicted, true, task.values.names, folder / "predicted.png", ends)
    plots.residuals(predicted, true, task.values.names, folder / "residuals.png")
    within = "" if ends is None else " Lines are intervals."
    captions = {
        "predicted.png": f"Predicted against true values of the test split.{within}",
        "residuals.png": "True minus predicted values of the test split: no trend should be left, and no funnel.",
    }
    return captions | importance(task, evaluation, folder)
