"""Series, videos and labels: raw input to tensors, outputs to answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch

from zoo.errors import DataError, SpecError
from zoo.spec import Forecast, Labels, Series, Spec, Video
from zoo.spec.clock import Clock
from zoo.spec.series import MAX_NUMBERS, padded

SERIES = Series(("heat", "rain"), (10.0, 2.0), (5.0, 4.0))
ONE = Series(("heat",), (10.0,), (5.0,))
VIDEO = Video(1, 4, 6, (0.5,), (0.25,))
LABELS = Labels(("a", "b", "c"))
CLOCK = Clock("at", "day", 1 / 24, "%d.%m.%Y %H:%M", "Europe/Berlin", ("hour", "weekday"))
FULL = Spec(
    Series(("heat",), (10.0,), (5.0,), id=("a", "b"), context_length=6, horizon=4, masked=True, clock=CLOCK),
    Forecast(("heat",), (10.0,), (5.0,), 4, quantiles=(0.05, 0.5, 0.95)),
)


def test_numbers_are_standardised() -> None:
    encoded = SERIES.encode([[10, 2], [15, -2]])
    assert encoded.dtype == torch.float32
    batch = SERIES.collate([encoded, encoded[:1]])
    prepared, lengths = SERIES.prepare(batch)
    assert prepared[0].tolist() == [[0.0, 0.0], [1.0, -1.0]]
    assert lengths.tolist() == [2, 1]
    assert torch.equal(SERIES.prepare(batch[0]), prepared)  # series of one length come without


def test_one_number_a_step_needs_no_second_axis() -> None:
    assert torch.equal(ONE.encode(np.arange(3)), ONE.encode(np.arange(3)[:, None]))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (np.zeros((3, 3)), r"an array of steps x 2 numbers \(heat, rain\), not 3 x 3"),
        (np.zeros(3), "steps x 2 numbers"),
        (3.0, "not a number"),
        (np.zeros((0, 2)), "empty; give at least one step"),
        ([[1, 2], [3, float("nan")]], "step 2 of the series has no finite rain; fill gaps first"),
        ([[1, 2], [3]], "an array of numbers"),
        ([["a", "b"]], "an array of numbers"),
    ],
)
def test_what_is_no_series_is_refused(raw: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        SERIES.encode(raw)


def test_columns_of_a_table_are_a_series(tmp_path: Path) -> None:
    frame = pd.DataFrame({"rain": [2.0, 4.0], "day": ["a", "b"], "heat": [10.0, 11.0]})
    assert SERIES.encode(frame).tolist() == [[10.0, 2.0], [11.0, 4.0]]
    frame.to_csv(tmp_path / "weather.csv", index=False)
    assert torch.equal(SERIES.encode(tmp_path / "weather.csv"), SERIES.encode(frame))
    with pytest.raises(SpecError, match="the table has no column heat; its columns must be: heat, rain"):
        SERIES.encode(frame[["rain"]])
    with pytest.raises(DataError, match=r"no such file: nowhere.csv"):
        SERIES.encode("nowhere.csv")


def test_a_forecast_is_told_in_its_own_units() -> None:
    forecast = Forecast(("heat", "rain"), (10.0, 2.0), (5.0, 4.0), 3)
    answers = forecast.decode(torch.tensor([[[0.0, 1.0], [1.0, 0.0], [-1.0, 0.5]]]))
    heat, rain = (10.0, 15.0, 5.0), (6.0, 2.0, 4.0)
    rows = [{"time": h + 1, "heat": {"value": heat[h]}, "rain": {"value": rain[h]}} for h in range(3)]
    assert answers == [rows]
    with pytest.raises(SpecError, match="horizon must be a whole number of at least 1, not 0"):
        Forecast(("heat",), (10.0,), (5.0,), 0)


def test_a_video_is_read_from_an_array() -> None:
    raw = np.random.default_rng(0).integers(0, 256, (3, 4, 6), dtype=np.uint8)
    assert torch.equal(VIDEO.encode(raw), torch.from_numpy(raw)[:, None])
    colour = Video(3, 4, 6, (0.5,) * 3, (0.25,) * 3)
    assert colour.encode(np.stack([raw] * 3, axis=3)).shape == (3, 3, 4, 6)
    assert torch.equal(VIDEO.encode(raw / 255.0), VIDEO.encode(raw))


def test_a_video_is_read_from_an_animated_picture(tmp_path: Path) -> None:
    shades = (0, 90, 250)
    first, *others = [PIL.Image.new("L", (6, 4), shade) for shade in shades]
    first.save(tmp_path / "film.gif", save_all=True, append_images=others)
    encoded = VIDEO.encode(tmp_path / "film.gif")
    assert encoded.shape == (3, 1, 4, 6)
    assert encoded[:, 0, 0, 0].tolist() == pytest.approx(shades, abs=2)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("nowhere.gif", "no such image: nowhere.gif"),
        (np.zeros((4, 6)), "an array T x H x W or T x H x W x C"),
        (np.zeros((0, 4, 6)), "the video has no frames"),
        ([np.zeros((4, 6))], "an array T x H x W"),
        (None, "a video is the path"),
    ],
)
def test_what_is_no_video_is_refused(raw: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        VIDEO.encode(raw)


def test_a_damaged_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.gif").write_bytes(b"GIF89a nothing")
    with pytest.raises(SpecError, match=r"cannot read .*film.gif as an image"):
        VIDEO.encode(tmp_path / "film.gif")


def test_videos_are_prepared_as_their_pictures_are() -> None:
    videos = torch.randint(0, 256, (2, 3, 1, 4, 6), dtype=torch.uint8)
    prepared, lengths = VIDEO.prepare(VIDEO.collate([videos[0], videos[1, :2]]))
    assert lengths.tolist() == [3, 2]
    torch.testing.assert_close(prepared[0], VIDEO.image.prepare(videos[0]))


def test_labels_are_told_up_to_each_length() -> None:
    logits = torch.tensor([[[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]], [[0.0, 0.0, 1.0], [9.0, 0.0, 0.0]]])
    answers = LABELS.decode((logits, torch.tensor([2, 1])))
    assert [[step["label"] for step in answer] for answer in answers] == [["b", "a"], ["c"]]
    assert answers[0][0]["probability"] == pytest.approx(logits[0, 0].softmax(0)[1].item())


@pytest.mark.parametrize(
    "spec",
    [Spec(SERIES, LABELS), Spec(VIDEO, LABELS), Spec(ONE, Forecast(ONE.names, ONE.mean, ONE.std, horizon=4)), FULL],
    ids=str,
)
def test_json_round_trip(spec: Spec) -> None:
    again = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert hash(again) == hash(spec)


@pytest.mark.parametrize("names", [("a",), ("a", "a"), "ab", (1, 2)])
def test_impossible_labels_are_refused(names: object) -> None:
    with pytest.raises(SpecError):
        Labels(names)


def test_what_would_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(SpecError, match=r"2 sequences, the longest of 67,108,864 steps, .* in parts"):
        padded([torch.empty(MAX_NUMBERS, 1, device="meta"), torch.empty(1, 1)])


DAYS = Clock("day", "day", 1.0, calendar=("weekday",))
CONTEXT = Series(
    ("sales", "open"), (5.0, 0.5), (2.0, 0.5), context_length=4, horizon=2, future=("open",), id="shop", clock=DAYS
)


def days(first: int, count: int, *, known: int) -> pd.DataFrame:
    """A table of days of January 2024, of which so many are of the past."""
    numbers = [float(n) if n < known else None for n in range(count)]
    dates = [f"2024-01-{first + n:02d}" for n in range(count)]
    return pd.DataFrame({"day": dates, "sales": numbers, "open": [n % 2 for n in range(count)]})


def test_the_last_steps_are_read_and_the_next_ones_dated() -> None:
    (part,) = CONTEXT.parts(days(1, 10, known=8))
    assert part.encoded.shape == (6, 2 + DAYS.width)
    assert part.encoded[:4, 0].tolist() == [4, 5, 6, 7]
    assert part.encoded[:, 1].tolist() == [0, 1, 0, 1, 0, 1]
    assert [row["time"] for row in part.dated([{"time": 1}, {"time": 2}])] == ["2024-01-09", "2024-01-10"]
    monday = DAYS.features(np.array([19723.0, 19724.0]))  # 2024-01-01 and the day after
    assert monday[0] == pytest.approx([0, 1, 0, 1])
    np.testing.assert_allclose(part.encoded[3, 2:], DAYS.features(np.array([19730.0]))[0], atol=1e-6)  # the eighth


def test_several_series_are_answered_one_after_the_other() -> None:
    table = pd.concat([days(1, 10, known=8).assign(shop="b"), days(3, 8, known=6).assign(shop="a")])
    parts = CONTEXT.parts(table.reset_index(drop=True))
    assert [part.id for part in parts] == [{"shop": "b"}, {"shop": "a"}]
    assert [part.dated([{"time": 1}])[0]["time"] for part in parts] == ["2024-01-09", "2024-01-09"]
    with pytest.raises(SpecError, match="several series, told apart by 'shop'"):
        CONTEXT.encode(table.reset_index(drop=True))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (days(1, 5, known=3), "has 3 steps before the forecast, and the network reads 4; give at least 4"),
        (days(1, 5, known=1), "has 1 step before the forecast, and the network reads 4; give at least 4"),
        (days(1, 8, known=8), "reads open of the 2 steps to come, and 0 are given"),
        (days(1, 8, known=0), "has no number of sales"),
        (days(1, 10, known=8).drop(columns="day"), "no column day, whose weekday the network reads"),
        (days(1, 10, known=8).drop(index=3), "not evenly spaced"),
        (days(1, 10, known=8).assign(day=range(10)), "holds numbers, and the network learned from dates"),
        (days(1, 10, known=8).iloc[::2], "in steps of 2 days, and the network learned from 1 day"),
        (np.zeros((10, 2)), "give columns by name, with day"),
    ],
)
def test_contexts_that_do_not_fit_are_refused(table: object, message: str) -> None:
    with pytest.raises((SpecError, DataError), match=message):
        CONTEXT.encode(table)


def test_what_is_missing_is_the_one_before_and_said() -> None:
    series = Series(("a",), (0.0,), (1.0,), context_length=4, masked=True)
    gap = torch.tensor([[float("nan"), 2.0, float("nan"), 4.0]])[..., None]
    assert series.prepare(gap).tolist() == [[[2, 1], [2, 0], [2, 1], [4, 0]]]
    assert series.encode([3.0]).isnan().flatten().tolist() == [True, True, True, False]  # a short one is padded
    assert series.features == 2


@pytest.mark.parametrize(
    "options",
    [
        {"context_length": -1},
        {"horizon": 2},
        {"masked": True},
        {"context_length": 4, "horizon": 2},
        {"context_length": 4, "future": ("heat",)},
        {"context_length": 4, "horizon": 2, "future": ("cold",)},
        {"clock": {"column": "t"}},
        {"clock": {"column": "t", "unit": "fortnight", "step": 1.0}},
        {"clock": {"column": "t", "unit": "day", "step": 0.0}},
        {"clock": {"column": "t", "unit": "number", "step": 1.0, "calendar": ["hour"]}},
    ],
)
def test_impossible_contexts_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(SpecError):
        Series(("heat",), (10.0,), (5.0,), **options)
