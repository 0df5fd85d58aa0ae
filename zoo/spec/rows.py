"""Cells of plain kinds, encoded without pandas, which takes milliseconds for each column of a row.

So networks for tables of numbers answer where there is no pandas, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from zoo.spec.columns import Boolean, Category, Column, Number


def encode_plain(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Encode columns of N rows as their `encode` does, by their names: float32 (N, 1) each.

    Columns of other kinds are left out, and those with a cell that is not plain or is wrong: they are for pandas, which
    also tells of what is wrong. Plain are numbers in a column of numbers, words, True and False in one of names or of
    booleans, and None.
    """
    parts = {}
    for column in columns:
        cells = [row[column.name] for row in rows]
        if isinstance(column, Number):
            values = _numbers(column, cells)
        else:
            values = _words(column, cells) if isinstance(column, Boolean | Category) else None
        if values is not None:
            parts[column.name] = values
    if not parts:
        return {}
    encoded = torch.cat([*parts.values()], dim=1)
    too_large = (encoded.abs() > torch.finfo(torch.float32).max).any(dim=0).tolist()
    return {name: part for name, part, fails in zip(parts, encoded.float().split(1, dim=1), too_large) if not fails}


def _numbers(column: Number, cells: Sequence[Any]) -> Tensor | None:
    import numpy as np

    if not all(isinstance(cell, (int, float, np.integer, np.floating, NoneType)) for cell in cells):
        return None
    try:
        return column.scaled(torch.from_numpy(np.array(cells, dtype=np.float64)))
    except OverflowError:
        return None


def _words(column: Boolean | Category, cells: Sequence[Any]) -> Tensor | None:
    values = [_word(column, cell) for cell in cells]
    return None if None in values else torch.tensor(values, dtype=torch.float64)[:, None]


def _word(column: Boolean | Category, cell: Any) -> float | None:
    if isinstance(cell, bool):
        return column.of_word(str(cell))
    if isinstance(cell, str) and cell.isprintable():  # or pandas' spaces would not be Python's
        return column.of_word(cell)
    return column.of_word("") if cell is None else None
