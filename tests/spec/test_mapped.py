"""Tables in a mapped file are those in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zoo.errors import DataError
from zoo.spec import mapped, parsed
from zoo.spec.delimited import read_delimited
from zoo.spec.mapped import each_column, joined

ROWS = 400


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(parsed, "AT_ONCE", 700)  # cells, of 50 rows
    return tmp_path / "cache"


def in_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "LARGE", 0)


def words(frame: pd.DataFrame) -> pd.DataFrame:
    """The table without categories."""
    return frame.apply(lambda cells: cells.astype(cells.dtype.categories.dtype) if cells.dtype == "category" else cells)


def columns() -> dict[str, list[str]]:
    late = {"fraction": "0.5", "word": "abc", "truth": "True", "odd": "0xF", "whole": "7", "gap": "", "short": "x"}
    same = {name: ["1"] * (ROWS - 1) + [cell] for name, cell in late.items()}
    return same | {
        "large": [str(2**53 + 1 + 2 * row) for row in range(ROWS - 1)] + ["0.5"],
        "huge": [*["1"] * (ROWS - 1), str(2**63 + 1)],
        "truths": ["true", "False"] * (ROWS // 2),
        "some": ["true"] * 300 + [""] * 100,
        "empty": [""] * ROWS,
        "text": [f"text {row}" for row in range(ROWS)],
        "category": ["", *["red", "green", "blue"] * 133],
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_that_is_read_in_parts_is_read_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, end: str
) -> None:
    cells = columns()
    lines = [",".join(cells), *map(",".join, zip(*cells.values()))]
    path = tmp_path / "table.csv"
    path.write_text(end.join(lines) + end, newline="")
    wanted = read_delimited(path).frame
    in_maps(monkeypatch)
    found = read_delimited(path, may_map=True).frame
    assert found["category"].dtype == "category"
    assert isinstance(found["text"].dtype, pd.StringDtype)
    pd.testing.assert_frame_equal(words(found), wanted, check_exact=True)
    assert not list((cache / "tables").iterdir())  # the files have no name
    assert isinstance(read_delimited(path).frame["category"].dtype, pd.StringDtype)  # nobody asked for a map


def test_what_becomes_of_a_mapped_table(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(rows: int, names: str) -> pd.DataFrame:
        colours = pd.Categorical(np.resize(list(names), rows))
        return pd.DataFrame({"x": np.arange(rows), "c": colours, "t": [f"t{row}" for row in range(rows)]})

    parts = [table(7, "ab"), table(5, "cb").assign(x=0.5), table(4, "d").assign(more=1)]
    wanted, some = pd.concat(map(words, parts)), parts[0][parts[0]["x"] > 2]
    in_maps(monkeypatch)
    pd.testing.assert_frame_equal(words(joined(parts)), wanted, check_exact=True)
    chosen = each_column(parts[0], lambda cells: cells[parts[0]["x"] > 2])
    pd.testing.assert_frame_equal(chosen, some, check_exact=True)


def test_a_map_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=100)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: full)
        with pytest.raises(DataError, match=r"the cells take 2\.0 GB and .* free; set ZOO_CACHE"):
            mapped.new_map(2 * 10**9, "cells")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"the cells cannot be in the user's cache folder .*; set ZOO_CACHE"):
        mapped.new_map(8, "cells")


def test_what_is_large_hangs_on_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for memory, limit in ((None, mapped.LARGE), (2**40, mapped.LARGE), (2**30, 2**26)):
        monkeypatch.setattr(mapped, "memory", lambda memory=memory: memory)
        assert not mapped.is_large(limit)
        assert mapped.is_large(limit + 1)
