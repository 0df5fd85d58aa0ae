"""Supervised learning: a target for each input.

Shape letters: B batch, M members of an ensemble.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from zoo.models import apply
from zoo.models.rbm import LabelledRBM
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec
from zoo.tasks.task import NetworkBuilder, Task

Labelled = tuple[Tensor, Tensor]


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

    @abstractmethod
    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of outputs (N, …) and their targets."""

    @abstractmethod
    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How wrong outputs are, a scalar; shuffling a column that matters makes it larger."""

    def training_step(self, batch: Labelled, batch_idx: int) -> Tensor:
        x, targets = batch
        outputs = apply(self.network, self.spec.input.prepare(x))
        if outputs.ndim == 3:  # B, M, …: each member of an ensemble has its own loss
            targets = targets.repeat_interleave(outputs.shape[1], dim=0)
            outputs = outputs.flatten(0, 1)
        loss = self.training_loss(outputs, targets)
        self.record(loss=loss)
        return loss
