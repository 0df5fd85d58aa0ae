"""Metrics of classification, beside scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs
from sklearn.preprocessing import label_binarize
from torch import Tensor

from zoo.metrics.classification import METRICS, classification_metric, classification_metrics, metrics_by_class


def examples(classes: int, count: int = 300) -> tuple[Tensor, Tensor]:
    """Labels, some rarer than others, and probabilities that know something of them."""
    random = torch.Generator().manual_seed(classes)
    shares = torch.arange(1.0, classes + 1)
    labels = torch.multinomial(shares, count, replacement=True, generator=random)
    logits = torch.randn(count, classes, generator=random)
    logits[torch.arange(count), labels] += 1
    return logits.double().softmax(dim=1), labels


def sklearn_metrics(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    p, y = probabilities.numpy(), labels.numpy()
    answers, classes = p.argmax(axis=1), p.shape[1]
    one_hot = label_binarize(y, classes=range(classes)) if classes > 2 else np.stack([1 - y, y], axis=1)
    precision = (
        theirs.average_precision_score(y, p[:, 1]) if classes == 2 else theirs.average_precision_score(one_hot, p)
    )
    return {
        "accuracy": theirs.accuracy_score(y, answers),
        "balanced_accuracy": theirs.balanced_accuracy_score(y, answers),
        "macro_f1": theirs.f1_score(y, answers, average="macro"),
        "auroc": theirs.roc_auc_score(one_hot, p, average="macro"),
        "average_precision": precision,
        "brier": theirs.brier_score_loss(y, p[:, 1]) if classes == 2 else ((p - one_hot) ** 2).sum(axis=1).mean(),
        "calibration_error": calibration_error(p.max(axis=1), answers == y),
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Guo et al., 2017, equation 3, in a loop."""
    total = 0.0
    for place in range(bins):
        inside = (confidence > place / bins) & (confidence <= (place + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return total


@pytest.mark.parametrize("classes", [2, 5])
def test_they_are_those_of_scikit_learn(classes: int) -> None:
    probabilities, labels = examples(classes)
    expected = sklearn_metrics(probabilities, labels)
    assert classification_metrics(probabilities, labels) == pytest.approx(expected, abs=1e-5)
    for name in METRICS:
        metric = classification_metric(name, classes)
        for rows in torch.arange(len(labels)).split(64):  # as in validation
            metric.update(probabilities[rows], labels[rows])
        assert metric.compute().item() == pytest.approx(expected[name], abs=1e-5), name


@pytest.mark.parametrize("classes", [2, 4])
def test_a_row_for_each_class(classes: int) -> None:
    probabilities, labels = examples(classes)
    answers = probabilities.argmax(dim=1)
    precision, recall, f1, support = theirs.precision_recall_fscore_support(labels, answers)
    for place, row in enumerate(metrics_by_class(probabilities, labels, answers)):
        area = theirs.roc_auc_score(labels == place, probabilities[:, place])
        expected = {"examples": support[place], "precision": precision[place], "recall": recall[place]}
        assert row == pytest.approx({**expected, "f1": f1[place], "auroc": area}, abs=1e-5)


def test_a_class_without_examples_is_left_out_and_nothing_warns() -> None:
    probabilities, labels = examples(4)
    kept = labels != 2
    found = classification_metrics(probabilities[kept], labels[kept])
    one_hot = label_binarize(labels[kept], classes=range(4))
    areas = [theirs.roc_auc_score(one_hot[:, place], probabilities[kept][:, place]) for place in (0, 1, 3)]
    assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-5)
    rows = metrics_by_class(probabilities[kept], labels[kept], probabilities[kept].argmax(dim=1))
    assert math.isnan(rows[2]["recall"])
    assert math.isnan(rows[2]["auroc"])


def test_answers_by_a_threshold_change_what_goes_by_answers_alone() -> None:
    probabilities, labels = examples(2)
    answers = (probabilities[:, 1] >= 0.8).long()
    found, usual = classification_metrics(probabilities, labels, answers), classification_metrics(probabilities, labels)
    assert found["accuracy"] == pytest.approx(theirs.accuracy_score(labels, answers))
    assert {name for name in found if found[name] != usual[name]} == {"accuracy", "balanced_accuracy", "macro_f1"}
