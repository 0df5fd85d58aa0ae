"""Export a trained network: python scripts/export.py model=cnn.mnist format=onnx (or torchscript, torch_export)"""

import hydra
from omegaconf import DictConfig

from zoo.cli import one_line_errors
from zoo.inference.export import export


@hydra.main(version_base="1.3", config_path="../conf/use", config_name="export")
def main(cfg: DictConfig) -> None:
    with one_line_errors():
        export(cfg)


if __name__ == "__main__":
    with one_line_errors():
        main()
