"""What is to be predicted, read from files or standard input: files, rows of tables, lines of text or of JSON.

What cannot be read costs that input alone, and is told.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import ListConfig

from zoo.errors import ConfigError, DataError, SpecError, ZooError, one_line
from zoo.files import matching, quoted, user_path
from zoo.inference.pages import lines_of as lines_of_page
from zoo.inference.streams import Line, TableStream, lines_in, lines_of, standard_input
from zoo.spec import Series, Strokes, Table, TextLine
from zoo.spec.dialect import Dialect
from zoo.spec.files import read_table
from zoo.spec.ink_files import LINES
from zoo.spec.text_tables import ENDINGS, read_texts
from zoo.weights.artefact import Artefact

if TYPE_CHECKING:
    import pandas as pd

STANDARD_INPUT = "-"


class Example(NamedTuple):
    """One input.

    Args:
        name: in the answer.
        raw: what the model takes, one for each of its arguments.
        place: where it stands, for messages; the name where that says it.
    """

    name: str
    raw: tuple[Any, ...]
    place: str = ""


class Row(NamedTuple):
    """A row of a table; to cut it out by itself takes a hundred times as long as to read it with others."""

    frame: pd.DataFrame
    place: int


def joined(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as one table: those that follow one another are cut out of theirs together."""
    import pandas as pd

    parts: list[tuple[pd.DataFrame, int, int]] = []
    for frame, place in rows:
        if parts and parts[-1][0] is frame and parts[-1][2] == place:
            parts[-1] = (frame, parts[-1][1], place + 1)
        else:
            parts.append((frame, place, place + 1))
    tables = [frame.iloc[first:last] for frame, first, last in parts]
    return tables[0] if len(tables) == 1 else pd.concat(tables)


class Failures(list[str]):
    """Messages about inputs without an answer, each printed to standard error at once: a stream may never end."""

    def append(self, line: str) -> None:
        super().append(line)
        print(one_line(line), file=sys.stderr)


def message(name: str, error: ZooError) -> str:
    """The error's message, with the name of the input."""
    return str(error) if name in str(error) else f"{name}: {error}"


def inputs_of(artefact: Artefact, given: Any) -> list[str]:
    """The files or patterns, one for each argument of the model."""
    several = given if isinstance(given, ListConfig) else [given]
    inputs = [str(each) for each in several if each is not None]
    takes = artefact.spec.input.takes
    if inputs != [STANDARD_INPUT] and len(inputs) != len(takes):
        if len(takes) == 1:
            raise ConfigError(f"give one file or one pattern of image files as the input; got {given}")
        raise ConfigError(f"give input=[…] with {len(takes)} patterns of files, for {', '.join(takes)}")
    return inputs


def read_examples(
    artefact: Artefact, inputs: list[str], batch_size: int, failures: Failures
) -> tuple[int | None, Iterator[Example]]:
    """The number of inputs, if it is known, and the inputs.

    The kind of the spec's input decides how they are read. A model for lines of text also takes pages, which are cut
    into lines; pages without lines are added to `failures`.
    """
    described = artefact.spec.input
    if isinstance(described, Table):
        if inputs == [STANDARD_INPUT]:
            dialect = described.dialect or Dialect()
            lines = lines_of(standard_input(), dialect.encoding)
            stream = TableStream(lines, dialect, "standard input", described.slices)
            return None, _streamed_rows(described, stream, batch_size, failures)
        return _rows_of_file(described, inputs[0], batch_size, failures)
    if isinstance(described, Series):
        if inputs == [STANDARD_INPUT]:
            return 1, iter([Example(STANDARD_INPUT, (_table_on_standard_input(),))])
        return _files(inputs, failures)
    if isinstance(described, TextLine):
        return None, _lines_of_pages(artefact, _files(inputs, failures)[1], failures)
    if described.reads_files:
        return _files(inputs, failures)
    if isinstance(described, Strokes) and inputs != [STANDARD_INPUT] and not inputs[0].lower().endswith(LINES):
        return _files(inputs, failures)
    if described.is_text and inputs[0].lower().endswith(ENDINGS):
        return _texts_of_table(inputs[0])
    lines = _lines(inputs[0], failures)
    if isinstance(described, Strokes):  # a value of JSON may be one ink or look like several
        return None, (one._replace(raw=(_ink(one.raw[0]),)) for one in _json_values(lines, failures))
    return None, (
        (Example(line.text, (line.text,), f"line {line.number}") for line in lines)
        if described.is_text
        else _json_values(lines, failures)
    )


