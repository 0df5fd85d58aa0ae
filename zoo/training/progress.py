"""What a training shows on the console."""

from __future__ import annotations

import sys
from typing import Any

import lightning as L
import rich
from lightning.pytorch import callbacks

from zoo import private
from zoo.progress import Clock, knows_all_letters, say


class RichProgressBar(callbacks.RichProgressBar):
    """Lightning's, but metrics are gathered only for a refresh, and the logger's version is not shown."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        shown = private.batches_of_epoch(trainer)
        if shown % self.refresh_rate == 0 or shown == trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _without_version(super().get_metrics(trainer, pl_module))


class PlainProgressBar(callbacks.TQDMProgressBar):
    """Lightning's for notebooks, and for terminals that know few letters, without the logger's version."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _without_version(super().get_metrics(trainer, pl_module))


class ProgressLines(callbacks.ProgressBar):
    """A line every so often, for a pipe, a file or the log of CI: where the training is, and its last metrics.

    The first one comes after five seconds, and later ones after a minute at most. Nothing waits for the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.is_enabled = True
        self.has_said = False
        self.metrics = ""  # of the last epoch

    def disable(self) -> None:
        self.is_enabled = False

    def enable(self) -> None:
        self.is_enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.clock = Clock()

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if self.is_enabled and self.clock.is_due():
            self._say(f"batch {private.batches_of_epoch(trainer):,} of {trainer.num_training_batches:,}", trainer)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *more: Any
    ) -> None:
        if self.is_enabled and self.clock.is_due():
            self._say(f"validation batch {batch_idx + 1:,}", trainer)

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int, *more: Any
    ) -> None:
        if self.is_enabled and self.clock.is_due():
            say(f"test: batch {batch_idx + 1:,}")

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.is_enabled and trainer.current_epoch:
            self.metrics = self._metrics(trainer)
            if self.clock.is_due():
                self._say("", trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.has_said:
            say(f"trained: {self._metrics(trainer)}")

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.clock = Clock()

    def _metrics(self, trainer: L.Trainer) -> str:
        found = _without_version(self.get_metrics(trainer, trainer.lightning_module))
        return ", ".join(
            f"{name} {value if isinstance(value, str) else f'{value:.4g}'}" for name, value in found.items()
        )

    def _say(self, place: str, trainer: L.Trainer) -> None:
        self.has_said = True
        epoch = f"epoch {1 + trainer.current_epoch} of {trainer.max_epochs}"
        say(", ".join(part for part in (epoch, place, self.metrics and f"after the last one {self.metrics}") if part))


def progress_bar(refresh_rate: int = 20) -> callbacks.Callback:
    """What shows progress where this runs: bars in a terminal or a notebook, and lines in a pipe or a file.

    Args:
        refresh_rate: batches from one refresh of a bar to the next.
    """
    console = rich.get_console()
    if not console.is_jupyter and not console.is_terminal:
        return ProgressLines()
    plain = console.is_jupyter or console.is_dumb_terminal or not knows_all_letters(sys.stdout)
    return PlainProgressBar(refresh_rate) if plain else RichProgressBar(refresh_rate)


def _without_version(metrics: Any) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "v_num"}
