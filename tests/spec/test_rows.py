"""Plain cells of rows are encoded as a DataFrame of them is, with pandas or without."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from zoo.errors import DataError, SpecError, install
from zoo.spec import Table
from zoo.spec.columns import Boolean, Category, Column, Date, Number, Time
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
    plain = torch.cat([*encode_plain(TABLE.columns, ROWS).values()], dim=1)
    cells = {name: [None if row[name] is None else float(row[name]) for row in ROWS] for name in "ab"}
    frame = pd.DataFrame(cells, dtype="float64")
    torch.testing.assert_close(plain, TABLE.encode(frame), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(TABLE.encode(ROWS), plain, rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(TABLE.encode(ROWS[0]), plain[:1], rtol=0, atol=0)
    assert TABLE.encode([]).shape == (0, 2)


@pytest.mark.parametrize("cell", ["one", float("inf"), 10**400, 1e300, pd.NA, np.bool_(True), 1j], ids=repr)
def test_a_column_with_another_cell_is_for_pandas(cell: Any) -> None:
    assert [*encode_plain(TABLE.columns, [{"a": 1, "b": cell}])] == ["a"]


COLUMNS = [
    Number("c", 2.5, 0.3, True),
    Number("c", 0.0, 1.0, True, thousands=",", unit="$"),
    Number("c", 0.0, 1.0, True, decimal=",", thousands=".", unit="€"),
    Date("c", 19_000.0, 300.0, True),
    Date("c", 19_000.0, 300.0, True, form="%d.%m.%Y"),
    Time("c", True),
    Boolean("c", True),
    Category("c", ("x", "1", "NA", "True")),
    Category("c", ("x", "01", "1"), exact=True),
]
CELLS = [
    *("x", " x ", "1", "01", "1.0", "NA", "na", "true", "", "y", "No", "-", "k.a.", "x\u200b", "\u3000x", "1\x1c"),
    *("1,200", "$3", "-$ 1,200.50", "($5)", "12.50-", "\u22125", "1.234,5 €", "12,34", "1e5", "inf", "1_000", "１２"),
    *("2024-01-05", "2024-01-05 ", "5.1.2024", "31.02.2024", "9999-12-31", "2024-01-05T13:05+02:00"),
    *("now", "today", "-5", "526,94\u00a0€"),
    *("13:05", "1:05 PM", "12:00 am", "25:00", "13:05:05.25", "13:05\n"),
    *(np.timedelta64(1, "h"), pd.Timedelta("1h"), pd.Period("2024-01", "M"), ("x", 1)),
    *(None, 1, True, np.nan, pd.NA, pd.Timestamp("2024-01-05"), 2**70, np.bool_(False)),
]


@pytest.mark.filterwarnings("ignore:Parsing integer or float values with a format")  # a number among texts of dates
@pytest.mark.parametrize("column", COLUMNS, ids=repr)
def test_any_cell_is_encoded_as_one_of_a_table(column: Column) -> None:
    """And is refused in the same words; whatever is plain, and whatever stands beside it."""
    table = Table((column, Number("n", 0.0, 1.0, False)))
    for cell, below in zip(CELLS, [*CELLS[1:], CELLS[0]]):
        for cells in ([cell], [cell, below]):
            rows = [{"c": each, "n": place} for place, each in enumerate(cells)]
            assert outcome(table, rows) == outcome(table, table.read(rows)), cells


def outcome(table: Table, raw: Any) -> str:
    try:
        return repr(table.encode(raw).tolist())
    except SpecError as error:
        return str(error)


def test_what_is_no_date_but_has_a_meaning_to_pandas_is_refused() -> None:
    """ "now" would be another day each day; and "-5" the year 5 before our era."""
    for form in ("", "%d.%m.%Y"):
        for word in ("now", "today", *(["-5"] if not form else [])):
            for raw in ({"c": word}, pd.DataFrame({"c": [word]}), pd.DataFrame({"c": [word]}, dtype=object)):
                with pytest.raises(SpecError, match=f"'{word}' is not a date"):
                    Table((Date("c", 0.0, 1.0, True, form=form),)).encode(raw)


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        (Number("c", 0.0, 1.0, True), np.timedelta64(1, "h"), 3600.0),
        (Number("c", 0.0, 1.0, True), pd.Timedelta("1h"), 3600.0),
        (Number("c", 0.0, 1.0, True, decimal=",", unit="€"), "526,94\u00a0€", 526.94),
        (Date("c", 0.0, 1.0, True), pd.Period("2024-01", "M"), 19_723.0),
        (Category("c", ("a", '["x"]')), ["x"], 3.0),
    ],
    ids=str,
)
def test_a_cell_means_in_a_row_what_it_means_in_a_table(column: Column, cell: Any, value: float) -> None:
    table = Table((column,))
    for raw in ({"c": cell}, [{"c": cell}, {"c": None}], pd.DataFrame({"c": pd.Series([cell])})):
        assert table.encode(raw)[0, 0].item() == pytest.approx(value)


def test_words_need_no_pandas() -> None:
    for column, cell, value in [
        (COLUMNS[-2], "x", 2.0),
        (COLUMNS[-2], "unseen", 1.0),
        (COLUMNS[-2], "Null", 0.0),
        (COLUMNS[-1], None, 0.0),
        (COLUMNS[-3], "Yes", 1.0),
        (COLUMNS[-3], False, -1.0),
    ]:
        assert encode_plain([column], [{"c": cell}])["c"].item() == value


def test_usual_text_needs_no_pandas() -> None:
    cells = {
        "a": (Number("a", 0.0, 1.0, False), " 12.50-", [-12.5]),
        "b": (Number("b", 0.0, 1.0, True, thousands=",", unit="$"), "-$ 1,200.50", [-1200.5]),
        "c": (Number("c", 0.0, 1.0, True, decimal=",", thousands=".", unit="€"), "1.234,5 €", [1234.5]),
        "d": (Date("d", 19_000.0, 1.0, True), "2022-01-09T18:00", [1.75]),  # 19,001 days after 1970-01-01, and 18 hours
        "e": (Date("e", 19_000.0, 1.0, True, form="%d.%m.%y"), "9.1.22", [1.0]),
        "f": (Time("f", True), " 6:00 pm", [-1.0, 0.0]),  # three quarters of a turn
    }
    encoded = encode_plain(
        [column for column, _, _ in cells.values()], [{name: cell for name, (_, cell, _) in cells.items()}]
    )
    for name, (_, _, wanted) in cells.items():
        assert encoded[name][0, : len(wanted)].tolist() == pytest.approx(wanted, abs=1e-6), name


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert TABLE.encode(ROWS).shape == (5, 2)
    with pytest.raises(SpecError, match="b"):
        TABLE.encode({"a": 1})
    for raw in ({"a": 1, "b": "one"}, "table.csv"):
        with pytest.raises(DataError) as error:
            TABLE.encode(raw)
        assert install("tables") in str(error.value)
