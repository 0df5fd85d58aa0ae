"""The doors to training: the command line, by Hydra, and Python. The room behind them is `zoo.training.run`."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zoo import private
from zoo.data.arrays import given_as
from zoo.data.core.data_module import DataModule
from zoo.errors import ConfigError
from zoo.training.compose import compose, override_value, overrides_of
from zoo.training.run import Given, train
from zoo.training.runtime import left_as_found
from zoo.training.trained import TrainedArtefact


def from_command(cfg: DictConfig) -> float:
    """Train as Hydra's command line says; gives the validation score, which a sweep goes by."""
    private.keep_freed_memory()
    hydra: Any = HydraConfig.get()
    return train(cfg, Given(hydra=hydra)).score


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
            raise ConfigError(f'an override is text such as "task.optimizer.lr=0.01", not {override!r:.60}')
    named: dict[str, Any] = {"model": model, "task": task}
    given = Given()
    if isinstance(data, DataModule):
        named["data"], given = "module", Given(data=data)
        settings |= {"data.module": type(data).__name__}
    elif data is not None and not isinstance(data, str):
        named["data"], arguments = given_as(data)
        given = Given(arguments=arguments)
    else:
        named["data"] = data
    if target is not None:
        settings = {"data.target": target, **settings}
    chosen = [f"{name}={override_value(value)}" for name, value in named.items() if value is not None]
    with left_as_found(), _said():
        cfg = compose([*chosen, *overrides, *overrides_of(settings)], config_dir)
        try:
            return train(cfg, given)
        except SystemExit as stop:
            if stop.code == 128 + signal.SIGINT:
                raise KeyboardInterrupt from None  # which ends a cell of a notebook, and not its kernel
            raise


@contextmanager
def _said() -> Iterator[None]:
    """Print what a run says, where the program that calls it has no logging of its own."""
    logger = logging.getLogger("zoo")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if logger.hasHandlers():
        yield
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    yield
