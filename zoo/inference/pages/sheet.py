"""A page made ready to be searched for text: evenly lit, dark on bright, without noise, rules and pictures.

Shape letters: H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from zoo.spec.ink import MIN_CONTRAST, grey_of, otsu

if TYPE_CHECKING:
    import PIL.Image

EIGHT = np.ones((3, 3))  # pixels that touch by a corner are connected
TILE = 64  # pixels: over tiles of at least this size, the median is that of the paper
IMPULSE = 48  # shades by which a pixel of salt or pepper differs from all around it
MIN_IMPULSES = 1e-3  # part of a page's pixels; fewer are dots of letters
MIN_HEIGHT = 4  # pixels of a letter
MAX_ANGLE = 15.0  # degrees by which a page may be rotated
MIN_SHARPENING = 1.15  # factor by which a rotation must sharpen the profile
MIN_LETTERS = 8  # fewer do not tell at what angle they lie
MIN_PANEL = 12  # pixels: lower bars have no text in them
FLAT = 12  # shades: the deviation of a panel's pixels, of which those at letters' edges differ


@dataclass
class Sheet:
    """A page.

    Args:
        shades: uint8 (H, W), of ink on bright paper.
        ink: bool (H, W), where there is text.
        paper: the shade of the paper.
        letter: pixels; the height of most pieces of ink, about that of an x.
    """

    shades: np.ndarray
    ink: np.ndarray
    paper: int
    letter: float

    @classmethod
    def of(cls, image: PIL.Image.Image | np.ndarray) -> Sheet:
        """Even out light, find the ink, and erase all that is no text."""
        shades = image if isinstance(image, np.ndarray) else grey_of(image)
        shades = _evened(_without_panels(_without_impulses(shades)))
        ink, paper, bright = _ink(shades)
        if bright:
            shades, paper = 255 - shades, 255 - paper
        letter = letter_height(ink)
        for others in (_rules(ink, letter), None):
            others = _pictures(ink, letter) if others is None else others
            ink = ink & ~others
            soft = ndimage.binary_dilation(others, EIGHT, iterations=2) & ~ink
            shades = np.where(soft, np.uint8(paper), shades)
        return cls(shades, ink, paper, letter_height(ink))

    def turned(self, quarters: int) -> Sheet:
        """Turned by so many quarters of a turn, counterclockwise."""
        return Sheet(np.rot90(self.shades, quarters), np.rot90(self.ink, quarters), self.paper, self.letter)

    def rotated(self, angle: float) -> Sheet:
        """Rotated by an angle in degrees, counterclockwise, about its centre, on a page that holds all of it."""
        import PIL.Image

        bicubic, nearest = PIL.Image.Resampling.BICUBIC, PIL.Image.Resampling.BILINEAR
        shades = PIL.Image.fromarray(self.shades).rotate(angle, bicubic, expand=True, fillcolor=self.paper)
        ink = PIL.Image.fromarray(self.ink.astype(np.uint8) * 255).rotate(angle, nearest, expand=True, fillcolor=0)
        return Sheet(np.asarray(shades), np.asarray(ink) > 127, self.paper, self.letter)

    def across(self) -> float:
        """The part of the letters, 0 to 1, whose nearest letter lies beside them and not above or below."""
        boxes = _letters(self.ink, self.letter)
        if len(boxes) < 2:
            return 1.0
        middles = boxes.reshape(-1, 2, 2).mean(axis=1)
        _, nearest = cKDTree(middles).query(middles, k=2)
        x, y = np.abs(middles[nearest[:, 1]] - middles).T
        return float((x > y).mean())

    def skew(self) -> float:
        """The angle of the lines in degrees, clockwise: that at which most letters end at the same heights."""
        boxes = _letters(self.ink, self.letter)
        if len(boxes) < MIN_LETTERS:
            return 0.0
        x = np.tile((boxes[:, 0] + boxes[:, 2]) / 2, 2)
        y = np.concatenate([boxes[:, 1], boxes[:, 3]])  # tops and bottoms
        size = max(1.0, self.letter / 8)

        def sharpness(angle: float) -> float:
            """Of the profile along lines of this angle (Postl, 1986)."""
            rows = np.rint((y - x * np.tan(np.radians(angle))) / size).astype(int)
            profile = np.bincount(rows - rows.min() + 1, minlength=1)
            return float(np.square(profile + np.append(profile[1:], 0)).sum())  # neighbours count together

        coarse = {float(angle): sharpness(angle) for angle in np.arange(-MAX_ANGLE, MAX_ANGLE + 0.1, 0.25)}
        best = max(coarse, key=lambda angle: coarse[angle])
        if coarse[best] < MIN_SHARPENING * coarse[0.0]:
            return 0.0
        fine = {float(angle): sharpness(angle) for angle in best + np.arange(-4, 5) / 20}
        return max(fine, key=lambda angle: fine[angle])


def letter_height(ink: np.ndarray) -> float:
    """The median height in pixels of the pieces of ink (H, W) that may be letters; 0 where there are none."""
    pieces, _ = ndimage.label(ink, EIGHT)
    boxes = ndimage.find_objects(pieces)
    tall = np.array([box[0].stop - box[0].start for box in boxes])
    wide = np.array([box[1].stop - box[1].start for box in boxes])
    if not len(tall):
        return 0.0
    likely = (tall >= MIN_HEIGHT) & (wide < 6 * tall) & (tall < 12 * wide) & (tall < 0.6 * len(ink) + 8)
    if not likely.any():
        return 0.0
    tall = tall[likely]
    usual = float(np.median(tall))
    return float(np.median(tall[tall > 0.5 * usual]))


def _letters(ink: np.ndarray, letter: float) -> np.ndarray:
    """The boxes (N, 4) of pieces of ink that may be letters: left, top, right, bottom."""
    pieces, _ = ndimage.label(ink, EIGHT)
    found = ndimage.find_objects(pieces)
    boxes = np.array([(b[1].start, b[0].start, b[1].stop, b[0].stop) for b in found], float).reshape(-1, 4)
    size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return boxes[(size > 0.6 * letter) & (size < 4 * letter)]


def _without_panels(shades: np.ndarray) -> np.ndarray:
    """The shades (H, W) of a page where bars and buttons of one shade, with letters left out of them, are inverted.

    Thus a bright title on a dark bar is dark on bright, as the text around it.
    """
    ink, paper, _ = _ink(shades)
    pieces, _ = ndimage.label(ink, EIGHT)
    inverted = shades.copy()
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        high, wide = (side.stop - side.start for side in box)
        if high < MIN_PANEL or wide < 2 * high:
            continue
        panel = pieces[box] == number
        holes = ndimage.binary_fill_holes(panel) & ~panel
        inside = ndimage.binary_erosion(panel, EIGHT)
        rectangular = (panel | holes).mean() > 0.9
        if rectangular and 0.02 < holes.mean() < 0.5 and inside.any() and shades[box][inside].std() < FLAT:
            shade = int(np.median(shades[box][inside]))
            inverted[box] = (paper + shade - shades[box].astype(np.int16)).clip(0, 255)
    return inverted


def _evened(shades: np.ndarray) -> np.ndarray:
    """The shades (H, W) of a page after correction of uneven light."""
    import PIL.Image

    height, width = shades.shape
    size = max(TILE, min(height, width) // 8)
    down, across = (np.arange(0, max(length - size // 2, 1), size) for length in shades.shape)
    light = [[np.median(shades[y : y + size, x : x + size]) for x in across] for y in down]  # mostly of the paper
    field = PIL.Image.fromarray(np.array(light, np.float32)).resize((width, height), PIL.Image.Resampling.BILINEAR)
    return (shades.astype(np.float32) - np.asarray(field) + np.median(light)).clip(0, 255).astype(np.uint8)


def _without_impulses(shades: np.ndarray) -> np.ndarray:
    """Salt and pepper, where there is any, is replaced by the median of the pixels around it."""
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    padded = shades.astype(np.int16)
    low = padded < ndimage.minimum_filter(padded, footprint=ring) - IMPULSE
    high = padded > ndimage.maximum_filter(padded, footprint=ring) + IMPULSE
    lone = low | high
    if lone.mean() < MIN_IMPULSES:
        return shades
    median = ndimage.median_filter(shades, size=3)
    cleaned = np.where(lone, median, shades)
    extreme = np.abs(cleaned.astype(np.int16) - median) > 2 * IMPULSE  # two or three that touch
    pieces, count = ndimage.label(extreme, EIGHT)
    small = np.append(False, np.bincount(pieces.ravel(), minlength=count + 1)[1:] <= 2)
    around = ndimage.binary_dilation(small[pieces], EIGHT, iterations=1)
    clear = np.abs(ndimage.median_filter(cleaned, size=5).astype(np.int16) - median) < IMPULSE
    return np.where(small[pieces] & around & clear, median, cleaned)


def _ink(shades: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """Where there is ink (H, W), the shade of the paper, which most pixels have, and whether the ink is bright."""
    dark = shades <= otsu(shades)
    if not dark.any() or dark.all() or shades[~dark].mean() - shades[dark].mean() < 2 * MIN_CONTRAST:
        return np.zeros(shades.shape, bool), int(np.median(shades)), False
    bright = bool(dark.mean() > 0.5)
    ink = ~dark if bright else dark
    return ink, int(np.median(shades[~ink])), bright


def _rules(ink: np.ndarray, letter: float) -> np.ndarray:
    """Where the ink (H, W) is a straight rule, across or down; strokes of letters that cross it are left."""
    found = np.zeros_like(ink)
    if not letter:
        return found
    for turned, result in ((ink, found), (ink.T, found.T)):
        length = max(24, round(5 * letter))
        run = ndimage.minimum_filter1d(turned.astype(np.uint8), length, axis=1, mode="constant")
        run = ndimage.maximum_filter1d(run, length + 1, axis=1, mode="constant").astype(bool) & turned
        pieces, count = ndimage.label(run, EIGHT)
        thick = np.bincount(pieces.ravel(), minlength=count + 1)
        wide = [box[1].stop - box[1].start for box in ndimage.find_objects(pieces)]
        thin = thick[1:] < np.maximum(3, 0.5 * letter) * np.array(wide)
        rule = np.append(False, thin)[pieces] if count else run
        edges = ndimage.binary_dilation(rule, np.ones((3, 1))) & turned & ~rule
        beyond = ndimage.binary_dilation(edges, np.ones((3, 1)), iterations=2) & turned & ~rule & ~edges
        strokes = turned & ~rule
        above, below = (ndimage.shift(strokes, (step, 0), order=0, cval=False) for step in (1, -1))
        for _ in range(3):  # through the thickness of the rule
            above |= ndimage.shift(above, (1, 0), order=0, cval=False) & rule
            below |= ndimage.shift(below, (-1, 0), order=0, cval=False) & rule
        crossing = rule & above & below
        faint = edges & ~beyond & (ndimage.uniform_filter1d(edges.astype(float), length, axis=1) > 0.5)
        result |= (rule & ~crossing) | faint
    return found


def _pictures(ink: np.ndarray, letter: float) -> np.ndarray:
    """Where the ink (H, W) is a drawing, a photograph, a frame or the dark edge of a scan."""
    pieces, count = ndimage.label(ink, EIGHT)
    boxes = ndimage.find_objects(pieces)
    if not count:
        return np.zeros_like(ink)
    rows, columns = (np.array([(box[side].start, box[side].stop) for box in boxes]).reshape(-1, 2) for side in (0, 1))
    tall, wide = np.diff(rows)[:, 0], np.diff(columns)[:, 0]
    area = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    fill = area / (tall * wide)
    at_edge = (rows == (0, len(ink))).any(axis=1) | (columns == (0, ink.shape[1])).any(axis=1)
    large = np.minimum(tall, wide) > 5 * letter
    solid = large & (fill > 0.3)
    hollow = large & (fill < 0.1)
    long = np.maximum(tall, wide) > 8 * np.maximum(letter, np.minimum(tall, wide))
    edge = at_edge & (np.maximum(tall, wide) > 8 * letter) & (long | (fill > 0.5))
    found = np.append(False, solid | hollow | long | edge)[pieces]
    for box, is_solid in zip(boxes, solid):
        if is_solid:  # what is within a photograph is part of it
            found[box] |= ink[box]
    return found
