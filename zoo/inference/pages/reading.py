"""Pages to texts: the lines that are found on them are read by a network, which also tells which way is up.

Shape letters: T time (steps), K characters of the alphabet, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from zoo import models
from zoo.errors import SpecError
from zoo.inference.pages.document import DOUBTFUL, Box, Character, Document, Line, Page, Unread, Word
from zoo.inference.pages.layout import Layout, Row, ordered
from zoo.inference.pages.script import MIXED, mixed
from zoo.inference.pages.sheet import EIGHT, Sheet
from zoo.inference.pages.sources import pages_of
from zoo.spec import TextLine, Transcript
from zoo.spec.ink import Fitted
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load

if TYPE_CHECKING:
    import PIL.Image

    from zoo.spec.image_files import RawImage

MIN_CONFIDENCE = 0.8  # of a line that is given as read: the geometric mean of its characters' probabilities
SURE = 0.96  # of the longest lines of a page: it lies the right way up, and no other is tried
SHORT = 6  # characters: shorter lines take more confidence
FEW = 0.3  # of what may be lines: where fewer can be read, most is a picture
MOST = 0.7  # of what may be lines: where more can be read, all is text
MIN_WIDTH = 3  # heights of a letter: narrower ink that cannot be read is not worth a word
LEVEL = 0.15  # degrees: lines that lie less askew are read as well
MANY, HOPELESS = 100, 0.65  # so many lines, of which the longest are read with less: a photograph, not a turned page
SAMPLE = 8  # lines that tell which way is up
LINE_SHAPE = 4  # an image this many times as wide as high is one line, if no more are found in it
SMALLEST, USUAL, LARGEST = 10, 18, 80  # pixels of a letter: smaller ones are enlarged, and larger ones shrunk
MAX_SIDE = 12_000  # pixels of an enlarged page
ALIKE = 16  # lines of similar length that are read at once
ABOVE = (0.15, 0.0, 0.3)  # of a line's height: the margins above and below, with which it is read
BESIDE = 0.34  # of a line's height: the margins beside it


def read_page(
    source: RawImage, reader: str | Artefact = "cnn.ocr", *, min_confidence: float = MIN_CONFIDENCE
) -> Document:
    """Read a document: columns, tables and boxes in reading order, in any of four turns and up to 15 degrees askew.

        document = read_page("scan.pdf")
        document.text
        document.pages[0].lines[2].words[0].box

    Args:
        source: the path of a PDF, of a TIFF of several pages or of an image; or an image as for `zoo.spec.Image`.
        reader: an artefact that reads lines of text, or the name of one.
        min_confidence: from 0 to 1; a line that is read with less is among `unread`, and not in the text.

    Raises:
        SpecError: the document cannot be read, or the reader is not one of lines of text.
    """
    artefact = load(reader) if isinstance(reader, str) else reader
    check_reader(artefact)
    pages = enumerate(pages_of(source), start=1)
    return Document(tuple(_read_page(image, number, artefact, min_confidence) for number, image in pages))


def check_reader(artefact: Artefact) -> None:
    """Refuse a network that does not read lines of text.

    Raises:
        SpecError: it is one.
    """
    if not isinstance(artefact.spec.input, TextLine) or not isinstance(artefact.spec.output, Transcript):
        raise SpecError(f"a page is read by a network for lines of text, such as cnn.ocr, not {artefact.spec}")


def lines_of(source: RawImage, reader: Artefact) -> Iterator[list[PIL.Image.Image | Fitted]]:
    """The lines of each page of a document, in reading order and upright; none where no line is found.

    Each has the margins with which the reader reads what is likeliest in all sizes. An image of a single line is given
    as it is.

    Raises:
        SpecError: the document cannot be read, or no line is found on any page.
    """
    check_reader(reader)
    some = False
    for image in pages_of(source):
        found = _upright(image, reader)
        rows = ordered(found.layout.rows, found.layout.letter)
        if len(rows) <= 1 and image.width >= LINE_SHAPE * image.height:
            lines: list[PIL.Image.Image | Fitted] = [image]
        else:
            of_row = _read_lines(found, reader)
            lines = [of_row[row.number].strip.line() for row in rows]
        some = some or bool(lines)
        yield lines
    if not some:
        raise SpecError(f"no line of text found in an image of {image.width} x {image.height} pixels")


@dataclass
class Found:
    """An upright page and its lines.

    Args:
        sheet, layout: the page once it is upright, and its lines.
        back: the affine map (2, 3) from points on the sheet to points of the page as it was given.
        angle: degrees, clockwise, by which it was turned back.
        sure: the mean confidence of its longest lines.
        readings: those of lines in the first size, by their number.
    """

    sheet: Sheet
    layout: Layout
    back: np.ndarray
    angle: float
    sure: float = 0.0
    readings: dict[int, Reading] = field(default_factory=dict)

    def box_of(self, row: Row) -> Box:
        """The box of a line on the page as it was given."""
        return self.box(row.left, row.top, row.right, row.bottom)

    def box(self, left: float, top: float, right: float, bottom: float) -> Box:
        """The box on the page as it was given."""
        corners = np.array([(x, y, 1) for x in (left, right) for y in (top, bottom)], float) @ self.back.T
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)

    def strip(self, row: Row, margin: float = ABOVE[0]) -> Strip:
        """A line alone, with a margin above and below, as a part of its height."""
        usual = np.median([each.bottom - each.top for each in self.layout.rows if _alike(each, row)])
        height = max(row.bottom - row.top, min(usual, 1.6 * (row.bottom - row.top)))
        above, beside = round(margin * height), round(BESIDE * height)
        inside = (slice(row.top, row.bottom), slice(row.left, row.right))
        mine = self.layout.owner[inside] == row.number
        others = self.sheet.ink[inside] & ~mine
        hidden = ndimage.binary_dilation(others, EIGHT) & ~mine
        pixels = np.full((round(height) + 2 * above, row.right - row.left + 2 * beside), self.sheet.paper, np.uint8)
        top = (len(pixels) - (row.bottom - row.top)) // 2
        place = (slice(top, top + row.bottom - row.top), slice(beside, beside + row.right - row.left))
        pixels[place] = np.where(hidden, self.sheet.paper, self.sheet.shades[inside])
        return Strip(pixels, row, row.left - beside)


@dataclass
class Strip:
    """The image of a line, uint8 (H, W), and where its left edge is on the sheet."""

    pixels: np.ndarray
    row: Row
    left: int

    def line(self) -> Fitted:
        import PIL.Image

        return Fitted(PIL.Image.fromarray(self.pixels))


@dataclass
class Reading:
    """The characters of a line, with their probabilities, and where on the sheet each begins and ends."""

    strip: Strip
    text: str
    probabilities: list[float]
    spans: list[tuple[float, float]]
    steps: torch.Tensor  # log-probabilities (T, 1 + K)

    @property
    def confidence(self) -> float:
        """The geometric mean over characters of their probability; 0 without any."""
        return float(np.exp(np.mean(np.log(self.probabilities)))) if self.probabilities else 0.0


def _read_page(image: PIL.Image.Image, number: int, artefact: Artefact, min_confidence: float) -> Page:
    found = _upright(image, artefact)
    rows = found.layout.rows
    if found.sure < min_confidence:  # a photograph, or a script that the network does not know
        missed = tuple(Unread(found.box_of(row), found.sure) for row in rows)
        return Page(number, image.width, image.height, found.angle, (), missed)
    of_row = _read_lines(found, artefact)
    readings = [of_row[row.number] for row in rows]
    good = [reading.confidence >= _least(reading, min_confidence) for reading in readings]
    if sum(good) > MOST * len(good):  # on a page of text, a few strokes are a digit or two
        good = [reading.confidence >= min_confidence and bool(reading.text.strip()) for reading in readings]
    kept = [row for row, each in zip(rows, good) if each]
    lines: list[Line] = []
    before: Row | None = None
    for row in ordered(kept, found.layout.letter):
        reading = of_row[row.number]
        follows = before is not None and row.in_row_with(before)
        lines.append(Line(_words(reading, row, found), reading.confidence, found.box_of(row), row.block, follows))
        before = row
    unread = tuple(
        Unread(found.box_of(row), reading.confidence)
        for row, reading, each in zip(rows, readings, good)
        if not each and row.right - row.left > MIN_WIDTH * found.layout.letter
    )
    if len(lines) < FEW * len(rows):  # strokes of a drawing here and there look like a letter
        lines = [line for line in lines if line.confidence > 0.9 and sum(map(str.isalnum, line.text)) >= SHORT]
    if len(rows) > 2 and all(len(line.text) < 3 for line in lines):
        lines = []
    page = Page(number, image.width, image.height, found.angle, tuple(lines), unread)
    if page.confidence < DOUBTFUL and mixed(page.text) > MIXED:
        foreign = tuple(Unread(line.box, line.confidence) for line in page.lines)
        return replace(page, lines=(), unread=foreign + unread)
    return page


def _least(reading: Reading, min_confidence: float) -> float:
    """The confidence from which a line counts as read: a few strokes may look like a character or two by chance."""
    count = len(reading.text.replace(" ", ""))
    if not count:
        return np.inf
    return max(min_confidence, min_confidence + (SHORT - count) / SHORT * (1 - min_confidence) * 0.75)


def _words(reading: Reading, row: Row, found: Found) -> tuple[Word, ...]:
    words: list[list[Character]] = [[]]
    for character, probability, (left, right) in zip(reading.text, reading.probabilities, reading.spans):
        if character == " ":
            words.append([])
            continue
        columns = slice(max(row.left, int(left)), max(row.left, int(left)) + max(1, round(right - left)))
        ink = found.layout.owner[row.top : row.bottom, columns] == row.number
        high, low = _extent(ink.any(axis=1), row.top, row.bottom)
        words[-1].append(Character(character, probability, found.box(left, high, right, low)))
    return tuple(Word(tuple(word)) for word in words if word)


def _extent(inked: np.ndarray, first: int, last: int) -> tuple[int, int]:
    places = np.flatnonzero(inked)
    return (first + int(places[0]), first + int(places[-1]) + 1) if len(places) else (first, last)


# Upright


def _upright(image: PIL.Image.Image, artefact: Artefact) -> Found:
    """The page turned and rotated so that its lines are level and read best."""
    sheet, scale = _at_scale(image)
    across = sheet.across()
    quarter = 0 if across >= 0.5 else 1
    found = _turned(sheet, quarter, scale, image)
    found.sure = _confidence(found, artefact)
    count = len(found.layout.rows)
    if found.sure >= SURE or not count or (count > MANY and found.sure < HOPELESS):
        return found
    turns = [quarter + 2] if abs(across - 0.5) > 0.25 else [quarter + 2, quarter + 1, quarter + 3]
    for turn in turns:
        other = _turned(sheet, turn % 4, scale, image)
        other.sure = _confidence(other, artefact)
        if other.sure > found.sure + 0.05:
            found = other
    return found


def _at_scale(image: PIL.Image.Image) -> tuple[Sheet, float]:
    """The sheet of a page, and how many times as large as the page it is: small type is enlarged, large is shrunk."""
    import PIL.Image

    sheet = Sheet.of(image)
    if not sheet.letter or SMALLEST <= sheet.letter <= LARGEST:
        return sheet, 1.0
    scale = min(4.0, USUAL / sheet.letter)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    if max(size) > MAX_SIDE:
        return sheet, 1.0
    return Sheet.of(image.resize(size, PIL.Image.Resampling.BICUBIC)), scale


def _turned(sheet: Sheet, quarters: int, scale: float, image: PIL.Image.Image) -> Found:
    turned = sheet.turned(quarters)
    angle = turned.skew()
    straight = turned.rotated(angle) if angle else turned
    layout = Layout(straight)
    if abs(layout.slope) > LEVEL:  # the lines that are found say it better than the profile
        angle += layout.slope
        straight = turned.rotated(angle)
        layout = Layout(straight)
    to_turned = _rotation(angle, turned.ink.shape, straight.ink.shape)
    # Quarters by whole pixels: np.rot90 maps (x, y) to (y, W - x)
    height, width = sheet.ink.shape
    to_sheet = {
        0: [[1, 0, 0], [0, 1, 0]],
        1: [[0, -1, width], [1, 0, 0]],
        2: [[-1, 0, width], [0, -1, height]],
        3: [[0, 1, 0], [-1, 0, height]],
    }[quarters]
    back = np.array(to_sheet, float) @ np.vstack([to_turned, [0, 0, 1]]) / scale
    return Found(straight, layout, back, (180 - angle - 90 * quarters) % 360 - 180)


def _rotation(angle: float, before: tuple[int, ...], after: tuple[int, ...]) -> np.ndarray:
    """The affine map (2, 3) from points of a rotated image back to the points of the image before."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]])
    centre, middle = np.array([before[1], before[0]]) / 2, np.array([after[1], after[0]]) / 2
    return np.column_stack([turn, centre - turn @ middle])


