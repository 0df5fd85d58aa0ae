"""Draw what a convolutional network would like to see: python scripts/dream.py model=cnn.mnist (stage=2)"""

from zoo.cli import main

if __name__ == "__main__":
    main("dream")
