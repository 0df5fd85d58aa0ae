"""Reading delimited text (CSV and its kin): rows that are ragged are told, and numbers that are names stay as written.

How a file is written is found (`zoo.spec.dialect`), said, and kept with the model that learned from it.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from mmap import ACCESS_READ
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import DataError
from zoo.files import Mapped
from zoo.spec.cells import NOT_A_WORD, exact_words
from zoo.spec.dialect import (
    AUTO,
    BLANKS,
    COLONS,
    LINES,
    UNIT,
    Dialect,
    Form,
    Header,
    encoding_of,
    find_form,
    head_of,
    is_marked,
    is_separator,
    is_strictly_quoted,
    shape_hint,
    split_rows,
)
from zoo.spec.parsed import LARGEST_WHOLE, MARKED, UTF8, Parser

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TOTALS = ("total", "totals", "grand total", "sum", "summe", "gesamt", "somme", "suma", "totale", "average", "mean")


@dataclass
class Delimited:
    """What was read: cells (numbers, or text where not all are numbers), the form of the file, and what is to be said.

    Rows count from 1.
    """

    frame: pd.DataFrame
    dialect: Dialect
    notes: list[str] = field(default_factory=list)


def read_delimited(
    path: Path,
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: Header = AUTO,
    decimal: str | None = None,
    like: Dialect | None = None,
    names: Sequence[str] = (),
    text: Sequence[str] = (),
    may_map: bool = False,
) -> Delimited:
    """Read a file of delimited text; an argument that is None is found.

    Args:
        path: the file.
        separator, encoding, decimal: as in `Dialect`.
        header: `first` if the first line holds names, None if it is data; `auto` finds out.
        like: the dialect of a similar file, which decides where several fit.
        names: columns that are expected, by which a header is known.
        text: columns whose cells are names, even where they look like numbers.
        may_map: whether the cells of a large file are to lie in a mapped file, those of text as categories.

    Raises:
        DataError: it is empty, ragged or damaged, or it is unclear how to read it; the message names the setting.
    """
    import pandas as pd

    if separator is not None:
        separator = "\t" if separator == "\\t" else separator
        if not is_separator(separator):
            raise DataError(
                f"separator must be one ASCII character, :: or \\t (a tab), and no quote; got {separator!r}"
            )
    notes: list[str] = []
    found = encoding or encoding_of(path, like)
    if encoding is None and found not in ("utf-8", "utf-8-sig"):
        notes.append(f"its encoding is {found}")
    wide = codecs.lookup(found).name.startswith(("utf-16", "utf-32"))
    source: Path | bytes = path
    if wide:
        source = path.read_bytes().decode(found).encode("utf-8")
    form = find_form(path, head_of(source, "utf-8" if wide else found), separator, found, header, like, names)
    read_as = "utf-8" if wide else found
    if form.dialect.separator == COLONS:
        data = source if isinstance(source, bytes) else source.read_bytes()
        source = data.replace(COLONS.encode(), UNIT.encode())
    zeros, comments, blanks = _check_shape(path, source, form, read_as)
    options: dict[str, Any] = {
        "sep": r"\s+" if form.dialect.separator == BLANKS else _sign(form),
        "encoding": read_as if codecs.lookup(read_as).name != UTF8 else MARKED if is_marked(source) else UTF8,
        "header": None,
        "names": list(range(form.width)),
        "skiprows": [*range(form.records), *comments] if comments else form.records,
        "index_col": False,
        "keep_default_na": False,
        "na_values": sorted(NOT_A_WORD),
        "skipinitialspace": blanks,  # it takes time
        "decimal": decimal or (like.decimal if like else "."),
    }
    exact = {place: str for place, name in enumerate(form.names) if name in text}
    parser = Parser(source, options, form.width, may_map)
    frame = parser.table(exact)
    named = [place for place in sorted(zeros) if place not in exact and _names_in(frame[place], zeros[place])]
    largest = {place: cells.abs().max() for place, cells in frame.items() if cells.dtype.kind == "f"}
    huge = [place for place, value in largest.items() if names and value == inf]
    long = [place for place, value in largest.items() if value >= LARGEST_WHOLE and place not in {*named, *huge}]
    again = [*named, *huge, *long]  # what is too large for a float is refused, and quoted as it is written
    for place, cells in parser.texts(again).items() if again else ():
        whole = r"\d+\s*" if place in long else r"\d+(?:[eE]\d+)?\s*"  # a float does not tell long numbers apart
        if place in huge or zeros.get(place) or cells.dropna().str.fullmatch(whole).all():
            frame[place] = cells
    frame.index += 1
    frame = _without_total(_named(frame, form), form.notes)
    truths = frame.select_dtypes("bool").columns  # or "true" is a number in a file of one row, and a word in others
    for name in truths:
        frame[name] = pd.Series(["False", "True"], dtype="str").take(frame[name].astype("int8")).set_axis(frame.index)
    dialect = Dialect(form.dialect.separator, found, form.dialect.header, options["decimal"])
    return Delimited(frame, dialect, [f"{path.name}: {note}" for note in (*notes, *form.notes)])


def _named(frame: pd.DataFrame, form: Form) -> pd.DataFrame:
    """The table with its names, without a column that has neither name nor cells, or only counts the rows."""
    names = dict(enumerate(form.names))
    last = form.width - 1
    if not names[last]:
        if frame[last].isna().all():
            frame = frame.drop(columns=last)
        names[last] = f"column_{last + 1}"
    if not names[0]:
        names[0] = "column_1"
        if last and frame[0].nunique() == len(frame):
            form.notes.append("its first column, which has no name and another cell in each row, is left out")
            frame = frame.drop(columns=0)
    return frame.rename(columns=names)


# Shape


def _check_shape(
    path: Path, source: Path | bytes, form: Form, encoding: str
) -> tuple[dict[int, bool], list[int], bool]:
    """Check that each row has as many cells as the header; pandas would fill or shift them.

    Returns:
        The places of columns in which digits follow a leading zero (True), or in which whole numbers are written with
        an exponent (False): pandas would make numbers of them. The places of rows that are comments. And whether cells
        may begin with a blank.

    Raises:
        DataError: a row has more or fewer cells; the message names it.
    """
    if form.dialect.separator == BLANKS:
        return {}, _check_rows(path, source, form, encoding), True
    even, blanks = True, False
    found: dict[int, bool] = {}
    for chunk in _chunks(source, form):
        even = even and not chunk.torn and _is_even(chunk, form.width)
        first = chunk.bytes[chunk.cells]
        blanks = blanks or bool((first == ord(" ")).any())
        for column, zeros in _odd_numbers(chunk, first).items():
            found[column] = found.get(column, False) or zeros
    return found, [] if even else _check_rows(path, source, form, encoding), blanks


def _sign(form: Form) -> str:
    """The character between cells in what is read."""
    return UNIT if form.dialect.separator == COLONS else form.dialect.separator


def _bytes(source: Path | bytes, skip: int) -> tuple[bytes | Mapped, int]:
    """The bytes of a file, mapped and not read, and where those begin that are below the lines that are skipped."""
    if isinstance(source, bytes):
        data: bytes | Mapped = source
    else:
        with source.open("rb") as file:
            data = Mapped(file.fileno(), 0, access=ACCESS_READ)
    start = 0
    for _ in range(skip):
        start = data.find(b"\n", start) + 1
    return data, start


class Chunk(NamedTuple):
    """Whole lines: their bytes; the places of separators and ends of lines that stand in no quotes (M,), and whether
    each is an end; and where cells begin, in order.

    `torn` says that there are cells of several lines, and quotes that seem to close a cell in the midst of it.
    """

    bytes: np.ndarray
    marks: np.ndarray
    is_end: np.ndarray
    cells: np.ndarray
    torn: bool


def _chunks(source: Path | bytes, form: Form) -> Iterator[Chunk]:
    import numpy as np

    data, start = _bytes(source, form.lines)
    view = memoryview(data)
    while start < len(data):
        size = LINES
        while True:
            chunk = np.frombuffer(view[start : start + size], np.uint8)
            has_quotes = data.find(b'"', start, start + size) >= 0
            is_sign = (chunk == ord(_sign(form))) | (chunk == ord("\n"))
            places = np.flatnonzero(is_sign | (chunk == ord('"')) if has_quotes else is_sign)
            signs = chunk[places]
            is_end = signs == ord("\n")
            if has_quotes:
                inside = np.bitwise_xor.accumulate((signs == ord('"')).view(np.uint8)).view(bool)
                outside = ~inside  # and so are quotes that close
                is_end &= outside
            ends = np.flatnonzero(is_end)
            if start + size >= len(data) or len(ends):
                break
            size *= 2
        if start + size < len(data):
            count = ends[-1] + 1
            chunk = chunk[: places[count - 1] + 1]
            places, signs, is_end = places[:count], signs[:count], is_end[:count]
        torn = False
        if has_quotes:
            outside = outside[: len(places)]
            torn = _is_torn(chunk, places, signs, outside, _sign(form))
            kept = np.flatnonzero(outside & (signs != ord('"')))
            places, is_end = places[kept], is_end[kept]
        cells = np.zeros(len(places) + 1, np.int64)
        np.add(places, 1, out=cells[1:])
        yield Chunk(chunk, places, is_end, cells if cells[-1] < len(chunk) else cells[:-1], torn)
        start += len(chunk)
        if isinstance(data, Mapped):
            data.touch(1, size)


def _is_torn(chunk: np.ndarray, places: np.ndarray, signs: np.ndarray, outside: np.ndarray, separator: str) -> bool:
    """Whether a line ends within quotes, and a quote closes before something else than a separator or another quote."""
    import numpy as np

    if not (~outside & (signs == ord("\n"))).any():
        return False
    closing = places[outside & (signs == ord('"'))]
    after = chunk[closing[closing < len(chunk) - 1] + 1]
    return not np.isin(after, [ord(separator), *b'"\r\n ']).all()


def _is_even(lines: Chunk, width: int) -> bool:
    """Whether all lines have as many separators as the header, empty ones apart."""
    import numpy as np

    chunk, marks = lines.bytes, lines.marks
    ends = marks[lines.is_end]
    if len(chunk) and chunk[-1] != ord("\n"):
        marks, ends = np.append(marks, len(chunk)), np.append(ends, len(chunk))
    if len(marks) == len(ends) * width and (marks[width - 1 :: width] == ends).all():
        return True  # as it is in most files
    starts = np.concatenate([[0], ends[:-1] + 1])
    counts = np.diff(np.searchsorted(marks, ends), prepend=-1) - 1
    short = ends - starts < 2
    filled = ~short | ((ends > starts) & (chunk[np.minimum(starts, len(chunk) - 1)] != ord("\r")))
    return bool((counts[filled] == width - 1).all())


def _odd_numbers(lines: Chunk, first: np.ndarray) -> dict[int, bool]:
    """The places of columns with numbers that may be names: with leading zeros (True), or with exponents (False).

    `first` are the first bytes of cells.
    """
    import numpy as np

    chunk, text = lines.bytes, lines.bytes.tobytes()
    zeros = _before(chunk, lines.cells, np.flatnonzero(first == ord("0")), 1)
    if b'"' in text:
        quotes = np.flatnonzero(first == ord('"'))
        quotes = quotes[chunk.take(lines.cells[quotes] + 1, mode="clip") == ord("0")]
        zeros = np.append(zeros, _before(chunk, lines.cells, quotes, 2))
    powers = np.zeros(0, np.int64)
    if b"e" in text or b"E" in text:
        powers = np.flatnonzero((chunk[1:-1] | 32) == ord("e")) + 1
        powers = powers[_is_digit(chunk[powers - 1]) & _is_digit(chunk[powers + 1])]
    found: dict[int, bool] = {}
    for cells, kind in ((zeros, True), (np.searchsorted(lines.marks, powers), False)):
        if len(cells):
            line_begins = np.append(0, np.flatnonzero(lines.is_end) + 1)  # among all cells
            columns = cells - line_begins[np.searchsorted(line_begins, cells, side="right") - 1]
            for column in np.flatnonzero(np.bincount(columns)).tolist():
                found[column] = found.get(column, False) or kind
    return found


def _before(chunk: np.ndarray, begins: np.ndarray, cells: np.ndarray, count: int) -> np.ndarray:
    """Those of some cells that have a digit after so many characters."""
    after = begins[cells] + count
    return cells[(after < len(chunk)) & _is_digit(chunk.take(after, mode="clip"))]


def _is_digit(characters: np.ndarray) -> np.ndarray:
    return (characters - ord("0")) < 10  # of unsigned bytes


def _names_in(cells: pd.Series, zeros: bool) -> bool:
    """Whether numbers with leading zeros, or with exponents, are names that look like numbers."""
    if cells.dtype.kind not in "iuf":
        return False
    return zeros or bool((cells.dropna() % 1 == 0).all())


def _check_rows(path: Path, source: Path | bytes, form: Form, encoding: str) -> list[int]:
    """As `_is_even`, row by row, with the rules of quoting in full; gives the places of comments, from 0.

    A cell of several lines is held to these rules, or a quote that nobody closed would take the rows below with it.
    """
    text: Any = io.StringIO(source.decode(encoding)) if isinstance(source, bytes) else None
    comments, row = [], 0
    with text or path.open(encoding=encoding, newline="") as file:
        read: list[str] = []  # since the last row

        def noted() -> Iterator[str]:
            for line in islice(file, form.lines, None):
                read.append(line)
                yield line

        for place, (line, cells) in enumerate(split_rows(noted(), form.dialect.separator), start=form.records):
            torn = len(read) > 1 and not is_strictly_quoted(read, form.dialect.separator)
            begin = form.lines + line - len(read) + 1
            read.clear()
            if torn:
                raise DataError(f"{path.name}, row {row + 1} (line {begin}) has a quote that is not closed")
            if not cells:
                continue
            if len(cells) == 1 < form.width and cells[0].startswith("#"):
                comments.append(place)
                continue
            row += 1
            if len(cells) != form.width:
                raise DataError(
                    f"{path.name}, row {row} (line {form.lines + line}) has {len(cells)} cells, and the header has "
                    f"{form.width}{shape_hint(path, form, encoding, more=row == 1 and len(cells) == form.width + 1)}"
                )
    return comments


def _without_total(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """A table without its last row, if that is one of sums: "Total" is one of its cells, and stands nowhere above."""
    for name in frame.columns if len(frame) > 2 else ():
        cell = frame[name].iloc[-1]
        if not isinstance(cell, str) or cell.strip().rstrip(":").lower() not in TOTALS:
            continue
        if not exact_words(frame[name].iloc[:-1]).eq(cell.strip()).any():
            notes.append(f"the last row is left out: '{cell}' in column '{name}' says that it is one of sums")
            return _typed_again(frame.iloc[:-1], name)
    return frame


def _typed_again(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, whose column may be of numbers without its last cell."""
    import pandas as pd

    values = pd.to_numeric(frame[name], errors="coerce")
    return frame.assign(**{name: values}) if values.notna().equals(frame[name].notna()) else frame
