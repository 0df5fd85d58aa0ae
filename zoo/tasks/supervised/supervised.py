"""Supervised learning: a target for each input.

Shape letters: B batch, M members of an ensemble.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from zoo.errors import ConfigError, unknown
from zoo.metrics.meanings import better
from zoo.models import apply
from zoo.models.rbm import LabelledRBM
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec
from zoo.tasks.task import NetworkBuilder, Task

Labelled = tuple[Any, Tensor]  # inputs and targets; in training a weight of each example (B,) may follow


class Supervised(Task):
    """What classification and regression share: the training step, and an error to measure importance by.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of outputs and targets, in training.
    """

    error_name: ClassVar[str]  # of `error`, for people

    def __init__(
        self, spec: Spec, build: NetworkBuilder, optimizer: OptimizerBuilder | TrainingOptions, *, loss: nn.Module
    ) -> None:
        super().__init__(spec, build, optimizer)
        if isinstance(self.network, LabelledRBM):
            self.network.learn_labels_alone()
        self.criterion = loss

    def choose_monitor(self, name: str | None, choices: Sequence[str]) -> None:
        """Keep the best weights by another validation metric than usual.

        Raises:
            ValueError: there is no such metric.
        """
        if name is None:
            return
        if name not in choices:
            raise ValueError(unknown("metric to monitor", str(name), choices))
        self.monitor, self.mode, self.monitor_is_given = f"val/{name}", better(name) or "min", True

    @property
    def loss_name(self) -> str:
        """The name of the loss of training: `loss` where it is the quantity that validation has under this name."""
        return "loss"

    def example_weights(self, targets: Tensor) -> Tensor | None:
        """What each example counts (N,) by its target; None for all the same."""
        return None

    @abstractmethod
    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        """The loss of outputs (N, …) and their targets, by a criterion; None for that of the task."""

    @abstractmethod
    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How wrong outputs are, a scalar; shuffling a column that matters makes it larger."""

    def training_step(self, batch: Labelled, batch_idx: int) -> Tensor:
        x, targets = batch[:2]
        weights: list[Tensor] = list(batch[2:])
        outputs = apply(self.network, self.spec.input.prepare(x))
        if outputs.ndim == 3:  # B, M, …: each member of an ensemble has its own loss
            targets, *weights = (column.repeat_interleave(outputs.shape[1], dim=0) for column in (targets, *weights))
            outputs = outputs.flatten(0, 1)
        if (by_target := self.example_weights(targets)) is not None:
            weights = [weights[0] * by_target if weights else by_target]
        loss = self.weighted_loss(outputs, targets, *weights) if weights else self.training_loss(outputs, targets)
        summed = getattr(self.criterion, "reduction", None) == "sum"
        self.record(**{self.loss_name: loss.detach() / len(targets) if summed else loss})
        return loss

    def weighted_loss(self, outputs: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The training loss where each example counts by its weight (N,), of which the mean over all examples is 1.

        Raises:
            ConfigError: the criterion does not give the loss of each example, by `reduction="none"`.
        """
        reduction = getattr(self.criterion, "reduction", None)
        if reduction not in ("mean", "sum"):
            raise ConfigError(f"task.loss: weights of examples need a loss with a reduction, not {self.criterion}")
        each = copy.copy(self.criterion)
        each.reduction = "none"  # type: ignore[assignment]
        losses = self.training_loss(outputs, targets, each)  # N or N, …
        losses = losses * weights.view(-1, *[1] * (losses.ndim - 1))
        return losses.mean() if reduction == "mean" else losses.sum()
