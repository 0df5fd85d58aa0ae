"""Draw the Pendigits' strokes as images, so that a network of images learns from more hands than MNIST's.

    python examples/drawings/pendigits.py FOLDER      # the recordings are in $ZOO_DATA or data/, or are downloaded
    python scripts/train.py experiment=mnist_perceptron data.more=FOLDER

The 7,494 digits of the 30 writers to train on become FOLDER/<digit>/<number>.png, black on white, 100 pixels along the
longer side, each with a pen of its own width. The 14 writers of the test are left out.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path

from zoo.data.ink import PenDigits
from zoo.spec.drawing import image, placed
from zoo.spec.ink_files import read_unipen

SIDE = 100  # pixels of a digit's longer side
PENS = (4.0, 16.0)  # pixels, the thinnest and the thickest


def draw(recordings: Path, folder: Path, seed: int = 0) -> int:
    """Draw each digit of a UNIPEN file, and return how many there are."""
    pens = random.Random(seed)
    number = 0
    for number, (digit, _, strokes) in enumerate(read_unipen(recordings.read_text("ascii"), recordings), start=1):
        across, down = zip(*(point for stroke in strokes for point in stroke))
        scale = SIDE / max(max(across) - min(across), max(down) - min(down), 1)
        scaled = [[(x * scale, y * scale) for x, y in stroke] for stroke in strokes]
        file = folder / digit / f"{number:05}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image(placed(scaled), pen=pens.uniform(*PENS)).save(file)
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the Pendigits as images, a folder a digit.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("ZOO_DATA", "data")), help="has pendigits/")
    given = parser.parse_args()
    recorded = PenDigits(str(given.root))
    recorded.prepare_data()
    count = draw(recorded.folder / "pendigits-orig.tra", given.folder)
    print(f"{count:,} digits are in {given.folder}")


if __name__ == "__main__":
    main()
