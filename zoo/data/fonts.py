"""Fonts for lines of text: those of Matplotlib and Pillow, and those of any folder.

Shape letters: H height, W width.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec.ink import fitted

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

BUNDLED = ("DejaVuSans*", "DejaVuSerif*", "STIXGeneral*", "cmr10", "cmti10", "cmb10", "cmss10", "cmtt10")
ENDINGS = (".ttf", ".otf", ".ttc")
LETTERS_AND_DIGITS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LIGATURES = {"ffi": "ﬃ", "ffl": "ﬄ", "ff": "ﬀ", "fi": "ﬁ", "fl": "ﬂ"}
SMALLEST = 11  # pixels: the height of the image of a line in small type
TEX = frozenset(LETTERS_AND_DIGITS + " !#%&()*+,-./:;=?@[]'")  # where Matplotlib's cm fonts agree with ASCII


@dataclass(frozen=True)
class Font:
    """A font file.

    Args:
        file: path of the font file, or its bytes.
        family: such as "DejaVu Sans"; styles of one family look alike.
        characters: characters of an alphabet that the font has.
        ligatures: those of `LIGATURES` that it has.
    """

    file: str | bytes
    family: str
    characters: frozenset[str]
    ligatures: frozenset[str] = frozenset()

    def at(self, size: int) -> FreeTypeFont:
        """The font with an em of `size` pixels."""
        return _sized(self.file, size)


def bundled_fonts(alphabet: str) -> list[Font]:
    """Matplotlib's DejaVu, STIX and Computer Modern families and Pillow's Aileron, with the characters they have.

    Computer Modern is Knuth's, in BaKoMa's TrueType version, which uses some ASCII codes for other signs; these are not
    used. Its italics, cmti10, come with Matplotlib 3.11 and later.
    """
    import matplotlib
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    files = sorted({file for name in BUNDLED for file in folder.glob(f"{name}.ttf")})
    fonts = [font for file in files if (font := _font(str(file), alphabet))]
    pillows = getattr(ImageFont.load_default(size=16), "path", None)  # None if Pillow has no FreeType
    if isinstance(pillows, io.BytesIO) and (font := _font(pillows.getvalue(), alphabet)):
        fonts.append(font)
    return fonts


def fonts_of(folder: str | os.PathLike[str], alphabet: str) -> list[Font]:
    """All fonts of a folder and its subfolders that have the letters and digits of an alphabet.

    Raises:
        DataError: there is no such folder, or no such font in it.
    """
    folder = user_path(folder)
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)
    fonts = [font for file in files if (font := _font(str(file), alphabet))]
    if not fonts:
        raise DataError(f"none of the {len(files)} fonts ({', '.join(ENDINGS)}) in {folder} has all letters and digits")
    return fonts


def _font(file: str | bytes, alphabet: str) -> Font | None:
    """The font; None if it cannot be read, or lacks letters or digits of the alphabet, like symbol fonts."""
    from matplotlib.ft2font import FT2Font

    try:
        face = FT2Font(io.BytesIO(file) if isinstance(file, bytes) else file)
        characters = frozenset(alphabet) & frozenset(map(chr, face.get_charmap()))
    except (RuntimeError, OSError):
        return None
    if face.family_name.startswith("cm"):
        characters &= TEX
    needed = frozenset(alphabet) & frozenset(LETTERS_AND_DIGITS + " ")
    if not needed <= characters:
        return None
    return Font(file, face.family_name, characters, frozenset(map(chr, face.get_charmap())) & set(LIGATURES.values()))


@lru_cache(maxsize=2048)
def _sized(file: str | bytes, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(
        io.BytesIO(file) if isinstance(file, bytes) else file, size, layout_engine=ImageFont.Layout.BASIC
    )


def distinct(font: Font) -> Font | None:
    """The font with the characters that can be told apart in it; None if it has small letters like capitals, or faults.

    Free fonts may draw nothing, or a box, for characters that they claim to have; it may be of one size, or have a
    program that fails; and display fonts have small letters that are capitals of the same size.
    """
    try:
        face = font.at(24)
        shapes = {c: face.getmask(c, anchor="ls") for c in font.characters}
    except OSError:
        return None
    drawn = {c: (mask.size, bytes(mask), face.getbbox(c, anchor="ls")) for c, mask in shapes.items()}
    missing = (lambda mask: (mask.size, bytes(mask), face.getbbox("\uffff", anchor="ls")))(
        face.getmask("\uffff", anchor="ls")
    )
    if sum(drawn[c] == drawn.get(c.upper()) for c in "abdefghijklmnqrty") > 2:
        return None
    kept = frozenset(c for c, shape in drawn.items() if c == " " or (shape != missing and any(shape[1])))
    return Font(font.file, font.family, kept, font.ligatures) if set("aeinorstAEMN0123456789") <= kept else None


def by_family(fonts: Iterable[Font]) -> dict[str, list[Font]]:
    """The fonts of each family."""
    families: dict[str, list[Font]] = {}
    for font in fonts:
        families.setdefault(font.family, []).append(font)
    return families


def set_small(text: str, font: Font, height: int, random: Random) -> np.ndarray:
    """Render a line in small type, with ligatures where the font has them, and enlarge it to a height.

    Returns:
        As of `set_line`.
    """
    import PIL.Image

    if random.random() < 0.5:
        for letters, ligature in LIGATURES.items():
            if ligature in font.ligatures:
                text = text.replace(letters, ligature)
    line = set_line(text, font, random.randint(SMALLEST, height), random)
    size = max(1, round(line.shape[1] * height / line.shape[0])), height
    filters = PIL.Image.Resampling
    return np.asarray(PIL.Image.fromarray(line).resize(size, random.choice((filters.BILINEAR, filters.BICUBIC))))


def set_alone(text: str, font: Font, height: int, random: Random) -> np.ndarray:
    """Render a line in type of 8 to 48 pixels with any margin, and crop it to its ink as `TextLine.encode` does.

    Returns:
        As of `set_line`.
    """
    import PIL.Image
    import PIL.ImageDraw

    drawn = font.at(round(8 * 6 ** random.random()))
    left, top, right, bottom = drawn.getbbox(text, anchor="ls")
    before, above, after, below = (random.choice((0, 3, 10, 30)) * random.random() for _ in range(4))
    size = math.ceil(right - left + before + after), math.ceil(bottom - top + above + below)
    page = PIL.Image.new("L", size, 255)
    PIL.ImageDraw.Draw(page).text((before - left, above - top), text, font=drawn, fill=0, anchor="ls")
    return np.asarray(fitted(page, height))


def set_line(text: str, font: Font, height: int, random: Random) -> np.ndarray:
    """Render a line of text, black on white, at a random size and place.

    The distance from the top of a "d" to the bottom of a "p" is 60 to 95 % of the height. Letters are narrowed, widened
    and spaced at random.

    Returns:
        Pixels (height, W), uint8: 0 is ink, 255 is paper.
    """
    import PIL.Image
    import PIL.ImageDraw

    _, top, _, bottom = font.at(100).getbbox("dp", anchor="ls")  # of 100 pixels an em, from the baseline
    size = max(4, round(random.uniform(0.6, 0.95) * height * 100 / (bottom - top)))
    drawn = font.at(size)
    _, top, _, bottom = drawn.getbbox("dp", anchor="ls")
    baseline = random.randint(*sorted((-int(top), height - int(bottom))))
    spacing = size * random.uniform(-0.03, 0.12) if random.random() < 0.1 else 0.0
    parts = [text] if not spacing else text
    starts = list(
        accumulate((drawn.getlength(part) + spacing for part in parts), initial=random.randint(2, height // 2))
    )
    page = PIL.Image.new("L", (round(starts[-1]) + random.randint(2, height // 2), height), 255)
    draw = PIL.ImageDraw.Draw(page)
    for start, part in zip(starts, parts):
        draw.text((start, baseline), part, font=drawn, fill=0, anchor="ls")
    width = round(page.width * random.uniform(0.8, 1.2))
    return np.asarray(page.resize((width, height), PIL.Image.Resampling.BILINEAR))
