"""How much of what is written is read as it was asked for, by other networks of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import ConfigError
from zoo.spec import Classes, Image, Strokes, drawing
from zoo.spec.drawing import Drawn

BOX, SIDE, PEN = 20, 28, 2.4  # pixels of a digit, of its image and of the pen, as in MNIST


def share_read(reader: Any, written: Sequence[Drawn], asked: Sequence[str]) -> float:
    """The fraction of inks that a reader takes for what was asked for; 0 of none.

    Args:
        reader: a classifier of the zoo, of strokes such as `zoo.load("lstm.pendigits")`, or of images such as
            `zoo.load("cnn.mnist")`, for which they are drawn as in MNIST.
        written: strokes.
        asked: the name of a class of each.

    Raises:
        ConfigError: it is no such classifier.
    """
    takes, says = reader.spec.input, reader.spec.output
    if not isinstance(says, Classes) or not (isinstance(takes, Strokes) or type(takes) is Image):
        raise ConfigError(f"a reader of handwriting goes from strokes or image to classes, not {reader.spec}")
    if not written:
        return 0.0
    raw: list[Any] = [{"strokes": ink} if isinstance(takes, Strokes) else as_mnist(ink) for ink in written]
    return float(np.mean([answer["label"] == text for answer, text in zip(reader(raw), asked)]))


def as_mnist(strokes: Drawn) -> np.ndarray:
    """Strokes drawn in white on black as the digits of MNIST are: uint8 (28, 28), the centre of mass in the middle."""
    across, down = np.concatenate([np.asarray(stroke, dtype=np.float64) for stroke in strokes]).T
    scale = (BOX - PEN) / max(np.ptp(across), np.ptp(down), 1e-9)
    sized = [[[(x - across.min()) * scale, (y - down.min()) * scale] for x, y in stroke] for stroke in strokes]
    ink = 255 - np.asarray(drawing.image(drawing.placed(sized, SIDE), pen=PEN), dtype=np.int64)
    centre = (np.argwhere(ink) * ink[ink > 0][:, None]).sum(axis=0) / ink.sum()
    top, left = (round(place) + SIDE // 2 for place in centre.tolist())  # in the padded drawing
    return np.pad(ink, SIDE)[top : top + SIDE, left : left + SIDE].astype(np.uint8)
