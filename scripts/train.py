"""Train a network: python scripts/train.py model=gan (see README.md; --help lists every choice)."""

from zoo.cli import main

if __name__ == "__main__":
    main("train")
