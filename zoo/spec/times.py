"""Times of a series: what they are, and the places of its rows on an even grid.

Even are numbers, steps of a clock, days, weekdays, months, quarters, half-years and years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import ConfigError, DataError, SpecError
from zoo.spec.cells import days, exact_words, is_missing, numbers
from zoo.spec.date_forms import date_form
from zoo.spec.dialect import Say
from zoo.spec.known import known_cells

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EXACT = 1e-3  # of a step, by which times may differ from an even grid in silence
NEARLY = 0.1  # and with a word
MONTHS = 1, 3, 6, 12  # steps of a month, a quarter, half a year and a year
PERIOD = r"^(?:(\d{4})[-/ .]?([QHMqhm])(\d{1,2})|([QHqh])([1-4])[-/ ]?(\d{4}))$"  # 1990-Q1, Q1 1990
WEEK = r"^(\d{4})-?W(\d{2})$"
OFFSET = r"\d\d:?\d\d(?::\d\d(?:\.\d+)?)?\s*(?:Z|[+-]\d\d:?\d\d)$"  # after a time of day
HOUR = 1 / 24


class Moments(NamedTuple):
    """Times as numbers (N,), in days since 1970 (UTC) if they are dates; whether they are; and the form of their text,
    as of strptime, "" for any other."""

    when: np.ndarray
    is_date: bool
    form: str


class Grid(NamedTuple):
    """The place of each time (N,) on an even grid, int64, from 0; and the steps of that grid, in its unit: `number`,
    `day`, `weekday` or `month`."""

    places: np.ndarray
    unit: str
    step: float


def moments(
    cells: pd.Series, *, dates: str | None = None, timezone: str | None, say: Say, form: str | None = None
) -> Moments:
    """Times as numbers.

    Args:
        cells: numbers, dates, text in one of the forms of `date_form`, or words such as 1990-Q1 and 2020-W05.
        dates: `day_first` or `month_first`, where both fit.
        timezone: of local times, such as Europe/Berlin, whose clocks are changed twice a year.
        say: is told how they were read.
        form: as an earlier call found it; None to find it.

    Raises:
        DataError: one is missing, or no time; the message names the row.
        ConfigError: there is no such time zone.
    """
    name = str(cells.name)
    missing = is_missing(cells) if cells.dtype.kind not in "iufM" else cells.isna()
    if missing.any():
        raise DataError(f"column '{name}', row {cells.index[int(missing.to_numpy().argmax())]}: the time is missing")
    try:
        if cells.dtype.kind in "iuf":
            found, is_date, form = _numbers(cells, name, say, form)
        else:
            periods = _periods(cells)
            if form is None:
                form = "" if periods is not None or cells.dtype.kind == "M" else _form(cells, name, dates, say)
            found, is_date = days(cells if periods is None else periods, name, form), True
    except SpecError as error:
        raise DataError(str(error)) from error
    if timezone is not None and is_date and not has_offset(cells) and (found % 1 > 1e-9).any():
        found = _in_zone(found, name, timezone)
    return Moments(found.to_numpy("float64"), is_date, form)


def has_offset(cells: pd.Series) -> bool:
    """Whether times say how far they are from UTC."""
    if cells.dtype.kind == "M":
        return getattr(cells.dtype, "tz", None) is not None
    return cells.dtype.kind not in "iuf" and bool(exact_words(cells).str.contains(OFFSET).any())


def grid_of(when: np.ndarray, is_date: bool, times: pd.Series, *, gaps: bool, say: Say) -> Grid:
    """The even grid on which times lie, in ascending order.

    Args:
        when: as `moments` gives it.
        is_date: whether it is in days.
        times: as they are written, for messages.
        gaps: whether steps may be missing.
        say: is told of times that are only nearly even.

    Raises:
        DataError: they are not evenly spaced; the message names the row.
    """
    import numpy as np

    if len(when) < 2:
        raise DataError(f"column '{times.name}' has one time; a series needs more")
    for grid in (_by_months(when), _by_weekdays(when)) if is_date else ():
        if grid is not None and (gaps or (np.diff(grid.places) == 1).all()):
            if grid.unit == "weekday":
                say(f"column '{times.name}': its steps go from weekday to weekday")
            return grid
    return _by_steps(when, is_date, times, gaps=gaps, say=say)


def _numbers(cells: pd.Series, name: str, say: Say, form: str | None) -> tuple[pd.Series, bool, str]:
    """Numbers, which are dates if all are such as 20230131 or 202301, and not evenly spaced as numbers."""
    import numpy as np
    import pandas as pd

    values = numbers(cells, name)
    if form:
        return days(values.astype("int64").astype(str), name, form), True, form
    if form is not None:
        return values, False, form
    steps = np.diff(np.sort(values.to_numpy()))
    if len(steps) and (steps == steps[0]).all():
        return values, False, ""
    for form, low, high in (("%Y%m%d", 19_000_101, 21_001_231), ("%Y%m", 190_001, 210_012)):
        if values.between(low, high).all() and (values % 1 == 0).all():
            text = values.astype("int64").astype(str)
            if pd.to_datetime(text, format=form, errors="coerce").notna().all():
                say(f"column '{name}' is read as dates: {text.iloc[0]} is of the form {form}")
                return days(text, name, form), True, form
    return values, False, ""


def _periods(cells: pd.Series) -> pd.Series | None:
    """The first days of quarters, half-years, months or weeks that are named by words; None if these are none."""
    import pandas as pd

    text = exact_words(cells)
    parts = text.str.extract(PERIOD)
    year, letter, number = (parts[a].fillna(parts[b]) for a, b in ((0, 5), (1, 3), (2, 4)))
    if letter.notna().all():
        length = letter.str.upper().map({"Q": 3, "H": 6, "M": 1}).astype("int64")
        month = (number.astype("int64") - 1) * length + 1
        if month.max() > 12:
            return None
        return pd.to_datetime(year.astype(str) + "-" + month.astype(str).str.zfill(2) + "-01").rename(cells.name)
    if text.str.match(WEEK).all():
        weeks = text.str.replace("-", "") + "1"
        return pd.to_datetime(weeks, format="%GW%V%u", errors="coerce").rename(cells.name)
    return None


def _form(cells: pd.Series, name: str, dates: str | None, say: Say) -> str:
    return date_form(known_cells(cells), name, dates, say) or ""


def check_zone(timezone: str) -> None:
    """See that there is such a time zone.

    Raises:
        ConfigError: there is not.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise ConfigError(f"data.timezone is such as Europe/Berlin; got {timezone}") from error