def _confidence(found: Found, artefact: Artefact) -> float:
    """The mean confidence of some of the longest lines of a page."""
    longest = sorted(found.layout.rows, key=lambda row: row.left - row.right)[:SAMPLE]
    readings = _read([found.strip(row) for row in longest], artefact)
    found.readings = {row.number: reading for row, reading in zip(longest, readings)}
    return float(np.mean([reading.confidence for reading in readings])) if readings else 0.0


def _alike(a: Row, b: Row) -> bool:
    """Whether two lines have letters of about one size."""
    return 0.7 * b.x_height <= a.x_height <= 1.4 * b.x_height


# Reading


def _read_lines(found: Found, artefact: Artefact) -> dict[int, Reading]:
    """The lines of a page by the number of their row, each read in several sizes; where they differ, the
    likeliest text."""
    rows, transcript = found.layout.rows, artefact.spec.output
    assert isinstance(transcript, Transcript)
    new = [row for row in rows if row.number not in found.readings]
    found.readings |= {row.number: each for row, each in zip(new, _read([found.strip(row) for row in new], artefact))}
    others = [_read([found.strip(row, margin) for row in rows], artefact) for margin in ABOVE[1:]]
    by_size = [[found.readings[row.number] for row in rows], *others]
    return {row.number: _likeliest(readings, transcript) for row, *readings in zip(rows, *by_size)}


