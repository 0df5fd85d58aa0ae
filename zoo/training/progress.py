"""What a training shows on the console."""

from __future__ import annotations

import sys
from typing import Any

import lightning as L
import rich
from lightning.pytorch import callbacks

from zoo import private
from zoo.metrics.meanings import rounded
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
    """Lightning's for terminals that know few letters, without the logger's version."""

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return _without_version(super().get_metrics(trainer, pl_module))


class ProgressLines(callbacks.ProgressBar):
    """A line every so often, for a pipe, a file or the log of CI: where the training is, and its last metrics.

    The first one comes after five seconds, and later ones after a minute at most. Nothing waits for the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = self.new_clock()
        self.is_enabled = True
        self.has_said = False
        self.metrics = ""  # of the last epoch
        self.end = ""  # what is said of the whole training

    def new_clock(self) -> Clock:
        return Clock()

    def tell(self, line: str) -> None:
        say(line)

    def disable(self) -> None:
        self.is_enabled = False

    def enable(self) -> None:
        self.is_enabled = True

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.clock = self.new_clock()

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
            self.tell(f"test: batch {batch_idx + 1:,}")

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.is_enabled and trainer.current_epoch:
            self.metrics = self._metrics(trainer)
            if self.clock.is_due():
                self._say("", trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.end = f"trained: {self._metrics(trainer)}"
        if self.has_said:
            self.tell(self.end)

    def on_test_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.clock = self.new_clock()

    def _metrics(self, trainer: L.Trainer) -> str:
        found = _without_version(self.get_metrics(trainer, trainer.lightning_module))
        return ", ".join(
            f"{name} {value if isinstance(value, str) else rounded(value)}" for name, value in found.items()
        )

    def _say(self, place: str, trainer: L.Trainer) -> None:
        self.has_said = True
        epoch = f"epoch {1 + trainer.current_epoch} of {trainer.max_epochs}"
        parts = epoch, place, self.metrics and f"after the last one {self.metrics}"
        self.tell(", ".join(part for part in parts if part))


class NotebookProgress(ProgressLines):
    """One line below the cell, which changes twice a second.

    Bars move the cursor up for each validation, which notebooks do not: they leave lines of every epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_said = True  # a short training ends with its line, too
        self.shown: Any = None

    def new_clock(self) -> Clock:
        return Clock(every=0.5)

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.is_enabled and self.end:
            self.tell(self.end)

    def tell(self, line: str) -> None:
        from IPython.display import display

        if self.shown is None:
            self.shown = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self.shown.update({"text/plain": line}, raw=True)


def progress_bar(refresh_rate: int = 20) -> callbacks.Callback:
    """What shows progress where this runs: bars in a terminal, a line in a notebook, and lines in a pipe or a file.

    Args:
        refresh_rate: batches from one refresh of a bar to the next.
    """
    console = rich.get_console()
    if console.is_jupyter:
        return NotebookProgress()
    if not console.is_terminal:
        return ProgressLines()
    plain = console.is_dumb_terminal or not knows_all_letters(sys.stdout)
    return PlainProgressBar(refresh_rate) if plain else RichProgressBar(refresh_rate)


def _without_version(metrics: Any) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "v_num"}
