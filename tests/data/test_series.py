"""Series: windows that do not look ahead, and every fault of a file told."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

from zoo.data.series import CsvSeries, Waves
from zoo.errors import ConfigError, DataError, SpecError
from zoo.spec import Forecast


def test_windows_are_followed_by_what_is_foretold() -> None:
    data = Waves(length=300, context_length=20, horizon=5)
    data.setup()
    assert isinstance(data.spec.output, Forecast)
    series = data.read().values
    place = 20
    for split, end in {"train": 210, "val": 255, "test": 300}.items():
        pasts, futures = data.splits[split].columns
        truths = data.spec.output.restore(futures.index_select(0, torch.arange(len(futures))))
        for row in range(len(pasts)):
            torch.testing.assert_close(pasts[row], series[place - 20 : place].float())
            torch.testing.assert_close(truths[row], series[place : place + 5], atol=1e-4, rtol=0)
            place += 1
        assert place - 1 + 5 == end  # nothing that is foretold lies in the next part
        place = end


def test_statistics_are_of_the_training_part() -> None:
    data = Waves(length=300, context_length=20, horizon=5)
    data.setup()
    known = data.read().values[:210]
    assert data.spec.input.mean == pytest.approx(tuple(known.mean(dim=0).tolist()))
    assert data.spec.input.std == pytest.approx(tuple(known.std(dim=0).tolist()))


def csv(tmp_path: Path, times: list[object], **columns: list[object]) -> str:
    path = tmp_path / "series.csv"
    names = ["time", *columns]
    rows = zip(times, *columns.values())
    path.write_text("\n".join(",".join(map(str, row)) for row in (names, *rows)))
    return str(path)


HOURS = [f"2024-03-{1 + hour // 24:02d} {hour % 24:02d}:00" for hour in range(120)]


def test_a_csv_file_is_read(tmp_path: Path) -> None:
    sales = [hour % 24 + 0.5 for hour in range(120)]
    rain = [hour % 7 for hour in range(120)]
    path = csv(tmp_path, HOURS, rain=rain, sales=sales, note=["x"] * 120)
    data = CsvSeries(path, "time", "sales", context_length=12, horizon=3)
    data.setup()
    assert data.spec.input.names == ("sales", "rain")
    assert data.spec.output.names == ("sales",)
    pasts, _ = data.splits["train"].columns
    assert pasts[0][:12, 0].tolist() == sales[:12]
    assert pasts[0][:12, 1].tolist() == rain[:12]
    alone = CsvSeries(path, "time", ["sales"], inputs=[], context_length=12, horizon=3)
    alone.setup()
    assert alone.spec.input.names == ("sales",)


@pytest.mark.parametrize(
    "times",
    [
        list(range(60)),
        [f"{2000 + month // 12}-{month % 12 + 1:02d}-01" for month in range(60)],
        [f"{1950 + year}-01-01" for year in range(60)],
    ],
    ids=["numbers", "months", "years"],
)
def test_even_times_of_other_kinds(tmp_path: Path, times: list[object]) -> None:
    data = CsvSeries(
        csv(tmp_path, times, sales=[t % 5 for t in range(60)]), "time", "sales", context_length=6, horizon=2
    )
    data.setup()
    assert len(data.splits["test"]) > 1


QUARTERS = [f"{1990 + n // 4}-{3 * (n % 4) + 1:02d}-01" for n in range(60)]
DAYS = [day.isoformat() for n in range(90) if (day := date(2024, 1, 1) + timedelta(days=n)).weekday() < 5][:60]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (QUARTERS, ""),
        ([f"{1980 + n // 2}-{6 * (n % 2) + 1:02d}-01" for n in range(60)], ""),
        ([f"{1990 + n // 4}-Q{n % 4 + 1}" for n in range(60)], ""),
        ([f"Q{n % 4 + 1} {1990 + n // 4}" for n in range(60)], ""),
        ([f"{1990 + n // 2}H{n % 2 + 1}" for n in range(60)], ""),
        ([f"{2020 + n // 52}-W{n % 52 + 1:02d}" for n in range(53)][:52], ""),
        ([int(day.replace("-", "")) for day in QUARTERS], "read as dates"),
        ([(2000 + n // 12) * 100 + n % 12 + 1 for n in range(60)], "read as dates"),
        ([".".join(reversed(day.split("-"))) for day in QUARTERS], "day first"),
        (DAYS, "from weekday to weekday"),
        ([f"2024-03-{1 + n // 24:02d} {n % 24:02d}:00:0{n % 4}" for n in range(60)], "off by up to"),
        (HOURS[:60][::-1], "in the order of time"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_times_as_people_write_them(tmp_path: Path, times: list[object], said: str) -> None:
    values = [n % 5 for n in range(len(times))]
    data = CsvSeries(csv(tmp_path, times, sales=values), "time", "sales", context_length=6, horizon=2)
    read = data.read()
    assert read.values[:, 0].tolist() == (values if "order" not in said else values[::-1])
    assert said in " ".join(data.notes)


def test_summer_time(tmp_path: Path) -> None:
    hours = [f"2023-03-{25 + n // 24} {n % 24:02d}:00" for n in range(72) if n != 26]  # the hour from 2 to 3 is not
    path = csv(tmp_path, hours, sales=[n % 5 for n in range(71)])
    options = {"context_length": 6, "horizon": 2}
    with pytest.raises(DataError, match=r"row 27: .*summer time .*data\.timezone"):
        CsvSeries(path, "time", "sales", **options).read()
    assert len(CsvSeries(path, "time", "sales", timezone="Europe/Berlin", **options).read().values) == 71
    assert len(CsvSeries(path, "time", "sales", gaps="fill", **options).read().values) == 72
    with pytest.raises(ConfigError, match="got Europe/Brelin"):  # also where the times are days, which need none
        CsvSeries(path, "time", "sales", timezone="Europe/Brelin", **options)


def test_gaps_are_filled_or_no_window_holds_them(tmp_path: Path) -> None:
    sales: list[object] = [n % 7 for n in range(120)]
    sales[40] = ""
    path = csv(tmp_path, HOURS, sales=sales)
    filled = CsvSeries(path, "time", "sales", gaps="fill", context_length=6, horizon=2)
    assert filled.read().values[40].item() == 39 % 7
    filled.setup()
    skipped = CsvSeries(path, "time", "sales", gaps="skip", context_length=6, horizon=2)
    skipped.setup()
    whole = CsvSeries(
        csv(tmp_path, HOURS, sales=[n % 7 for n in range(120)]), "time", "sales", context_length=6, horizon=2
    )
    whole.setup()
    assert len(skipped.splits["train"]) == len(whole.splits["train"]) - 8
    contexts, futures = skipped.splits["train"].__getitems__(torch.arange(len(skipped.splits["train"])))
    assert contexts.isfinite().all()
    assert futures.isfinite().all()
    short = csv(tmp_path, HOURS[:43], sales=sales[:43])
    assert filled.spec.input.encode(short)[3, 0].item() == 39 % 7  # the fourth of the last six


def test_an_input_with_gaps_is_filled_with_a_word(tmp_path: Path) -> None:
    rain: list[object] = ["" if n % 9 == 0 else n for n in range(120)]
    data = CsvSeries(
        csv(tmp_path, HOURS, rain=rain, sales=[n % 7 for n in range(120)], note=["x"] * 120), "time", "sales"
    )
    read = data.read()
    assert read.names == ["sales", "rain"]
    assert read.values[:11, 1].tolist() == [1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 10]
    assert "14 numbers are missing" in " ".join(data.notes)
    assert "left out: note" in " ".join(data.notes)


def test_a_row_that_belongs_to_no_series_is_told(tmp_path: Path) -> None:
    rows = [(time, shop, n) for shop in "ab" for n, time in enumerate(HOURS)]
    times, shops, sales = map(list, zip(*rows))
    path = csv(tmp_path, times, shop=["", *shops[1:]], sales=sales)
    with pytest.raises(DataError, match="column 'shop', row 1: the cell is empty"):
        CsvSeries(path, "time", "sales", context_length=6, horizon=2, id="shop").setup()
    with pytest.raises(ValueError, match="'time' is the time"):
        CsvSeries(path, "time", "time")


def test_many_series_are_told_of_in_few_lines(tmp_path: Path) -> None:
    rows = [(time, f"s{k}", n, "" if n == k else n % 5) for k in range(20) for n, time in enumerate(HOURS)]
    times, shops, sales, weather = map(list, zip(*rows))
    data = CsvSeries(csv(tmp_path, times, shop=shops, sales=sales, weather=weather), "time", "sales", horizon=2)
    data.setup()
    assert len(data.notes) < 8


@pytest.mark.parametrize("interleaved", [False, True])
def test_several_series_in_a_file(tmp_path: Path, interleaved: bool) -> None:
    rows = [(time, shop, n + 1000 * (shop == "b")) for shop in "ab" for n, time in enumerate(HOURS)]
    rows = sorted(rows) if interleaved else rows
    times, shops, sales = map(list, zip(*rows))
    path = csv(tmp_path, times, shop=shops, sales=sales)
    data = CsvSeries(path, "time", "sales", context_length=6, horizon=2)
    data.setup()
    assert "column 'shop' tells 2 series apart" in " ".join(data.notes)
    for split in data.splits.values():
        contexts, futures = split.__getitems__(torch.arange(len(split)))
        whole = torch.cat([contexts[:, :6, 0], data.spec.output.restore(futures)[:, :, 0]], dim=1)  # type: ignore[call-overload]
        assert (whole.diff(dim=1) - 1).abs().max() < 1e-2  # no window is of both shops
    with pytest.raises(SpecError, match="several series, told apart by 'shop'"):
        data.spec.input.encode(path)


@pytest.mark.parametrize(("name", "form"), [("clock", "{}:00"), ("hour", "{}")])
def test_a_time_of_day_beside_the_date_tells_no_series_apart(name: str, form: str, tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        [day[:10] for day in HOURS],
        sales=list(range(120)),
        **{name: [form.format(n % 24) for n in range(120)]},
    )
    with pytest.raises(DataError, match=f"column '{name}' holds times of day: write one column of both"):
        CsvSeries(path, "time", "sales", context_length=2, horizon=1).setup()


def changed(place: int, value: object) -> list[object]:
    return [*HOURS[:place], value, *HOURS[place + 1 :]]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (HOURS[:50] + HOURS[53:] + HOURS[:3], r"is not evenly spaced at row 51: 2024-03-03 05:00 after .* 4 of the"),
        (changed(70, HOURS[69]), "has 2024-03-03 21:00 twice, again in row 71"),
        (changed(70, HOURS[3]), "has 2024-03-01 03:00 twice, again in row 71"),
        (changed(70, ""), "column 'time', row 71: the time is missing"),
        (changed(70, "soon"), "column 'time', row 71: 'soon' is not a date"),
    ],
)
def test_faults_of_times_are_told(tmp_path: Path, times: list[object], message: str) -> None:
    if "evenly" in message:
        times = HOURS[:50] + HOURS[53:]
    path = csv(tmp_path, times, sales=[t % 5 for t in range(len(times))])
    with pytest.raises(DataError, match=message):
        CsvSeries(path, "time", "sales", context_length=6, horizon=2).setup()


@pytest.mark.parametrize(
    ("sales", "options", "message"),
    [
        ([""] + [1, 2] * 59 + [3], {}, "column 'sales', row 1: the number is missing; give data.gaps=fill"),
        (["x"] + [1, 2] * 59 + [3], {}, "column 'sales', row 1: 'x' is not a number"),
        ([1, 1e39] + [1, 2] * 59, {}, "column 'sales', row 2: it is too large for float32"),
        ([1] * 120, {}, "column 'sales' never changes in the training split"),
        ([1, 2] * 60, {"context_length": 100}, "120 steps.* too short for context_length=100 and horizon=2"),
        ([1, 2] * 60, {"targets": "sale"}, "unknown column 'sale'; did you mean 'sales'"),
        ([1, 2] * 60, {"inputs": ["wind"]}, "unknown column 'wind'"),
    ],
)
def test_faults_of_numbers_are_told(
    tmp_path: Path, sales: list[object], options: dict[str, object], message: str
) -> None:
    settings = {"targets": "sales", "context_length": 6, "horizon": 2, **options}
    with pytest.raises(DataError, match=message):
        CsvSeries(csv(tmp_path, HOURS, sales=sales), "time", **settings).setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_length": 0}, "context_length must be a whole number of at least 1, got 0"),
        ({"horizon": 1.5}, "horizon must be a whole number of at least 1, got 1.5"),
        ({"val_fraction": 0.0}, "val_fraction and test_fraction are above 0"),
        ({"length": 0}, "length must be a whole number of at least 1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Waves(**options)


def test_lengths_suit_the_data_where_none_are_given(tmp_path: Path) -> None:
    months = [f"{1990 + n // 12}-{1 + n % 12:02d}-01" for n in range(144)]
    data = CsvSeries(csv(tmp_path, months, sales=[n % 12 + n / 5 for n in range(144)]), "time", "sales")
    data.setup()
    assert data.spec.output.horizon == 12  # type: ignore[union-attr]
    assert data.spec.input.context_length == 25  # type: ignore[union-attr]
    assert data.spec.input.clock.calendar == ("month",)  # type: ignore[union-attr]
    assert "data.horizon=12" in " ".join(data.notes)


def test_missing_steps_are_masked(tmp_path: Path) -> None:
    sales: list[object] = [n % 7 for n in range(120)]
    sales[40], times = "", HOURS[:60] + HOURS[62:]
    data = CsvSeries(
        csv(tmp_path, times, sales=sales[:60] + sales[62:]), "time", "sales", gaps="mask", context_length=6, horizon=2
    )
    data.setup()
    contexts, futures = data.splits["train"].__getitems__(torch.arange(len(data.splits["train"])))
    assert int(futures.isnan().sum()) == 2 + 2  # type: ignore[union-attr]  # no window has nothing to predict
    prepared = data.spec.input.prepare(contexts)
    past = prepared[0] if isinstance(prepared, tuple) else prepared
    assert past.isfinite().all()
    assert past[:, :, -1].sum() == contexts[:, :6, 0].isnan().sum() > 0  # type: ignore[call-overload]


def test_known_and_unknown_steps_are_told_apart(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        HOURS,
        sales=[n % 7 for n in range(120)],
        rain=[n % 5 for n in range(120)],
        open=[n % 2 for n in range(120)],
    )
    data = CsvSeries(path, "time", "sales", inputs=["rain"], future=["open"], context_length=6, horizon=2)
    data.setup()
    spec = data.spec.input
    assert spec.names == ("sales", "rain", "open")
    contexts, _ = data.splits["train"].__getitems__(torch.arange(3))
    past, known = spec.prepare(contexts)
    changed = contexts.clone()  # type: ignore[union-attr]
    changed[:, 6:, :2] = 99.0  # what is not known of the steps to come is not passed on
    for before, after in zip((past, known), spec.prepare(changed)):
        assert torch.equal(before, after)
    changed[:, 6:, 2] = 99.0
    assert not torch.equal(spec.prepare(changed)[1], known)
    with pytest.raises(ValueError, match="'sales' is predicted"):
        CsvSeries(path, "time", "sales", future=["sales"])


def test_a_fraction_of_a_series_is_its_beginning() -> None:
    whole, part = (Waves(length=400, context_length=20, horizon=5, until=until) for until in (1.0, 0.5))
    whole.setup()
    part.setup()
    last, _ = part.splits["test"].__getitems__(torch.tensor([len(part.splits["test"]) - 1]))
    assert torch.equal(last[0, :, 0], whole.read().values[175:195, 0].float())  # type: ignore[call-overload]


def test_a_name_within_that_of_a_known_column_is_another() -> None:
    data = CsvSeries("shops.csv", "time", "sales", inputs=["day", "holiday"], future="holiday")
    assert (data.inputs, data.future) == (["day"], ["holiday"])
