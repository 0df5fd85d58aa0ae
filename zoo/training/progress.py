"""What a run shows on the console."""

from __future__ import annotations

from typing import Any

import lightning as L
import rich
from lightning.pytorch.callbacks import Callback, RichProgressBar, TQDMProgressBar

from zoo import private


class ProgressBar(RichProgressBar):
    """Lightning's, but metrics are gathered only for a refresh, and the logger's version is not shown."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        shown = private.batches_of_epoch(trainer)
        if shown % self.refresh_rate == 0 or shown == trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _without_version(super().get_metrics(trainer, pl_module))


class NotebookProgressBar(TQDMProgressBar):
    """Lightning's, without the logger's version."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _without_version(super().get_metrics(trainer, pl_module))


def progress_bar(refresh_rate: int = 20) -> Callback | None:
    """What shows progress where this runs: bars in a terminal or a notebook, and nothing in a pipe or a file.

    Args:
        refresh_rate: batches from one refresh to the next.
    """
    console = rich.get_console()
    if console.is_jupyter:
        return NotebookProgressBar(refresh_rate)
    return ProgressBar(refresh_rate) if console.is_terminal else None


def _without_version(metrics: Any) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "v_num"}
