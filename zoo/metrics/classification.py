"""Metrics of classification, by name: for one split at once, for each class, or as torchmetrics' `Metric`.

Of two classes, `average_precision` is that of the second, and `brier` the squared error of its probability, as in
scikit-learn. Of more, the first is the mean over the classes, each against the others, and the second adds up the
squared errors of all of them.

Shape letters: N examples, K classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.classification import (
    BinaryAveragePrecision,
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassAveragePrecision,
    MulticlassCalibrationError,
    MulticlassF1Score,
    MulticlassStatScores,
)
from torchmetrics.functional.classification import multiclass_auroc, multiclass_stat_scores
from torchmetrics.utilities import dim_zero_cat

from zoo import check

BINS = 15  # of probabilities, by which the calibration error is measured (Guo et al., 2017)


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class BrierScore(Metric):
    """The mean squared error of probabilities: 0 to 1 of two classes, 0 to 2 of more.

    Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """

    full_state_update = False
    higher_is_better = False

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        """Add examples: probabilities (N, K) and labels (N,)."""
        classes = probabilities.shape[1]
        errors = (probabilities - functional.one_hot(labels, classes)).square().sum()
        self.total += errors / (2 if classes == 2 else 1)
        self.count += len(labels)

    def compute(self) -> Tensor:
        return (self.total / self.count).float()


class BalancedAccuracy(MulticlassStatScores):
    """The mean recall of those classes that there are examples of."""

    higher_is_better = True

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average=None)

    def compute(self) -> Tensor:
        true, _, _, _, support = super().compute().unbind(dim=1)
        return (true / support)[support > 0].mean()


class AUROC(MulticlassAUROC):
    """The mean area under the ROC curve of those classes that there are examples of, each against the others."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average=None)

    def compute(self) -> Tensor:  # type: ignore[override]
        with _without_warnings():
            areas: Tensor = super().compute()
        counts = dim_zero_cat(self.target).bincount(minlength=len(areas))
        return areas[(counts > 0) & (counts < counts.sum())].mean()


class MeanAveragePrecision(MulticlassAveragePrecision):
    """The mean average precision of those classes that there are examples of, each against the others."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average=None)

    def compute(self) -> Tensor:  # type: ignore[override]
        with _without_warnings():
            precisions: Tensor = super().compute()
        return precisions[dim_zero_cat(self.target).bincount(minlength=len(precisions)) > 0].mean()


class AveragePrecisionOfSecond(BinaryAveragePrecision):
    """The average precision of the second of two classes."""

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        super().update(probabilities[:, 1], labels)

    def compute(self) -> Tensor:  # type: ignore[override]
        with _without_warnings():
            return super().compute()


def _average_precision(classes: int) -> Metric:
    return AveragePrecisionOfSecond() if classes == 2 else MeanAveragePrecision(classes)


METRICS: dict[str, Callable[[int], Metric]] = {
    "accuracy": partial(MulticlassAccuracy, average="micro"),
    "balanced_accuracy": BalancedAccuracy,
    "macro_f1": partial(MulticlassF1Score, average="macro"),
    "auroc": AUROC,
    "average_precision": _average_precision,
    "brier": lambda classes: BrierScore(),
    "calibration_error": partial(MulticlassCalibrationError, n_bins=BINS, norm="l1"),
}
OF_ANSWERS = ("accuracy", "balanced_accuracy", "macro_f1")  # and of probabilities all others


def classification_metric(name: str, classes: int) -> Metric:
    """A metric of `METRICS`, which is given probabilities (N, K) and labels (N,)."""
    return METRICS[check.one_of("metric", name, METRICS)](classes)


def classification_metrics(
    probabilities: Tensor, labels: Tensor, answers: Tensor | None = None, names: Collection[str] = METRICS.keys()
) -> dict[str, float]:
    """Metrics of a split, on the CPU.

    Args:
        probabilities: (N, K).
        labels: (N,).
        answers: the classes that are answered (N,); None for the likeliest.
        names: of the metrics, among those of `METRICS`.
    """
    classes = probabilities.shape[1]
    answered = probabilities.argmax(dim=1) if answers is None else answers
    found = {}
    for name in names:
        metric = METRICS[name](classes)
        metric.update(answered if name in OF_ANSWERS else probabilities, labels)
        found[name] = float(metric.compute())
    return found


def metrics_by_class(probabilities: Tensor, labels: Tensor, answers: Tensor) -> list[dict[str, float]]:
    """For each of the K classes: examples, precision, recall, F1 and AUROC; NaN where there is nothing to measure."""
    classes = probabilities.shape[1]
    counts = multiclass_stat_scores(answers, labels, classes, average=None).double()  # K, (tp, fp, tn, fn, support)
    true, false, _, missed, support = counts.unbind(dim=1)
    with _without_warnings():
        areas = multiclass_auroc(probabilities, labels, classes, average=None)
    columns = {
        "examples": support,
        "precision": true / (true + false),
        "recall": true / support,
        "f1": 2 * true / (2 * true + false + missed),
        "auroc": torch.where((support > 0) & (support < len(labels)), areas.double(), torch.nan),
    }
    return [dict(zip(columns, row)) for row in torch.stack(list(columns.values()), dim=1).tolist()]
