"""Supervised learning: a target for each input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from zoo.errors import SpecError
from zoo.spec import Classes, Spec
from zoo.tasks import pictures
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task


class Classification(Task):
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

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        schedule: str = "one_cycle",
        loss: nn.Module | None = None,
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.output, Classes):
            raise SpecError(f"classification needs data with classes, and this is {spec}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.names = spec.output.names
        self.criterion = loss or nn.CrossEntropyLoss()
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro")
        self.confusion = MulticlassConfusionMatrix(len(self.names))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, labels = batch
        logits, labels = _each(self.network(self.spec.input.prepare(x)), labels)
        if isinstance(self.criterion, nn.CrossEntropyLoss):
            loss = self.criterion(logits, labels)
        else:
            loss = self.criterion(logits.softmax(dim=1), functional.one_hot(labels, len(self.names)).to(logits.dtype))
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._judge(batch, "val")

    def on_test_start(self) -> None:
        self.confusion.reset()

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            logits = self._judge(batch, "test")
        self.confusion.update(logits, batch[1])

    def on_test_epoch_end(self) -> None:
        self.counts = self.confusion.compute()  # here, where all processes take part

    def pictures(self, folder: Path) -> dict[str, str]:
        pictures.confusion_matrix(self.counts, self.names, folder / "confusion_matrix.png")
        return {"confusion_matrix.png": "Confusion matrix of the test split: rows are true classes, columns answers."}

    def _judge(self, batch: tuple[Tensor, Tensor], split: str) -> Tensor:
        x, labels = batch
        logits: Tensor = self.trained_network(self.spec.input.prepare(x))
        self.loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
        self.accuracy.update(logits, labels)
        figures: dict[str, Any] = {f"{split}/loss": self.loss, f"{split}/accuracy": self.accuracy}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")
        return logits
