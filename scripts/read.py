"""Answer many inputs: python scripts/read.py model=cnn.mnist input='scans/*.png' (see conf/use/read.yaml)"""

from zoo.cli import main

if __name__ == "__main__":
    main("read")
