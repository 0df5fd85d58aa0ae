"""Going on where a run was stopped."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo.errors import ConfigError


def check_resume(path: Path, settings: dict[str, Any]) -> int:
    """See that the checkpoint can be read and is of the same run; gives how many batches that had seen."""
    if not path.is_file():
        raise ConfigError(f"resume: no such file: {path}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        then = checkpoint["hyper_parameters"]
        # As metrics.csv counts, with the batch in which it was kept; the global step counts those of two optimizers
        loop = checkpoint["loops"]["fit_loop"]
        seen = loop["epoch_loop.batch_progress"]["total"]
        step = int(loop["epoch_loop.state_dict"]["_batches_that_stepped"] + seen["ready"] - seen["completed"])
        changed = [name for name in settings if settings[name] != then[name]]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ConfigError(f"resume: {path} is not a checkpoint of zoo, or it is damaged") from error
    for name in changed:
        raise ConfigError(f"resume: {path} was trained with {name}={then[name]}, not {name}={settings[name]}")
    return step


@rank_zero_only
def keep_earlier_metrics(trainer: L.Trainer, step: int) -> None:
    """Keep what metrics.csv held up to the batch where a run goes on, which Lightning's logger deletes as it starts."""
    for logger in trainer.loggers:
        file = Path(logger.log_dir or "", "metrics.csv")
        if not isinstance(logger, CSVLogger) or not file.exists():
            continue
        with file.open(newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if int(row["step"]) < step]
        writer = logger.experiment
        writer.metrics_keys = list(rows[0]) if rows else []
        with file.open("w", newline="") as lines:
            table = csv.DictWriter(lines, writer.metrics_keys)
            table.writeheader()
            table.writerows(rows)
