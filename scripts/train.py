"""Train a network: python scripts/train.py model=gan (see README.md; --help lists every choice)."""

import hydra
from omegaconf import DictConfig

from zoo.cli import one_line_errors, optional_console
from zoo.training.doors import from_command


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(cfg: DictConfig) -> float:
    with one_line_errors():
        return from_command(cfg)


if __name__ == "__main__":
    with optional_console(), one_line_errors():  # of composing the config
        main()
