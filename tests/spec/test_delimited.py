"""Delimited text in all its dress: what is read, what is said, and what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from zoo import DataError, SpecError
from zoo.spec import parsed
from zoo.spec.columns import Number
from zoo.spec.delimited import LINES, Delimited, read_delimited
from zoo.spec.dialect import Dialect, dialect_from
from zoo.spec.files import read_table
from zoo.spec.parsed import Parser

PLAIN = "city,size,price\nRome,1.5,10\nOslo,2.5,20\nLima,3.5,30\n"


def read(folder: Path, text: str | bytes, **options: Any) -> Delimited:
    path = folder / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_delimited(path, **options)


@pytest.mark.parametrize(
    ("text", "dialect", "said"),
    [
        (PLAIN, Dialect(), ""),
        (PLAIN.replace(",", ";"), Dialect(";"), "separated by a semicolon"),
        (PLAIN.replace(",", "\t"), Dialect("\t"), "separated by a tab"),
        (PLAIN.replace(",", "| "), Dialect("|"), "separated by a bar"),
        (PLAIN.replace(",", "   "), Dialect(" "), "separated by runs of blanks"),
        ("sep=;\n" + PLAIN.replace(",", ";"), Dialect(";"), "'sep=;'"),
        ("Sales report 2024\n\n" + PLAIN, Dialect(), "'Sales report 2024'"),
        ("Sales report 2024,,\n" + PLAIN, Dialect(), "'Sales report 2024'"),
        ("# made by hand\n" + PLAIN, Dialect(), ""),
        (PLAIN + "# the end\n", Dialect(), ""),
        (PLAIN.replace("\n", ",\n"), Dialect(), ""),
        (PLAIN.replace("\n", ",\n").replace("price,", "price"), Dialect(), ""),
        (PLAIN.replace("\n", "\r\n"), Dialect(), ""),
        (PLAIN.replace("\n", "\n\n"), Dialect(), ""),
        ('"' + PLAIN.replace(",", '", "').replace("\n", '"\n"')[:-1], Dialect(), ""),
        (PLAIN + "Total,7.5,60\n", Dialect(), "'Total' in column 'city'"),
        (PLAIN.encode("utf-16"), Dialect(encoding="utf-16"), "utf-16"),
        (PLAIN.encode("utf-16-le"), Dialect(encoding="utf-16-le"), "utf-16-le"),
        (PLAIN.encode("utf-8-sig"), Dialect(encoding="utf-8-sig"), ""),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_the_same_table_in_every_dress(tmp_path: Path, text: str | bytes, dialect: Dialect, said: str) -> None:
    file = read(tmp_path, text)
    assert file.frame.to_dict("list") == {
        "city": ["Rome", "Oslo", "Lima"],
        "size": [1.5, 2.5, 3.5],
        "price": [10, 20, 30],
    }
    assert list(file.frame.index) == [1, 2, 3]
    assert file.dialect == dialect
    assert said in " ".join(file.notes)
    assert bool(said) == bool(file.notes)


def test_an_encoding_of_one_byte_a_letter_is_said(tmp_path: Path) -> None:
    file = read(tmp_path, "Straße;Größe\nKöln;2\n".encode("cp1252"))
    assert file.frame.to_dict("list") == {"Straße": ["Köln"], "Größe": [2]}
    assert file.dialect == Dialect(";", "cp1252")
    assert "cp1252" in file.notes[0]


def test_a_line_of_another_encoding_is_named_and_turns_no_other_letters(tmp_path: Path) -> None:
    text = b"city,size\nK\xc3\xb6ln,1\nM\xfcnchen,2\nRome,3\n"
    with pytest.raises(DataError, match=r"table\.csv, line 3 is not UTF-8, and others are"):
        read(tmp_path, text)
    assert list(read(tmp_path, text, encoding="latin-1").frame["size"]) == [1, 2, 3]
    assert read(tmp_path, b"city,size\nK\x81,1\n").dialect.encoding == "latin-1"
    with pytest.raises(DataError, match="neither UTF-8 nor cp1252"):
        read(tmp_path, b"city,size\nK\x81,1\n", like=Dialect())


@pytest.mark.parametrize("quote", ['5,"Lima\n', '5,"Lima", Peru\n', '"5,Lima\n'])
def test_a_quote_that_is_not_closed_takes_no_rows_with_it(tmp_path: Path, quote: str) -> None:
    rows = ["n,city\n", "1,Rome\n", quote, "2,Oslo\n", '3,"the ""new"" one"\n', '4,"two\nlines"\n']
    with pytest.raises(DataError, match=r"table\.csv, row 2 \(line 3\) has (a quote that is not closed|3 cells)"):
        read(tmp_path, "".join(rows))
    del rows[2]
    assert list(read(tmp_path, "".join(rows)).frame["city"]) == ["Rome", "Oslo", 'the "new" one', "two\nlines"]
    assert len(read(tmp_path, 'n,city\n1,"Ro"me\n2,"two\nlines"\n').frame) == 2  # which is no question of rows


def test_a_dialect_decides_where_several_fit(tmp_path: Path) -> None:
    text = "a,b;c\n1,2;3\n4,5;6\n"
    assert list(read(tmp_path, text, like=Dialect(";")).frame.columns) == ["a,b", "c"]
    assert list(read(tmp_path, text, like=Dialect(",")).frame.columns) == ["a", "b;c"]
    assert list(read(tmp_path, PLAIN, like=Dialect(";")).frame.columns) == ["city", "size", "price"]


def test_a_header_that_is_missing_is_asked_for(tmp_path: Path) -> None:
    rows = PLAIN.split("\n", 1)[1]
    with pytest.raises(DataError, match=r"first line of table\.csv looks like data .*data\.header=null .*header=first"):
        read(tmp_path, rows)
    assert list(read(tmp_path, rows, header=None).frame.columns) == ["column_1", "column_2", "column_3"]
    assert len(read(tmp_path, rows, header=None).frame) == 3
    assert list(read(tmp_path, rows, header="first").frame.columns) == ["Rome", "1.5", "10"]
    assert len(read(tmp_path, rows, like=Dialect(header=False)).frame) == 3
    assert list(read(tmp_path, "0,1,2\n5,6,7\n").frame.columns) == ["0", "1", "2"]
    assert list(read(tmp_path, "name,2020,price\nx,3,4\n").frame.columns) == ["name", "2020", "price"]


@pytest.mark.parametrize(
    ("cells", "kept"),
    [
        (["01234", "1234"], ["01234", "1234"]),
        (["1e5", "100000"], ["1e5", "100000"]),
        (["1.5e5", "100000"], [150000.0, 100000.0]),
        (["0.5", "0"], [0.5, 0.0]),
        (["1e-5", "0.25"], [1e-5, 0.25]),
    ],
)
def test_numbers_that_are_names_stay_as_written(tmp_path: Path, cells: list[str], kept: list[object]) -> None:
    for quote in ("", '"'):
        text = "w,a,b\n" + "".join(f"x,{quote}{cell}{quote},7\n" for cell in cells)
        assert read(tmp_path, text).frame["a"].tolist() == kept
        assert read(tmp_path, text.replace("\n", ",\n")).frame["a"].tolist() == kept


def test_a_number_that_is_too_large_for_a_float_stays_as_written(tmp_path: Path) -> None:
    """So that it can be quoted as it is refused."""
    digits = "9" * 310
    frame = read(tmp_path, f"size,price\n1.5,2.5\n{digits},3\n", names=["size", "price"]).frame
    assert frame.to_dict("list") == {"size": ["1.5", digits], "price": [2.5, 3.0]}
    with pytest.raises(SpecError, match=r"row 2: '9{60}…' is not finite"):
        Number("size", 0.0, 1.0, missing=False).encode(frame["size"])


def test_columns_without_a_name(tmp_path: Path) -> None:
    counted = read(tmp_path, ",a,b\n0,5,6\n1,5,7\n")
    assert list(counted.frame.columns) == ["a", "b"]
    assert "no name" in counted.notes[0]
    assert list(read(tmp_path, "a,,b\n0,5,6\n1,5,7\n").frame.columns) == ["a", "column_2", "b"]
    assert list(read(tmp_path, ",a,b\n0,5,6\n0,5,7\n").frame.columns) == ["column_1", "a", "b"]


def test_truths_are_words_in_every_row(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\ntrue,1\nfalse,2\n").frame["a"].tolist() == ["True", "False"]


def test_a_ragged_row_far_down_is_found_with_quotes_and_line_ends_about(tmp_path: Path) -> None:
    row = 'x,"a ""quoted"" cell,\nof two lines",3\n'
    rows = LINES // len(row) + 10
    assert len(read(tmp_path, "a,b,c\n" + row * rows).frame) == rows
    with pytest.raises(DataError, match=rf"row {rows + 1} \(line {2 * rows + 2}\) has 2 cells, and the header has 3"):
        read(tmp_path, "a,b,c\n" + row * rows + "1,2\n")


def test_the_wrong_separator_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the separator looks like a semicolon"):
        read(tmp_path, "a;b\n1,5;2\n2,5;3\n", separator=",")


def test_what_is_read_equals_pandas(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [0.1, 2.5e-7, -3.0], "n": [1, -2, 3], "w": ["a,b", 'c "d"', "e\nf"]})
    frame.to_csv(tmp_path / "table.csv", index=False)
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv").reset_index(drop=True), frame)


@pytest.mark.parametrize(
    "data", [{"separator": ""}, {"separator": "x"}, {"decimal": ";"}, {"header": 1}, {"encoding": 3}, {"quote": "'"}, 3]
)
def test_an_impossible_dialect(data: Any) -> None:
    with pytest.raises(SpecError):
        dialect_from(data)


def test_cells_of_later_parts_decide_as_those_of_the_first_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pandas reads 65,536 rows of four columns at a time, each with a type of its own."""
    rows, last = 300_000, ["0.5", "abc", "True", "0.5"]
    columns = [["1"] * rows, ["1"] * rows, [""] * rows, [str(2**53 + 1 + 2 * row) for row in range(rows)]]
    lines = [",".join(cells) for cells in zip(*columns)]
    path = tmp_path / "late.csv"
    path.write_text("\n".join(["fraction,word,truth,large", *lines, ",".join(last)]) + "\n")
    found = read_delimited(path).frame
    monkeypatch.setattr(parsed, "LARGE", 0)
    in_one_thread = read_delimited(path).frame
    monkeypatch.setattr(Parser, "table", lambda self, types: self._read(dtype=types, low_memory=False))
    for parts in (found, in_one_thread):
        pd.testing.assert_frame_equal(parts, read_delimited(path).frame, check_exact=True)
    assert [cells.dtype.kind for _, cells in found.items()] == ["f", "O", "O", "f"]


