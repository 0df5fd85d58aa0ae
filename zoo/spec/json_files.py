"""Tables in JSON: objects, one a line or in a list, lists of columns, and the forms that pandas and servers write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.files import one_line, quoted

if TYPE_CHECKING:
    import pandas as pd

_START = re.compile(r'\s*(\[\s*$|(\[\s*)?\{\s*("|$))')  # of objects one a line, and of a list of them
ENDINGS = (".json", ".jsonl", ".ndjson")  # of files' names, in small letters


def is_json(start: str) -> bool:
    """Whether a text that begins so, or whose first line this is, holds objects of JSON."""
    return _START.match(start) is not None


def read_json(path: Path, text: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a file of JSON, and what is to be said of it; a list or an object within a cell stays JSON.

    Rows are objects, one a line, in one list, or in the only list of objects within an object; or lists of columns; or
    any form of pandas' to_json in which columns have names.

    Raises:
        DataError: it is no JSON, or has no such rows.
    """
    import pandas as pd

    whole: Any = None
    notes: list[str] = []
    try:
        if text.lstrip().startswith(("[", "{")):
            whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        if not text.lstrip().startswith("{"):
            raise DataError(f"{path} is no JSON: {error}") from error
    if isinstance(whole, dict):
        if (name := _rows_within(whole)) is not None:
            notes.append(f"{path.name}: its rows are the list '{name}'")
            whole = whole[name]
        elif _is_split(whole):
            whole = [dict(zip(whole["columns"], row)) for row in whole["data"]]
        elif _are_rows(whole):
            whole = list(whole.values())
        elif _are_columns(list(whole.values())):
            lists = (list(cells.values() if isinstance(cells, dict) else cells) for cells in whole.values())
            return pd.DataFrame(dict(zip(whole, lists))), notes
    if whole is None:
        whole = [row for _, row in json_lines(path, text)]
    return pd.DataFrame(_objects(path, whole)), notes


def json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """The value of each line of a file of JSON lines, and the number of the line, from 1; empty lines are passed over.

    Raises:
        DataError: a line is no JSON.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(one_line(f"{path}, line {number} is no JSON: {error}")) from error
        yield number, value


def _rows_within(whole: dict[str, Any]) -> str | None:
    """The name of the only list in an object, if it is of objects, as servers answer."""
    lists = [name for name, value in whole.items() if isinstance(value, list)]
    if len(lists) != 1 or not whole[lists[0]] or not all(isinstance(row, dict) for row in whole[lists[0]]):
        return None
    return lists[0]


def _is_split(whole: dict[str, Any]) -> bool:
    """Whether it is what pandas writes by orient="split"."""
    names, rows = whole.get("columns"), whole.get("data")
    if not isinstance(names, list) or not isinstance(rows, list) or not set(whole) <= {"columns", "data", "index"}:
        return False
    return all(isinstance(row, list) and len(row) == len(names) for row in rows)


def _are_rows(whole: dict[str, Any]) -> bool:
    """Whether it is what pandas writes by orient="index": objects of the same names by the numbers of rows."""
    rows = list(whole.values())
    if not all(isinstance(row, dict) and row and row.keys() == rows[0].keys() for row in rows):
        return False
    return all(number.isdecimal() for number in whole) and not all(name.isdecimal() for name in rows[0])


def _are_columns(values: list[Any]) -> bool:
    """Whether these are columns of one length, as lists or as pandas' to_json writes them."""
    lengths = {len(cells) if isinstance(cells, list | dict) else 0 for cells in values}
    return len(lengths) == 1 and max(lengths) > 1


def _objects(path: Path, rows: Any) -> list[dict[str, Any]]:
    rows = rows if isinstance(rows, list) else [rows]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f'{path}, row {number} is {quoted(json.dumps(row))}, not an object such as {{"text": …}}')
    return rows
