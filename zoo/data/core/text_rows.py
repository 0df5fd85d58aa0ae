"""Rows of tables whose cells are texts: between tabs, commas or semicolons, or of JSON; each with where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.errors import DataError
from zoo.files import quoted
from zoo.spec.dialect import is_strictly_quoted, split_rows
from zoo.spec.json_files import read_json

Row = tuple[int, Sequence[str]]  # its line, or the number of its object of JSON, from 1; and its cells


def lines_of(text: str) -> list[str]:
    """The lines of a text; an empty last one is none."""
    lines = text.split("\n")
    return lines if lines[-1] else lines[:-1]


def rows_of_table(name: str, text: str) -> list[Row]:
    """The rows of a table, by the separator that its first line holds: a tab, or a semicolon, or a comma.

    Between tabs quotes are part of a text, unless all of them are written as programs write them.

    Raises:
        DataError: there is no separator, or a quote is not closed.
    """
    first, _, _ = text.partition("\n")
    separator = next((sign for sign in "\t;," if sign in first), None)
    if separator is None:
        raise DataError(
            f"{name} is no table: its first line has no tab, comma or semicolon; give the file of the translations "
            "as data.target_path"
        )
    if separator == "\t":
        rows: list[Row] = [(number, line.split("\t")) for number, line in enumerate(lines_of(text), start=1)]
        if not _are_quoted(rows):
            return rows
    return _quoted_rows(name, text, separator)


def rows_of_json(path: Path, text: str) -> list[Row]:
    """The names of the columns as row 0, and the rows of objects, which may each stand alone in another, as
    `{"translation": {"en": …, "de": …}}`.

    Raises:
        DataError: it is no JSON of such rows, or a cell is no text.
    """
    frame, _ = read_json(path, text)
    rows = frame.to_dict("records")
    if all(len(row) == 1 and isinstance(next(iter(row.values())), dict) for row in rows):
        rows = [next(iter(row.values())) for row in rows]
    names = list(rows[0])
    cells = [[_cell(path, number, row.get(name)) for name in names] for number, row in enumerate(rows, start=1)]
    return list(enumerate([names, *cells]))


def _cell(path: Path, number: int, value: object) -> str:
    if value is None or value != value:  # NaN is what is missing
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise DataError(f"{path.name}, row {number}: {quoted(value)} is no text")


def _are_quoted(rows: Sequence[Row]) -> bool:
    """Whether quotes stand around all cells, or are doubled within those that hold one, and nowhere else."""
    cells = [cell for _, row in rows for cell in row if cell]
    quotes = [cell for cell in cells if '"' in cell]
    inner = [cell[1:-1] for cell in quotes if len(cell) > 1 and cell[0] == cell[-1] == '"']
    strict = len(inner) == len(quotes) and all('"' not in each.replace('""', "") for each in inner)
    return strict and (len(quotes) == len(cells) or any('"' in each for each in inner))


def _quoted_rows(name: str, text: str, separator: str) -> list[Row]:
    """The rows of a table whose cells may stand in quotes, each with the line where it begins."""
    lines, rows, begin = text.split("\n"), list[Row](), 0
    for end, cells in split_rows(text, separator):
        if end - begin > 1 and not is_strictly_quoted(lines[begin:end], separator):
            raise DataError(f"{name}, line {begin + 1} has a quote that is not closed")
        rows.append((begin + 1, cells))
        begin = end
    return rows
