"""Measure speed and quality on this machine: python scripts/benchmark.py suite=training

Each suite is a file of scripts/benchmarks with a function `run(root)`, which prints a table.
"""

import importlib
from pathlib import Path

import hydra
from omegaconf import DictConfig

from zoo.console import one_line_errors
from zoo.errors import ConfigError, unknown

SUITES = sorted(file.stem for file in Path(__file__).with_name("benchmarks").glob("*.py"))


@hydra.main(version_base="1.3", config_path="../conf", config_name="benchmark")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        if cfg.suite not in SUITES:
            raise ConfigError(unknown("suite", cfg.suite, SUITES))
        importlib.import_module(f"benchmarks.{cfg.suite}").run(Path(cfg.root))


if __name__ == "__main__":
    with one_line_errors():
        main()
