"""The example that draws recorded strokes as images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import PIL.Image

RECORDED = """\
.SEGMENT DIGIT 0 ? "1"
.COMMENT 1 0 0
.PEN_DOWN
30 90
30 10
.PEN_UP
.SEGMENT DIGIT 1 ? "4"
.COMMENT 1 0 1
.PEN_DOWN
0 9
0 5
8 5
.PEN_UP
.PEN_DOWN
6 9
6 0
.PEN_UP
"""


def test_each_digit_becomes_an_image_in_the_folder_of_its_class(
    tmp_path: Path, example: Callable[[str], ModuleType]
) -> None:
    draw = example("drawings/pendigits.py").draw
    (tmp_path / "recorded").write_text(RECORDED)
    assert draw(tmp_path / "recorded", tmp_path) == 2
    one, four = (np.asarray(PIL.Image.open(tmp_path / name)) for name in ("1/00001.png", "4/00002.png"))
    assert abs(one.shape[0] - 100 - one.shape[1]) < 10  # as long as the margins are apart, and no wider than a pen
    assert one[:, one.shape[1] // 2].min() == 0
    assert (one[:, [0, -1]] == 255).all()
    ink = four < 128
    upper, lower = ink[: len(ink) // 2], ink[len(ink) // 2 :]
    assert upper.sum() > lower.sum()  # its two strokes meet above the middle: y was upwards
