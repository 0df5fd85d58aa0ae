"""Answer many inputs: python scripts/predict.py model=cnn.mnist input='scans/*.png' (see conf/use/predict.yaml)"""

from zoo.cli import main

if __name__ == "__main__":
    main("predict")
