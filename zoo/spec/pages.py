"""Pages of text to lines, by their projection profile: the rows that have ink, and the gaps between them.

For clean pages of one column, upright and evenly lit: print, screenshots, scans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import SpecError
from zoo.spec.image import read_image

if TYPE_CHECKING:
    import PIL.Image

    from zoo.spec.image import RawImage

CONTRAST = 32  # of 256 shades, between ink and paper; less is no print
SMALLEST = 6  # pixels of a line's height that could be read
LINE_SHAPED = 4  # times as wide as high: what has that shape is a line, whatever is found in it


def lines_of(page: RawImage) -> list[PIL.Image.Image]:
    """Cut a page into its lines, from top to bottom.

    Each keeps its own rows, on paper of their colour, with as much margin as `cnn.ocr` has learned to expect. A picture
    that is one line already comes back as it is.

    Raises:
        SpecError: it cannot be read, or no line is found in it.
    """
    import PIL.Image

    picture = read_image(page).convert("L")
    pixels = np.asarray(picture)
    ink, paper = _ink(pixels)
    runs = _runs(ink)
    if len(runs) <= 1 and picture.width >= LINE_SHAPED * picture.height:
        return [picture]
    if not runs:
        raise SpecError(f"no line of text was found in a picture of {picture.width} x {picture.height} pixels")
    usual = float(np.median([bottom - top for top, bottom in runs]))
    lines = []
    for top, bottom in runs:
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        left, right = columns[0], columns[-1] + 1
        # A line without tall letters is low, and is not to be blown up to the height of one that has some
        height = max(bottom - top, min(usual, 1.6 * (bottom - top)))
        margin = round(0.15 * height)
        sheet = np.full((round(height) + 2 * margin, right - left + 4 * margin), paper, np.uint8)
        above = (len(sheet) - (bottom - top)) // 2
        sheet[above : above + bottom - top, 2 * margin : 2 * margin + right - left] = pixels[top:bottom, left:right]
        lines.append(PIL.Image.fromarray(sheet))
    return lines


def _ink(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Where there is ink (H, W), and the shade of the paper, which is that of most pixels."""
    threshold = _threshold(pixels)
    dark = pixels <= threshold
    if not dark.any() or dark.all() or pixels[~dark].mean() - pixels[dark].mean() < CONTRAST:
        return np.zeros(pixels.shape, bool), int(np.median(pixels))
    ink = dark if dark.mean() < 0.5 else ~dark
    return ink, int(np.median(pixels[~ink]))


def _threshold(pixels: np.ndarray) -> int:
    """The shade that parts dark from bright with the largest variance between them (Otsu, 1979)."""
    counts = np.bincount(pixels.ravel(), minlength=256).astype(float)
    below, total = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return int(np.nanargmax(between)) if np.isfinite(between).any() else 0


def _runs(ink: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last row (exclusive) of each line: runs of rows with ink, dots joined to their letters."""
    rows = ink.any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int)))
    runs = [(int(top), int(bottom)) for top, bottom in edges.reshape(-1, 2)]
    if not runs:
        return []
    tall = float(np.median([bottom - top for top, bottom in runs if bottom - top >= SMALLEST] or [0]))
    joined: list[tuple[int, int]] = []
    for top, bottom in runs:
        low = min(bottom - top, joined[-1][1] - joined[-1][0]) < 0.4 * tall if joined else False
        if low and top - joined[-1][1] < 0.25 * tall:  # the dot of an i, an accent, or a row of dots
            joined[-1] = (joined[-1][0], bottom)
        else:
            joined.append((top, bottom))
    return [(top, bottom) for top, bottom in joined if bottom - top >= max(SMALLEST, 0.3 * tall)]
