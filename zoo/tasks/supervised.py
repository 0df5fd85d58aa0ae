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
    """One of K classes for each input, by cross-entropy (nats, mean over the batch).

    Logs `train/loss`, and `loss` and `accuracy` (0..1, over all examples) of `val` and `test`.

    Args:
        label_smoothing: share of the target's probability that is spread over all classes, 0..1 (Szegedy et al.,
            2016); in training only.
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
        label_smoothing: float = 0.0,
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.output, Classes):
            raise SpecError(f"classification needs data with classes, and this is {spec}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.names = spec.output.names
        self.label_smoothing = label_smoothing
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro")
        self.confusion = MulticlassConfusionMatrix(len(self.names))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, labels = batch
        logits = self.network(self.spec.input.prepare(x))
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
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
