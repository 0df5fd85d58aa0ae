"""The clock of a series: how its times go on, what of the calendar they tell, and how they are written.

Shape letters: N times, K numbers of the calendar.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import SpecError
from zoo.spec.cells import exact_words
from zoo.spec.times import PERIOD, WEEK, Grid, grid_of, has_offset, moments

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

UNITS = ("number", "day", "weekday", "month")
PERIODS = {"hour": 1.0, "weekday": 7.0, "month": 365.2425}  # days after which the calendar repeats itself
HARMONICS = 2  # a sine and a cosine each
LIKE = 20  # cells, at most, by which it is found out how times are written
DAYS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d %b %Y",
    "%Y%m%d",
    "%Y-%m",
    "%Y%m",
    "%Y",
)
HOURS = ("", " %H:%M", "T%H:%M", " %H:%M:%S", "T%H:%M:%S", " %H", "T%H")


@dataclass(frozen=True)
class Clock:
    """Times that are evenly spaced.

    Args:
        column: that holds them.
        unit: `number`, `day` (a step of so many days, or of parts of one), `weekday` (from Monday to Friday) or
            `month`.
        step: in that unit, above 0.
        form: of text, as of strptime; "" for ISO 8601, words such as 1990-Q1, or no text.
        timezone: of local times, such as Europe/Berlin; "" for none.
        calendar: what the network is told of each step, among `hour`, `weekday` and `month`.

    Raises:
        SpecError: an argument is impossible.
    """

    column: str
    unit: str
    step: float
    form: str = ""
    timezone: str = ""
    calendar: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) for text in (self.column, self.form, self.timezone)):
            raise SpecError("a clock's column, form and time zone are text")
        if self.unit not in UNITS:
            raise SpecError(f"the unit of a clock is one of {', '.join(UNITS)}, not {self.unit!r}")
        if type(self.step) not in (int, float) or not (0 < self.step < math.inf):
            raise SpecError(f"the step of a clock is a number above 0, not {self.step!r}")
        if not isinstance(self.calendar, (list, tuple)) or not set(self.calendar) <= set(PERIODS):
            raise SpecError(f"the calendar holds {', '.join(PERIODS)}, not {self.calendar!r}")
        if self.calendar and self.unit == "number":
            raise SpecError("times that are numbers have no calendar")
        object.__setattr__(self, "calendar", tuple(self.calendar))

    @property
    def columns(self) -> list[str]:
        """Names of the K numbers of the calendar a step."""
        harmonics = range(1, HARMONICS + 1)
        return [f"{wave} {k} {name}" for name in self.calendar for k in harmonics for wave in ("sin", "cos")]

    @property
    def width(self) -> int:
        """K, numbers of the calendar a step."""
        return len(self.columns)

    def read(self, cells: pd.Series, *, gaps: bool) -> Times:
        """The times of a series, in the order of their rows.

        Raises:
            SpecError: they are no such times, or not evenly spaced.
        """
        found = moments(cells, timezone=self.timezone or None, say=_quiet, form=self.form)
        if found.is_date == (self.unit == "number"):
            kinds = ("numbers", "dates") if self.unit == "number" else ("dates", "numbers")
            raise SpecError(f"column '{self.column}' holds {kinds[1]}, and the network learned from {kinds[0]}")
        order = found.when.argsort(kind="stable")
        if len(order) == 1:
            return Times(self, cells, order, found.when, Grid(order, self.unit, self.step))
        grid = grid_of(found.when[order], found.is_date, cells.iloc[order], gaps=gaps, say=_quiet)
        if (grid.unit == "weekday" and self.unit == "day") or (grid.unit == "day" and self.unit == "weekday"):
            grid = grid._replace(unit=self.unit)  # a week without a weekend between
        if grid.unit != self.unit or not math.isclose(grid.step, self.step, rel_tol=1e-3):
            steps = [
                f"{step:g} {unit}{'s' * (step != 1)}" for step, unit in ((grid.step, grid.unit), (self.step, self.unit))
            ]
            raise SpecError(
                f"column '{self.column}' goes in steps of {steps[0]}, and the network learned from {steps[1]}"
            )
        return Times(self, cells.iloc[order], order, found.when[order], grid)

    def later(self, when: float, steps: np.ndarray) -> np.ndarray:
        """The times that are so many steps (N,) after one, as `moments` gives them; steps before it are below 0."""
        import numpy as np

        if self.unit in ("number", "day"):
            return when + steps * self.step
        day = math.floor(when + 1e-9)
        date = np.datetime64(day, "D")
        if self.unit == "weekday":
            return np.busday_offset(date, steps, roll="forward").astype("int64") + (when - day)
        month = date.astype("datetime64[M]")
        months = month + (steps * int(self.step)).astype("timedelta64[M]")
        is_end = (date + 1).astype("datetime64[M]") != month
        last = (months + 1).astype("datetime64[D]") - 1
        same = months.astype("datetime64[D]") + (date - month.astype("datetime64[D]"))
        return (last if is_end else np.minimum(same, last)).astype("int64") + (when - day)

    def sample(self, steps: int) -> dict[str, list[Any]]:
        """A column of times that fits."""
        import numpy as np

        when = self.later(18_262.0, np.arange(steps))  # from 2020 on
        return {self.column: when.tolist() if self.unit == "number" else list(self.local(when))}

    def local(self, when: np.ndarray) -> pd.DatetimeIndex:
        """Dates (N,) as the clocks on the wall show them."""
        import numpy as np
        import pandas as pd

        utc = pd.DatetimeIndex(np.round(when * 86_400_000).astype("int64").astype("datetime64[ms]"), tz="UTC")
        return (utc.tz_convert(self.timezone) if self.timezone else utc).tz_localize(None)

    def features(self, when: np.ndarray) -> np.ndarray:
        """What the calendar tells of each time: sines and cosines, float64 (N, K)."""
        import numpy as np

        if not self.calendar:
            return np.zeros((len(when), 0))
        local = self.local(when)
        day = (local - local.normalize()) / np.timedelta64(1, "D")
        phases = {
            "hour": day,
            "weekday": (local.day_of_week + day) / 7,
            "month": (local.day_of_year - 1 + day) / 365.2425,
        }
        if self.unit == "month":  # months are of one length
            phases["month"] = (local.month - 1) / 12
        angles = [2 * np.pi * k * np.asarray(phases[name]) for name in self.calendar for k in range(1, HARMONICS + 1)]
        return np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)


@dataclass(frozen=True)
class Times:
    """Times of one series in ascending order.

    Args:
        clock: by which they go.
        cells: as they are written (N,).
        order: the row of each.
        when: as numbers.
        grid: their places.
    """

    clock: Clock
    cells: pd.Series = field(repr=False)
    order: np.ndarray
    when: np.ndarray
    grid: Grid

    def after(self, steps: int, last: int = -1) -> list[Any]:
        """The times of the steps that follow one of these, by its number, written as these are."""
        import numpy as np

        following = self.clock.later(float(self.when[last]), np.arange(1, steps + 1))
        return written(following, self.cells, self.clock, self.when)


def calendar_of(unit: str, step: float, days: float) -> tuple[str, ...]:
    """What of the calendar helps where steps are so long, and so many days are learned from: that of which at least two
    steps and two periods are seen."""
    length = {"number": math.inf, "day": step, "weekday": 1.4, "month": 30.4 * step}[unit]
    return tuple(name for name, period in PERIODS.items() if 2 * length <= period <= days / 2)


def clock_from(data: object) -> Clock | None:
    """A clock, or one rebuilt from its JSON.

    Raises:
        SpecError: this is not the JSON of a clock.
    """
    if data is None or isinstance(data, Clock):
        return data
    if not isinstance(data, dict) or not {"column", "unit", "step"} <= set(data) <= set(Clock.__dataclass_fields__):
        raise SpecError(f"a clock has {', '.join(Clock.__dataclass_fields__)}")
    return Clock(**data)


def written(when: np.ndarray, like: pd.Series, clock: Clock, known: np.ndarray) -> list[Any]:
    """Times (N,) as others are written.

    Args:
        when: as `moments` gives them.
        like: cells of the column of times.
        clock: by which they go.
        known: what `like` means.
    """
    import pandas as pd

    like, known = like.iloc[-LIKE:], known[-LIKE:]
    if clock.unit == "number":
        return _numbers(when, like)
    if like.dtype.kind in "iuf":  # 20240131
        return [int(text) for text in clock.local(when).strftime(clock.form or "%Y%m%d")]
    if like.dtype.kind == "M":
        zone = getattr(like.dtype, "tz", None)
        local = pd.DatetimeIndex(clock.local(when)) if zone is None else _utc(when).tz_convert(zone)
        midnight = (zone is None and (local == local.normalize()).all() and clock.unit != "day") or _whole_days(like)
        return [str(time.date() if midnight else time) for time in local]
    text = [str(cell) for cell in exact_words(like)]
    if match := re.match(PERIOD, text[-1]) or re.match(WEEK, text[-1]):
        return _periods(clock.local(when), text[-1], match)
    return _dates(when, text, clock, known, has_offset(like))


def _quiet(text: str) -> None:
    """What was said when the network learned is not said again."""


def _utc(when: np.ndarray) -> pd.DatetimeIndex:
    import numpy as np
    import pandas as pd

    return pd.DatetimeIndex(np.round(when * 86_400_000).astype("int64").astype("datetime64[ms]"), tz="UTC")


def _whole_days(like: pd.Series) -> bool:
    return bool((like == like.dt.normalize()).all())


def _numbers(when: np.ndarray, like: pd.Series) -> list[Any]:
    text = [str(cell) for cell in like]
    whole = all(re.fullmatch(r"[+-]?\d+", cell.strip()) for cell in text)
    numbers = [round(number) if whole else float(f"{number:.12g}") for number in when.tolist()]
    return [str(number) for number in numbers] if like.dtype.kind not in "iuf" else numbers


def _periods(local: pd.DatetimeIndex, sample: str, match: re.Match[str]) -> list[str]:
    """Words such as 1990-Q1, Q1 1990 and 2020-W05, of the first days of what they name."""
    groups = {place: text for place, text in enumerate(match.groups(), start=1) if text is not None}
    letter = next((text.upper() for text in groups.values() if text.isalpha()), "W")
    length = {"Q": 3, "H": 6, "M": 1, "W": 0}[letter]
    found = []
    for time in local:
        week = time.isocalendar()
        year, number = (time.year, (time.month - 1) // length + 1) if length else (week[0], week[1])
        text = sample
        for place in sorted(groups, reverse=True):
            if groups[place].isdigit():
                new = f"{year if len(groups[place]) == 4 else number:0{len(groups[place])}d}"
                text = text[: match.start(place)] + new + text[match.end(place) :]
        found.append(text)
    return found


def _dates(when: np.ndarray, text: Sequence[str], clock: Clock, known: np.ndarray, offset: bool) -> list[str]:
    """Dates in the form of others, or by ISO 8601 where their form is none that is known."""
    import pandas as pd

    def written(times: np.ndarray, form: str, plain: bool) -> list[str]:
        local, ends = clock.local(times), [""] * len(times)
        if offset:
            local, ends = _with_offset(times, text[-1], clock)
        said = local.strftime(form)
        return [(re.sub(r"(?<!\d)0(?=\d)", "", part) if plain else part) + end for part, end in zip(said, ends)]

    days = (clock.form, *DAYS) if clock.form else DAYS
    for form in (day + hour for day in days for hour in HOURS):
        for plain in (False, True):
            if written(known, form, plain) == list(text):
                return written(when, form, plain)
    shown = clock.local(when)
    return [str(pd.Timestamp(time).isoformat()) for time in shown]


def _with_offset(when: np.ndarray, sample: str, clock: Clock) -> tuple[pd.DatetimeIndex, list[str]]:
    """Local times and how far each is from UTC, as in a sample."""
    import pandas as pd

    match = re.search(r"(Z|[+-]\d\d:?\d\d)$", sample)
    assert match is not None
    if match[0] == "Z":
        return _utc(when).tz_localize(None), ["Z"] * len(when)
    if clock.timezone:
        zoned = _utc(when).tz_convert(clock.timezone)
        offsets = [time.strftime("%z") for time in zoned]
        return zoned.tz_localize(None), [o[:3] + ":" + o[3:] if ":" in match[0] else o for o in offsets]
    sign, hours, minutes = re.fullmatch(r"([+-])(\d\d):?(\d\d)", match[0]).groups()  # type: ignore[union-attr]
    shift = pd.Timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return _utc(when).tz_localize(None) + shift, [match[0]] * len(when)