def _likeliest(readings: Sequence[Reading], transcript: Transcript) -> Reading:
    if len({reading.text for reading in readings}) == 1:
        return readings[0]
    best = readings[transcript.likeliest([reading.steps for reading in readings])].text
    return max((reading for reading in readings if reading.text == best), key=lambda reading: reading.confidence)


def _read(strips: Sequence[Strip], artefact: Artefact) -> list[Reading]:
    """What the network reads on lines, in their order."""
    line, transcript = artefact.spec.input, artefact.spec.output
    assert isinstance(line, TextLine)
    assert isinstance(transcript, Transcript)
    readings: dict[int, Reading] = {}
    widths = [strip.pixels.shape[1] / strip.pixels.shape[0] for strip in strips]
    order = sorted(range(len(strips)), key=lambda place: widths[place])
    for start in range(0, len(order), ALIKE):
        places = order[start : start + ALIKE]
        batch = [line.encode(strips[place].line()) for place in places]
        for place, columns, steps in zip(places, batch, _log_probabilities(batch, artefact, line)):
            readings[place] = _reading(steps, len(columns), strips[place], transcript)
    return [readings[place] for place in range(len(strips))]


@torch.inference_mode()
def _log_probabilities(batch: list[torch.Tensor], artefact: Artefact, line: TextLine) -> torch.Tensor:
    device = next(artefact.network.parameters()).device
    lines, lengths = line.collate(batch)
    logits: torch.Tensor = models.apply(artefact.network, line.prepare((lines.to(device), lengths.to(device))))
    return logits.float().log_softmax(dim=2).cpu()


