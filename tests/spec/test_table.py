"""Rows of tables to tensors, and standardised outputs to values."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from zoo import DataError, SpecError
from zoo.spec import Classes, Spec, Table, Values
from zoo.spec.columns import Boolean, Category, Date, Number
from zoo.spec.dialect import Dialect

TABLE = Table(
    (
        Number("size", 10.0, 2.0, True),
        Category("city", ("Lima", "Oslo")),
        Boolean("new", True),
        Date("sold", 0.0, 10.0, False),
        Number("rooms", 3.0, 1.0, False),
    )
)
ROW = {"size": 12, "city": "Oslo", "new": "yes", "sold": "1970-01-02", "rooms": "4"}


def test_json_and_back() -> None:
    spec = Spec(TABLE, Values(("price",), (5.0,), (2.0,)))
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert str(spec) == "table → values"


def test_what_is_encoded() -> None:
    encoded = TABLE.encode(ROW)
    assert encoded.dtype == torch.float32
    assert encoded.shape == (1, 11)
    assert encoded[0, TABLE.slices["size"]].tolist() == [1.0]
    assert encoded[0, TABLE.slices["city"]].tolist() == [3.0]
    assert encoded[0, TABLE.slices["new"]].tolist() == [1.0]
    assert encoded[0, TABLE.slices["rooms"]].tolist() == [1.0]
    date = encoded[0, TABLE.slices["sold"]].tolist()
    week = 2 * math.pi / 7
    assert date[0] == pytest.approx(0.1)
    assert date[3:5] == pytest.approx([math.sin(week), math.cos(week)])
    assert date[5:] == pytest.approx([0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("city", "code"), [(None, 0), (math.nan, 0), ("Rome", 1), ("Lima", 2), (" Lima ", 2), (7, 1)], ids=str
)
def test_missing_and_unseen_categories_have_a_code_of_their_own(city: Any, code: int) -> None:
    assert TABLE.encode({**ROW, "city": city})[0, TABLE.slices["city"]].item() == code


def test_what_the_network_sees_of_missing_cells() -> None:
    missing = dict.fromkeys(ROW)
    seen = TABLE.prepare(TABLE.encode([ROW, missing]))
    assert seen.shape == (2, TABLE.numbers + 1)
    assert TABLE.numbers == 10 + 2  # and indicators for size and new, which training saw missing
    assert TABLE.categories == (4,)
    assert seen[0, -3:].tolist() == [0, 0, 3]
    assert seen[1].tolist() == [0] * 10 + [1, 1, 0]


def test_the_same_rows_in_every_form(tmp_path: Path) -> None:
    rows = [ROW, {**ROW, "size": None, "new": False, "sold": datetime.date(1980, 5, 5)}]
    expected = TABLE.encode(rows)
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for raw in (frame, str(tmp_path / "rows.csv"), tmp_path / "rows.csv", tuple(rows)):
        assert torch.equal(TABLE.encode(raw).nan_to_num(9), expected.nan_to_num(9))
    assert torch.equal(TABLE.encode(frame.iloc[0])[0], expected[0])
    assert TABLE.encode([]).shape == (0, 11)


def test_whole_numbers_are_the_same_category_in_every_form() -> None:
    table = Table((Category("rank", ("1", "2", "1.5", "True")),))
    for column in ([1, 2], [1.0, 2.0], ["1", "2"], [1, None], [1.0, "x"], ["01", "x"], [1.0, 1.5], [1.0, 1e20]):
        assert table.encode(pd.DataFrame({"rank": column}))[0].item() == 2
    for column in ([True], ["TRUE", "x"]):
        assert table.encode(pd.DataFrame({"rank": column}))[0].item() == 5
    assert table.encode(pd.DataFrame({"rank": ["1.50", "-1", "1e5"]})).flatten().tolist() == [4, 1, 1]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ({"size": "big"}, "column 'size', row 2: 'big' is not a number"),
        ({"size": math.inf}, "column 'size', row 2: 'inf' is not finite"),
        ({"size": 10**310}, f"column 'size', row 2: '1{'0' * 59}…' is not finite"),
        ({"size": 1e300}, r"column 'size', row 2: '1e\+300' is too large"),
        ({"new": "perhaps"}, "column 'new', row 2: 'perhaps' is not a boolean"),
        ({"sold": "31/12/1999"}, "column 'sold', row 2: '31/12/1999' is not a date such as"),
    ],
    ids=str,
)
def test_a_cell_of_another_kind(cell: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        TABLE.encode([ROW, {**ROW, **cell}])


@pytest.mark.parametrize(("sold", "day"), [(20240102, 19724), (20240102.0, 19724), ("9999-12-31", 2932896)])
def test_dates_written_as_numbers_and_far_ones(sold: Any, day: int) -> None:
    pytest.importorskip("pandas", minversion="3" if day > 1e6 else None)  # earlier ones know nothing after 2262
    assert TABLE.encode({**ROW, "sold": sold})[0, TABLE.slices["sold"]][0].item() == pytest.approx(day / 10)


@pytest.mark.parametrize("name", ["SIZE", "Si_ze", " size "])
def test_a_column_that_is_spelt_otherwise(name: str) -> None:
    kind = Table((Number("size", 0.0, 1.0, False),))
    with pytest.raises(SpecError, match=rf"no column size; it has '{name}', and names must be the same"):
        kind.read(pd.DataFrame({name: [1.0]}))


def test_names_that_no_file_can_have() -> None:
    kind = Table((Number("size", 0.0, 1.0, False),))
    for name, fault in (("word " * 1000, "no such file"), ("https://example.invalid/a.csv", "download it")):
        with pytest.raises(DataError, match=fault):
            kind.read(name)


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(SpecError, match="the row has no city; give None"):
        TABLE.encode({"size": 3})
    with pytest.raises(SpecError, match="the table has no column city"):
        TABLE.encode(pd.DataFrame({"size": [3]}))
    with pytest.raises(SpecError, match="a row is a dict of column names and cells, not float"):
        TABLE.encode(3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "columns",
    [
        [],
        [{"kind": "number", "name": "a", "mean": 0.0, "std": 0.0, "missing": False}],
        [{"kind": "number", "name": "a", "mean": math.nan, "std": 1.0, "missing": False}],
        [{"kind": "number", "name": 3, "mean": 0.0, "std": 1.0, "missing": False}],
        [{"kind": "number", "name": "a", "mean": 0.0, "std": 1.0, "missing": "no"}],
        [{"kind": "number", "name": "a"}],
        [{"kind": "nuber", "name": "a", "mean": 0.0, "std": 1.0, "missing": False}],
        [{"kind": "category", "name": "a", "values": [1, 2]}],
        [{"kind": "category", "name": "a", "values": ["x", "x"]}],
        [{"kind": "category", "name": "a", "values": ["x"]}, {"kind": "category", "name": "a", "values": ["x"]}],
        ["a"],
        "a",
    ],
    ids=str,
)
def test_an_impossible_table(columns: Any) -> None:
    data = {"input": {"kind": "Table", "columns": columns}, "output": {"kind": "Classes", "names": ["a", "b"]}}
    with pytest.raises(SpecError):
        Spec.from_json(data)


def test_values_in_their_own_units() -> None:
    values = Values(("price", "rent"), (1e6, 500.0), (1e5, 50.0))
    raw = torch.tensor([[1_234_567.0, 432.1]], dtype=torch.float64)
    standardised = values.standardise(raw)
    assert standardised.dtype == torch.float32
    assert values.restore(standardised)[0].tolist() == pytest.approx([1_234_567.0, 432.1], rel=1e-6)
    assert values.decode(torch.tensor([[1.0, -1.0]])) == [{"price": 1.1e6, "rent": 450.0}]


@pytest.mark.parametrize(
    "arguments",
    [((), (), ()), (("a", "a"), (0, 0), (1, 1)), (("a",), (0, 1), (1,)), (("a",), (0,), (0,)), ((3,), (0,), (1,))],
    ids=str,
)
def test_impossible_values(arguments: Any) -> None:
    with pytest.raises(SpecError):
        Values(*arguments)


def test_a_table_goes_in_and_values_come_out() -> None:
    with pytest.raises(SpecError, match="an input is"):
        Spec(Values(("a",), (0.0,), (1.0,)), Classes(("a", "b")))  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="an output is"):
        Spec(TABLE, TABLE)  # type: ignore[arg-type]


def test_decimal_commas_beside_words_for_missing_cells(tmp_path: Path) -> None:
    """pandas leaves all cells of such a column text; names that look like numbers stay as they are."""
    columns = Number("size", 0.0, 1.0, True), Category("code", ("1,5", "2,5"), exact=True)
    table = Table(columns, dialect=Dialect(";", decimal=","))
    (tmp_path / "a.csv").write_text("size;code\n1,5;1,5\nNA;2,5\n-3,25e1;9,5\n")
    (tmp_path / "b.csv").write_text("size;code\n1,5;1,5\n;2,5\n-32,5;9,5\n")
    for file in ("a.csv", "b.csv"):
        expected = Table(columns).encode(
            [{"size": size, "code": code} for size, code in ((1.5, "1,5"), (None, "2,5"), (-32.5, "9,5"))]
        )
        assert torch.equal(table.encode(tmp_path / file).nan_to_num(9e9), expected.nan_to_num(9e9))


def test_decimal_commas_mean_the_same_in_a_file_a_stream_and_a_row(tmp_path: Path) -> None:
    """With points between thousands, 5,810 is 5.81 and 5.810 is 5810; a name with a comma keeps it."""
    columns = Number("size", 0.0, 1.0, True, decimal=",", thousands="."), Category("grade", ("3,5", "4,50", "small"))
    table = Table(columns, dialect=Dialect(";", decimal=","))
    cells = [("5,810", "4,50"), ("1.234,500", "small"), ("-", "3,5"), ("5.810", "4,50")]
    rows = [{"size": size, "grade": grade} for size, grade in cells]
    expected = torch.tensor([[5.81, 3], [1234.5, 4], [math.nan, 2], [5810, 3]])
    (tmp_path / "rows.csv").write_text("size;grade\n" + "".join(f"{size};{grade}\n" for size, grade in cells))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "plain.csv").write_text("size;grade\n5,810;3,5\n7,25;4,50\n")  # all of which are numbers to pandas
    for raw in (rows, pd.DataFrame(rows), tmp_path / "rows.csv", tmp_path / "rows.json"):
        torch.testing.assert_close(table.encode(raw), expected, equal_nan=True)
    assert table.encode(tmp_path / "plain.csv")[:, 0].tolist() == pytest.approx([5.81, 7.25])
    stream = table.with_points(pd.DataFrame(rows, dtype="string"))
    torch.testing.assert_close(table.encode(stream), expected, equal_nan=True)


def test_a_missing_cell_may_be_a_number_with_a_decimal_comma(tmp_path: Path) -> None:
    table = Table((Number("size", 0.0, 1.0, True),), ("-9,99",), Dialect(";", decimal=","))
    (tmp_path / "rows.csv").write_text("size;x\n1,5;1\n-9,99;2\n")
    (tmp_path / "text.csv").write_text("size;x\n1,5;1\n-9,99;2\n-;3\n")  # text to pandas, for the dash
    for raw in (
        tmp_path / "rows.csv",
        tmp_path / "text.csv",
        [{"size": 1.5}, {"size": -9.99}],
        [{"size": 1.5}, {"size": "-9,99"}],
    ):
        assert table.encode(raw)[:2, 0].nan_to_num(7).tolist() == [1.5, 7]


def test_categories_of_pandas_are_encoded_as_their_words_are() -> None:
    words = {"size": [12, None, 9, 3], "city": ["Oslo", None, "Rome", "NA"], "new": ["yes", "no", "?", "yes"]}
    dates = {"sold": ["1970-01-02", "9999-12-31", None, "1970-01-02"], "rooms": ["4", " 5", "-", "4"]}
    plain = pd.DataFrame({**words, **dates}).astype(dict.fromkeys(("city", "new", "sold", "rooms"), "str"))
    known = plain.astype(dict.fromkeys(("city", "new", "sold", "rooms"), "category"))
    by_row = torch.cat([TABLE.encode(plain.iloc[[row]]) for row in range(4)])
    for frame in (plain, known, known.iloc[::-1].iloc[::-1]):
        torch.testing.assert_close(TABLE.encode(frame), by_row, rtol=0, atol=0, equal_nan=True)
    odd = known.assign(rooms=pd.Series(["4", "4", "many", "4"], dtype="category"))
    with pytest.raises(SpecError, match="'rooms', row 2: 'many'"):
        TABLE.encode(odd)
    assert TABLE.encode(odd.iloc[:2]).shape == (2, 11)  # what stands in other rows alone is no fault


@pytest.mark.parametrize(
    ("lone", "advice"), [("size;age", "these, with commas between them: size, rooms"), ("x", "must be: size, rooms")]
)
def test_commas_are_advised_only_where_a_lone_column_holds_another_separator(lone: str, advice: str) -> None:
    with pytest.raises(SpecError, match=advice):
        Table((TABLE.columns[0], TABLE.columns[-1])).encode(pd.DataFrame({lone: ["1"]}))
