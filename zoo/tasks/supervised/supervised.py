"""Supervised learning: a target for each input.

Shape letters: B batch, K classes, V values, M members of an ensemble.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from zoo.errors import SpecError
from zoo.metrics.importance import permutation_importance
from zoo.models import apply
from zoo.models.rbm import LabelledRBM
from zoo.plots import pictures
from zoo.spec import Classes, Spec, Table, Values
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

Labelled = tuple[Tensor, Tensor]


class R2(R2Score):
    """The share of the variance that is foretold; NaN of less than two examples, as a check before training may see."""

    def compute(self) -> Tensor:
        return super().compute() if self.total > 1 else torch.full((), torch.nan, device=self.total.device)


class Supervised(Task):
    """What classification and regression share: steps, and what columns of a table matter.

    Args:
        loss: of outputs and targets, in training.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.
    """

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        loss: nn.Module,
        schedule: str,
        max_grad_norm: float | None,
        ema: float | None,
    ) -> None:
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        if isinstance(self.network, LabelledRBM):
            self.network.learn_labels_alone()
        self.criterion = loss
        self._tested: list[Labelled] = []

    measure: ClassVar[str]  # the name of `error`

    @abstractmethod
    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of outputs (N, …) and their targets."""

    @abstractmethod
    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How wrong outputs are, a scalar; what shuffling a column makes worse."""

    @abstractmethod
    def judge(self, batch: Labelled, split: str) -> None:
        """Add a batch of a split to the figures."""

    @abstractmethod
    def figures(self) -> dict[str, Metric]:
        """What `judge` adds to, by name."""

    def training_step(self, batch: Labelled, batch_idx: int) -> Tensor:
        x, targets = batch
        outputs = apply(self.network, self.spec.input.prepare(x))
        if outputs.ndim == 3:  # B, M, …: each member of an ensemble has its own loss
            targets = targets.repeat_interleave(outputs.shape[1], dim=0)
            outputs = outputs.flatten(0, 1)
        loss = self.training_loss(outputs, targets)
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: Labelled, batch_idx: int) -> None:
        self.judge(batch, "val")

    def on_validation_epoch_end(self) -> None:  # not in each step, where logging costs more than a small network
        self.log_dict({f"val/{name}": figure for name, figure in self.figures().items()}, prog_bar=True)

    def on_test_start(self) -> None:
        self._tested.clear()

    def test_step(self, batch: Labelled, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, "test")
        if isinstance(self.spec.input, Table):
            self._tested.append((batch[0].cpu(), batch[1].cpu()))

    def on_test_epoch_end(self) -> None:
        self.log_dict({f"test/{name}": figure for name, figure in self.figures().items()})

    def pictures(self, folder: Path) -> dict[str, str]:
        if not isinstance(self.spec.input, Table):
            return {}
        rows, targets = (torch.cat(parts) for parts in zip(*self._tested))
        rises = permutation_importance(self.trained_network, self.spec.input, rows, targets, self.error)
        pictures.importance(rises, self.measure, folder / "importance.png")
        return {"importance.png": f"Rise of the {self.measure} on the test split once a column is shuffled."}


class Classification(Supervised):
    """One of K classes for each input.

    Logs `train/loss`, and of `val` and `test` the cross-entropy `loss` (nats, mean) and `accuracy` (0..1, over all
    examples).

    Args:
        loss: in training; None for cross-entropy (nats, mean over the batch). Others than `torch.nn.CrossEntropyLoss`
            compare the K probabilities with 1 for the true class and 0 for the others.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no classes.
        ValueError: an option is out of range.
    """

    monitor = "val/accuracy"
    mode = "max"
    measure = "cross-entropy (nats)"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        loss: nn.Module | None = None,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.output, Classes):
            raise SpecError(f"classification needs data with classes, and this is {spec}")
        loss = loss or nn.CrossEntropyLoss()
        if isinstance(loss, nn.CrossEntropyLoss) and not 0 <= loss.label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be from 0 to 1, got {loss.label_smoothing}")
        super().__init__(spec, network, optimiser, loss=loss, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.names = spec.output.names
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro")
        self.confusion = MulticlassConfusionMatrix(len(self.names))

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if isinstance(self.criterion, nn.CrossEntropyLoss):
            return self.criterion(outputs, targets)
        probabilities = outputs.softmax(dim=1)
        return self.criterion(probabilities, functional.one_hot(targets, len(self.names)).to(probabilities.dtype))

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets)

    def judge(self, batch: Labelled, split: str) -> None:
        x, labels = batch
        logits: Tensor = apply(self.trained_network, self.spec.input.prepare(x))
        self.loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
        self.accuracy.update(logits, labels)
        if split == "test":
            self.confusion.update(logits, labels)

    def figures(self) -> dict[str, Metric]:
        return {"loss": self.loss, "accuracy": self.accuracy}

    def on_test_start(self) -> None:
        super().on_test_start()
        self.confusion.reset()

    def on_test_epoch_end(self) -> None:
        super().on_test_epoch_end()
        self.counts = self.confusion.compute()  # here, where all processes take part

    def pictures(self, folder: Path) -> dict[str, str]:
        pictures.confusion_matrix(self.counts, self.names, folder / "confusion_matrix.png")
        caption = "Confusion matrix of the test split: rows are true classes, columns answers."
        return {"confusion_matrix.png": caption, **super().pictures(folder)}


class Regression(Supervised):
    """One or more values for each input.

    Logs `train/loss`, and of `val` and `test` the `loss`, `r2` (the mean over the values, at most 1), and `rmse` and
    `mae` in the values' own units.

    Args:
        loss: of standardised values; None for the squared error (mean over the batch).
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no values.
        ValueError: an option is out of range.
    """

    monitor = "val/loss"
    mode = "min"
    measure = "root mean squared error"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        loss: nn.Module | None = None,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.output, Values):
            raise SpecError(f"regression needs data with values, and this is {spec}")
        if isinstance(loss, nn.CrossEntropyLoss):
            raise ValueError("cross-entropy is a loss of classes; regression takes mse, sse or huber")
        super().__init__(
            spec,
            network,
            optimiser,
            loss=loss or nn.MSELoss(),
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.values = spec.output
        self.loss = MeanMetric()
        self.r2 = R2()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()
        self._answers: list[tuple[Tensor, Tensor]] = []

    def training_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.criterion(outputs, targets)

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(self.values.restore(outputs), self.values.restore(targets)).sqrt()

    def judge(self, batch: Labelled, split: str) -> None:
        x, targets = batch
        outputs = apply(self.trained_network, self.spec.input.prepare(x)).float()
        self.loss.update(self.criterion(outputs, targets), weight=len(targets))
        self.r2.update(outputs, targets)  # the same in any units
        answers, truths = self.values.restore(outputs), self.values.restore(targets)
        self.rmse.update(answers, truths)
        self.mae.update(answers, truths)
        if split == "test":
            self._answers.append((answers.cpu(), truths.cpu()))

    def figures(self) -> dict[str, Metric]:
        return {"loss": self.loss, "r2": self.r2, "rmse": self.rmse, "mae": self.mae}

    def on_test_start(self) -> None:
        super().on_test_start()
        self._answers.clear()

    def pictures(self, folder: Path) -> dict[str, str]:
        answers, truths = (torch.cat(parts) for parts in zip(*self._answers))
        pictures.predicted_against_true(answers, truths, self.values.names, folder / "predicted.png")
        return {"predicted.png": "Predicted against true values of the test split.", **super().pictures(folder)}


def supervised(
    spec: Spec,
    network: NetworkBuilder,
    optimiser: OptimiserBuilder,
    *,
    loss: nn.Module | None = None,
    schedule: str = "one_cycle",
    max_grad_norm: float | None = None,
    ema: float | None = None,
) -> Supervised:
    """Classification or regression, as the data's target asks for.

    Raises:
        ValueError: an option is out of range.
    """
    task = Classification if isinstance(spec.output, Classes) else Regression
    return task(spec, network, optimiser, loss=loss, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
