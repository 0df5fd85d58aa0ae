"""metrics.csv: a row for each time that metrics are logged; replaced whole, read tolerantly, and no row is lost."""

from __future__ import annotations

import csv
import io
import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers.logger import DummyExperiment, Logger, rank_zero_experiment
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo import private
from zoo.errors import ConfigError
from zoo.files import one_line, replacing

log = logging.getLogger(__name__)

FILE = "metrics.csv"
MAX_BYTES = 2**28
Row = dict[str, Any]


class MetricsFile(Logger):
    """Writes what is logged to `metrics.csv` in the run's folder, with columns by name and rows in their order.

    Lightning's CSVLogger deletes an earlier file as it starts, appends to it, and writes a new header in place.

    Args:
        save_dir: the run's folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self._folder = Path(save_dir)
        self._rows: list[Row] = []
        self._expected: Row | None = None  # what Lightning will log once a checkpoint is saved
        self._written = True

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self._folder)

    @property
    def log_dir(self) -> str:
        return str(self._folder)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        return DummyExperiment()

    @property
    def file(self) -> Path:
        return self._folder / FILE

    @rank_zero_only
    def resume(self, step: int) -> None:
        """Keep the rows of an earlier file up to a step, and say so where some cannot be read."""
        rows, unreadable = read_rows(self.file)
        self._rows = [row for row in rows if row["step"] < step]
        if unreadable:
            log.warning("%s: %d of its rows cannot be read, and are left out", self.file, unreadable)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        row = self._row(metrics, step)
        if not self._rows or not _is_repeated(row, self._rows[-1]):
            self._rows.append(row)
        else:
            self._rows[-1] = row
        self._expected, self._written = None, False

    @rank_zero_only
    def expect(self, metrics: Mapping[str, Any], step: int) -> None:
        """Write metrics that Lightning logs only after a checkpoint is saved, which a kill may prevent."""
        self._expected, self._written = self._row(metrics, step), False
        self.save()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The run's config.yaml has them."""

    @rank_zero_only
    def save(self) -> None:
        if self._written:
            return
        rows = self._rows if self._expected is None else [*self._rows, self._expected]
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, sorted({name for row in rows for name in row}))
        table.writeheader()
        table.writerows(rows)
        try:
            with replacing(self.file, sync=False) as file:  # a row is no checkpoint: it need not wait for the disk
                file.write(text.getvalue().encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise ConfigError(one_line(f"{self.file} cannot be written: {error.strerror}")) from error
        self._written = True

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()

    def _row(self, metrics: Mapping[str, Any], step: int | None) -> Row:
        values = {name: value.item() if hasattr(value, "item") else value for name, value in metrics.items()}
        return values | {"step": len(self._rows) if step is None else step}


class RowsBeforeCheckpoints(Callback):
    """Has MetricsFile write a row before the checkpoint that comes after its epoch, and not after it.

    Made for Lightning 2.6, which saves checkpoints in `on_train_epoch_end` and logs the epoch's means after that: a
    kill between the two lost a row for good (3 of 35 kills, and 11 of 60).
    """

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        files = [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]
        if files and (row := private.row_to_come(trainer)) is not None:
            metrics, step = row
            for file in files:
                file.expect(metrics | {"epoch": trainer.current_epoch}, step)


def read_rows(path: Path, max_bytes: int = MAX_BYTES) -> tuple[list[Row], int]:
    """The rows of a metrics.csv that can be read, and how many cannot.

    A row can be read if it has a cell for each column, each a number or empty, and a whole step.
    """
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes) if path.is_file() else b""
    except OSError:
        return [], 0
    lines = data.decode("utf-8", "replace").replace("\0", "").splitlines()
    if not lines:
        return [], 0
    header = next(csv.reader(lines[:1]), [])
    if len(set(header)) != len(header):
        return [], len(lines) - 1
    rows = [_read_row(line, header) for line in lines[1:] if line.strip()]
    kept = [row for row in rows if row is not None]
    return kept, len(rows) - len(kept)


def _read_row(line: str, header: list[str]) -> Row | None:
    """A line as numbers by column; a line is read by itself, so that a quote left open costs no other."""
    try:
        cells = next(csv.reader([line]), [])
        row: Row = {name: _number(cell) for name, cell in zip(header, cells) if cell}
        return row if len(cells) == len(header) and type(row["step"]) is int and row["step"] >= 0 else None
    except (csv.Error, KeyError, ValueError):
        return None


def _number(cell: str) -> float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _is_repeated(row: Row, earlier: Row) -> bool:
    """Whether a row says again what an earlier one does, as a run does that goes on just before it."""
    return row.keys() == earlier.keys() and all(row[name] == earlier[name] for name in ("step", "epoch") if name in row)
