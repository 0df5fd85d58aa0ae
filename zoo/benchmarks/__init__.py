"""Speed and quality on this machine, beside other libraries: a file a suite, each with a function `run(root)`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, unknown

if TYPE_CHECKING:
    from omegaconf import DictConfig

SUITES = sorted(module.name for module in pkgutil.iter_modules(__path__))


def run(cfg: DictConfig) -> None:
    """Print the table of a suite, as `conf/benchmark.yaml` describes.

    Raises:
        ConfigError: there is no such suite.
    """
    if cfg.suite not in SUITES:
        raise ConfigError(unknown("suite", cfg.suite, SUITES))
    importlib.import_module(f"{__name__}.{cfg.suite}").run(Path(cfg.root))
