"""Answers as they go out: JSON, CSV, or an image."""

from __future__ import annotations

import base64
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from zoo.errors import one_line

if TYPE_CHECKING:
    import pandas as pd
    import PIL.Image


def plain(answer: Any) -> Any:
    """An answer as JSON has it: an image as a data address of a PNG file, a number that is none as null."""
    if isinstance(answer, dict):
        return {str(name): plain(value) for name, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(value) for value in answer]
    if isinstance(answer, float):
        return answer if math.isfinite(answer) else None
    if hasattr(answer, "save"):
        return f"data:image/png;base64,{base64.b64encode(png(answer)).decode()}"
    return answer


def png(image: PIL.Image.Image) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def as_json(answers: Sequence[Any], *, rows: bool = False) -> dict[str, Any]:
    """The body of a reply: an answer for each input, null where there is none, and the errors of those.

    Args:
        answers: of each input, or its error.
        rows: whether inputs are rows of a table, which errors name by their numbers.
    """
    errors = [
        {"index": index, "error": message(answer, index if rows else None)}
        for index, answer in enumerate(answers)
        if isinstance(answer, Exception)
    ]
    return {"answers": [None if isinstance(each, Exception) else plain(each) for each in answers], "errors": errors}


def message(error: Exception, row: int | None = None) -> str:
    """An error's line; rows are answered one by one, and so each names itself the first."""
    line = one_line(str(error))
    return line if row is None else re.sub(r"\brow 1\b", f"row {row + 1}", line)


def as_csv(answers: Sequence[Any], table: pd.DataFrame | None) -> str:
    """A CSV file with a row for each input: the cells of an uploaded table, then `answer.…`, then `error`."""
    rows = []
    for index, answer in enumerate(answers):
        cells = {} if table is None else {str(name): cell for name, cell in table.iloc[index].items()}
        if isinstance(answer, Exception):
            rows.append({**cells, "error": message(answer, index)})
        else:
            rows.append({**cells, **dict(_flat("answer", plain(answer))), "error": ""})
    names = dict.fromkeys(name for row in rows for name in row if name != "error")
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, [*names, "error"], restval="")
    writer.writeheader()
    writer.writerows({name: _cell(cell) for name, cell in row.items()} for row in rows)
    return file.getvalue()


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for inner, each in value.items():
            yield from _flat(f"{name}.{inner}", each)
    else:
        yield name, value


def _cell(value: Any) -> Any:
    """A cell; one that is missing is empty."""
    missing = value is None or (isinstance(value, float) and math.isnan(value)) or str(value) == "<NA>"
    return "" if missing else value
