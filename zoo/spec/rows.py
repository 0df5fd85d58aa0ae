"""Rows of plain numbers and known names, encoded without pandas: it takes milliseconds for each column of a row.

So networks for tables of numbers answer where there is no pandas, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from zoo.spec.columns import MISSING, Category, Column, Number


def encode_plain(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Tensor | None:
    """Encode N rows as `Number.encode` and `Category.encode` do: float32 (N, E).

    Gives None where a column or a cell is of another kind, a number is too large, or a name is not known: that is for
    pandas, which also tells of what is wrong.
    """
    import numpy as np

    numbers = [column for column in columns if isinstance(column, Number)]
    names = [column for column in columns if isinstance(column, Category)]
    cells = [[row[column.name] for column in numbers] for row in rows]
    kinds = (int, float, np.integer, np.floating, NoneType)
    if len(numbers) + len(names) < len(columns) or not all(isinstance(cell, kinds) for row in cells for cell in row):
        return None
    codes = {column.name: [_code(column, row[column.name]) for row in rows] for column in names}
    if any(None in its for its in codes.values()):
        return None
    try:
        values = torch.from_numpy(np.array(cells, dtype=np.float64).reshape(len(rows), len(numbers)))
    except OverflowError:
        return None
    parts = {column.name: column.scaled(values[:, place]) for place, column in enumerate(numbers)}
    parts |= {name: torch.tensor(its, dtype=torch.float64)[:, None] for name, its in codes.items()}
    encoded = torch.cat([parts[column.name] for column in columns], dim=1)
    return None if (encoded.abs() > torch.finfo(torch.float32).max).any() else encoded.float()


def _code(column: Category, cell: Any) -> int | None:
    if cell is None:
        return MISSING
    return column.code(cell) if isinstance(cell, str) else None
