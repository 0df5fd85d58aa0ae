"""Pages to lines: against pages whose lines are known, since they were drawn here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET, phrase
from zoo.errors import SpecError
from zoo.inference.pages import lines_of

FONT = bundled_fonts(ALPHABET)[0]


def page(texts: list[str], *, size: int = 24, gap: int = 16, paper: int = 245, ink: int = 10) -> PIL.Image.Image:
    """Lines of text, one below the other."""
    sheet = PIL.Image.new("L", (900, 60 + len(texts) * (size + gap)), paper)
    draw = PIL.ImageDraw.Draw(sheet)
    for row, text in enumerate(texts):
        draw.text((40, 30 + row * (size + gap)), text, font=FONT.at(size), fill=ink)
    return sheet


def ink_of(image: PIL.Image.Image, dark: bool = True) -> np.ndarray:
    """The pixels within the smallest box around the ink."""
    pixels = np.asarray(image)
    ink = pixels < 128 if dark else pixels > 128
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(("size", "gap"), [(12, 8), (24, 16), (24, 5), (60, 40)])
@pytest.mark.parametrize("dark", [True, False])
def test_lines_come_from_top_to_bottom_with_all_their_ink(size: int, gap: int, dark: bool) -> None:
    random = Random(size)
    texts = [phrase(random, 8, 20) + " Hp" for _ in range(9)]
    shades = {"paper": 245, "ink": 10} if dark else {"paper": 20, "ink": 250}
    lines = lines_of(page(texts, size=size, gap=gap, **shades))
    assert len(lines) == len(texts)
    for text, line in zip(texts, lines):
        alone = page([text], size=size, gap=gap, **shades)
        assert np.array_equal(ink_of(line, dark), ink_of(alone, dark))
        assert line.getpixel((0, 0)) == shades["paper"]


def test_dots_stay_with_their_letters() -> None:
    assert len(lines_of(page(["i i i", "j: !", "ï ö ü", "no", "Hop"], gap=30))) == 5


def test_specks_and_rules_are_no_lines() -> None:
    sheet = page(["first line Hp", "second line Hp"], gap=40)
    draw = PIL.ImageDraw.Draw(sheet)
    draw.line((0, 72, 900, 72), fill=0, width=2)
    draw.point((700, 8), fill=0)
    assert len(lines_of(sheet)) == 2


TEXTS = [phrase(Random(row), 25, 30) + " Hp" for row in range(6)]


def framed(sheet: PIL.Image.Image) -> PIL.Image.Image:
    PIL.ImageDraw.Draw(sheet).rectangle((10, 10, sheet.width - 11, sheet.height - 11), outline=0, width=3)
    return sheet


def ruled(sheet: PIL.Image.Image) -> PIL.Image.Image:
    """A table of one column."""
    draw = PIL.ImageDraw.Draw(sheet)
    for row in range(8):
        draw.line((20, 22 + 40 * row, 880, 22 + 40 * row), fill=0, width=2)
    for x in (20, 880):
        draw.line((x, 22, x, 22 + 40 * 7), fill=0, width=2)
    return sheet


def scanned(sheet: PIL.Image.Image) -> PIL.Image.Image:
    """With a dark edge at the left and below."""
    pixels = np.array(sheet)
    pixels[:, :15] = pixels[-12:] = 0
    return PIL.Image.fromarray(pixels)


def illustrated(sheet: PIL.Image.Image) -> PIL.Image.Image:
    taller = PIL.Image.new("L", (sheet.width, 3 * sheet.height), 245)
    taller.paste(sheet)
    taller.paste(60, (100, sheet.height, 800, 3 * sheet.height - 50))
    return taller


@pytest.mark.parametrize("change", [framed, ruled, scanned, illustrated])
def test_what_is_no_text_is_left_out(change: Callable[[PIL.Image.Image], PIL.Image.Image]) -> None:
    found, expected = lines_of(change(page(TEXTS))), lines_of(page(TEXTS))
    assert len(found) == len(expected) == len(TEXTS)
    for line, alone in zip(found, expected):
        assert np.array_equal(ink_of(line), ink_of(alone))


@pytest.mark.parametrize("angle", [-4.0, -1.2, 0.6, 3.0])
def test_a_page_that_lies_askew_is_turned_back(angle: float) -> None:
    turned = page(TEXTS).rotate(angle, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor=245)
    found, expected = lines_of(turned), lines_of(page(TEXTS))
    assert len(found) == len(TEXTS)
    for line, alone in zip(found, expected):
        difference = np.subtract(ink_of(line).shape, ink_of(alone).shape)
        assert (np.abs(difference) <= 4).all()


@pytest.mark.parametrize("text", ["Wy", "Hop", "Against", "7.", "Quickly"])
def test_a_single_word_is_not_turned(text: str) -> None:
    sheet = page([text]).crop((0, 0, 300, 100))
    (line,) = lines_of(sheet)
    assert np.array_equal(ink_of(line), ink_of(sheet))


def test_uneven_light_is_evened_out() -> None:
    sheet = page(TEXTS)
    shade = np.linspace(1, 0.4, sheet.width) * np.linspace(1, 0.8, sheet.height)[:, None]
    found = lines_of((np.asarray(sheet) * shade).astype(np.uint8))
    assert len(found) == len(TEXTS)
    for line, alone in zip(found, lines_of(sheet)):
        assert np.abs(np.subtract(ink_of(line).shape, ink_of(alone).shape)).max() <= 2


def test_a_line_without_tall_letters_is_not_blown_up() -> None:
    tall, low, _ = lines_of(page(["High pages", "nose men", "Hop"]))
    assert ink_of(low).shape[0] < 0.65 * ink_of(tall).shape[0]
    assert low.height > 0.75 * tall.height


def test_an_image_of_one_line_stays_as_it_is() -> None:
    random = np.random.default_rng(0)
    for pixels in (np.asarray(page(["a line"]))[:60], random.integers(0, 256, (32, 400), dtype=np.uint8)):
        (line,) = lines_of(pixels)
        assert np.array_equal(np.asarray(line), pixels)
    (line,) = lines_of(page(["Hop"]).crop((0, 0, 300, 100)))  # lost in its margins
    assert line.height < 50


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((400, 300), 255, np.uint8),
        np.zeros((400, 300), np.uint8),
        np.full((400, 300), 255, np.uint8) - np.arange(300, dtype=np.uint8) // 20,  # a shadow
        np.full((1, 1), 7, np.uint8),
    ],
    ids=["white", "black", "pale", "one pixel"],
)
def test_it_says_so_where_there_is_no_line(pixels: np.ndarray) -> None:
    with pytest.raises(SpecError, match="no line of text found in an image of"):
        lines_of(pixels)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"no image")
    with pytest.raises(SpecError, match=r"cannot read .*page\.png as an image"):
        lines_of(tmp_path / "page.png")