@pytest.mark.parametrize(
    "text",
    [
        '"city" "size" "price"\n"1" "New Rome" 1.5 10\n"2" "Oslo" 2.5 20\n',  # of R's write.table
        '"city"\t"size"\t"price"\n"1"\t"New Rome"\t1.5\t10\n"2"\t"Oslo"\t2.5\t20\n',
        '"city","size","price"\n"a b","New Rome",1.5,10\n"c","Oslo",2.5,20\n',
        "city,size,price\nx,New Rome,1.5,10\ny,Oslo,2.5,20\n",
        '       city  size  price\n0  "New Rome"  1.5  10\n1  Oslo   2.5  20  \n',  # of a printed DataFrame
    ],
)
def test_a_header_with_a_cell_fewer_stands_above_names_of_rows(tmp_path: Path, text: str) -> None:
    file = read(tmp_path, text)
    assert file.frame.to_dict("list") == {"city": ["New Rome", "Oslo"], "size": [1.5, 2.5], "price": [10, 20]}
    assert any("one cell fewer" in note for note in file.notes)


def test_a_header_with_a_cell_fewer_may_have_lost_a_name(tmp_path: Path) -> None:
    for text in ("city,size\n1,Rome,1.5\n2,Oslo,2.5\n", "city,size\nRome,1.5,x\nRome,2.5,y\n"):
        with pytest.raises(DataError, match=r"row 1 .*3 cells, .*header has 2; .*names of rows, begin the header"):
            read(tmp_path, text)
    assert list(read(tmp_path, "full name\nAnna Maria Ott\nKarl Hans Ott\n").frame) == ["full name"]