def _reading(steps: torch.Tensor, width: int, strip: Strip, transcript: Transcript) -> Reading:
    """Greedy decoding of the log-probabilities (T, 1 + K) of a line of `width` columns."""
    best = steps.argmax(dim=1).tolist()
    values = steps.max(dim=1).values.exp().tolist()
    symbols: list[int] = []
    peaks: list[int] = []
    probabilities: list[float] = []
    for step, (symbol, probability) in enumerate(zip(best, values)):
        if symbol and (step == 0 or best[step - 1] != symbol):
            symbols.append(symbol)
            peaks.append(step)
            probabilities.append(probability)
        elif symbol and probability > probabilities[-1]:
            peaks[-1], probabilities[-1] = step, probability
    text = transcript.text(symbols)
    scale = strip.pixels.shape[1] / width  # pixels of the sheet for each column
    columns = [2 * peak + 1.0 for peak in peaks]  # the middle of a step of two columns
    spans = [(strip.left + scale * left, strip.left + scale * right) for left, right in _spans(columns, strip, scale)]
    return Reading(strip, text, probabilities, spans, steps)


def _spans(columns: list[float], strip: Strip, scale: float) -> list[tuple[float, float]]:
    """From where to where each character reaches, in columns, given where the network saw it: halfway to the next."""
    first, last = (strip.row.left - strip.left) / scale, (strip.row.right - strip.left) / scale
    middles = [(a + b) / 2 for a, b in pairwise(columns)]
    edges = [first, *middles, last]
    return [(min(left, column - 1), max(right, column + 1)) for left, column, right in zip(edges, columns, edges[1:])]
