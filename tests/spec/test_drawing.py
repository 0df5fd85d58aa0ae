"""Strokes as SVG, PNG and GIF."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest

from zoo.errors import ConfigError
from zoo.spec import drawing

CROSS = drawing.placed([[[-50.0, 0.0], [50.0, 0.0]], [[0.0, -40.0], [0.0, 40.0]]])


def ink(image: PIL.Image.Image) -> int:
    return int((255 - np.asarray(image.convert("L"), dtype=int)).sum())


def test_strokes_begin_at_the_margin() -> None:
    assert CROSS == [[[12, 52], [112, 52]], [[62, 12], [62, 92]]]
    assert drawing.size(CROSS) == (124, 104)


def test_an_image_has_ink_where_the_pen_went() -> None:
    pixels = np.asarray(drawing.image(CROSS))
    assert (pixels[52, 14:110] == 0).all()
    assert (pixels[14:90, 62] == 0).all()
    assert (pixels[:40, :50] == 255).all()
    width = (255 - pixels[52 - 8 : 52 + 8, 30].astype(int)).sum() / 255
    assert width == pytest.approx(drawing.PEN, abs=0.6)


def test_an_animation_grows_to_the_whole_image(tmp_path: Path) -> None:
    drawing.save(CROSS, tmp_path / "cross.gif")
    drawing.save(CROSS, tmp_path / "cross.png")
    with PIL.Image.open(tmp_path / "cross.gif") as film:
        amounts = []
        for frame in range(film.n_frames):
            film.seek(frame)
            amounts.append(ink(film))
    assert amounts == sorted(amounts)
    assert amounts[0] < amounts[-1]
    with PIL.Image.open(tmp_path / "cross.png") as whole:
        assert amounts[-1] == pytest.approx(ink(whole), rel=0.02)


def test_an_svg_has_a_path_for_each_stroke_one_after_the_other(tmp_path: Path) -> None:
    drawing.save(CROSS, tmp_path / "cross.svg")
    root = ElementTree.parse(tmp_path / "cross.svg").getroot()
    paths = [element for element in root.iter() if element.tag.endswith("path")]
    assert [path.get("d") for path in paths] == ["M12,52 L112,52", "M62,12 L62,92"]
    begins = [float(str(path[0].get("begin")).rstrip("s")) for path in paths]
    assert begins[0] == 0 < begins[1]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'\.jpg'"):
        drawing.save(CROSS, tmp_path / "cross.jpg")
    with pytest.raises(ConfigError, match="cannot write"):
        drawing.save(CROSS, tmp_path / "none" / "cross.svg")
