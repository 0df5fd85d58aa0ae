"""How delimited text (CSV and its kin) is written, found from the beginning of a file.

Found are the encoding, the separator, a line `sep=;`, titles and comments above the header, a header that is missing,
and separators at the ends of lines.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from zoo.errors import DataError, SpecError
from zoo.files import quoted
from zoo.spec.cells import MISSING_WORDS

SAMPLE = 2**18  # bytes from which a file's form is guessed
RECORDS = 200  # lines of them, at most
CHUNK = 2**24  # bytes that are looked at together
LINES = 2**18  # bytes of lines, likewise, which stay in the cache of a CPU
BLANKS = " "  # as a separator: runs of blanks and tabs
COLONS, UNIT = "::", "\x1f"  # a separator of two characters, as MovieLens has it, and what is read in its place
SEPARATORS = {
    ",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", COLONS: "two colons", BLANKS: "runs of blanks",
}  # fmt: skip
FIRST, AUTO = "first", "auto"  # of data.header: the first line holds names; or find out
SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?\s*', re.IGNORECASE)
_NUMERIC = re.compile(r"\s*[+-]?[$€£¥]?\s*[.,]?\d[\d.,:/%\-]*([eE][+-]?\d+)?\s*[%€]?\s*", re.ASCII)
_WHOLE = re.compile(r"\s*\d+\s*", re.ASCII)
Header = str | None  # "auto", "first", or None where there is none
Say = Callable[[str], None]


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written.

    Args:
        separator: an ASCII character between cells, or `::`; a blank stands for runs of blanks.
        encoding: of its text.
        header: whether its first line holds the names of columns; otherwise they are column_1, column_2, …
        decimal: what stands before fractions, "." or ",".

    Raises:
        SpecError: one of them is impossible.
    """

    separator: str = ","
    encoding: str = "utf-8"
    header: bool = True
    decimal: str = "."

    def __post_init__(self) -> None:
        if not is_separator(self.separator):
            raise SpecError(f"the separator of a file is one ASCII character, or ::, not {quoted(self.separator)}")
        if not isinstance(self.encoding, str) or len(self.encoding) > 40:
            raise SpecError(f"the encoding of a file is a name, not {quoted(self.encoding)}")
        if not isinstance(self.header, bool) or self.decimal not in (".", ","):
            raise SpecError('whether a file has a header is true or false, and its decimal is "." or ","')


def dialect_from(data: object) -> Dialect | None:
    """A dialect, or one rebuilt from its JSON.

    Raises:
        SpecError: this is not the JSON of a dialect.
    """
    if data is None or isinstance(data, Dialect):
        return data
    if not isinstance(data, dict) or not set(data) <= set(Dialect.__dataclass_fields__):
        raise SpecError(f"a file has {', '.join(Dialect.__dataclass_fields__)}, not {quoted(data)}")
    return Dialect(**data)


class HeaderError(DataError):
    """The first line of a file looks like data, and nobody has said whether it is."""


def is_separator(separator: object) -> bool:
    return separator == COLONS or (
        (isinstance(separator, str) and len(separator) == 1 and separator.isascii() and separator not in '"\r\n.')
        and not separator.isalnum()
    )


@dataclass
class Form:
    """The form of a file: `lines` stand above the first row, in `records` as a reader counts; `width` cells are in a
    row."""

    dialect: Dialect
    names: list[str]
    width: int
    lines: int
    records: int
    notes: list[str]


# Encoding


