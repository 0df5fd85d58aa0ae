"""The clock of a series: the times that follow, as they are written, over summer time, and what the calendar tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from zoo.errors import SpecError
from zoo.spec.clock import Clock, calendar_of, clock_from
from zoo.spec.times import grid_of, moments

BERLIN = "Europe/Berlin"


def quiet(text: str) -> None:
    """Say nothing."""


def clock_of(cells: pd.Series, timezone: str | None = None, dates: str | None = None) -> Clock:
    read = moments(cells, timezone=timezone, dates=dates, say=quiet)
    grid = grid_of(read.when, read.is_date, cells, gaps=False, say=quiet)
    return Clock("t", grid.unit, float(grid.step), read.form, timezone or "")


def dates(start: str, count: int, freq: str, form: str) -> list[str]:
    return [time.strftime(form) for time in pd.date_range(start, periods=count, freq=freq)]


@pytest.mark.parametrize(
    "times",
    [
        dates("2023-11-28", 40, "D", "%Y-%m-%d"),
        dates("2023-11-28", 40, "D", "%d.%m.%Y"),
        dates("2023-11-28", 40, "D", "%b %d, %Y"),
        dates("2023-11-28", 40, "D", "%Y%m%d"),
        dates("2023-11-28", 40, "h", "%Y-%m-%d %H:%M"),
        dates("2023-11-28", 40, "15min", "%Y-%m-%dT%H:%M:%SZ"),
        dates("2023-11-28", 40, "15min", "%d/%m/%Y %H:%M"),
        dates("2020-01-01", 40, "MS", "%Y-%m-%d"),
        dates("2020-01-01", 40, "ME", "%Y-%m-%d"),
        dates("2020-01-01", 40, "MS", "%Y-%m"),
        dates("2000-01-01", 40, "YS", "%Y-%m-%d"),
        dates("2024-02-01", 40, "B", "%Y-%m-%d"),
        [f"{day}/{month}/2024" for month in (1, 2) for day in range(1, 32) if month == 1 or day < 30],
        [f"{year}-Q{quarter}" for year in range(1990, 2000) for quarter in range(1, 5)],
        [f"Q{quarter} {year}" for year in range(1990, 2000) for quarter in range(1, 5)],
        [f"{year}H{half}" for year in range(1990, 2000) for half in (1, 2)],
        [f"2020-W{week:02d}" for week in range(20, 54)],
        list(range(1990, 2020)),
        [0.5 * step for step in range(30)],
        [int(text) for text in dates("2023-11-28", 40, "D", "%Y%m%d")],
        [int(text) for text in dates("2020-01-01", 40, "MS", "%Y%m")],
    ],
    ids=lambda times: str(times[0]),
)
def test_times_go_on_as_they_are_written(times: list[Any]) -> None:
    """The second half follows from the first."""
    half = len(times) // 2 + 3
    clock = clock_of(pd.Series(times[:half], name="t"), dates="day_first")
    assert clock.read(pd.Series(times[:half], name="t"), gaps=False).after(len(times) - half) == times[half:]


@pytest.mark.parametrize("day", ["2024-03-30", "2024-10-26"])
@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"])
def test_clocks_are_changed_twice_a_year(day: str, form: str) -> None:
    times = pd.date_range(day, periods=48, freq="h", tz=BERLIN)
    text = [time.isoformat() if "%z" in form else time.strftime(form) for time in times]
    for known in (24, 25, 26, 27, 28, 30):  # before the change, amid it, and after
        cells = pd.Series(text[:known], name="t")
        read = clock_of(cells, BERLIN).read(cells, gaps=False)
        assert read.after(48 - known) == text[known:]
        hours = clock_of(cells, BERLIN).local(read.when).hour
        assert list(hours) == [time.hour for time in times[:known]]


def test_the_calendar_repeats_itself() -> None:
    clock = Clock("t", "day", 1 / 24, calendar=("hour", "weekday"))
    features = clock.features(19_723 + np.arange(24 * 14) / 24)
    assert features.shape == (336, clock.width)
    np.testing.assert_allclose(features[:168], features[168:], atol=1e-9)
    np.testing.assert_allclose(features[:24, :4], features[24:48, :4], atol=1e-9)
    assert np.abs(features[:24, 4:] - features[24:48, 4:]).max() > 0.5
    months = Clock("t", "month", 1, calendar=("month",))
    first = months.features(months.later(19_723.0, np.arange(24)))
    np.testing.assert_allclose(first[:12], first[12:], atol=1e-9)


@pytest.mark.parametrize(
    ("unit", "step", "length", "calendar"),
    [
        ("day", 1 / 24, 10.0, ("hour",)),
        ("day", 1 / 24, 30.0, ("hour", "weekday")),
        ("day", 1.0, 1000.0, ("weekday", "month")),
        ("day", 7.0, 1000.0, ("month",)),
        ("month", 1, 3000.0, ("month",)),
        ("month", 12, 9000.0, ()),
        ("weekday", 1, 100.0, ("weekday",)),
        ("number", 1.0, 9000.0, ()),
    ],
)
def test_what_of_the_calendar_is_seen_twice(unit: str, step: float, length: float, calendar: tuple[str, ...]) -> None:
    assert calendar_of(unit, step, length) == calendar


def test_a_clock_is_rebuilt() -> None:
    clock = Clock("t", "day", 0.5, "%d.%m.%Y %H:%M", BERLIN, ("hour",))
    assert clock_from({**vars(clock)}) == clock
    with pytest.raises(SpecError, match="a clock has"):
        clock_from({"column": "t"})
