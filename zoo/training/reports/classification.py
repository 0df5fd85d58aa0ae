"""The report of classification: metrics, calibration, simpler methods, a row for each class, plots.

Shape letters: N examples, K classes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.data.core.examples import Examples
from zoo.errors import DataError
from zoo.metrics.calibration import choose_threshold, fit_temperature
from zoo.metrics.classification import OF_ANSWERS, classification_metrics, metrics_by_class
from zoo.spec import Calibration, Classes
from zoo.tasks.supervised import Classification, Sentiment
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import comparison
from zoo.training.reports.linear import logistic_regression
from zoo.training.reports.supervised import confusion_matrix, importance, targets, temperature_notes

log = logging.getLogger(__name__)

SHOWN = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "average_precision",
    "brier",
    "calibration_error",
    "loss",
)


def classes_of(task: Classification) -> Classes:
    described = task.spec.output
    assert isinstance(described, Classes)
    return described


@report.check_splits.register
def _(task: Classification, splits: Mapping[str, Examples]) -> None:
    """See that each class is in the training split, say which are missing in another one, and tell the task how many
    examples each has."""
    counts = {split: _counts(task, examples) for split, examples in splits.items()}
    for split, found in counts.items():
        missing = [task.names[place] for place in (found == 0).nonzero().flatten().tolist()]
        if not missing:
            continue
        named = ", ".join(map(repr, missing[:5])) + (", …" if len(missing) > 5 else "")
        if split == "train":
            fault = f"the training split has no example of {named}, which the network is to tell apart"
            raise DataError(f"{fault}; move some there, or take this class away")
        log.warning("The %s split has no example of %s; metrics leave it out", split, named)
    task.balance(counts["train"])


def _counts(task: Classification, examples: Examples) -> Tensor:
    labels: Any = examples.columns[1]
    return labels.flatten().long().bincount(minlength=len(task.names))


@report.calibrate.register
def _(task: Classification, evaluation: Evaluation) -> Calibration:
    """The temperature, and of two classes the threshold where a criterion was given."""
    logits, labels = torch.cat(evaluation.predictions("val")), targets(evaluation, "val")
    calibration = Calibration(temperature=fit_temperature(logits, labels))
    if task.threshold is None:
        return calibration
    probabilities = classes_of(task).probabilities(logits.double(), calibration)
    chosen = choose_threshold(task.threshold, probabilities[:, task.positive], labels == task.positive)
    of_second = chosen if task.positive == 1 else 1 - chosen
    return Calibration(threshold=of_second, temperature=calibration.temperature)


def probabilities_and_answers(task: Classification, evaluation: Evaluation) -> tuple[Tensor, Tensor]:
    """Of the test split, by the calibration: probabilities (N, K), and the classes that are answered (N,)."""
    logits = torch.cat(evaluation.predictions("test")).double()
    probabilities = classes_of(task).probabilities(logits, evaluation.calibration)
    return probabilities, classes_of(task).choose(probabilities, evaluation.calibration)


def scores(
    probabilities: Tensor, labels: Tensor, answers: Tensor | None = None, names: Collection[str] = SHOWN
) -> dict[str, float]:
    """The metrics that the card shows, the cross-entropy among them, or some of them."""
    found = classification_metrics(probabilities, labels, answers, [name for name in names if name != "loss"])
    if "loss" in names:
        found["loss"] = float(functional.nll_loss(probabilities.clamp(min=1e-12).log(), labels))
    return found


@report.split_metrics.register
def _(task: Classification, evaluation: Evaluation) -> dict[str, float]:
    """Those of the calibrated probabilities, and of the answers by the threshold; `loss` stays that of the network."""
    probabilities, answers = probabilities_and_answers(task, evaluation)
    return classification_metrics(probabilities, targets(evaluation, "test"), answers)


@report.outcomes.register
def _(task: Classification, evaluation: Evaluation) -> dict[str, Tensor]:
    probabilities, answers = probabilities_and_answers(task, evaluation)
    return {"true": targets(evaluation, "test"), "probabilities": probabilities.float(), "answers": answers}


def simpler_methods(task: Classification, evaluation: Evaluation) -> dict[str, Tensor]:
    """The probabilities (N, K) of the test examples by simpler methods, fitted to the training split."""

    def find() -> dict[str, Tensor]:
        labels, classes = targets(evaluation, "train"), len(task.names)
        shares = (labels.bincount(minlength=classes) / len(labels)).double()
        frequent = f"always '{task.names[int(shares.argmax())]}'"
        constant = shares.expand(len(evaluation.splits["test"]), classes)
        return {frequent: constant} | linear_probabilities(task, evaluation)

    return evaluation.once("simpler", find)


def linear_probabilities(task: Classification, evaluation: Evaluation) -> dict[str, Tensor]:
    if isinstance(task, Sentiment):
        return {"a bag of words": bag_of_words(evaluation, len(task.names))}
    found = logistic_regression(evaluation, targets(evaluation, "train"), len(task.names))
    return {} if found is None else {"logistic regression": found}


@report.baselines.register
def _(task: Classification, evaluation: Evaluation) -> dict[str, float]:
    """Always the most frequent class of the training split, and a linear model: logistic regression, or of texts that
    of a bag of words."""
    labels = targets(evaluation, "test")
    names = dict.fromkeys(["accuracy", *([task.monitor.removeprefix("val/")] if task.monitor_is_given else [])])
    return {
        f"{name} of {'the most frequent class' if method.startswith('always') else method}": value
        for method, given in simpler_methods(task, evaluation).items()
        for name, value in scores(given, labels, names=names).items()
    }


@report.notes.register
def _(task: Classification, evaluation: Evaluation) -> list[str]:
    """How far the network is above simpler methods, a row for each class, and how answers are chosen."""
    labels = targets(evaluation, "test")
    probabilities, answers = probabilities_and_answers(task, evaluation)
    simpler = simpler_methods(task, evaluation)
    network = scores(probabilities, labels, answers)
    others = {method: scores(given, labels) for method, given in simpler.items()}
    asked = task.monitor.removeprefix("val/") if task.monitor_is_given else "accuracy"
    lines = [comparison.HEADING, comparison.table({"the network": network, **others})]
    lines += [_sentence(name, task, evaluation, network, others) for name in dict.fromkeys(("accuracy", asked))]
    return [
        *lines,
        *_calibration_notes(task, evaluation),
        "## By class",
        _class_table(task, probabilities, labels, answers),
    ]


def _sentence(
    metric: str,
    task: Classification,
    evaluation: Evaluation,
    network: Mapping[str, float],
    others: Mapping[str, Mapping[str, float]],
) -> str:
    labels = targets(evaluation, "test")
    probabilities, answers = probabilities_and_answers(task, evaluation)
    simpler = simpler_methods(task, evaluation)

    def difference(method: str, rows: Tensor) -> float:
        if metric == "accuracy":
            hits = (answers == labels).double() - (simpler[method].argmax(dim=1) == labels).double()
            return float(hits[rows].mean())
        given = answers[rows] if metric in OF_ANSWERS else None
        mine = scores(probabilities[rows], labels[rows], given, [metric])
        return mine[metric] - scores(simpler[method][rows], labels[rows], names=[metric])[metric]

    draws = 1000 if metric == "accuracy" else comparison.SLOW_DRAWS
    return comparison.sentence(metric, network, others, difference, len(labels), draws)


def _calibration_notes(task: Classification, evaluation: Evaluation) -> list[str]:
    calibration, labels = evaluation.calibration, targets(evaluation, "test")
    if calibration.temperature is None:
        return []
    logits = torch.cat(evaluation.predictions("test")).double()
    before, after = (
        scores(classes_of(task).probabilities(logits, one), labels, names=["calibration_error"])["calibration_error"]
        for one in (Calibration(), calibration)
    )
    lines = temperature_notes(calibration.temperature, after, before)
    lines.append("The loss beside simpler methods is with the temperature, and `test/loss` without it.")
    if task.class_weight is not None:
        lines.append(
            "Classes are weighted in training (`task.class_weight`), so probabilities are those of data in which each "
            "is as frequent as it counts, which a temperature does not undo. To have them for data such as this, train "
            "without weights; `task.threshold` finds a rare class too."
        )
    if calibration.threshold is not None:
        name = task.names[task.positive]
        chosen = calibration.threshold if task.positive == 1 else 1 - calibration.threshold
        by = task.threshold if isinstance(task.threshold, str | float) else dict(task.threshold)  # type: ignore[arg-type]
        lines.append(f"'{name}' is answered from a probability of {chosen:.4g} on, chosen on validation by {by}.")
    return lines


def _class_table(task: Classification, probabilities: Tensor, labels: Tensor, answers: Tensor) -> str:
    rows = metrics_by_class(probabilities, labels, answers)
    columns = list(rows[0])
    lines = [f"| class | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in zip(task.names, rows):
        cells = (f"{value:.0f}" if column == "examples" else comparison.cell(value) for column, value in row.items())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@report.plots.register
def _(task: Classification, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    _, answers = probabilities_and_answers(task, evaluation)
    captions = confusion_matrix(answers, targets(evaluation, "test"), task.names, folder)
    return captions | importance(task, evaluation, folder)


# Sentiment


def bag_of_words(evaluation: Evaluation, classes: int) -> Tensor:
    """The probabilities (N, K) of the test texts by logistic regression on the TF-IDF of words and pairs of words, with
    sublinear frequencies."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True), LogisticRegression(C=10, max_iter=1_000)
    )
    texts = {split: codes_of(evaluation.splits[split].columns[0]) for split in ("train", "test")}
    model.fit(texts["train"], targets(evaluation, "train").numpy())
    probabilities = torch.zeros(len(texts["test"]), classes, dtype=torch.float64)
    probabilities[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(texts["test"]))
    return probabilities


def codes_of(column: Any) -> list[list[int]]:
    """The codes of each text of a ragged column."""
    return [part.tolist() for part in column.values.split(column.lengths.tolist())]


def words_and_pairs(codes: list[int]) -> list[tuple[int, ...]]:
    """What a bag of words holds: each code alone, and each pair of neighbours."""
    return [*zip(codes), *pairwise(codes)]
