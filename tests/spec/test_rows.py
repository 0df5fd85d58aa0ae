"""Rows of plain numbers and known names are encoded as a DataFrame of them is, with pandas or without."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from zoo.errors import DataError, SpecError, install
from zoo.spec import Table
from zoo.spec.columns import Boolean, Category, Number
from zoo.spec.rows import encode_plain

TABLE = Table((Number("a", 2.5, 0.3, False), Number("b", -1e6, 1e-3, True)))
ROWS = [
    {"a": 1, "b": 2.5},
    {"a": np.float32(0.1), "b": None},
    {"a": True, "b": float("nan")},
    {"a": np.int64(2**62), "b": 1e30},
    {"a": 2**80, "b": -0.0, "c": "ignored"},
]


def test_as_pandas_encodes_them() -> None:
    plain = encode_plain(TABLE.columns, ROWS)
    assert plain is not None
    cells = {name: [None if row[name] is None else float(row[name]) for row in ROWS] for name in "ab"}
    frame = pd.DataFrame(cells, dtype="float64")
    torch.testing.assert_close(plain, TABLE.encode(frame), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(TABLE.encode(ROWS), plain, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(TABLE.encode(ROWS[0]), plain[:1], rtol=0, atol=0)
    assert TABLE.encode([]).shape == (0, 2)


@pytest.mark.parametrize("cell", ["1", float("inf"), 10**400, 1e300, pd.NA, np.bool_(True), 1j], ids=repr)
def test_other_cells_are_for_pandas(cell: Any) -> None:
    assert encode_plain(TABLE.columns, [{"a": 1, "b": cell}]) is None


def test_other_columns_are_for_pandas() -> None:
    assert encode_plain((*TABLE.columns, Boolean("c", False)), [{"a": 1, "b": 2, "c": True}]) is None


NAMES = Category("c", ("x", "1", "NA", "True"))
EXACT = Category("c", ("x", "01", "1"), exact=True)


@pytest.mark.parametrize("column", [NAMES, EXACT])
@pytest.mark.parametrize(
    "cell", ["x", " x ", "1", "01", "1.0", "NA", "na", "true", "", "y", None, 1, True, np.nan, pd.NA]
)
def test_names_are_encoded_as_pandas_does_or_left_to_it(column: Category, cell: Any) -> None:
    plain = encode_plain([column], [{"c": cell}])
    expected = Table((column,)).encode(pd.DataFrame({"c": pd.Series([cell], dtype=object)}))
    known = cell is None or (isinstance(cell, str) and int(expected) >= 2)
    assert (None if plain is None else int(plain)) == (int(expected) if known else None)


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert TABLE.encode(ROWS).shape == (5, 2)
    with pytest.raises(SpecError, match="b"):
        TABLE.encode({"a": 1})
    for raw in ({"a": 1, "b": "1"}, "table.csv"):
        with pytest.raises(DataError) as error:
            TABLE.encode(raw)
        assert install("tables") in str(error.value)
