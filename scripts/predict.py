"""Answer many inputs: python scripts/predict.py model=cnn.mnist input='scans/*.png' (see conf/use/predict.yaml)"""

import sys

import hydra
from omegaconf import DictConfig

from zoo.cli import one_line_errors
from zoo.inference.predict import predict


@hydra.main(version_base="1.3", config_path="../conf/use", config_name="predict")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        if predict(cfg):
            sys.exit(1)


if __name__ == "__main__":
    with one_line_errors():
        main()
