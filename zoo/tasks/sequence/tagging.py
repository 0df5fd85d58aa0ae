"""Tagging: a label for each step of a sequence.

Shape letters: B batch, T steps, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from zoo import check
from zoo.metrics.entities import EntityF1, are_entities
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Labels, Spec
from zoo.tasks.task import NetworkBuilder, Task, unfit

IGNORED = -100  # the label of a step that is padding


class Tagging(Task):
    """A label for each step of a video or a series, or for each word of a sentence.

    Logs `train/loss`, and of `val` and `test` the cross-entropy `loss` (nats, mean over all steps) and `accuracy`
    (0..1, over all steps); where the labels mark entities (O, B-PER, I-PER, …) also their `f1`, by which the best
    checkpoint is then chosen. Padding does not count.

    Args:
        spec, build, optimizer: as in `Task`.
        label_smoothing: in training, the fraction of a label's probability that is spread over all labels.

    Raises:
        SpecError: the data has no label for each step.
        ValueError: an option is out of range.
    """

    monitor = "val/accuracy"
    mode = "max"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        if not isinstance(spec.output, Labels):
            raise unfit("tagging needs data with a label for each step", spec)
        check.fraction("label_smoothing", label_smoothing, one=False)
        super().__init__(spec, build, optimizer)
        self.names = spec.output.names
        self.criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing, ignore_index=IGNORED)
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro", ignore_index=IGNORED)
        self.f1 = EntityF1(self.names) if are_entities(self.names) else None
        if self.f1 is not None:
            self.monitor = "val/f1"

    def training_step(self, batch: tuple[Any, Any], batch_idx: int) -> Tensor:
        loss = self.criterion(*self._steps(self.network, batch))
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: tuple[Any, Any], batch_idx: int, split: str) -> None:
        logits, labels = self._steps(self.trained_network, batch)
        loss = functional.cross_entropy(logits, labels, ignore_index=IGNORED)
        self.loss.update(loss, weight=(labels != IGNORED).sum())
        self.accuracy.update(logits, labels)
        if self.f1 is not None:
            rows = masked(batch[1]).shape
            self.f1.update(logits.argmax(dim=1).view(rows), labels.view(rows))

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        metrics: dict[str, Metric] = {"loss": self.loss, "accuracy": self.accuracy}
        return metrics if self.f1 is None else {**metrics, "f1": self.f1}

    def _steps(self, network: nn.Module, batch: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """Logits (B * T, K) and labels (B * T,) of all steps of a batch."""
        x, labels = batch
        logits: Tensor = apply(network, self.spec.input.prepare(x))
        return logits.float().flatten(0, 1), masked(labels).flatten()


def masked(labels: Any) -> Tensor:
    """Labels (B, T), `IGNORED` where a step is padding.

    Args:
        labels: (B, T); or such labels and the lengths (B,) of the sequences.
    """
    if isinstance(labels, Tensor):
        return labels
    labels, lengths = labels
    real = torch.arange(labels.shape[1], device=labels.device) < lengths[:, None]
    return labels.masked_fill(~real, IGNORED)
