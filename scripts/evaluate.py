"""Compute metrics again and compare: python scripts/evaluate.py weights=all (exit code 1 where they differ)"""

import sys

import hydra
from omegaconf import DictConfig

from zoo.cli import one_line_errors
from zoo.inference.evaluate import evaluate


@hydra.main(version_base="1.3", config_path="../conf/use", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        if not evaluate(cfg):
            sys.exit(1)


if __name__ == "__main__":
    with one_line_errors():
        main()
