"""Kinds of runs: how long one is, where the command does not say, and what suits it (`conf/run`)."""

from __future__ import annotations

from math import ceil
from typing import Any

from omegaconf import DictConfig, OmegaConf

from zoo.errors import ConfigError
from zoo.settings import config_folder
from zoo.spec import Sentence, Spec, Strokes, Table, Text, Tokens
from zoo.spec.series import Series, Video
from zoo.tasks.task import Task


def kind_of(task: Task) -> str:
    """The kind of run that suits a task: a file of `conf/run`."""
    return task.kind or _kind_of_spec(task.spec)


def _kind_of_spec(spec: Spec) -> str:
    if isinstance(spec.input, Table):
        return "table"
    if isinstance(spec.input, Text | Sentence):
        return "text"
    if isinstance(spec.input, Series | Strokes | Video) or (isinstance(spec.output, Tokens)):
        return "sequence"
    return "image"


def choose(cfg: DictConfig, task: Task) -> None:
    """Fill `cfg.run` by the kind of the task, where no file of `conf/run` was chosen."""
    if cfg.run is None:
        cfg.run = OmegaConf.load(config_folder() / "run" / f"{kind_of(task)}.yaml")
    by_loss = cfg.run.by_loss and not task.monitor_is_given and "loss" in task.eval_metrics("val")
    monitor, mode = ("val/loss", "min") if by_loss else (task.monitor, task.mode)
    cfg.run = {**cfg.run, "monitor": monitor, "mode": mode}


def epochs(cfg: DictConfig, batches_per_epoch: int) -> int:
    """How many epochs a run takes: as many as the command says, in epochs or in batches, or as its kind says.

    A kind has a number of epochs and a number of batches, and a run takes the longer of the two: small data is gone
    through more often.

    Raises:
        ConfigError: both epochs and batches are given, or one is no number of them.
    """
    if cfg.epochs is not None and cfg.batches is not None:
        raise ConfigError(
            f"give epochs or batches, not both; got epochs={cfg.epochs} and batches={cfg.batches} "
            "(where one stands in an experiment, epochs=null or batches=null takes it back)"
        )
    if cfg.epochs is not None:
        return _whole("epochs", cfg.epochs, 0)
    if cfg.batches is not None:
        return ceil(_whole("batches", cfg.batches, 1) / batches_per_epoch)
    return max(cfg.run.epochs, ceil(cfg.run.batches / batches_per_epoch))


def _whole(name: str, number: Any, least: int) -> int:
    if type(number) is not int or number < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {number}")
    return number
