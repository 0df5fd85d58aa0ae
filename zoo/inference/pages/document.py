"""What was read: a document of pages, lines, words and characters, each with its box and confidence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any

DOUBTFUL = 0.92  # mean confidence of a page: with less, its text is to be checked
Box = tuple[float, float, float, float]  # left, top, right, bottom: pixels of the page as it was given


@dataclass(frozen=True)
class Character:
    """A character; its confidence is the probability that the network gives to it where it stands."""

    text: str
    confidence: float
    box: Box


@dataclass(frozen=True)
class Word:
    """Characters between blanks."""

    characters: tuple[Character, ...]

    @property
    def text(self) -> str:
        return "".join(character.text for character in self.characters)

    @property
    def confidence(self) -> float:
        """The probability that all characters are right, if their errors are independent."""
        return prod(character.confidence for character in self.characters)

    @property
    def box(self) -> Box:
        return around([character.box for character in self.characters])


@dataclass(frozen=True)
class Line:
    """A line of text, or a cell of a table.

    Args:
        words: from left to right.
        confidence: the geometric mean over characters of their probability.
        box: of its ink; the smallest upright one where the page lies askew.
        block: number of the paragraph on its page, from 0, in reading order.
        follows: whether it lies in one row with the line before it, as cells of a table do.
    """

    words: tuple[Word, ...]
    confidence: float
    box: Box
    block: int
    follows: bool = False

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Unread:
    """Ink that looks like a line, and could not be read with confidence."""

    box: Box
    confidence: float


@dataclass(frozen=True)
class Page:
    """What was read on a page.

    Args:
        number: from 1.
        width, height: pixels of the page as it was given.
        angle: degrees, clockwise, by which the page was turned back so that its lines are level.
        lines: in reading order.
        unread: what could not be read.
    """

    number: int
    width: int
    height: int
    angle: float
    lines: tuple[Line, ...]
    unread: tuple[Unread, ...] = ()

    @property
    def text(self) -> str:
        """A line each; an empty one between blocks, and tabs between the cells of a table."""
        parts: list[str] = []
        for before, line in zip((None, *self.lines), self.lines):
            if before is not None:
                parts.append("\t" if line.follows else "\n" if line.block == before.block else "\n\n")
            parts.append(line.text)
        return "".join(parts)

    @property
    def confidence(self) -> float:
        """The mean of the lines' confidences, a long line counting more; 0 without lines."""
        lengths = [len(line.text) for line in self.lines]
        return sum(line.confidence * length for line, length in zip(self.lines, lengths)) / max(1, sum(lengths))

    @property
    def fault(self) -> str | None:
        """What could not be read, in one line; None where all was."""
        count = len(self.unread)
        if not self.lines:
            size = f"{self.width} x {self.height} pixels"
            if not count:
                return f"no line of text found in an image of {size}"
            return (
                f"could not read any text with confidence in an image of {size}: no text, or letters it does not know"
            )
        if self.confidence < DOUBTFUL:
            return (
                f"read with a confidence of only {self.confidence:.2f}: a poor scan, or letters that it does not know"
            )
        if not count:
            return None
        first = ", ".join(f"{side:.0f}" for side in self.unread[0].box)
        return f"could not read {count} of {count + len(self.lines)} lines with confidence; the first at {first}"


@dataclass(frozen=True)
class Document:
    """The pages of a document, in order."""

    pages: tuple[Page, ...] = field(default_factory=tuple)

    @property
    def text(self) -> str:
        """The texts of the pages, with a form feed between them."""
        return "\f".join(page.text for page in self.pages)

    @property
    def unread(self) -> list[str]:
        """A line for each page of which something, or all, could not be read."""
        several = len(self.pages) > 1
        return [(f"page {page.number}: " if several else "") + fault for page in self.pages if (fault := page.fault)]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain data: pages, lines, words and characters with text, confidence and box; and `unread`."""
        return {"pages": [_page(page) for page in self.pages]}

    def to_json(self) -> str:
        """`as_dict` as JSON."""
        return json.dumps(self.as_dict(), ensure_ascii=False)


def around(boxes: list[Box]) -> Box:
    """The smallest box around boxes."""
    left, top, right, bottom = zip(*boxes)
    return min(left), min(top), max(right), max(bottom)


def _page(page: Page) -> dict[str, Any]:
    size = {"number": page.number, "width": page.width, "height": page.height, "angle": page.angle}
    unread = [asdict(part) for part in page.unread]
    return {**size, "text": page.text, "lines": [_line(line) for line in page.lines], "unread": unread}


def _line(line: Line) -> dict[str, Any]:
    words = [{**_read(word), "characters": [_read(character) for character in word.characters]} for word in line.words]
    return {**_read(line), "block": line.block, "words": words}


def _read(part: Line | Word | Character) -> dict[str, Any]:
    return {"text": part.text, "confidence": round(part.confidence, 4), "box": [round(side, 1) for side in part.box]}
