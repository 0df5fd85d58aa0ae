"""What the first cells of each kind tell is true of all cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo.spec import digits
from zoo.spec.cells import Notation, times
from zoo.spec.known import Known, known_cells

DOLLARS = Notation(".", ",", "$")


@pytest.fixture(autouse=True)
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few texts are read together too, and some are left for another time."""
    monkeypatch.setattr(digits, "FEW", 2)
    monkeypatch.setattr(digits, "AT_ONCE", 7)


def known(*cells: str | None) -> Known:
    found = known_cells(pd.Series(cells, dtype="str"))
    assert found.is_whole
    return found


def test_words_for_missing_cells_are_told_from_others_of_their_kind() -> None:
    found = known("$1.50", "n/a", None, " $2,000 ", "-", "$7.25", "n/a ")
    assert found.missing == ["n/a", "-", "n/a "]
    assert found.kinds.tolist() == ["$1.50", "$2,000"]
    assert found.text.tolist() == found.different.tolist() == found.head.tolist() == ["$1.50", "$2,000", "$7.25"]
    assert found.is_missing.tolist() == [False, True, True, False, True, False, True]
    errors = known("#DIV/0!", "5", None, "#DIV/1!", "6.5")
    assert errors.missing == ["#DIV/0!"]
    assert errors.is_missing.tolist() == [True, False, True, False, False]


def test_numbers_are_read_unless_a_cell_is_none() -> None:
    cells = ["$1.50", "n/a", None, " $2,000 ", "-", "$7.25"]
    np.testing.assert_array_equal(known(*cells).numbers(DOLLARS), [1.5, np.nan, np.nan, 2000, np.nan, 7.25])
    assert known(*cells, "soon").numbers(DOLLARS) is None
    assert known(*cells, "$1e999").numbers(DOLLARS) is None  # infinite


@pytest.mark.parametrize("form", ["", "%d.%m.%Y"])
def test_dates_are_read_unless_a_cell_is_none(form: str) -> None:
    days = pd.date_range("2020-02-20", periods=20)
    cells = [*days.strftime(form or "%Y-%m-%d"), None, "unknown", days[0].strftime(f" {form or '%Y-%m-%d'} ")]
    found = known(*cells)
    assert found.are_dates(form)
    read = found.times(form)
    np.testing.assert_array_equal(read, np.array([*days, None, None, days[0]], "datetime64[us]"))
    expected = times(pd.Series(cells, dtype="str"), "day", form)
    np.testing.assert_array_equal(read, expected.dt.tz_localize(None).to_numpy())
    assert found.times(form) is read  # once
    assert not found.are_dates("%m.%d.%Y")
    assert known(*cells, days[0].strftime(form or "%Y-%m-%d").replace("20", "31", 1)).times("%d.%m.%Y") is None


def test_a_column_of_words_that_recur_is_known_by_each_of_them() -> None:
    found = known_cells(pd.Series(["a", "b", None, "NA", "a"] * 9, dtype="category"))
    assert not found.is_whole
    assert found.texts.text.tolist() == ["a", "b", "NA"]
    assert found.text.tolist() == ["a", "b"]
