"""A quiet fit: the task and the settings of a run, and Lightning's Trainer without folder, logger or checkpoints."""

from __future__ import annotations

import threading
import warnings
from copy import deepcopy
from functools import lru_cache
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from torch import Tensor

from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.errors import ConfigError
from zoo.hardware import precision
from zoo.spec import Spec
from zoo.tasks.task import Task
from zoo.training import report, run_length
from zoo.training.compose import compose
from zoo.training.parts import make_task, stated_options
from zoo.training.recipe import plain
from zoo.training.run import is_finite
from zoo.training.runtime import left_as_found, limit_threads, prepare_process
from zoo.weights.artefact import Artefact

_one_at_a_time = threading.Lock()  # torch's generator is that of the process
_composed = lru_cache(maxsize=64)(lambda *overrides: compose(overrides))


class Splits(DataModule):
    """Splits that are ready: `train`, and `val` where there is one."""

    def __init__(self, spec: Spec, splits: dict[str, Examples], batch_size: int) -> None:
        super().__init__(batch_size)
        self.spec, self.splits = spec, splits

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        return self.spec, self.splits


class BestWeights(Callback):
    """Keeps the weights of the best validation in memory, as a run does on disk.

    Args:
        monitor, mode: the metric, and whether `min` or `max` of it is best.
    """

    def __init__(self, monitor: str, mode: str) -> None:
        self.monitor = monitor
        self.sign = 1.0 if mode == "max" else -1.0
        self.metrics: dict[str, float] = {}
        self.weights: dict[str, Tensor] | None = None

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        task: Any = pl_module
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        if not self.metrics or self.sign * found[self.monitor] > self.sign * self.metrics[self.monitor]:
            self.metrics = found
            self.weights = {name: one.clone() for name, one in task.trained_network.state_dict().items()}


def fit(overrides: tuple[str, ...], spec: Spec, splits: dict[str, Examples], batch_size: int, seed: int) -> Artefact:
    """Train as the command line does with these overrides; the weights of the best validation, if any, are kept.

    The process is left as it was: random states, threads, warnings and so on.

    Args:
        overrides: of `conf/train.yaml`, `model=…` and `task=…` among them.
        spec: of the data.
        splits: `train`, and `val` or none.
        batch_size: examples a step.
        seed: decides all random numbers.

    Raises:
        ConfigError: a setting that cannot work, or a training that diverged.
        SpecError: the model does not fit the data.
    """
    cfg = deepcopy(_composed(*overrides))
    with _one_at_a_time, left_as_found():
        prepare_process(seed)
        warnings.filterwarnings("ignore", "You defined a `validation_step` but have no")  # where none is wanted
        data = Splits(spec, splits, batch_size)
        task = make_task(cfg, data.spec)
        report.initialise(task, splits)
        run_length.choose(cfg, task)
        limit_threads(cfg.run.threads)
        best = BestWeights(cfg.run.monitor, cfg.run.mode)
        loader = data.train_dataloader()
        trainer = _trainer(cfg, run_length.epochs(cfg, len(loader)), best)
        try:
            trainer.fit(task, loader, data.val_dataloader() if "val" in splits else None)
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        return _artefact(cfg, task.cpu(), best)


def _trainer(cfg: DictConfig, epochs: int, best: BestWeights) -> L.Trainer:
    options = {name: value for name, value in plain(cfg.trainer).items() if name != "_target_"}
    options |= {"precision": precision(cfg.trainer.precision, cfg.trainer.accelerator), "max_epochs": epochs}
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
    return L.Trainer(**{**options, **quiet}, callbacks=[best])


def _artefact(cfg: DictConfig, task: Task, best: BestWeights) -> Artefact:
    network = task.trained_network
    if best.weights is not None:
        network.load_state_dict(best.weights)
    if not is_finite(network):
        raise ConfigError("the training diverged: the weights are not finite; take a smaller learning_rate")
    options = stated_options(cfg, task.spec, task.network)
    recipe = {"config": {name: plain(cfg[name]) for name in ("model", "task", "epochs")}}
    recipe["versions"] = {"torch": torch.__version__, "lightning": L.__version__}
    return Artefact(cfg.model.name, options, task.spec, network, best.metrics, recipe)
