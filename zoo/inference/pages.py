"""Segmentation of pages into lines of text by their projection profile: rows with ink, and the gaps between them.

For pages of one column: print, screenshots, scans. Uneven light is corrected, a page that is rotated by a few degrees
is rotated back, and everything but text is erased: frames, rules, the dark edges of a scan, drawings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from zoo.errors import SpecError
from zoo.spec.image_files import read_image

if TYPE_CHECKING:
    import PIL.Image

    from zoo.spec.image_files import RawImage

MIN_CONTRAST = 32  # of 256 shades, between ink and paper
MIN_HEIGHT = 6  # pixels of a readable line
LINE_SHAPE = 4  # an image this many times as wide as high is one line, if not several are found in it
MAX_PIECE = 64  # pixels; a larger connected piece of ink that fills half of the page is a drawing
ANGLES = np.arange(-50, 51) / 10  # degrees by which a page may be rotated
MIN_SHARPENING = 1.3  # factor by which a rotation must sharpen the profile
POINTS = 100_000  # of ink, enough to find the angle


def lines_of(page: RawImage) -> list[PIL.Image.Image]:
    """Cut a page into its lines, from top to bottom.

    Each line has the background of its page, with the margin that `cnn.ocr` was trained with. An image of a single line
    is returned unchanged.

    Raises:
        SpecError: the page cannot be read, or no line is found in it.
    """
    import PIL.Image

    image = read_image(page).convert("L")
    if image.width >= LINE_SHAPE * image.height and len(_runs(_ink(np.asarray(image))[0])) <= 1:
        return [image]
    pixels, ink, paper = _text(image)
    if angle := _skew(ink):
        turned = PIL.Image.fromarray(pixels).rotate(-angle, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor=paper)
        if len(_runs((found := _text(turned))[1])) > 1:  # the angle of a single word is not reliable
            pixels, ink, paper = found
    runs = _runs(ink)
    if not runs:
        raise SpecError(f"no line of text found in an image of {image.width} x {image.height} pixels")
    usual = float(np.median([bottom - top for top, bottom in runs]))
    lines = []
    for top, bottom in runs:
        columns = np.flatnonzero(ink[top:bottom].any(axis=0))
        left, right = columns[0], columns[-1] + 1
        # A line without tall letters is low, and must not be enlarged to the height of a line with some
        height = max(bottom - top, min(usual, 1.6 * (bottom - top)))
        margin = round(0.15 * height)
        sheet = np.full((round(height) + 2 * margin, right - left + 4 * margin), paper, np.uint8)
        above = (len(sheet) - (bottom - top)) // 2
        sheet[above : above + bottom - top, 2 * margin : 2 * margin + right - left] = pixels[top:bottom, left:right]
        lines.append(PIL.Image.fromarray(sheet))
    return lines


def _text(image: PIL.Image.Image) -> tuple[np.ndarray, np.ndarray, int]:
    """The text of a page, evenly lit: shades (H, W), where there is ink (H, W), and the paper's shade."""
    pixels = _evened(image)
    ink, paper = _ink(pixels)
    others = _not_text(ink)
    pixels[ndimage.binary_dilation(others, iterations=2)] = paper  # including soft edges
    return pixels, ink & ~others, paper


def _evened(image: PIL.Image.Image) -> np.ndarray:
    """The shades (H, W) of a page after correction of uneven light."""
    import PIL.Image

    pixels = np.asarray(image).astype(np.float32)
    size = max(MAX_PIECE, min(image.size) // 8)
    down, across = (np.arange(0, max(length - size // 2, 1), size) for length in pixels.shape)
    light = [[np.median(pixels[y : y + size, x : x + size]) for x in across] for y in down]  # mostly of the paper
    field = PIL.Image.fromarray(np.array(light, np.float32)).resize(image.size, PIL.Image.Resampling.BILINEAR)
    return (pixels - np.asarray(field) + np.median(light)).clip(0, 255).astype(np.uint8)


def _ink(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Where there is ink (H, W), and the shade of the paper, which most pixels have."""
    threshold = _threshold(pixels)
    dark = pixels <= threshold
    if not dark.any() or dark.all() or pixels[~dark].mean() - pixels[dark].mean() < MIN_CONTRAST:
        return np.zeros(pixels.shape, bool), int(np.median(pixels))
    ink = dark if dark.mean() < 0.5 else ~dark
    return ink, int(np.median(pixels[~ink]))


def _threshold(pixels: np.ndarray) -> int:
    """The threshold between dark and bright with the largest variance between the two classes (Otsu, 1979)."""
    counts = np.bincount(pixels.ravel(), minlength=256).astype(float)
    below, total = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return int(np.nanargmax(between)) if np.isfinite(between).any() else 0


def _not_text(ink: np.ndarray) -> np.ndarray:
    """Where the ink (H, W) is a frame, a rule, the dark edge of a scan or a drawing."""
    pieces, _ = ndimage.label(ink, np.ones((3, 3)))
    boxes = ndimage.find_objects(pieces)
    rows, columns = (np.array([(box[side].start, box[side].stop) for box in boxes]).reshape(-1, 2) for side in (0, 1))
    tall, wide = np.diff(rows)[:, 0], np.diff(columns)[:, 0]
    area = np.bincount(pieces.ravel(), minlength=len(boxes) + 1)[1:]
    at_edge = (rows == (0, len(ink))).any(axis=1) | (columns == (0, ink.shape[1])).any(axis=1)
    thin = np.minimum(tall, wide) * np.where(at_edge, 8, 30) < np.maximum(tall, wide)
    hollow = area < 0.1 * tall * wide
    high, broad = tall > ink.shape[0] / 2, wide > ink.shape[1] / 2
    others = (high | broad) & (thin | hollow) | high & broad & (np.minimum(tall, wide) > MAX_PIECE)
    return np.append(False, others)[pieces]


def _skew(ink: np.ndarray) -> float:
    """The angle of lines in degrees, for which the profile of the ink (H, W) is sharpest (Postl, 1986)."""
    y, x = np.nonzero(ink)
    every = max(1, len(x) // POINTS)
    y, x = y[::every], x[::every]

    def sharpness(angle: float) -> float:
        rows = np.rint(y + x * np.tan(np.radians(angle))).astype(int)
        return float(np.square(np.diff(np.bincount(rows - rows.min()))).sum())

    if not len(x):
        return 0.0
    found = [sharpness(angle) for angle in ANGLES]
    best = int(np.argmax(found))
    return float(ANGLES[best]) if found[best] > MIN_SHARPENING * found[len(ANGLES) // 2] else 0.0


def _runs(ink: np.ndarray) -> list[tuple[int, int]]:
    """The first and the last row (exclusive) of each line: runs of rows with ink; dots are joined to their letters."""
    rows = ink.any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(int)))
    runs = [(int(top), int(bottom)) for top, bottom in edges.reshape(-1, 2)]
    if not runs:
        return []
    tall = float(np.median([bottom - top for top, bottom in runs if bottom - top >= MIN_HEIGHT] or [0]))
    joined: list[tuple[int, int]] = []
    for top, bottom in runs:
        low = min(bottom - top, joined[-1][1] - joined[-1][0]) < 0.4 * tall if joined else False
        if low and top - joined[-1][1] < 0.25 * tall:  # the dot of an i, an accent, or a row of dots
            joined[-1] = (joined[-1][0], bottom)
        else:
            joined.append((top, bottom))
    return [(top, bottom) for top, bottom in joined if bottom - top >= max(MIN_HEIGHT, 0.3 * tall)]