def test_two_colons(tmp_path: Path) -> None:
    text = "1::Toy Story: a, b (1995)::Comedy|Drama\n2::La vie, Amélie::Drama\n"
    file = read(tmp_path, text.encode("cp1252"), header=None)
    assert file.dialect == Dialect("::", "cp1252", header=False)
    assert file.frame["column_2"].tolist() == ["Toy Story: a, b (1995)", "La vie, Amélie"]
    assert read(tmp_path, "a::b\n1::x\n", separator="::").frame.to_dict("list") == {"a": [1], "b": ["x"]}
    with pytest.raises(DataError, match=r"row 2 \(line 3\) has 3 cells"):
        read(tmp_path, "a::b\n1::x\n1::x::y\n", separator="::")


def test_long_whole_numbers_beside_a_missing_cell_are_told_apart(tmp_path: Path) -> None:
    """float64, which pandas takes where a cell is missing, makes one number of both; fractions stay numbers."""
    frame = read(tmp_path, "id,mass\n12345678901234567,1.5e20\n12345678901234568,2.5e20\n,\n").frame
    assert frame["id"].tolist()[:2] == ["12345678901234567", "12345678901234568"]
    assert frame["id"].isna().tolist() == [False, False, True]
    assert frame["mass"].dtype == "float64"
