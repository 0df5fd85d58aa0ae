"""Reading tables from files: what is wrong with one is told in one line."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zoo import DataError
from zoo.spec import files, packed
from zoo.spec.cells import plain_columns
from zoo.spec.files import read_table


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_good_table(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, 'name, size\n"Rome, Italy",2.5\nOslo,?\n,\n'))
    assert list(frame.columns) == ["name", "size"]
    assert list(frame.index) == [1, 2, 3]
    assert frame["name"].tolist()[:2] == ["Rome, Italy", "Oslo"]
    assert frame["size"].isna().tolist() == [False, True, True]


def test_separator_encoding_and_byte_order_mark(tmp_path: Path) -> None:
    frame = read_table(written(tmp_path, "naïve;b\né;2\n", "cp1252"), separator=";", encoding="cp1252")
    assert frame.to_dict("list") == {"naïve": ["é"], "b": [2]}
    assert list(read_table(written(tmp_path, "a,b\n1,2\n", "utf-8-sig")).columns) == ["a", "b"]
    assert list(read_table(written(tmp_path, '"a,b",c\n1,2\n', "utf-8-sig")).columns) == ["a,b", "c"]
    assert list(read_table(written(tmp_path, "a\tb\n1\t2\n"), separator="\\t").columns) == ["a", "b"]
    for separator in (";;", "", '"', "\n", "§"):
        with pytest.raises(DataError, match="separator must be one ASCII character"):
            read_table(tmp_path / "table.csv", separator=separator)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table\.csv is empty"),
        ("a,b\n", "has a header but no rows"),
        ("a,b\n1,2\n1,2,3\n", r"row 2 \(line 3\) has 3 cells, and the header has 2"),
        ('a,b\n"x\ny",2\n1\n', r"row 2 \(line 4\) has 1 cells, and the header has 2"),
        ("a,b\n1,2,3\n1,2,3\n", r"row 1 \(line 2\) has 3 cells"),
        ("a,b,a\n1,2,3\n", "two columns named 'a'"),
    ],
    ids=["empty", "header", "long", "short", "all long", "twice"],
)
def test_a_bad_table(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "houses.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


def test_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, "a\nxx\xe9y\n", "latin-1")
    assert read_table(path)["a"].tolist() == ["xx\xe9y"]
    with pytest.raises(DataError, match=r"is not utf-8 \(.* at byte 4\).*data.encoding=cp1252"):
        read_table(path, encoding="utf-8")
    with pytest.raises(DataError, match="unknown encoding"):
        read_table(written(tmp_path, "a\n1\n"), encoding="utf-99")


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match=r"pip install|cannot read"):  # with and without pyarrow
        read_table(path)
    pytest.importorskip("pyarrow")
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}).to_parquet(path)
    frame = read_table(path)
    assert frame["a"].tolist() == [1, 2]
    assert frame["b"].isna().tolist() == [False, True]


def zipped(data: bytes, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names or ("rows/table.csv", "__MACOSX/._table.csv"):
            file.writestr(name, data)
    return packed.getvalue()


def deflated(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("table.csv", data)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_a_compressed_table_is_read_as_it_is_within(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "table.csv.packed"
    path.write_bytes(pack("name;größe\nRome;2,5\nOslo;3,5\n".encode("cp1252")))
    assert read_table(path, decimal=",").to_dict("list") == {"name": ["Rome", "Oslo"], "größe": [2.5, 3.5]}
    path.write_bytes(pack(b"a,b\n1\n"))
    with pytest.raises(DataError, match=r"^table.csv, row 1 "):
        read_table(path)
    path.write_bytes(pack(b"a,b\n1,2\n")[:-8])
    with pytest.raises(DataError, match=r"cannot read .*table\.csv\.packed: "):
        read_table(path)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (zipped(b"<xml/>", "xl/workbook.xml", "[Content_Types].xml"), "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Excel"),
        (zipped(b"a,b", "one.csv", "two.csv"), "holds 2 files"),
    ],
)
def test_what_is_no_table_is_told(data: bytes, fault: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(DataError, match=f"table.csv .*{fault}"):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize("orient", ["records", "list", "columns", "lines"])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_as_pandas_writes_it(orient: Any, indent: int | None, tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1.5, 2.5], "city": ["Köln", None], "tags": [["a", "b"], ["c"]]})
    if orient == "lines":
        text = frame.to_json(orient="records", lines=True)
    else:
        text = json.dumps(json.loads(frame.to_json()) if orient == "columns" else frame.to_dict(orient), indent=indent)
    (tmp_path / "table.json").write_text(text)
    found = read_table(tmp_path / "table.json")
    assert found["size"].tolist() == [1.5, 2.5]
    assert found["city"].isna().tolist() == [False, True]
    assert found["tags"].tolist() == ['["a", "b"]', '["c"]']


def test_types_that_files_do_not_have_become_those_that_they_have(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "length": pd.to_timedelta([90, 1], unit="s"),
            "month": pd.period_range("2024-01", periods=2, freq="M"),
            "list": [[1, 2], None],
            "object": [{"a": 1}, {}],
            "time": [datetime.time(7, 30), None],
        }
    )
    found = plain_columns(frame)
    assert found["length"].tolist() == [90.0, 1.0]
    assert found["month"].dt.strftime("%Y-%m-%d").tolist() == ["2024-01-01", "2024-02-01"]
    assert found["list"].tolist()[0] == "[1, 2]"
    assert found["object"].tolist() == ['{"a": 1}', "{}"]
    assert list(found.columns) == list(frame.columns)
    plain = pd.DataFrame({"n": [1, None], "b": [True, None], "t": ["x", None]})
    assert plain_columns(plain) is plain
    pytest.importorskip("pyarrow")
    arrow = plain_columns(plain.convert_dtypes(dtype_backend="pyarrow"))
    assert [arrow[name].isna().tolist() for name in plain] == [[False, True]] * 3
    assert [arrow[name].iloc[0] for name in plain] == [1, True, "x"]
    plain.set_index("t").to_parquet(tmp_path / "indexed.parquet")
    assert list(read_table(tmp_path / "indexed.parquet").columns) == ["t", "n", "b"]
    frame.drop(columns="month").to_parquet(tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet")["list"].tolist()[0] == "[1, 2]"


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, deflated])
def test_what_grows_too_much_is_not_unpacked(
    pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "SMALL", 2**16)
    path = tmp_path / "table.csv.packed"
    path.write_bytes(pack(b"a,b\n" + b"1,2\n" * 2**19))
    for read in (read_table, files.read_text):
        with pytest.raises(
            DataError, match=r"table\.csv\.packed has [\d,]+ bytes, and what is in it grows to more than .*unpack"
        ):
            read(path)
    monkeypatch.setattr(packed, "SMALL", 2**22)
    assert len(read_table(path)) == 2**19


def test_a_file_that_grows_too_much_is_left_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SMALL", 2**20)
    monkeypatch.setattr(packed, "AT_ONCE", 2**16)
    path, taken = tmp_path / "table.csv.gz", []
    path.write_bytes(gzip.compress(b"1,2\n" * 2**22))
    check = packed._check_growth
    monkeypatch.setattr(packed, "_check_growth", lambda size, *more: (taken.append(size), check(size, *more)))
    with pytest.raises(DataError, match="grows to more than 200 times"):
        read_table(path)
    assert max(taken) <= 2**24 / 8


def test_a_parquet_file_of_a_few_bytes_and_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": np.zeros(10**6)}).to_parquet(path)
    assert len(read_table(path)) == 10**6
    monkeypatch.setattr(files, "MAX_UNPACKED", 2**20)
    with pytest.raises(DataError, match=r"table\.parquet has [\d,]+ bytes, and its 1,000,000 rows of 1 columns"):
        read_table(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_a_compressed_text(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "text.packed"
    path.write_bytes(pack("\ufeffÄpfel\r\n".encode()))
    assert files.read_text(path) == "Äpfel\n"
    path.write_bytes(pack("Äpfel\r\n".encode())[:-9])
    with pytest.raises(DataError, match=r"cannot read .*text\.packed: "):
        files.read_text(path)


@pytest.mark.parametrize("orient", ["split", "index", "table", "answer"])
def test_other_forms_of_json(orient: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1.5, 2.5], "city": ["Köln", None]})
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    text = json.dumps({"status": "ok", "results": rows}) if orient == "answer" else frame.to_json(orient=orient)
    (tmp_path / "table.json").write_text(text)
    file = files.read_file(tmp_path / "table.json")
    assert file.frame["size"].tolist() == [1.5, 2.5]
    assert file.frame["city"].isna().tolist() == [False, True]
    assert list(file.frame.index) == [1, 2]
    said = {"answer": "its rows are the list 'results'", "table": "its rows are the list 'data'"}.get(orient, "")
    assert said in "".join(file.notes)


@pytest.mark.parametrize("lines", [True, False])
def test_json_and_parquet_by_other_names(lines: bool, tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1.5, 2.5], "city": ["Köln", "Bonn"]})
    (tmp_path / "table.csv").write_text(frame.to_json(orient="records", lines=lines))
    assert read_table(tmp_path / "table.csv").to_dict("list") == frame.to_dict("list")
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "table.csv")
    assert read_table(tmp_path / "table.csv").to_dict("list") == frame.to_dict("list")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
        (b"\x80\x04\x95\x10\x00\x00\x00", "a pickle, and none is ever read"),
        (b"SQLite format 3\x00" + bytes(90), "SQLite"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "NumPy"),
        (b"\n<!DOCTYPE html>\n<html>", "a page of HTML"),
        (b"@RELATION houses\n@ATTRIBUTE area NUMERIC\n", "ARFF"),
        (b"1 1:0.5 3:2\n0 2:1.5\n", "LIBSVM"),
        (zipped(b"x", "content.xml", "mimetype"), "OpenDocument"),
        (b"\x00\x61" * 40 + b"\x00", "neither a table nor a text"),
    ],
)
def test_a_file_of_another_kind_is_told_by_its_beginning(data: bytes, what: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(data)
    with pytest.raises(DataError, match=rf"table\.csv is {'.*' if what[0].isupper() else ''}{what}"):
        read_table(tmp_path / "table.csv")
