"""The report of several labels for each input: temperature, thresholds, simpler methods, a row for each label.

Shape letters: N examples, K labels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error, multilabel_f1_score

from zoo.metrics.calibration import choose_thresholds, fit_label_temperature
from zoo.metrics.classification import BINS
from zoo.spec import Calibration
from zoo.tasks.supervised import MultiLabelClassification
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import comparison
from zoo.training.reports.linear import logistic_regression
from zoo.training.reports.supervised import importance, targets, temperature_notes

DRAWS = 1000


@report.calibrate.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> Calibration:
    """One temperature for all labels, and of each label the threshold where a criterion was given."""
    logits, labels = torch.cat(evaluation.predictions("val")), targets(evaluation, "val")
    temperature = fit_label_temperature(logits, labels)
    if task.threshold is None:
        return Calibration(temperature=temperature)
    probabilities = task.labels.probabilities(logits.double(), Calibration(temperature=temperature))
    return Calibration(temperature=temperature, thresholds=choose_thresholds(task.threshold, probabilities, labels))


def probabilities_and_answers(task: MultiLabelClassification, evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """Of the test split, by the calibration: the probability of each label, and whether it is given, both (N, K)."""
    logits = torch.cat(evaluation.predictions("test")).double()
    probabilities = task.labels.probabilities(logits, evaluation.calibration)
    return probabilities, task.labels.choose(probabilities, evaluation.calibration)


def shares(given: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """For each example what it adds to both sides of the ratio that a metric is, (N, 2), given labels (N, K)."""
    right = (given & labels).sum(dim=1)
    exact = (given == labels).all(dim=1).long()
    return {
        "f1": torch.stack([2 * right, given.sum(dim=1) + labels.sum(dim=1)], dim=1),
        "exact": torch.stack([exact, torch.ones_like(exact)], dim=1),
    }


def scores(given: Tensor, labels: Tensor) -> dict[str, float]:
    """F1 over all labels, the mean F1 of a label, and the fraction of examples of which all are right."""
    found = {name: _ratio(part) for name, part in shares(given, labels).items()}
    macro = multilabel_f1_score(given.long(), labels.long(), labels.shape[1], average="macro")
    return {"f1": found["f1"], "macro_f1": float(macro), "exact": found["exact"]}


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """By how much the probabilities of all labels and the shares of right ones differ."""
    return float(binary_calibration_error(probabilities.flatten().float(), labels.flatten().long(), n_bins=BINS))


def _ratio(part: Tensor) -> float:
    right, whole = part.sum(dim=0).tolist()
    return right / whole if whole else 0.0


@report.split_metrics.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, float]:
    """Those of the calibrated probabilities, and of the answers by the thresholds; `loss` stays that of the network."""
    probabilities, given = probabilities_and_answers(task, evaluation)
    labels = targets(evaluation, "test").bool()
    brier = float((probabilities - labels.double()).square().mean())
    return {**scores(given, labels), "brier": brier, "calibration_error": calibration_error(probabilities, labels)}


@report.outcomes.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, Tensor]:
    return shares(probabilities_and_answers(task, evaluation)[1], targets(evaluation, "test").bool())


def simpler_methods(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, Tensor]:
    """The labels (N, K) that simpler methods, fitted to the training split, give the test examples."""

    def find() -> dict[str, Tensor]:
        train, count = targets(evaluation, "train"), len(evaluation.splits["test"])
        mean = train.mean(dim=0)
        frequent = (mean >= min(0.5, float(mean.max()))).expand(count, -1)
        return {"the most frequent labels": frequent} | _linear(train.long(), evaluation)

    return evaluation.once("simpler", find)


def _linear(train: Tensor, evaluation: Evaluation) -> dict[str, Tensor]:
    """The labels that are likelier than not by a logistic regression each, or that all training examples have."""
    columns = []
    for labels in train.T:
        probabilities = logistic_regression(evaluation, labels, 2)
        if probabilities is None and len(labels.unique()) > 1:
            return {}  # the inputs are none for a linear model
        always = torch.full((len(evaluation.splits["test"]),), bool(labels[0]))
        columns.append(always if probabilities is None else probabilities[:, 1] > 0.5)
    return {"logistic regression": torch.stack(columns, dim=1)}


@report.baselines.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, float]:
    """The labels that most examples of the training split have, or else the most frequent one, for each example; and a
    logistic regression for each label."""
    labels = targets(evaluation, "test").bool()
    methods = simpler_methods(task, evaluation).items()
    return {f"f1 of {method}": scores(given, labels)["f1"] for method, given in methods}


@report.notes.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> list[str]:
    """How far the network is above simpler methods, how answers are chosen, and a row for each label."""
    labels = targets(evaluation, "test").bool()
    _, given = probabilities_and_answers(task, evaluation)
    simpler = simpler_methods(task, evaluation)
    network, others = scores(given, labels), {method: scores(its, labels) for method, its in simpler.items()}
    mine = shares(given, labels)["f1"]

    def difference(method: str, rows: Tensor) -> float:
        return _ratio(mine[rows]) - _ratio(shares(simpler[method][rows], labels[rows])["f1"])

    return [
        comparison.HEADING,
        comparison.table({"the network": network, **others}),
        comparison.sentence("f1", network, others, difference, len(labels), DRAWS),
        *_calibration_notes(task, evaluation),
        "## By label",
        _label_table(task, evaluation.calibration, given, labels),
    ]


def _calibration_notes(task: MultiLabelClassification, evaluation: Evaluation) -> list[str]:
    calibration, labels = evaluation.calibration, targets(evaluation, "test")
    if calibration.temperature is None:
        return []
    logits = torch.cat(evaluation.predictions("test")).double()
    before, after = (
        calibration_error(task.labels.probabilities(logits, one), labels) for one in (Calibration(), calibration)
    )
    lines = temperature_notes(calibration.temperature, after, before)
    if calibration.thresholds is not None:
        lines.append(f"A label is given from its threshold on, chosen on validation by {task.threshold}.")
    return lines


def _label_table(task: MultiLabelClassification, calibration: Calibration, given: Tensor, labels: Tensor) -> str:
    right, examples, answers = (part.sum(dim=0) for part in (given & labels, labels, given))
    columns = {
        "threshold": torch.tensor(calibration.thresholds or [0.5] * len(task.names)),
        "precision": right / answers,
        "recall": right / examples,
        "f1": 2 * right / (answers + examples),
    }
    lines = [f"| label | {' | '.join(columns)} | examples |", "|---" * (len(columns) + 2) + "|"]
    for place, name in enumerate(task.names):
        cells = [comparison.cell(float(column[place])) for column in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} | {int(examples[place])} |")
    return "\n".join(lines)


@report.plots.register
def _(task: MultiLabelClassification, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    task.eval()
    return importance(task, evaluation, folder)
