"""Lines of text and rows of CSV as they come in: what is wrong with one costs that one alone."""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

from zoo.errors import DataError
from zoo.spec.dialect import SEPARATOR_LINE, SEPARATORS, Dialect, row_reader
from zoo.spec.json_files import is_json
from zoo.spec.packed import kind_of

if TYPE_CHECKING:
    import pandas as pd

MAX_LINE = 2**20  # characters
TITLES = 10  # lines of one cell above the names of columns
MAX_CELL_LINES = 1000  # of a quoted cell
ROWS_IN_CELL = 10  # commas of lines that are whole rows, from which a quote counts as never closed

Refuse = Callable[[str], None]


class Line(NamedTuple):
    """A line with its number from 1; `fault` says what is wrong with it, and is empty where nothing is."""

    number: int
    text: str
    fault: str = ""


@dataclass
class Row:
    """The cells of a row, its number from 1, and the number of the line on which it begins."""

    number: int
    line: int
    cells: list[str]


def standard_input() -> TextIO:
    """Standard input, read as UTF-8 whatever the locale; other bytes become surrogates, which `lines_of` finds."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    return sys.stdin


def lines_of(file: TextIO, otherwise: str = "", path: Path | None = None) -> Iterator[Line]:
    """The lines of a file that is read with errors="surrogateescape", without a byte order mark.

    Args:
        file: to read.
        otherwise: the encoding of lines that are not of the file's; empty if there is none.
        path: of the file, for messages; None for standard input.

    Raises:
        DataError: it is an image, packed, or of another kind that has no lines.
    """
    number = 0
    while text := file.readline(MAX_LINE):
        number += 1
        if number == 1:
            if what := kind_of(text[:16].encode("utf-8", "surrogateescape")):
                advice = "" if path else "; give a file as input=FILE"
                raise DataError(f"lines of text are wanted, and {path or 'standard input'} is {what}{advice}")
            text = text.removeprefix("\ufeff")
        text, fault = _decoded(text, file.encoding, otherwise)
        if len(text) == MAX_LINE and not text.endswith("\n"):
            fault = f"longer than {MAX_LINE:,} characters"
            while (rest := file.readline(MAX_LINE)) and not rest.endswith("\n"):
                pass
        yield Line(number, "" if fault else text.rstrip("\r\n"), fault)


def lines_in(path: Path, otherwise: str = "") -> Iterator[Line]:
    """The lines of a text file, as in `lines_of`: UTF-8, unless all of it is in UTF-16 or the like.

    Raises:
        OSError: it cannot be read.
    """
    wide = otherwise if otherwise.startswith(("utf-16", "utf-32")) else "utf-8"
    with path.open(encoding=wide, errors="surrogateescape") as file:
        yield from lines_of(file, otherwise, path)


class TableStream:
    """Tables from the lines of a CSV file as they come in; what is wrong with a row costs that row alone.

    Args:
        lines: of the file.
        dialect: how its cells are written, and whether its first line holds their names.
        source: name of the file, for messages.
        expected: columns by whose names a header is known where none is expected.

    Raises:
        DataError: there is no header, or a name occurs in it twice.
    """

    def __init__(self, lines: Iterator[Line], dialect: Dialect, source: str, expected: Collection[str] = ()) -> None:
        self._lines = lines
        self._source = source
        self._separator = dialect.separator
        self._waiting: deque[Line] = deque()
        self.names = self._header(expected) if dialect.header else self._numbers(expected)

    def tables(self, rows: int, refuse: Refuse) -> Iterator[tuple[pd.DataFrame, list[int]]]:
        """Tables of up to `rows` rows, and the line on which each row begins.

        All cells are text, or missing as in `read_table`: what a cell is does not depend on the rows beside it.
        `refuse` is called with a message for each row that cannot be read; the row is dropped, and counts.

        Raises:
            DataError: there is no row.
        """
        found = self._rows(refuse)
        while chunk := list(islice(found, rows)):
            yield _frame(self.names, chunk), [row.line for row in chunk]

    def _parted(self, first: Line, cells: list[str], expected: Collection[str]) -> list[str]:
        """The cells of a header, parted by another separator if only that gives the columns that are expected."""
        if len(cells) == 1 and len(expected) > 1:
            for separator in SEPARATORS:
                other = _parsed([first.text], separator) or []
                if {*expected} <= {name.strip() for name in other}:
                    self._separator = separator
                    return other
        return cells

    def _header(self, expected: Collection[str]) -> list[str]:
        """The names of columns, below what may stand above them: a line `sep=;`, and titles of one cell."""
        names, above = self._named(expected), 0
        while len(names) == 1 < len(expected) and above < TITLES and (lower := self._named(expected, end=True)):
            names, above = lower if {*expected} <= {*lower} else names, above + 1
        for name, count in Counter(names).items():
            if count > 1:
                raise DataError(f"{self._source} has two columns named '{name}'")
        return names

    def _named(self, expected: Collection[str], *, end: bool = False) -> list[str]:
        """The cells of the next line that is not blank; none at the end of the file, if that may be there."""
        lines = (line for line in iter(self._next, None) if line.text.strip() or line.fault)
        first = next((line for line in lines if not SEPARATOR_LINE.fullmatch(line.text)), None)
        if first is None and end:
            return []
        if first is None:
            raise DataError(f"{self._source} is empty")
        cells = None if first.fault else self._cells(first, None)
        if not cells:
            fault = first.fault or "no header of a CSV: it has a quote that is not closed"
            raise DataError(f"line {first.number} of {self._source} is {fault}")
        if is_json(first.text):
            raise DataError(
                f"line {first.number} of {self._source} is JSON; rows come as CSV, or in a file: input=FILE.jsonl"
            )
        return [name.strip() for name in self._parted(first, cells, expected)]

    def _numbers(self, expected: Collection[str]) -> list[str]:
        """Names of columns by their numbers, as many as the first row has cells that has enough."""
        taken: list[Line] = []
        while (line := self._next()) is not None:
            lines, cells = [line], None
            with suppress(csv.Error):  # a cell is too long
                lines, cells = self._row(line, None) if line.text else (lines, None)  # no text with a fault
            names = [f"column_{number}" for number in range(1, len(cells or []) + 1)]
            if cells and expected and {*expected} <= {*cells}:
                return cells
            if cells and {*expected} <= {*names}:
                self._waiting.extendleft(reversed(taken + lines))
                return names
            self._waiting.extendleft(reversed(lines[1:]))
            taken.append(line)
        raise DataError(
            f"{self._source} has no row of the columns {', '.join(expected)}" if taken else f"{self._source} is empty"
        )

    def _rows(self, refuse: Refuse) -> Iterator[Row]:
        number, width = 0, len(self.names)
        while (line := self._next()) is not None:
            if not line.text and not line.fault:
                continue
            number += 1
            place = f"line {line.number}: row {number}"
            if line.fault:
                refuse(f"{place} is {line.fault}")
                continue
            try:
                cells = self._cells(line, width)
            except csv.Error as error:
                refuse(f"{place} cannot be read: {error}")
                continue
            if cells is None:
                refuse(f"{place} has a quote that is not closed")
            elif len(cells) != width:
                refuse(f"{place} has {len(cells)} cells, and the header has {width}")
            else:
                yield Row(number, line.number, cells)
        if not number:
            raise DataError(f"{self._source} has a header but no rows")

    def _next(self) -> Line | None:
        return self._waiting.popleft() if self._waiting else next(self._lines, None)

    def _cells(self, first: Line, width: int | None) -> list[str] | None:
        """The cells of a row, of which one may go on over the next lines; None if its quote is never closed."""
        lines, cells = self._row(first, width)
        if cells is None:
            self._waiting.extendleft(reversed(lines[1:]))
        return cells

    def _row(self, first: Line, width: int | None) -> tuple[list[Line], list[str] | None]:
        """The lines that were taken for a row, and its cells; None if its quote is never closed."""
        if (cells := _parsed([first.text], self._separator)) is not None:
            return [first], cells
        taken, whole = [first], 0
        while len(taken) < MAX_CELL_LINES and whole < ROWS_IN_CELL and (line := self._next()) is not None:
            taken.append(line)
            if line.fault:
                break
            if '"' in line.text:
                try:
                    cells = _parsed([each.text for each in taken], self._separator, strict=True)
                except csv.Error:  # the quote that closes is one that opens
                    break
                if cells is not None and width in (None, len(cells)):
                    return taken, cells
                if cells is not None:
                    break
            elif width is not None and line.text.count(self._separator) == width - 1:
                whole += width - 1
        return taken, None


def _parsed(texts: list[str], separator: str, strict: bool = False) -> list[str] | None:
    """The cells of a row on one or more lines, None if a quote is open at the end.

    Raises:
        csv.Error: a cell is too long, or has what no cell may have.
    """
    lines = [f"{text}\n" for text in texts]
    rows = list(row_reader([*lines, "end"], separator))
    if len(rows) == 1:
        return None
    if strict:
        list(row_reader(lines, separator, strict=True))
    return rows[0]


def _frame(names: list[str], rows: list[Row]) -> pd.DataFrame:
    import pandas as pd

    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([names, *(row.cells for row in rows)])
    text.seek(0)
    frame = pd.read_csv(
        text, dtype=str, index_col=False, keep_default_na=False, na_values=["", "?"], skip_blank_lines=False
    )
    frame.index = pd.Index([row.number for row in rows])
    return frame


def _decoded(text: str, encoding: str, otherwise: str) -> tuple[str, str]:
    """A line, read in another encoding if it is not of its file's; and what is wrong with it, if it is of neither."""
    if text.isascii():
        return text, ""
    try:
        text.encode("utf-8")
        return text, ""
    except UnicodeEncodeError as error:
        byte, place = ord(text[error.start]) - 0xDC00, error.start + 1
    try:
        if otherwise:
            return text.encode(encoding, "surrogateescape").decode(otherwise), ""
    except (UnicodeError, LookupError):
        pass
    return text, f"not {encoding.lower()} (byte 0x{byte & 0xFF:02x} at character {place})"
