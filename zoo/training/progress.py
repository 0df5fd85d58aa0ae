"""What a run shows on the console: a progress bar that cannot end the run."""

from __future__ import annotations

import io
import sys
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar

from zoo import private


class TolerantStream(io.TextIOBase):
    """Writes to standard output; characters that it cannot show are replaced, and once it fails it is left alone.

    A console may have few characters (ASCII, cp1252), a disk may be full and a pipe closed, and none of that may end a
    training.
    """

    failed = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(sys.stdout, "encoding", None) or "ascii"

    def isatty(self) -> bool:
        return bool(sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty())

    def fileno(self) -> int:
        return sys.stdout.fileno()

    def write(self, text: str) -> int:
        if not self.failed:
            try:
                sys.stdout.write(text.encode(self.encoding, "replace").decode(self.encoding))
            except (OSError, ValueError, AttributeError):  # full; closed; None
                self.failed = True
        return len(text)

    def flush(self) -> None:
        if not self.failed:
            try:
                sys.stdout.flush()
            except (OSError, ValueError, AttributeError):
                self.failed = True


class ProgressBar(RichProgressBar):
    """Lightning's, but metrics are gathered only for a refresh, and the logger's version is not shown."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate, console_kwargs={"file": TolerantStream()})

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        shown = private.batches_of_epoch(trainer)
        if shown % self.refresh_rate == 0 or shown == trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics
