"""A target for each input: classification, regression, sentiment."""

from __future__ import annotations

from torch import nn

from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Spec
from zoo.tasks.supervised.classification import Classification
from zoo.tasks.supervised.regression import Regression
from zoo.tasks.supervised.sentiment import Sentiment
from zoo.tasks.supervised.supervised import Supervised
from zoo.tasks.task import NetworkBuilder

__all__ = ["Classification", "Regression", "Sentiment", "Supervised", "supervised_task"]


def supervised_task(
    spec: Spec,
    build: NetworkBuilder,
    optimizer: OptimizerBuilder | TrainingOptions,
    *,
    loss: nn.Module | None = None,
) -> Supervised:
    """The task that the data's target asks for: classification of classes, regression of values."""
    task = Classification if isinstance(spec.output, Classes) else Regression
    return task(spec, build, optimizer, loss=loss)
