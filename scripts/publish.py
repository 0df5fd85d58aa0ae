"""Publish a finished run: python scripts/publish.py run=runs/… name=cnn.digits licence=Apache-2.0"""

import hydra
from omegaconf import DictConfig

from zoo.cli import one_line_errors
from zoo.inference.publish import publish


@hydra.main(version_base="1.3", config_path="../conf/use", config_name="publish")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        publish(cfg)


if __name__ == "__main__":
    with one_line_errors():
        main()
