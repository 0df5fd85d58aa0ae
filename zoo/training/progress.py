"""What a run shows on the console."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar

from zoo import private


class ProgressBar(RichProgressBar):
    """Lightning's, but metrics are gathered only for a refresh, and the logger's version is not shown."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        shown = private.batches_of_epoch(trainer)
        if shown % self.refresh_rate == 0 or shown == trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
