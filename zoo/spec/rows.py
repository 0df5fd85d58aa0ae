"""Cells of plain kinds, encoded without pandas, which takes milliseconds for each column of a row.

So most networks for tables answer rows where there is no pandas, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from zoo.spec.cells import days_of, minutes_of, number_of
from zoo.spec.columns import Boolean, Category, Column, Date, Number, Time


def encode_plain(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Encode columns of N rows as their `encode` does, by their names: float32 (N, width of the column) each.

    A column is left out if one of its cells is not plain, or is wrong: it is for pandas, which also tells of what is
    wrong. Plain are None, numbers, True and False, and text as it is usually written in such a column.
    """
    parts = {}
    for column in columns:
        values = _encoded(column, [row[column.name] for row in rows])
        if values is not None:
            parts[column.name] = values
    if not parts:
        return {}
    widths = [part.shape[1] for part in parts.values()]
    encoded = torch.cat([*parts.values()], dim=1)
    too_large = (encoded.abs() > torch.finfo(torch.float32).max).any(dim=0).split(widths)
    return {
        name: part for name, part, wrong in zip(parts, encoded.float().split(widths, 1), too_large) if not any(wrong)
    }


def _encoded(column: Column, cells: Sequence[Any]) -> Tensor | None:
    """The cells of a column as float64 (N, width); None where one is for pandas."""
    if isinstance(column, Number):
        return _numbers(column, cells)
    if isinstance(column, Boolean | Category):
        values = [_word(column, cell) for cell in cells]
        return None if None in values else torch.tensor(values, dtype=torch.float64)[:, None]
    values = [_moment(column, cell) for cell in cells]
    return None if None in values else column.scaled(torch.tensor(values, dtype=torch.float64))


def _numbers(column: Number, cells: Sequence[Any]) -> Tensor | None:
    import numpy as np

    values = [number_of(cell, column.notation) if _is_printable(cell) else cell for cell in cells]
    for value, cell in zip(values, cells):
        if (value is None and cell is not None) or isinstance(
            value, np.timedelta64
        ):  # which is a whole number to NumPy
            return None
        if not isinstance(value, (int, float, np.integer, np.floating, NoneType)):
            return None
    try:
        return column.scaled(torch.from_numpy(np.array(values, dtype=np.float64)))
    except OverflowError:
        return None


def _moment(column: Date | Time, cell: Any) -> float | None:
    if cell is None:
        return math.nan
    if not _is_printable(cell):
        return None
    text = cell.strip()
    return minutes_of(text) if isinstance(column, Time) else days_of(text, column.form)


def _is_printable(cell: Any) -> bool:
    """Whether this is text whose spaces are the same to pandas and to Python."""
    return isinstance(cell, str) and cell.isprintable()


def _word(column: Boolean | Category, cell: Any) -> float | None:
    if isinstance(cell, bool):
        return column.of_word(str(cell))
    if _is_printable(cell):
        return column.of_word(cell)
    return column.of_word("") if cell is None else None
