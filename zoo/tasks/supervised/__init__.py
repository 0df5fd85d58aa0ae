"""A target for each input: a class, several labels or values; and the sentiment of texts."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from zoo.metrics.calibration import Criterion
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, MultiLabel, Spec
from zoo.tasks.supervised.classification import Classification
from zoo.tasks.supervised.multi_label import MultiLabelClassification
from zoo.tasks.supervised.regression import Regression
from zoo.tasks.supervised.sentiment import Sentiment
from zoo.tasks.supervised.supervised import Supervised
from zoo.tasks.task import NetworkBuilder

__all__ = ["Classification", "MultiLabelClassification", "Regression", "Sentiment", "Supervised", "supervised_task"]


def supervised_task(
    spec: Spec,
    build: NetworkBuilder,
    optimizer: OptimizerBuilder | TrainingOptions,
    *,
    loss: nn.Module | None = None,
    monitor: str | None = None,
    class_weight: str | Mapping[str, float] | None = None,
    threshold: Criterion | None = None,
    positive: str | None = None,
    quantiles: bool = False,
    coverage: float | None = 0.9,
) -> Supervised:
    """The task that the data's target asks for: classification of classes or several labels, regression of values.

    Raises:
        ValueError: an option of one of them is given for another.
    """
    output = spec.output
    if quantiles and isinstance(output, Classes | MultiLabel):
        raise ValueError("quantiles are of values, and the target has classes")
    if isinstance(output, Classes):
        return Classification(
            spec,
            build,
            optimizer,
            loss=loss,
            monitor=monitor,
            class_weight=class_weight,
            threshold=threshold,
            positive=positive,
        )
    of_classes: dict[str, object] = {"class_weight": class_weight, "positive": positive}
    if not isinstance(output, MultiLabel):
        of_classes["threshold"] = threshold
    for name, given in of_classes.items():
        if given is not None:
            raise ValueError(f"{name} is of classes, and the target has {output.word}")
    if isinstance(output, MultiLabel):
        return MultiLabelClassification(spec, build, optimizer, loss=loss, threshold=threshold)
    return Regression(spec, build, optimizer, loss=loss, monitor=monitor, quantiles=quantiles, coverage=coverage)
