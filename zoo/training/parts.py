"""What a run's config describes, built: data, task and network, and the trainer with its callbacks and loggers."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from zoo import models, private
from zoo.data.core.data_module import DataModule
from zoo.errors import ConfigError, SpecError, ZooError
from zoo.files import quoted
from zoo.hardware import precision
from zoo.models.ensemble import Ensemble, average_for
from zoo.settings import type_errors
from zoo.spec import Spec
from zoo.tasks.task import Task
from zoo.training import report, run_length, trusted_code
from zoo.training.checkpoint_io import RunCheckpoints
from zoo.training.metrics_file import RowsBeforeCheckpoints
from zoo.training.output_check import check_output
from zoo.training.recipe import overrides_given, plain
from zoo.training.runtime import random_states_kept
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load
from zoo.weights.transfer import start_from

log = logging.getLogger(__name__)


def _instantiate(cfg: DictConfig, name: str, **more: Any) -> Any:
    """What a part of the config describes, given `more` arguments; a value that it refuses is the user's mistake."""
    for missing in sorted(OmegaConf.missing_keys(cfg[name])):
        raise ConfigError(f"{missing} is needed: give {missing}=…")
    # Plain lists and dicts, since those of OmegaConf do not load from a checkpoint with weights_only
    described = {argument: setting for argument, setting in plain(cfg[name]).items() if argument not in more}
    found = trusted_code.understood(described, name)
    for fault in type_errors(described, name):
        raise ConfigError(fault)
    if not isinstance(found, trusted_code.Part):
        return trusted_code.built(found)
    try:
        return found.build(**more)
    except (TypeError, ValueError, ImportError, MisconfigurationException) as error:  # of a TPU, torch_xla is missing
        raise error if isinstance(error, ZooError) else ConfigError(f"{name}: {error}") from error


def make_data(cfg: DictConfig, arguments: Mapping[str, Any]) -> DataModule:
    """The data module that a config describes, given the arguments that a config cannot hold.

    Raises:
        ConfigError: a value that cannot work.
    """
    data = _instantiate(cfg, "data", **arguments)
    if not isinstance(data, DataModule):  # data=module on the command line
        raise ConfigError(f"data={cfg.choices.data} is for Python: zoo.train(data=…) with a data module of zoo.data")
    return data


def find_start(cfg: DictConfig) -> Artefact | None:
    """What the network starts from; the options of that one hold, but for those of the command line."""
    if cfg.init_from is None:
        return None
    start = load(cfg.init_from)
    if start.model != cfg.model.name:
        raise ConfigError(f"init_from: {cfg.init_from} is a {start.model}, not a {cfg.model.name}")
    if isinstance(start.network, Ensemble):
        raise ConfigError(f"init_from: {cfg.init_from} averages several networks; start from that of one of its runs")
    for name, value in start.options.items():
        if not any(part.lstrip("+").startswith(f"model.{name}=") for part in overrides_given(cfg)):
            OmegaConf.update(cfg, f"model.{name}", value, force_add=True)
    return start


def make_task(cfg: DictConfig, spec: Spec, start: Artefact | None = None, level: int = logging.INFO) -> Task:
    """The task that a config describes, for the spec of its data.

    Args:
        cfg: the config.
        spec: of the data.
        start: what the network starts from.
        level: at which the log says what was taken over from that.

    Raises:
        ConfigError, SpecError: a value that cannot work, or data that does not fit; or with `keep=ensemble` one whose
            networks cannot be averaged.
    """

    def build(spec: Spec) -> nn.Module:
        try:
            network = models.build(cfg.model.name, spec, **_options(cfg, spec))
        except (TypeError, ValueError) as error:
            if start is not None and str(start.spec) != str(spec):
                fault = f"{cfg.init_from} is for {start.spec}, and {cfg.choices.task} on {cfg.choices.data} for {spec}"
                raise ConfigError(f"init_from: {fault}; the options of its network do not fit") from error
            raise error if isinstance(error, SpecError) else ConfigError(f"model: {error}") from error
        check_output(cfg.model.name, network, spec)
        if start is not None:
            for line in start_from(start.network.state_dict(), start.spec, network, spec):
                log.log(level, "init_from=%s: %s", cfg.init_from, line)
        return network

    task: Task = _instantiate(cfg, "task", spec=spec, build=build)
    if cfg.keep == "ensemble":
        average_for(task.spec)
    try:
        task.finetune(plain(cfg.freeze), cfg.layer_decay)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return task