def encoding_of(path: Path, like: Dialect | None = None) -> str:
    """The encoding that fits: by its byte order mark, UTF-16 by its zeros, UTF-8 if it is, and cp1252 or latin-1.

    Raises:
        DataError: some lines are UTF-8, and others are not, so that no encoding is right for all; the message names the
            first that is not. Or none of these fits a file that is to be like another.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        even, odd = head[::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) // 4:
            return "utf-16-be" if even > odd else "utf-16-le"
        like_that = like.encoding if like is not None and not like.encoding.startswith("utf") else "cp1252"
        file.seek(0)
        if _is_ascii(file):
            return "utf-8"
        for encoding in ("utf-8", like_that):
            file.seek(0)
            decoder = codecs.getincrementaldecoder(encoding)()
            try:
                while chunk := file.read(CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                continue
            if encoding != "utf-8":
                _check_that_none_is_utf8(path)
            return encoding
        _check_that_none_is_utf8(path)
        if like is not None:
            raise DataError(f"{path.name} is neither UTF-8 nor {like_that}")
        return "latin-1"


def is_marked(source: Path | bytes) -> bool:
    """Whether a file begins with a byte order mark."""
    if isinstance(source, bytes):
        return source.startswith(codecs.BOM_UTF8)
    with source.open("rb") as file:
        return file.read(3) == codecs.BOM_UTF8


def _is_ascii(file: io.BufferedReader) -> bool:
    buffer = bytearray(CHUNK)  # a new one each time would take as long as the rest
    while count := file.readinto(buffer):
        if not (buffer if count == CHUNK else buffer[:count]).isascii():
            return False
    return True


def _check_that_none_is_utf8(path: Path) -> None:
    """Find a file of UTF-8 that is damaged, which cp1252 or latin-1 would turn into other letters without a word."""
    first, one_is = 0, False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
                one_is = True
            except UnicodeDecodeError:
                first = first or number
            if one_is and first:
                raise DataError(
                    f"{path.name}, line {first} is not UTF-8, and others are: mend that line, or give data.encoding=…"
                )


# Form


def head_of(source: Path | bytes, encoding: str) -> str:
    """The first part of a file, of whole lines unless there is one alone."""
    if isinstance(source, bytes):
        data = source[:SAMPLE]
    else:
        with source.open("rb") as file:
            data = file.read(SAMPLE)
    head = data.decode(encoding, errors="replace").removeprefix("\ufeff")
    cut = max(head.rfind("\n"), head.rfind("\r"))
    return head if len(data) < SAMPLE or cut < 0 else head[: cut + 1]


def find_form(
    path: Path,
    head: str,
    separator: str | None,
    encoding: str,
    header: Header,
    like: Dialect | None,
    expected: Sequence[str],
) -> Form:
    notes: list[str] = []
    skip = 0
    lines = head.splitlines(keepends=True)
    if lines and (match := SEPARATOR_LINE.fullmatch(lines[0])):
        skip, separator = 1, separator or match[1].replace("\\t", "\t")
        notes.append(f"its first line, {quoted(lines[0].strip())}, names the separator")
    while skip < len(lines) and lines[skip].startswith("#") and _is_comment(lines, skip):
        skip += 1
    text = "".join(lines[skip:])
    if not text.strip():
        raise DataError(f"{path} is empty")
    likely = _separator(text)
    if separator is None:
        separator = like.separator if like and _fits(text, like.separator) else likely
        if separator != ",":
            notes.append(f"its cells are separated by {SEPARATORS[separator]}")
    records = list(_records(text, separator))
    width = Counter(len(record.cells) for record in records).most_common(1)[0][0]
    above = _titles(records, width) if likely == separator or (like and like.separator == separator) else 0
    if above:
        notes.append(f"the lines above its header are skipped ({quoted(records[0].cells[0])})")
    first = records[above]
    cells, rows = [cell.strip() for cell in first.cells], [record.cells for record in records[above + 1 :]]
    is_header = _is_header(path, cells, rows, header, like, expected)
    if is_header and not rows:
        raise DataError(f"{path} has a header but no rows")
    names = _names(path, cells, notes) if is_header else [f"column_{n}" for n in range(1, width + 1)]
    if len(names) == width + 1 and not names[-1]:
        names.pop()  # a separator at the end of the header, but not of each row
    if len(names) == width - 1 and all(not row[-1].strip() for row in rows if len(row) == width):
        names.append("")  # a separator at the end of each row, but not of the header
    elif is_header and len(names) == width - 1 and _are_row_names(text, rows, separator):
        names.insert(0, "")
        notes.append("its header has one cell fewer than its rows: their first cells are the names of rows")
    begin = first if is_header else records[above - 1] if above else Record(0, 0, [])
    dialect = Dialect(separator, encoding, is_header)
    return Form(dialect, names, len(names), skip + begin.line, skip + begin.place, notes)


def _titles(records: Sequence[Record], width: int) -> int:
    """How many lines stand above the header: they have one cell, where most have several."""
    for above, record in enumerate(records[:-1]):
        filled = sum(map(bool, record.cells))
        padded = filled == 1 and len(record.cells) > 2 and all(records[above + 1].cells)  # by separators
        if filled > 1 or (len(record.cells) == width and not padded):
            return above
    return 0


def _are_row_names(text: str, rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Whether the first cells name rows, as R and pandas write tables whose header has a cell fewer: all differ, and
    all are in quotes, or words, or count the rows of a printed table. Else a column may have lost its name."""
    first = [row[0] for row in rows]
    in_quotes = sum(line.startswith('"') for line in text.splitlines()) > len(rows)
    counted = all(map(_WHOLE.fullmatch, first)) and first == [str(int(first[0]) + n) for n in range(len(first))]
    named = counted if separator == BLANKS else not any(map(_is_numeric, first))
    return (named or in_quotes) and len(set(first)) == len(first)


def _is_comment(lines: Sequence[str], place: int) -> bool:
    """Whether a line that begins with # is one; else it holds the names of columns."""
    return place + 1 < len(lines) and not any(
        lines[place].count(sign) == lines[place + 1].count(sign) > 0 for sign in SEPARATORS if sign != BLANKS
    )


class Record(NamedTuple):
    """The cells of a row, the line where it ends, and its place among all rows, empty ones included; from 1."""

    place: int
    line: int
    cells: list[str]


