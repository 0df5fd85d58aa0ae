"""Where the ink of a line of text is, so that margin, size, colour and polarity of its image do not matter.

Shape letters: H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import PIL.Image

MIN_CONTRAST = 8  # of 256 shades, between ink and paper; JPEG's artefacts have less
MOSTLY = 0.62  # of an image's pixels: where more are dark, the ink is bright
FAINT = 0.6  # of the threshold between ink and paper, so that thin strokes count
SPECK = 8 / 25  # of the pixels around one: fewer, once blurred, are a speck
CLEAN = 0.06  # of the contrast: more noise may be what touches the edges of an image
MIN_ROWS = 6  # pixels: lower ink is dots or dashes, whose size is that of their image
SPARE = 1.0  # of the height
EDGE = 0.06  # of the height, added above and below where ink touches both
FULL = 0.97  # of an image's height: more ink touches both edges
TOLERANCE = 0.75  # a line is cropped if its height comes to less than this part of the image's
X_HEIGHT, CAPITALS, WHOLE = 0.42, 0.56, 0.78  # parts of the height, in lines that are cropped
SIDE = 0.25  # of the height, left and right of the ink
OTHER_COLOUR = 2.0  # a colour channel must have this many times the contrast of grey


def grey_of(image: PIL.Image.Image) -> np.ndarray:
    """The shades (H, W), uint8, of an image; of the colour channel that tells ink from paper, where grey does not."""
    grey = np.asarray(image.convert("L"))
    if image.mode != "RGB":
        return grey
    channels = np.asarray(image)
    spread = channels.std(axis=(0, 1))
    best = int(spread.argmax())
    return np.ascontiguousarray(channels[:, :, best]) if spread[best] > OTHER_COLOUR * grey.std() else grey


@dataclass(frozen=True)
class Fitted:
    """A line of text that is dark on bright and cropped already, as those of a page are."""

    image: PIL.Image.Image


def fitted(image: PIL.Image.Image, height: int) -> PIL.Image.Image:
    """A line of text, dark on bright, cropped to its ink and scaled to a height with small margins.

    An image whose ink takes the usual part of its height keeps it. Of others, letters become as high as a reader
    expects them; capitals and digits, which are as high as small letters in a larger type, are taken to be neither. An
    image without ink is scaled as it is.
    """
    import PIL.Image

    shades = grey_of(image)
    depth, paper, bright = depth_of(shades)
    if bright:
        shades, depth, paper = 255 - shades, -depth, 255 - paper
    box, clean = ink_box(depth)
    if box is None:
        return scaled(PIL.Image.fromarray(shades), height)
    left, top, right, bottom = box
    rows = bottom - top
    whole = rows / _part(depth[top:bottom, left:right])  # the line's height with its margins
    if rows > FULL * len(shades) and clean:
        more = round(max(whole, (1 + EDGE) * len(shades))) - len(shades)
        top, bottom = -(more // 2), len(shades) + more - more // 2
    elif MIN_ROWS <= rows <= FULL * len(shades) and whole < TOLERANCE * len(shades):
        more = round(whole) - rows
        top, bottom = top - more // 2, bottom + more - more // 2
    else:
        top, bottom = 0, len(shades)
    side = round(SIDE * (bottom - top))
    spare = round(SPARE * (bottom - top))  # a margin that need not be cut, since faint ink may be in it
    left = left - side if left > spare else min(0, left - side)
    right = right + side if shades.shape[1] - right > spare else max(shades.shape[1], right + side)
    return scaled(PIL.Image.fromarray(cut_out(shades, left, top, right, bottom, paper)), height)


def cut_out(shades: np.ndarray, left: int, top: int, right: int, bottom: int, paper: int) -> np.ndarray:
    """A box of an image (H, W), which may reach beyond it: there is paper."""
    found = np.full((bottom - top, right - left), paper, np.uint8)
    inside = shades[max(0, top) : bottom, max(0, left) : right]
    y, x = max(0, -top), max(0, -left)
    found[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return found


def depth_of(shades: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """How much darker each pixel (H, W) is than the paper around it; the paper's shade; and whether the ink is bright.

    The depth of bright ink is negative.
    """
    height, width = shades.shape
    count = max(1, round(width / max(32, 4 * height)))
    tiles = [_tile(tile) for tile in np.array_split(shades, count, axis=1)]
    weights = np.array([tile[3] for tile in tiles]) + 1e-9
    bright = np.average([tile[2] for tile in tiles], weights=weights) > MOSTLY
    papers = [tile[1 if not bright else 0] for tile in tiles]
    places = (np.arange(count) + 0.5) * width / count
    depth = np.interp(np.arange(width), places, papers) - shades
    paper = int(np.average(papers, weights=weights))
    return depth, paper, bool(bright)


def ink_box(depth: np.ndarray) -> tuple[tuple[int, int, int, int] | None, bool]:
    """Left, top, right, bottom of the ink, without specks, or None; and whether there is next to no noise."""
    smooth = mean_near(depth, 1)
    strength = smooth.clip(0, 255).astype(np.uint8)
    brighter = smooth[smooth < 0]  # than the paper: noise
    noise = 1.4826 * float(np.median(-brighter)) if brighter.size else 0.0
    ink = smooth > max(FAINT * otsu(strength), MIN_CONTRAST, 3 * noise)
    ink &= mean_near(ink.astype(float), 2) >= SPECK
    if not ink.any():
        return None, False
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return box, noise < CLEAN * float(smooth[ink].mean())


def mean_near(values: np.ndarray, reach: int) -> np.ndarray:
    """The means of the squares of 2 * reach + 1 pixels around each pixel (H, W); beyond the edges there are zeros."""
    size = 2 * reach + 1
    total = np.pad(values, ((reach + 1, reach), (reach + 1, reach))).cumsum(0).cumsum(1)
    return (total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]) / size**2


def otsu(shades: np.ndarray) -> int:
    """The threshold between dark and bright, uint8, with the largest variance between the two classes (Otsu, 1979)."""
    counts = np.bincount(shades.ravel(), minlength=256).astype(float)
    below, total = counts.cumsum(), (counts * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return int(np.nanargmax(between)) if np.isfinite(between).any() else 0


def _tile(shades: np.ndarray) -> tuple[float, float, float, float]:
    """Of a part of a line: the medians of its dark and of its bright pixels, the part that is dark, and a weight."""
    dark = shades <= otsu(shades)
    if dark.all() or not dark.any():
        shade = float(np.median(shades))
        return shade, shade, 0.5, 0.0
    low, high = float(np.median(shades[dark])), float(np.median(shades[~dark]))
    return low, high, float(dark.mean()), (high - low) ** 2


def _part(strength: np.ndarray) -> float:
    """The part of a line's height that its ink is to take, by the rows in which most of the ink is."""
    rows = strength.sum(axis=1)
    dense = np.flatnonzero(rows > 0.45 * np.sort(rows)[-max(1, len(rows) // 4) :].mean())
    core = (dense[-1] + 1 - dense[0]) / len(rows)  # the height of an x, where letters rise above it or hang below
    return min(WHOLE, max(CAPITALS, X_HEIGHT / core))


def scaled(image: PIL.Image.Image, height: int) -> PIL.Image.Image:
    """The image at another height, with its proportions."""
    import PIL.Image

    width = max(1, round(image.width * height / image.height))
    if image.size == (width, height):
        return image
    return image.resize((width, height), PIL.Image.Resampling.BICUBIC)
