"""Measure speed and quality on this machine: python scripts/benchmark.py suite=training

Each suite is a file of zoo/benchmarks with a function `run(root)`, which prints a table.
"""

import importlib
import pkgutil
from pathlib import Path

import hydra
from omegaconf import DictConfig

from zoo import benchmarks
from zoo.cli import one_line_errors
from zoo.errors import ConfigError, unknown

SUITES = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))


@hydra.main(version_base="1.3", config_path="../conf", config_name="benchmark")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        if cfg.suite not in SUITES:
            raise ConfigError(unknown("suite", cfg.suite, SUITES))
        importlib.import_module(f"zoo.benchmarks.{cfg.suite}").run(Path(cfg.root))


if __name__ == "__main__":
    with one_line_errors():
        main()