def _records(text: str, separator: str) -> Iterator[Record]:
    """The first rows that are not empty."""
    records = (Record(place, line, cells) for place, (line, cells) in enumerate(split_rows(text, separator), start=1))
    return islice((record for record in records if record.cells), RECORDS)


def split_rows(text: Iterable[str] | str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line where each row ends, and its cells."""
    lines = io.StringIO(text, newline="") if isinstance(text, str) else text
    reader = row_reader(lines, separator)
    return ((reader.line_num, cells) for cells in reader)


def row_reader(lines: Iterable[str], separator: str, *, strict: bool = False) -> Any:
    """A reader of the csv module, whose rows are lists of cells; blanks before a cell are no part of it."""
    if separator == BLANKS:
        lines = (line.replace("\t", BLANKS).strip(" \r\n") for line in lines)
    elif separator == COLONS:
        lines, separator = (line.replace(COLONS, UNIT) for line in lines), UNIT
    return csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=strict)


def is_strictly_quoted(lines: Sequence[str], separator: str) -> bool:
    """Whether each quote of a row opens a cell, closes one, or is doubled within one."""
    try:
        list(row_reader(lines, separator, strict=True))
    except csv.Error:
        return False
    return True


def _fits(text: str, separator: str) -> bool:
    share, width = _consistency(text, separator)
    return width > 1 and share > 0.9


def _consistency(text: str, separator: str) -> tuple[float, int]:
    """The share of lines with the most frequent number of cells, and that number."""
    try:
        widths = Counter(len(record.cells) for record in _records(text, separator))
    except csv.Error:
        return 0.0, 1
    width, count = widths.most_common(1)[0]
    return count / widths.total(), width


def _separator(text: str) -> str:
    """The separator by which most lines have the same number of cells; a comma, if there is but one column."""
    found = {sign: _consistency(text, sign) for sign in SEPARATORS if sign != BLANKS}
    several = [sign for sign, (share, width) in found.items() if width > 1]
    if several:
        return max(several, key=lambda sign: found[sign])
    return BLANKS if _is_parted_by_blanks(text) else ","


def _is_parted_by_blanks(text: str) -> bool:
    """Whether all lines have as many cells; the header may have one fewer, where the first ones name rows."""
    try:
        first, *rows = (record.cells for record in _records(text, BLANKS))
    except csv.Error:
        return False
    widths = {len(row) for row in rows or [first]}
    if len(widths) > 1 or max(widths) < 2:
        return False
    short = len(first) == max(widths) - 1 and _are_row_names(text, rows, BLANKS)
    return len(first) in widths or short


def _is_header(
    path: Path,
    cells: Sequence[str],
    rows: Sequence[Sequence[str]],
    header: Header,
    like: Dialect | None,
    expected: Sequence[str],
) -> bool:
    """Whether the first line holds names.

    Raises:
        DataError: it looks like data, and the header was to be found.
    """
    if header != AUTO:
        return header == FIRST
    if set(expected) <= set(cells) and (expected or not rows):
        return True
    if like is not None:
        return like.header
    columns = {place: [row[place] for row in rows if place < len(row)] for place in range(len(cells))}
    numeric = [place for place, column in columns.items() if sum(map(_is_numeric, column)) > len(column) / 2]
    looks_like_data = bool(numeric) and all(_is_numeric(cells[place]) for place in numeric if cells[place])
    numbered = [int(cell) for cell in cells if _WHOLE.fullmatch(cell)]
    counts_up = len(numbered) > 1 and all(b - a == 1 for a, b in pairwise(numbered))  # 0, 1, 2, or 2019, 2020
    if not looks_like_data or counts_up:
        return True
    raise HeaderError(
        f"the first line of {path.name} looks like data ('{cells[numeric[0]][:40]}'): give data.header=null if it is, "
        "and its columns are called column_1, column_2, …; or data.header=first if it holds names"
    )


def _is_numeric(cell: str) -> bool:
    """Whether a cell is a number, an amount or a date, or a word for a missing one."""
    return bool(_NUMERIC.fullmatch(cell)) or cell.strip().lower() in MISSING_WORDS


def _names(path: Path, cells: list[str], notes: list[str]) -> list[str]:
    for name, count in Counter(filter(None, cells)).items():
        if count > 1:
            raise DataError(f"{path.name} has two columns named '{name}'; give them different names")
    for place, name in enumerate(cells[1:-1], start=1):
        if not name:
            cells[place] = f"column_{place + 1}"
            notes.append(f"column {place + 1} has no name, and is called {cells[place]}")
    return cells


def shape_hint(path: Path, form: Form, encoding: str, *, more: bool) -> str:
    """What may be the cause where rows are ragged: the separator is another; or, where rows have a cell `more` than the
    header, their first cells are names."""
    try:
        likely = _separator(head_of(path, encoding))
    except (OSError, LookupError):
        return ""
    if likely != form.dialect.separator:
        return f"; the separator looks like {SEPARATORS[likely]}"
    return "; if the first cells are names of rows, begin the header with a name for them" if more else ""
