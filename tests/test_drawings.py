"""The example that draws recorded strokes as images."""

from __future__ import annotations

import importlib.util
from pathlib import Path

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


def test_each_digit_becomes_an_image_in_the_folder_of_its_class(tmp_path: Path) -> None:
    file = Path(__file__).parent.parent / "examples" / "drawings" / "pendigits.py"
    spec = importlib.util.spec_from_file_location("pendigits", file)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    (tmp_path / "recorded").write_text(RECORDED)
    assert example.draw(tmp_path / "recorded", tmp_path) == 2
    one, four = (np.asarray(PIL.Image.open(tmp_path / name)) for name in ("1/00001.png", "4/00002.png"))
    assert abs(one.shape[0] - 100 - one.shape[1]) < 10  # as long as the margins are apart, and no wider than a pen
    assert one[:, one.shape[1] // 2].min() == 0
    assert (one[:, [0, -1]] == 255).all()
    ink = four < 128
    assert (
        ink[: len(ink) // 2].sum() > ink[len(ink) // 2 :].sum()
    )  # its two strokes meet above the middle: y was upwards
