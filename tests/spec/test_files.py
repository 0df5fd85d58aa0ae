"""Reading tables from files: what is wrong with one is told in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from zoo import DataError
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
