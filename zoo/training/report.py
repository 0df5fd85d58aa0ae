"""What is said of a trained network, from whole splits: baselines, metrics, calibration, plots and notes.

Each function below goes by the kind of task (`functools.singledispatch`); `zoo/training/reports` has a file for each
kind. A task from outside registers its own, or has none:

    @report.baselines.register
    def _(task: MyTask, evaluation: Evaluation) -> dict[str, float]: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from zoo.data.core.examples import Batch, Examples
from zoo.spec.calibration import UNCALIBRATED, Calibration
from zoo.tasks.task import Task

Found = TypeVar("Found")


class Evaluation:
    """A trained task with the splits that it is evaluated on, and what its network predicts for them.

    Args:
        task: whose trained network predicts, in eval mode, on its device.
        splits: `train`, `val` and `test` examples.
        batch_size: examples that are predicted together.
        calibration: by which outputs become answers; set once it is chosen.
    """

    def __init__(
        self,
        task: Task,
        splits: Mapping[str, Examples],
        batch_size: int,
        calibration: Calibration = UNCALIBRATED,
    ) -> None:
        self.task = task
        self.calibration = calibration
        self.splits = splits
        self.batch_size = batch_size
        self.kept: dict[str, Any] = {}  # by reports that need it again
        self.known: dict[str, list[Any]] = {}  # predictions, by split

    def batches(self, split: str, size: int | None = None) -> Iterator[Batch]:
        """A split in order, on the task's device."""
        examples = self.splits[split]
        for rows in torch.arange(len(examples)).split(size or self.batch_size):
            yield _to(examples.__getitems__(rows), self.task.device)

    def once(self, name: str, find: Callable[[], Found]) -> Found:
        """What `find` gives, which several parts of a report need, found once under this name."""
        if name not in self.kept:
            self.kept[name] = find()
        found: Found = self.kept[name]
        return found

    @torch.no_grad()
    def predictions(self, split: str) -> list[Any]:
        """What `task.predict_step` gives for each batch of a split, on the CPU."""
        if split not in self.known:
            self.task.eval()
            outputs = (self.task.predict_step(batch, index) for index, batch in enumerate(self.batches(split)))
            self.known[split] = [_to(output, torch.device("cpu")) for output in outputs]
        return self.known[split]


@singledispatch
def callbacks(task: Task, splits: Mapping[str, Examples]) -> list[Callback]:
    """What watches the training, for plots of it."""
    return []


@singledispatch
def check_splits(task: Task, splits: Mapping[str, Examples]) -> None:
    """See, before training, that a task can learn from these examples and be tested on them.

    Raises:
        DataError, ConfigError: it cannot.
    """


@singledispatch
def initialise(task: Task, splits: Mapping[str, Examples]) -> None:
    """Fit, before training, what a network starts from and a closed form gives."""


@singledispatch
def calibrate(task: Task, evaluation: Evaluation) -> Calibration | None:
    """What answers need besides the network, chosen on validation; None for nothing."""
    return None


@singledispatch
def split_metrics(task: Task, evaluation: Evaluation) -> dict[str, float]:
    """Metrics of the test split that need whole splits, by names without `test/`."""
    return {}


@singledispatch
def outcomes(task: Task, evaluation: Evaluation) -> dict[str, Tensor] | None:
    """What `zoo.training.outcomes` keeps of the test split: the truth and the answer for each example, or (N, 2) for
    each metric that is a ratio of sums over examples; None for nothing."""
    return None


@singledispatch
def baselines(task: Task, evaluation: Evaluation) -> dict[str, float]:
    """Metrics of simpler methods, trained and tested on the same examples."""
    return {}


@singledispatch
def plots(task: Task, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw into a folder; gives a caption for each file's name."""
    return {}


View = Callable[[Path], dict[str, str]]  # draws into a folder, as `plots` does


@singledispatch
def views(task: Task, evaluation: Evaluation) -> dict[str, View]:
    """Looks inside the trained network, by name; each may fail without the others."""
    return {}


@singledispatch
def notes(task: Task, evaluation: Evaluation) -> list[str]:
    """What else the card says, as lines of Markdown."""
    return []


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {name: _to(part, device) for name, part in batch.items()}
    return tuple(_to(part, device) for part in batch) if isinstance(batch, (tuple, list)) else batch
