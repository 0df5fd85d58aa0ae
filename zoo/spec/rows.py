"""Rows of plain numbers, encoded with NumPy alone, so that networks for tables answer where there is no pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import torch
from torch import Tensor

from zoo.spec.columns import Column, Number


def encode_numbers(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> Tensor | None:
    """Standardise N rows as `Number.encode` does: float32 (N, E), NaN for a cell that is None or NaN.

    Gives None where a column or a cell is of another kind, or a number is too large: that is for pandas, which also
    tells of what is wrong.
    """
    import numpy as np

    numbers = [column for column in columns if isinstance(column, Number)]
    if len(numbers) < len(columns):
        return None
    cells = [[row[column.name] for column in numbers] for row in rows]
    kinds = (int, float, np.integer, np.floating, NoneType)
    if not all(isinstance(cell, kinds) for row in cells for cell in row):
        return None
    try:
        values = torch.from_numpy(np.array(cells, dtype=np.float64).reshape(len(rows), len(numbers)))
    except OverflowError:
        return None
    scaled = [column.scaled(values[:, place]) for place, column in enumerate(numbers)]
    standardised = torch.cat(scaled, dim=1)
    return None if (standardised.abs() > torch.finfo(torch.float32).max).any() else standardised.float()
