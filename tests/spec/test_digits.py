"""Texts that differ in their digits alone are read as each of them is."""

from __future__ import annotations

import pandas as pd
import pytest

from zoo.spec.cells import Notation, written_plainly
from zoo.spec.digits import alike, by_kind, together


def column(*texts: str) -> pd.Series:
    return pd.Series(list(texts), dtype="string")


def test_one_text_stands_for_all_that_have_other_digits() -> None:
    places, some = alike(column("$1.50", "12", "$9.07", "07", "x\x1ey1", "x\x1ey2", "m²", "٣"))  # an Arabic digit
    assert places.tolist() == [0, 1, 0, 1, 2, 2, 3, 4]
    assert some.tolist() == ["$1.50", "12", "x\x1ey1", "m²", "٣"]
    assert len(alike(column())[1]) == 0
    assert by_kind(column("1", "ab", "2"), lambda some: some.str.isdigit()).tolist() == [True, False, True]
    assert together(column("a\x1eb", "c"), str.upper) == ["A\x1eB", "C"]


@pytest.mark.parametrize(
    ("notation", "numbers", "others"),
    [
        (Notation(".", ",", "$"), {"$1,234.50": "1234.50", "$ 7": "7", "-$1,000": "-1000", "($3.5)": "-3.5"}, ["1,2"]),
        (Notation(",", ".", "€"), {"1.234,5 €": "1234.5", "0,5€": "0.5", "7": "7", "1.000.000": "1000000"}, ["1.2 €"]),
        (Notation(".", " ", ""), {"1 234": "1234", "12\u00a0345.6": "12345.6", "7.0-": "-7.0"}, ["12 34"]),
        (Notation(".", "", "m2"), {"50 m2": "50", "7m2": "7"}, ["50 m3"]),
    ],
    ids=str,
)
def test_a_column_is_written_plainly_as_each_of_its_cells(
    notation: Notation, numbers: dict[str, str], others: list[str]
) -> None:
    cells = [*numbers, *others, "unknown", "", None] * 9
    found = written_plainly(pd.Series(cells, range(5, 5 + len(cells)), dtype="string"), notation)
    alone = [written_plainly(pd.Series([cell], dtype="string"), notation).iloc[0] for cell in cells]  # by patterns
    pd.testing.assert_series_equal(found, pd.Series(alone, found.index, dtype="string"))
    assert pd.to_numeric(found, errors="coerce").iloc[: len(numbers)].tolist() == [*map(float, numbers.values())]
    assert pd.to_numeric(found, errors="coerce").iloc[len(numbers) : len(numbers) + len(others)].isna().all()
