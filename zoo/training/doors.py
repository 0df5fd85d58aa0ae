"""The doors to training: the command line, by Hydra, and Python. The room behind them is `zoo.training.run`."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import nn

from zoo import private, registry
from zoo.data.core.data_module import DataModule
from zoo.data.given import describe, given_as
from zoo.errors import ConfigError
from zoo.files import quoted
from zoo.progress import Lenient
from zoo.training.compose import compose, overrides_of
from zoo.training.folder import of_sweep
from zoo.training.recipe import overrides_given
from zoo.training.repeats import train_all
from zoo.training.run import Given, train
from zoo.training.sweep_table import Row, keep_row, reason
from zoo.training.trained import TrainedArtefact

log = logging.getLogger(__name__)

TABLES = ("frame", "arrays")  # sources of rows, for which the default model is no network


def from_command(cfg: DictConfig) -> float:
    """Train as Hydra's command line says; gives the validation score, which a sweep goes by."""
    private.keep_freed_memory()
    hydra: Any = HydraConfig.get()
    if (folder := of_sweep(hydra)) is None:
        return train_all(cfg, Given(hydra=hydra)).score
    return _of_sweep(cfg, hydra, Path(folder))


def _of_sweep(cfg: DictConfig, hydra: Any, folder: Path) -> float:
    """One run of `--multirun`: where it fails that is said, and the others go on; gives NaN then."""
    settings = dict(one.split("=", 1) for one in overrides_given(cfg) if "=" in one)
    row = Row(int(hydra.job.num), "failed", settings)
    try:
        artefact = train(cfg, Given(hydra=hydra))
        if math.isinf(artefact.score):
            raise ConfigError(f"{artefact.monitor} is {artefact.score}: the training diverged")
        row = replace(row, state="complete", score=artefact.score, monitor=artefact.monitor, mode=artefact.mode)
    except Exception as error:
        row = replace(row, reason=reason(error))
        log.warning("Run %s failed: %s", hydra.job.num, row.reason)
        log.debug("", exc_info=True)
    keep_row(folder, row)
    return row.score


def from_python(
    *overrides: str,
    model: Any = None,
    task: str | None = None,
    data: Any = None,
    target: str | None = None,
    config_dir: str | Path | None = None,
    **settings: Any,
) -> TrainedArtefact:
    """See `zoo.train`."""
    for override in overrides:
        if not isinstance(override, str):
            raise ConfigError(f'an override is text such as "task.optimizer.lr=0.01", not {quoted(override)}')
    source, given = _source(data)
    if source in TABLES and model is None and not any(override.startswith("model=") for override in overrides):
        model = "mlp"
    name, built = _builder(model)
    if built and source in TABLES and task is None:
        task = "supervised"
    described = {f"data.{argument}": describe(one) for argument, one in given.arguments.items()}
    if given.data is not None:
        described = {"data.module": type(given.data).__name__}
    chosen = {"model": "given" if built else name, "task": task, "data": source}
    chosen |= {"model.name": name if built else None, "data.target": target, **described}
    named = {part: one for part, one in chosen.items() if one is not None}
    with said():
        cfg = compose([*overrides_of(named), *overrides, *overrides_of(settings)], config_dir)
        if built:
            cfg.choices.model = name
        try:
            return train_all(cfg, given)
        except SystemExit as stop:
            if stop.code == 128 + signal.SIGINT:
                raise KeyboardInterrupt from None  # which ends a cell of a notebook, and not its kernel
            raise


def _source(data: Any) -> tuple[str | None, Given]:
    """The file of conf/data for what is given as data, and what it is given."""
    if isinstance(data, os.PathLike) or (isinstance(data, str) and Path(data).exists() and not data.isidentifier()):
        raise ConfigError(f"{quoted(str(data))} is a place: {_door_to(Path(data))}")
    if data is None or isinstance(data, str):
        return data, Given()
    if isinstance(data, DataModule):
        return "module", Given(data=data)
    source, arguments = given_as(data)
    return source, Given(arguments=arguments)


def _door_to(path: Path) -> str:
    """How data at a place is given."""
    if path.is_dir():
        return f'zoo.train(data="image_folder", **{{"data.root": {str(path)!r}}}), or another folder of docs/data.md'
    return (
        f'zoo.train(data="csv", target=…, **{{"data.path": {str(path)!r}}}), or csv_text, csv_series, … of docs/data.md'
    )


def _builder(model: Any) -> tuple[str | None, bool]:
    """The name of a model, and whether a builder was given, which is then known by that name."""
    if model is None or isinstance(model, str):
        return model, False
    name = next((name for name, known in registry.MODELS.items() if known.build is model), None)
    if name is None:
        name = str(getattr(model, "__name__", ""))
        if not callable(model) or not name.isidentifier():
            fault = "a name, or a function build(spec) -> nn.Module with a name of its own"
            advice = "; def mine(spec): return … gives the one that you have" if isinstance(model, nn.Module) else ""
            raise ConfigError(f"model is {fault}, not {quoted(type(model).__name__ if advice else model)}{advice}")
        registry.register_model(name, model, plugin=getattr(model, "__module__", None))
    return name, True


@contextmanager
def said() -> Iterator[None]:
    """Print what a run says, where the program that calls it has no logging of its own."""
    logger = logging.getLogger("zoo")
    level, handler = logger.level, None
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        handler = logging.StreamHandler(Lenient(sys.stdout))
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    try:
        yield
    finally:
        logger.setLevel(level)
        if handler is not None:
            logger.removeHandler(handler)