def occurs_twice(when: pd.Series, timezone: str) -> pd.Series:
    """Whether a local time (in days since 1970) is one of those that occur twice as summer time ends: bool (N,).

    Raises:
        ConfigError: there is no such time zone.
    """
    return _localise(_local(when), timezone, "NaT").isna()


def _local(when: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.Timestamp(0) + pd.to_timedelta((when * 86400).round(3), unit="s")


def _localise(local: pd.Series, timezone: str, ambiguous: Any) -> pd.Series:
    check_zone(timezone)
    return local.dt.tz_localize(timezone, ambiguous=ambiguous, nonexistent="shift_forward")


def _in_zone(when: pd.Series, name: str, timezone: str) -> pd.Series:
    """Local times of one series in days, without the jumps of summer time.

    Of two equal ones the first is of summer time; one alone is so at the end of a series, and at its beginning not.
    """
    import pandas as pd

    local = _local(when)
    unclear = occurs_twice(when, timezone)
    twice, second = local.duplicated(keep=False), local.duplicated()
    alone = unclear & ~twice
    last, first = local > local[~unclear].max(), local < local[~unclear].min()
    if (alone & ~last & ~first).any():
        row = when.index[int((alone & ~last & ~first).to_numpy().argmax())]
        raise DataError(f"column '{name}', row {row}: an hour at the end of summer time is there but once")
    there = _localise(local, timezone, ((twice & ~second) | (alone & last)).to_numpy())
    moments = (there.dt.tz_convert("UTC") - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return pd.Series(moments.to_numpy(), index=when.index, name=when.name)


def _by_months(when: np.ndarray) -> Grid | None:
    """Places by months, quarters, half-years or years; None if days of the month differ."""
    import numpy as np

    day = np.floor(when + 1e-9)
    dates = day.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype("int64")
    in_month = (dates - dates.astype("datetime64[M]")).astype("int64")
    ends = ((dates + 1).astype("datetime64[M]").astype("int64") == months + 1).all()  # each the last day of its month
    if not (ends or (in_month == in_month[0]).all()) or np.ptp(when - day) > 1e-6:
        return None
    steps = np.diff(months)
    step = int(np.median(steps)) if len(steps) else 0
    if step not in MONTHS or (steps <= 0).any() or (steps % step).any():
        return None
    return Grid((months - months[0]) // step, "month", step)


def _by_weekdays(when: np.ndarray) -> Grid | None:
    """Places by days from Monday to Friday; None if one is at a weekend, or there are hours."""
    import numpy as np

    day = np.floor(when + 1e-9)
    weekday = (day.astype("int64") + 3) % 7  # 1970-01-01 was a Thursday
    steps = np.diff(day)
    if (np.abs(when - day - (when - day)[0]) > 1e-6).any() or (weekday > 4).any() or np.median(steps) != 1:
        return None
    if not (steps == 3).any():
        return None
    week = (day.astype("int64") + 3) // 7
    grid = week * 5 + weekday
    return Grid(grid - grid[0], "weekday", 1)


def _by_steps(when: np.ndarray, is_date: bool, times: pd.Series, *, gaps: bool, say: Say) -> Grid:
    import numpy as np

    steps = np.diff(when)
    usual = float(np.sort(steps)[len(steps) // 2])
    whole = np.rint(steps / usual)
    off = np.abs(steps / usual - whole)
    uneven = (off > NEARLY) | (whole < 1)
    if uneven.any() or (not gaps and (whole > 1).any()):
        place = int((uneven | (whole > 1)).argmax())
        raise DataError(_uneven(times, place, steps, usual, is_date))
    if is_date and off.max() > EXACT:
        seconds = off.max() * usual * 86400
        say(f"column '{times.name}': its times are off by up to {seconds:.3g} s; they are taken as even")
    found = np.concatenate([[0], np.cumsum(whole)]).astype("int64")
    if is_date:  # in whole milliseconds, where it is long enough
        usual = round(usual * 86_400_000) / 86_400_000 or usual
    return Grid(found, "day" if is_date else "number", usual)


def _uneven(times: pd.Series, place: int, steps: np.ndarray, usual: float, is_date: bool) -> str:
    ratio = steps[place] / usual
    remedy = "fill the gap, or give data.gaps=fill or data.gaps=skip"
    if is_date and abs(usual - HOUR) < 1e-6 and abs(ratio - 2) < 1e-3:
        remedy = "summer time may have begun: give data.timezone, such as Europe/Berlin, or data.gaps=fill"
    return (
        f"column '{times.name}' is not evenly spaced at row {times.index[place + 1]}: {times.iloc[place + 1]} after "
        f"{times.iloc[place]}, {ratio:.3g} of the usual steps; {remedy}"
    )
