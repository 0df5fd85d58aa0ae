"""Series: windows that do not look ahead, and every fault of a file told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.data.series import CsvSeries, Waves
from zoo.errors import DataError
from zoo.spec import Forecast


def test_windows_are_followed_by_what_is_foretold() -> None:
    data = Waves(length=300, context_length=20, horizon=5)
    data.setup()
    assert isinstance(data.spec.output, Forecast)
    series = data.read()[2]
    place = 20
    for split, end in {"train": 210, "val": 255, "test": 300}.items():
        pasts, futures = data.splits[split].columns
        truths = data.spec.output.restore(futures)
        for row in range(len(pasts)):
            torch.testing.assert_close(pasts[row], series[place - 20 : place].float())
            torch.testing.assert_close(truths[row], series[place : place + 5], atol=1e-4, rtol=0)
            place += 1
        assert place - 1 + 5 == end  # nothing that is foretold lies in the next part
        place = end


def test_statistics_are_of_the_training_part() -> None:
    data = Waves(length=300, context_length=20, horizon=5)
    data.setup()
    known = data.read()[2][:210]
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
    assert pasts[0, :, 0].tolist() == sales[:12]
    assert pasts[0, :, 1].tolist() == rain[:12]
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


def changed(place: int, value: object) -> list[object]:
    return [*HOURS[:place], value, *HOURS[place + 1 :]]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (HOURS[:50] + HOURS[53:] + HOURS[:3], r"is not evenly spaced at row 51: 2024-03-03 05:00 after .* 4 of the"),
        (changed(70, HOURS[69]), "is not in order at row 71: .* double times"),
        (changed(70, HOURS[3]), "is not in order at row 71"),
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
        ([""] + [1, 2] * 59 + [3], {}, "column 'sales', row 1: the number is missing"),
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
