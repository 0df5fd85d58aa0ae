"""A target for each input: a class, several labels or values; and the sentiment of texts."""

from __future__ import annotations

from typing import Any

from torch import nn

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
) -> Supervised:
    """The task that the data's target asks for: a class, several labels, or values."""
    tasks: dict[type, type[Supervised]] = {Classes: Classification, MultiLabel: MultiLabelClassification}
    task: Any = tasks.get(type(spec.output), Regression)
    made: Supervised = task(spec, build, optimizer, loss=loss)
    return made
