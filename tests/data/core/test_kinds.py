"""What a column of cells is: found, said, or asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zoo.data.core.kinds import Kind, find
from zoo.data.core.table_spec import learn
from zoo.errors import DataError
from zoo.spec import Table
from zoo.spec.cells import Notation, days, numbers

ROWS = 60
COUNT = range(ROWS)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def frame(cells: list[object], **more: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"cell": cells, **more}, index=range(1, len(cells) + 1))


def found(cells: list[object], **options: str) -> tuple[Kind, str]:
    notes: list[str] = []
    return find(frame(cells), {}, notes.append, **options)["cell"], " ".join(notes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "notation", "value"),
    [
        ([f"{n},{n % 90 + 10}" for n in COUNT], Notation(","), 0.1),
        ([f"{n + 1}.{n + 100},{n % 90 + 10}" for n in COUNT], Notation(",", "."), 1100.1),
        ([f"{n + 1},{n + 100}.{n % 90 + 10}" for n in COUNT], Notation(".", ","), 1100.1),
        ([f"{n + 1} {n + 100} {n + 200}" for n in COUNT], Notation(".", " "), 1100200),
        ([f"{n + 1}'{n + 100}" for n in COUNT], Notation(".", "'"), 1100),
        ([f"${n + 1},{n + 100}.50" for n in COUNT], Notation(".", ",", "$"), 1100.5),
        ([f"-${n}.50" if n % 2 else f"{n}" for n in COUNT], Notation(".", "", "$"), 0),
        ([f"{n},50 €" for n in COUNT], Notation(",", "", "€"), 0.5),
        ([f"{n}.25%" for n in COUNT], Notation(".", "", "%"), 0.25),
        ([f"{n} kg" for n in COUNT], Notation(".", "", "kg"), 0),
        ([f"({n + 1}.50)" if n % 2 == 0 else f"{n}.50" for n in COUNT], Notation(), -1.5),
        ([f"({n + 1},50 €)" if n % 2 == 0 else f"{n},50 €" for n in COUNT], Notation(",", "", "€"), -1.5),
        ([f"{n + 1}.50-" if n % 2 == 0 else f"{n}.50" for n in COUNT], Notation(), -1.5),
        ([f"\u2212{n + 1}.50" if n % 2 == 0 else f"{n}.50" for n in COUNT], Notation(), -1.5),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_numbers_as_people_write_them(cells: list[object], notation: Notation, value: float) -> None:
    kind, said = found(cells)
    assert kind == Kind("number", notation)
    assert "read as numbers" in said
    assert numbers(frame(cells)["cell"], "cell", notation).iloc[0] == pytest.approx(value)


@pytest.mark.parametrize("word", ["-", " ", "", None, ".", "NuLL", "n/a", "missing", "Unknown", "NaN", "?"])
def test_words_for_missing_ones_among_numbers(word: str | None) -> None:
    kind, said = found([word if n in (7, 9) else f"{n}.5" for n in COUNT])
    assert kind == Kind("number")
    assert "2 of 60 cells are missing" in said
    assert "first in row 8" in said


def test_two_readings_are_asked_for_and_the_table_may_tell() -> None:
    cells: list[object] = [f"{n % 9 + 1},{n + 100}" for n in COUNT]
    with pytest.raises(DataError, match=r"'1,100' may have a comma .*data\.decimal"):
        found(cells)
    assert found(cells, decimal=",")[0].notation == Notation(",")
    assert found(cells, decimal=".")[0].notation == Notation(".", ",")
    beside = frame(cells, other=[n + 0.5 for n in COUNT])
    assert find(beside, {}, print)["cell"].notation == Notation(".", ",")
    beside = frame(cells, other=[f"{n},5" for n in COUNT])
    assert find(beside, {}, print)["cell"].notation == Notation(",")


@pytest.mark.parametrize(
    ("cells", "form", "day"),
    [
        ([f"{n % 28 + 1}.{n % 12 + 1}.{2000 + n % 20}" for n in COUNT], "%d.%m.%Y", "2000-01-01"),
        ([f"{n % 12 + 1:02d}/{n % 28 + 1:02d}/2020" for n in COUNT], "%m/%d/%Y", "2020-01-01"),
        ([f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/2020 07:30" for n in COUNT], "%d/%m/%Y %H:%M", "2020-01-01 07:30"),
        ([f"1/{n % 28 + 1}/2020 1:30 {'AP'[n % 2]}M" for n in COUNT], "%m/%d/%Y %I:%M %p", "2020-01-01 01:30"),
        ([f"1/{n % 28 + 1}/2020 12:30:05pm" for n in COUNT], "%m/%d/%Y %I:%M:%S%p", "2020-01-01 12:30:05"),
        ([f"{n % 28 + 1} {MONTHS[n % 12]} 2020" for n in COUNT], "%d %b %Y", "2020-01-01"),
        ([f"{MONTHS[n % 12]} {n % 28 + 1}, 2020" for n in COUNT], "%b %d, %Y", "2020-01-01"),
        ([f"{n % 28 + 1}-{MONTHS[n % 12]}-20" for n in COUNT], "%d-%b-%y", "2020-01-01"),
        ([20200101 + n % 28 for n in COUNT], "", "2020-01-01"),
        ([f"May {n % 28 + 1}, 2020" for n in COUNT], "%b %d, %Y", "2020-05-01"),
        ([f"{MONTHS[n % 12]}-20{n % 20:02d}" for n in COUNT], "%b-%Y", "2000-01-01"),
        (
            [f"Wed Jan {n % 28 + 1:02d} 13:00:00 +0100 2020" for n in COUNT],
            "%a %b %d %H:%M:%S %z %Y",
            "2020-01-01 12:00",
        ),
        (
            [f"Wed, {n % 28 + 1:02d} Jan 2020 13:00:00 GMT" for n in COUNT],
            "%a, %d %b %Y %H:%M:%S %Z",
            "2020-01-01 13:00",
        ),
        ([f"{n % 28 + 1:02d}/Jan/2020:13:00:00 +0000" for n in COUNT], "%d/%b/%Y:%H:%M:%S %z", "2020-01-01 13:00"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_dates_as_people_write_them(cells: list[object], form: str, day: str) -> None:
    kind, said = found(cells)
    assert kind == Kind("date", form=form)
    assert "read as dates" in said
    expected = (pd.Timestamp(day) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    assert days(frame(cells)["cell"], "cell", form).iloc[0] == pytest.approx(expected)
    assert days(pd.Series(["2020-03-04"]), "cell", form).iloc[0] == 18325  # ISO 8601 is always understood


@pytest.mark.parametrize("form", ["2024-02-{:02d}", "{:02d}.02.2024", "{:02d}-Feb-2024"])
def test_a_day_that_no_month_has_is_told(form: str) -> None:
    with pytest.raises(DataError, match=f"'{form.format(30)}' is no date, and 29 of 30 "):
        found([form.format(n % 30 + 1) for n in COUNT])


@pytest.mark.parametrize(("one", "other"), [("2021-03-{:02d}", "{:02d}.03.2021"), ("3/{}/2021", "{}.3.2021")])
def test_dates_in_two_forms_are_no_category(one: str, other: str) -> None:
    with pytest.raises(DataError, match=r"dates in two forms, '.*' and '"):
        found([(one if n % 2 else other).format(n % 12 + 13) for n in COUNT])
    assert found([f"1.{n % 3}.{n % 2}" for n in COUNT])[0] == Kind("category")  # versions


def test_dates_of_unclear_order_are_asked_for() -> None:
    cells: list[object] = [f"{n % 12 + 1:02d}/{n % 11 + 1:02d}/2020" for n in COUNT]
    with pytest.raises(DataError, match=r"data\.dates=day_first or data\.dates=month_first"):
        found(cells)
    assert found(cells, dates="day_first")[0].form == "%d/%m/%Y"
    assert found(cells, dates="month_first")[0].form == "%m/%d/%Y"


@pytest.mark.parametrize(
    ("cells", "kind", "said"),
    [
        ([f"{n % 24}:{n:02d}" for n in COUNT], Kind("time"), "times of day"),
        ([f"{n % 12 + 1}:{n:02d} PM" for n in COUNT], Kind("time"), "times of day"),
        ([f"00:{n:02d}:00" for n in COUNT], Kind("time"), "times of day"),
        ([f"{n}:30" for n in COUNT], Kind("ignore"), "'59:30' is no time of day; write a duration as a number"),
        ([f"{n % 7 + 1}/8" for n in COUNT], Kind("category"), ""),
        (["01234", "1234", "90210"] * 20, Kind("category", exact=True), "leading zero"),
        (["1e5", "100000", "2e3"] * 20, Kind("category", exact=True), "no plain number"),
        (["NA", "DE", "FR"] * 20, Kind("category"), "NA is read as a code"),
        (["yes", "no", "unknown"] * 20, Kind("boolean"), "20 of 60 cells are missing"),
        ([f"a text of many words, number {n % 40}" for n in COUNT], Kind("ignore"), "data=csv_text"),
        ([f"{n} kg" if n % 2 else f"{n} g" for n in COUNT], Kind("ignore"), "several ways"),
        ([f"name{n % 45}" for n in COUNT], Kind("ignore"), "45 different words in 60 rows"),
        ([-999 if n % 9 == 0 else n for n in COUNT], Kind("number"), "data.na_values=[-999]"),
        (["Oslo", "Rome", "none"] * 20, Kind("category"), "20 of 60 cells are missing ('none')"),
        ([n % 5 for n in COUNT], Kind("number"), ""),
        (["a", "b"] * 30, Kind("category"), ""),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_other_kinds(cells: list[object], kind: Kind, said: str) -> None:
    assert found(cells)[0] == kind
    assert said in found(cells)[1]
    assert bool(said) == bool(found(cells)[1])


def test_identifiers_are_left_out_by_their_names() -> None:
    numbers_of_rows = [(n * 7) % ROWS for n in COUNT]
    notes: list[str] = []
    kinds = find(pd.DataFrame({"customer_id": numbers_of_rows, "age": numbers_of_rows}), {}, notes.append)
    assert (kinds["customer_id"].name, kinds["age"].name) == ("ignore", "number")
    assert "data.kinds={customer_id: number}" in notes[0]


@pytest.mark.parametrize("cell", ["12x", "see below"])
def test_a_wrong_cell_among_numbers_is_told_with_its_row(cell: str) -> None:
    with pytest.raises(DataError, match=f"'cell', row 8: '{cell}' is not a number, and 59 of 60 cells are"):
        found([cell if n == 7 else n + 0.5 for n in COUNT])
    with pytest.raises(DataError, match=r"row 8: 'cell' is not a number, .* repeats the header: remove it"):
        found(["cell" if n == 7 else n + 0.5 for n in COUNT])
    with pytest.raises(DataError, match="'cell', row 8: 'free' is not"):
        found(["free" if n == 7 else f"${n}.50" for n in COUNT])


def test_what_is_learned_equals_what_is_asked() -> None:
    cells = {
        "country": ["NA", "DE", "FR"] * 20,
        "fee": [f"${n + 1},{n + 100}.50" for n in COUNT],
        "sold": [f"{n % 28 + 1}.{n % 12 + 1}.2020" for n in COUNT],
        "at": [f"{n % 24}:30" for n in COUNT],
        "zip": ["01234", "1234", "90210"] * 20,
        "target": list(COUNT),
    }
    table = pd.DataFrame(cells)
    table_spec = learn(table, "target", classes=False).input
    assert isinstance(table_spec, Table)
    whole = table_spec.encode(table)
    rows = [{name: column[row] for name, column in cells.items()} for row in COUNT[::4]]
    alone = [table_spec.encode(row)[0] for row in rows]
    np.testing.assert_array_equal(whole[::4].numpy(), np.stack([row.numpy() for row in alone]))
    assert table_spec.columns[0].values == ("DE", "FR", "NA")  # type: ignore[union-attr]
    assert table_spec.encode({**rows[0], "country": ""})[0, 0] == 0


def test_missing_cells_of_a_kind_that_was_given_are_said() -> None:
    said: list[str] = []
    frame = pd.DataFrame({"charges": ["1.5", " ", "2.5", "n/a"], "paid": [True, False, True, True]}, index=[1, 2, 3, 4])
    find(frame, {"charges": "number", "paid": "number"}, said.append)
    assert said == ["column 'charges' is a number: 2 of 4 cells are missing (' ', 'n/a'), first in row 2"]