def _rows_of_file(
    described: Table, file: str, batch_size: int, failures: Failures
) -> tuple[int | None, Iterator[Example]]:
    """The rows of a file, and their number if it is known.

    Raises:
        DataError, SpecError: it is no such table, or no row of it fits.
    """
    try:
        frame = described.read(file)
    except DataError as error:
        found = _rows_one_by_one(described, file, batch_size, failures)
        if found is None:
            raise error
        return None, found
    try:
        described.encode(frame)
    except SpecError:
        if not any(_fits(described, joined(row.raw)) for row in _rows(frame)):
            raise
    return len(frame), _rows(frame)


def _rows(frame: pd.DataFrame) -> Iterator[Example]:
    """The rows of a table with their numbers."""
    for place, number in enumerate(frame.index):
        yield Example(str(number), (Row(frame, place),), f"row {number}")


def _fits(described: Table, row: pd.DataFrame) -> bool:
    try:
        described.encode(row)
    except SpecError:
        return False
    return True


def _rows_one_by_one(described: Table, file: str, batch_size: int, failures: Failures) -> Iterator[Example] | None:
    """The rows of a CSV file that cannot be read as a whole; None if its first line does not name the columns."""
    dialect = described.dialect or Dialect()
    try:
        stream = TableStream(lines_in(user_path(file), dialect.encoding), dialect, file, described.slices)
    except (OSError, LookupError, DataError):
        return None
    return _streamed_rows(described, stream, batch_size, failures) if {*described.slices} <= {*stream.names} else None


def _streamed_rows(described: Table, stream: TableStream, batch_size: int, failures: Failures) -> Iterator[Example]:
    """The rows of a table as their lines come in; those that cannot be read are added to `failures`."""
    for frame, numbers in stream.tables(batch_size, failures.append):
        for row, number in zip(_rows(described.with_points(described.read(frame))), numbers):
            yield row._replace(place=f"line {number}")


def _files(inputs: list[str], failures: Failures) -> tuple[int | None, Iterator[Example]]:
    """Files, by one pattern for each argument of the model, or by their names on standard input."""
    if inputs == [STANDARD_INPUT]:
        names = (line.text.split("\t") for line in _lines(STANDARD_INPUT, failures))
        return None, (Example(files[0], tuple(files)) for files in names)
    columns = [matching(pattern) for pattern in inputs]
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{len(column)} of {pattern}" for column, pattern in zip(columns, inputs))
        raise ConfigError(f"there must be as many files of each: {counts}")
    return len(columns[0]), (Example(files[0], files) for files in zip(*columns))


def _lines_of_pages(artefact: Artefact, documents: Iterator[Example], failures: Failures) -> Iterator[Example]:
    """The lines of images, TIFFs and PDFs in reading order; if there are several, pages and lines are numbered."""
    for name, (document,), _ in documents:
        try:
            pages = list(lines_of_page(document, artefact))
        except SpecError as error:
            failures.append(message(name, error))
            continue
        for number, lines in enumerate(pages, start=1):
            page = f"{name}, page {number}" if len(pages) > 1 else name
            if not lines:
                failures.append(f"{page}: no line of text found")
            for place, line in enumerate(lines, start=1):
                yield Example(page if len(lines) == 1 else f"{page}, line {place}", (line,))


def _lines(source: str, failures: Failures) -> Iterator[Line]:
    """The lines of a text file, or of standard input, that are not blank; those that are no text join `failures`.

    Where there are none, that is said: an answer to nothing looks like one that was lost.
    """
    if source == STANDARD_INPUT:
        yield from _readable(lines_of(standard_input()), failures, "standard input")
        return
    try:
        yield from _readable(lines_in(user_path(source)), failures, source)
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror or error}; text comes in a file, or by |") from error


def _readable(lines: Iterator[Line], failures: Failures, name: str) -> Iterator[Line]:
    blank = True
    for line in lines:
        blank = blank and not line.fault and not line.text.strip()
        if line.fault:
            failures.append(f"line {line.number} is {line.fault}")
        elif line.text.strip():
            yield line
    if blank:
        print(f"{name}: no line with anything in it", file=sys.stderr)


def _texts_of_table(file: str) -> tuple[int, Iterator[Example]]:
    """The texts of a table, and their number; which column holds them is said."""
    texts = read_texts(file)
    print(f"{file}: column {quoted(texts.name)} holds the texts", file=sys.stderr)
    return len(texts), (Example(text, (text,), f"row {row}") for row, text in texts.items())


def _json_values(lines: Iterator[Line], failures: Failures) -> Iterator[Example]:
    """The values of lines of JSON; other lines are added to `failures`."""
    for line in lines:
        try:
            yield Example(line.text, (json.loads(line.text),), f"line {line.number}")
        except (ValueError, RecursionError):
            failures.append(f"line {line.number}: each line must be JSON, and this is not: {line.text[:60]}")


def _ink(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"strokes": value}


def _table_on_standard_input() -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "standard input")
        file.write_bytes(sys.stdin.buffer.read())
        return read_table(file)