def check_pair(cfg: DictConfig, data: DataModule, start: Artefact | None) -> None:
    """See that model, task and data go together, before the data is downloaded or prepared.

    A task and its network are made for each spec that the data may have. They are thrown away, and draw no random
    number that the run would.

    Raises:
        SpecError: none of them goes with model and task.
    """
    faults: list[SpecError] = []
    for spec in data.expected_specs():
        try:
            with random_states_kept():
                make_task(cfg, spec, start, logging.DEBUG)
        except SpecError as error:
            faults.append(error)
        except ConfigError:  # told once the data is there, whose sizes it may depend on
            return
        else:
            return
    if faults:
        raise faults[0]


def _options(cfg: DictConfig, spec: Spec) -> dict[str, Any]:
    """What the network is built with; null stands for what suits the spec, or for the network's own default."""
    options = plain(cfg.model).items()
    given = {name: value for name, value in options if name not in ("name", "_target_") and value not in (None, "???")}
    found = {**models.defaults(cfg.model.name, spec), **given}
    for name in cfg.model:
        if OmegaConf.is_missing(cfg.model, name) and name not in found:
            raise ConfigError(f"model.{name} is needed: give model.{name}=…")
    return found


def stated_options(cfg: DictConfig, spec: Spec, network: nn.Module) -> dict[str, Any]:
    """The options again, but with the sizes that null stood for: a later version's defaults may be others."""
    arguments = inspect.signature(type(network)).parameters
    nulls = {name: arguments[name].default for name, value in cfg.model.items() if value is None and name in arguments}
    return {name: size for name, size in nulls.items() if isinstance(size, int | float | tuple)} | _options(cfg, spec)


def make_trainer(cfg: DictConfig, task: Task, data: DataModule, more: Sequence[Callback] = ()) -> L.Trainer:
    """The trainer that a config describes, with its callbacks and loggers, and `more` callbacks.

    Raises:
        ConfigError: a value that cannot work.
    """
    chosen_by = {"monitor": task.monitor, "mode": task.mode}
    callbacks: list[Callback] = [
        callback(**{**chosen_by, **callback.keywords}) if isinstance(callback, partial) else callback
        for callback in _instantiate(cfg, "callbacks").values()
        if callback is not None  # null leaves one out
    ]
    loggers: list[Logger] = [logger for logger in _instantiate(cfg, "logger").values() if logger is not None]
    _check_kind("callbacks", callbacks, Callback)
    _check_kind("logger", loggers, Logger)
    if loggers:  # a run that keeps nothing draws nothing
        callbacks += report.callbacks(task, data.splits)
    options: dict[str, Any] = {"precision": precision(cfg.trainer.precision, cfg.trainer.accelerator)}
    several = cfg.trainer.strategy == "auto" and cfg.trainer.devices not in (1, "auto")
    if several or cfg.trainer.strategy == "ddp":
        options["strategy"] = DDPStrategy(find_unused_parameters=task.alternates)
    if not any(isinstance(callback, ProgressBar) for callback in callbacks):
        options["enable_progress_bar"] = False  # or Lightning adds one of its own
    chooser = next((callback for callback in callbacks if isinstance(callback, ModelCheckpoint)), None)
    options["plugins"] = [RunCheckpoints(Path(cfg.folder), chooser)]
    callbacks += [RowsBeforeCheckpoints(), *more]
    trainer: L.Trainer = _instantiate(
        cfg, "trainer", callbacks=callbacks, logger=loggers, default_root_dir=cfg.folder, **options
    )
    if trainer.strategy.root_device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32
    data.trainer = trainer  # who knows how many processes share the batches
    batches = len(data.train_dataloader())
    private.set_epochs(trainer, run_length.epochs(cfg, batches))
    return trainer


def _check_kind(part: str, given: Sequence[object], kind: type) -> None:
    for one in given:
        if not isinstance(one, kind):
            fault = f"{part}: each is a {kind.__name__} of Lightning, or null to leave it out; got {quoted(one)}"
            raise ConfigError(fault)
