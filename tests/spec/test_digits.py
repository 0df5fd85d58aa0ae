"""Texts that differ in their digits alone are read as each of them is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo.errors import SpecError
from zoo.spec import digits
from zoo.spec.cells import Notation, numbers, times, written_plainly
from zoo.spec.digits import Texts


@pytest.fixture(params=["python", "pyarrow"])
def kept(request: pytest.FixtureRequest) -> pd.StringDtype:
    """The two ways in which pandas keeps texts."""
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")
    return pd.StringDtype(request.param)


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few texts are read together too, and some are left for another time."""
    monkeypatch.setattr(digits, "FEW", 2)
    monkeypatch.setattr(digits, "AT_ONCE", 7)


def column(*texts: str | None, dtype: object = "string") -> pd.Series:
    return pd.Series(list(texts), dtype=dtype)


@pytest.mark.usefixtures("together")
def test_one_text_stands_for_all_that_have_other_digits(kept: pd.StringDtype) -> None:
    text = column(
        "$1.50", "12", None, "$9.07", "07", "x\x1ey1", "", "m²", "٣", "x\x1ey2", dtype=kept
    )  # an Arabic digit
    texts = Texts(text)
    assert texts.places.tolist() == [0, 1, 6, 0, 1, 2, 3, 4, 5, 2]
    assert texts.first.tolist() == ["$1.50", "12", "x\x1ey1", "", "m²", "٣"]
    assert Texts(text[:0]).first.tolist() == []
    assert Texts(text[:0]).places.tolist() == []
    assert Texts(text[3:6]).each(lambda some: some.str.isdigit()).tolist() == [False, True, False]


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    ("notation", "known", "others"),
    [
        (Notation(".", ",", "$"), {"$1,234.50": "1234.50", "$ 7": "7", "-$1,000": "-1000", "($3.5)": "-3.5"}, ["1,2"]),
        (Notation(",", ".", "€"), {"1.234,5 €": "1234.5", "0,5€": "0.5", "7": "7", "1.000.000": "1000000"}, ["1.2 €"]),
        (Notation(".", " ", ""), {"1 234": "1234", "12\u00a0345.6": "12345.6", "7.0-": "-7.0"}, ["12 34"]),
        (Notation(".", "", "m2"), {"50 m2": "50", "7m2": "7"}, ["50 m3"]),
    ],
    ids=str,
)
def test_a_column_of_numbers_is_read_as_each_of_its_cells(
    notation: Notation, known: dict[str, str], others: list[str], kept: pd.StringDtype
) -> None:
    for cell, number in known.items():
        assert written_plainly(column(cell), notation).item() == number
    cells = [*known, "unknown", "", None] * 9
    found = numbers(pd.Series(cells, range(5, 5 + len(cells)), dtype=kept), "x", notation)
    expected = [*map(float, known.values()), np.nan, np.nan, np.nan] * 9
    pd.testing.assert_series_equal(found, pd.Series(expected, found.index), check_exact=True)
    for other in others:
        with pytest.raises(SpecError, match="'x', row 3"):
            numbers(column(*cells[:3], other, *cells, dtype=kept), "x", notation)


@pytest.mark.usefixtures("together")
def test_numbers_are_those_that_pandas_reads_to_the_last_bit(kept: pd.StringDtype) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=400) * 10.0 ** random.integers(-6, 18, 400)
    cells = [f"{value:.{places}f}" for value, places in zip(values, random.integers(0, 19, 400))]
    cells += ["-0.00", "1e-7", ".5", "5.", "+7", " 8 ", "123456789012345678", "0.1234567890123456789", "−3.25", "(4)"]
    found = numbers(column(*cells, dtype=kept), "x").to_numpy()
    expected = [*pd.to_numeric(pd.Series(cells[:-2])).astype("float64"), -3.25, -4.0]
    np.testing.assert_array_equal(found.view(np.int64), np.array(expected).view(np.int64))


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize(
    "form", ["", "%d/%m/%Y", "%m/%d/%y", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%d %b %Y", "%m/%d/%Y %I:%M %p"]
)
def test_dates_are_those_that_pandas_reads(form: str, kept: pd.StringDtype) -> None:
    day = pd.Timestamp("1996-02-25 21:59:58")
    cells = [(day + pd.Timedelta(days=7 * n, seconds=61 * n)).strftime(form or "%Y-%m-%d %H:%M") for n in range(300)]
    odd = [
        "31/02/2020",
        "1/2/2020",
        "29/02/1900",
        "00/01/2000",
        "12/31/99",
        "01/01/0000",
        "31/12/9999",
        "1.1.2020 24:00",
    ]
    cells += [
        *odd,
        "31.12.2020 9:05",
        "2020/12/31 23:59:60",
        "soon",
        "2020-01-02",
        "2021-02-29",
        "2020-12-31T24:00",
        None,
    ]
    found = Texts(column(*cells, dtype=kept)).moments(form)
    expected = (
        pd.to_datetime(pd.Series(cells), format=form or "ISO8601", errors="coerce").astype("datetime64[us]").to_numpy()
    )
    np.testing.assert_array_equal(found, expected)
    assert (found[:300] == found[:300]).all()  # are times


def test_texts_and_times_are_the_same_dates(kept: pd.StringDtype) -> None:
    text = column("31.12.2024", "2025-01-02", "n/a", dtype=kept)
    read = times(text, "day", "%d.%m.%Y")
    assert read.tolist() == [pd.Timestamp("2024-12-31", tz="UTC"), pd.Timestamp("2025-01-02", tz="UTC"), pd.NaT]
    pd.testing.assert_series_equal(times(read, "day", "%d.%m.%Y"), read)
