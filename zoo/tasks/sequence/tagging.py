"""Tagging: a label for each step of a sequence.

Shape letters: B batch, T steps, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from zoo import plots
from zoo.errors import SpecError
from zoo.models import apply
from zoo.spec import Labels, Spec, Video
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

IGNORED = -100  # the label of a step that is padding


class Tagging(Task):
    """A label for each step: of a video, or of a series.

    Logs `train/loss`, and of `val` and `test` the cross-entropy `loss` (nats, mean over all steps) and `accuracy`
    (0..1, over all steps). The baseline is always the most frequent label.

    Args:
        label_smoothing: share of a label's probability that is spread over all, in training.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no label for each step.
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
        label_smoothing: float = 0.0,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.output, Labels):
            raise SpecError(f"tagging needs data with a label for each step, and this is {spec}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.names = spec.output.names
        self.criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing, ignore_index=IGNORED)
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro", ignore_index=IGNORED)
        self.confusion = MulticlassConfusionMatrix(len(self.names), ignore_index=IGNORED)
        self._shown: tuple[Tensor, Tensor, Tensor] | None = None

    def training_step(self, batch: tuple[Any, Any], batch_idx: int) -> Tensor:
        logits, labels = self._steps(self.network, batch)
        loss = self.criterion(logits, labels)
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: tuple[Any, Any], batch_idx: int) -> None:
        self.judge(batch, "val")

    def on_test_start(self) -> None:
        self._shown = None
        self.confusion.reset()

    def test_step(self, batch: tuple[Any, Any], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, "test")

    def on_test_epoch_end(self) -> None:
        self.counts = self.confusion.compute()  # here, where all processes take part

    def judge(self, batch: tuple[Any, Any], split: str) -> None:
        logits, labels = self._steps(self.trained_network, batch)
        real = (labels != IGNORED).sum()
        self.loss.update(functional.cross_entropy(logits, labels, ignore_index=IGNORED), weight=real)
        self.accuracy.update(logits, labels)
        if split == "test":
            self.confusion.update(logits, labels)
            if self._shown is None and isinstance(self.spec.input, Video):
                steps = batch[0][0].shape[1]
                self._shown = batch[0][0][0], logits.view(-1, steps, len(self.names))[0], labels.view(-1, steps)[0]
        figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("loss", "accuracy")}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        train, test = (_values(splits[split].columns[1]) for split in ("train", "test"))
        most = train.flatten().bincount().argmax()
        return {"accuracy of the most frequent label": float((test == most).float().mean())}

    def pictures(self, folder: Path) -> dict[str, str]:
        plots.confusion_matrix(self.counts, self.names, folder / "confusion_matrix.png")
        captions = {"confusion_matrix.png": "Steps of the test split: rows are true labels, columns answers."}
        if self._shown is not None:
            video, logits, labels = self._shown
            real = labels != IGNORED
            told = [self.names[code] for code in logits.argmax(dim=1)[real].tolist()]
            true = [self.names[code] for code in labels[real].tolist()]
            plots.captioned_frames(video[real], told, true, folder / "tagged.png")
            captions["tagged.png"] = "A video of the test split: what it said of each picture (wrong ones in red)."
        return captions

    def _steps(self, network: nn.Module, batch: tuple[Any, Any]) -> tuple[Tensor, Tensor]:
        """Logits (B * T, K) and labels (B * T,), `IGNORED` where a step is padding."""
        x, labels = batch
        logits = apply(network, self.spec.input.prepare(x))
        if isinstance(labels, tuple):
            labels, lengths = labels
            real = torch.arange(labels.shape[1], device=labels.device) < lengths[:, None]
            labels = labels.masked_fill(~real, IGNORED)
        return logits.float().flatten(0, 1), labels.flatten()


def _values(column: Any) -> Tensor:
    return column if isinstance(column, Tensor) else column.values
