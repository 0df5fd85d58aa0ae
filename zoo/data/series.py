"""Series of numbers over time: a generated one, and those of files.

Shape letters: L steps of the whole series, F numbers, K numbers of the calendar.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.kinds import find
from zoo.data.core.notations import read_with_decimals
from zoo.data.core.notes import listed
from zoo.data.windows import Sequences, SeriesData, fill
from zoo.errors import DataError, SpecError, unknown
from zoo.spec.cells import TIME_OF_DAY, Notation, exact_words, numbers
from zoo.spec.clock import PERIODS, Clock, calendar_of
from zoo.spec.dialect import AUTO, Dialect, Header
from zoo.spec.table import hide
from zoo.spec.times import Grid, Moments, check_zone, grid_of, moments, occurs_twice

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

HOURS = ("hour", "hours", "hr", "stunde")  # names of columns that are a part of the time

GAPS = ("fill", "skip", "mask")
GAPS_SAID = {
    "fill": "the one before is taken",
    "skip": "no window holds them",
    "mask": "the network is told that they are missing",
}


class Waves(SeriesData):
    """Generated hourly numbers with a daily and a weekly cycle, a slow drift and noise.

    load = 50 + 10 sin(2 pi t / 24) + 4 sin(4 pi t / 24 + 1) + 6 sin(2 pi t / 168) + drift + noise, where the noise has
    a standard deviation of 1.5 and the drift is a random walk whose steps have a standard deviation of 0.15.

    Args:
        length: L, in hours.
        context_length, horizon, batch_size, val_fraction, test_fraction, until: as in `SeriesData`.
        data_seed: seed of the noise and the drift.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        length: int = 4_000,
        context_length: int | None = 168,
        horizon: int | None = 24,
        *,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        until: float = 1.0,
        data_seed: int = 0,
    ) -> None:
        shares: dict[str, Any] = {"val_fraction": val_fraction, "test_fraction": test_fraction, "until": until}
        super().__init__(context_length, horizon, batch_size=batch_size, **shares)
        self.length = check.whole("length", length)
        self.data_seed = check.seed("data_seed", data_seed)

    def read(self) -> Sequences:
        random = torch.Generator().manual_seed(self.data_seed)
        hours = torch.arange(self.length, dtype=torch.float64)
        day, week = 2 * math.pi * hours / 24, 2 * math.pi * hours / 168
        cycles = 50 + 10 * day.sin() + 4 * (2 * day + 1).sin() + 6 * week.sin()
        walk, noise = torch.randn(2, self.length, generator=random, dtype=torch.float64)
        return Sequences(["load"], ["load"], (cycles + 0.15 * walk.cumsum(0) + 1.5 * noise)[:, None])


class CsvSeries(SeriesData):
    """A CSV or Parquet file with a column of times, evenly spaced, and columns of numbers; of one series or of several.

    Args:
        path: the file; names that end in .parquet or .pq are read by pyarrow.
        time: column of times: dates, numbers, or words such as 1990-Q1.
        targets: column or columns to predict.
        inputs: other columns for the network to read of the past; None for all others that hold numbers.
        future: columns that are known of the steps to come as well, such as holidays, prices or a weather forecast.
        calendar: what the network is told of each step: some of `hour`, `weekday` and `month`; `auto` for those that
            suit the steps and the length of the series, None for nothing.
        id: column or columns that tell several series apart; None to find it.
        gaps: what is done where a target or a step is missing: `mask` tells the network that it is, and neither learns
            it nor counts it; `fill` takes the value before it, `skip` leaves out the windows that would hold it, None
            refuses the file. Inputs are masked with `mask`, and filled otherwise.
        timezone: of times whose clocks are changed twice a year, such as Europe/Berlin.
        context_length, horizon, batch_size, val_fraction, test_fraction, until, log: as in `SeriesData`.
        na_values, decimal, thousands, dates: as in `zoo.data.core.table_data.TableData`.
        separator, encoding, header: as in `zoo.data.tables.Csv`.

    Raises:
        ValueError: an option is out of range.
        ConfigError: there is no such time zone.
        DataError: a column is missing, a cell is not a number, or times are not evenly spaced; the message names the
            row.
    """

    def __init__(
        self,
        path: str,
        time: str,
        targets: Sequence[str] | str,
        *,
        inputs: Sequence[str] | None = None,
        future: Sequence[str] = (),
        calendar: Sequence[str] | str | None = AUTO,
        id: Sequence[str] | str | None = None,  # noqa: A002
        gaps: str | None = None,
        timezone: str | None = None,
        context_length: int | None = None,
        horizon: int | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        until: float = 1.0,
        log: bool | str = AUTO,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        na_values: Sequence[str | float] = (),
        decimal: str | None = None,
        thousands: str | None = None,
        dates: str | None = None,
    ) -> None:
        shares: dict[str, Any] = {"val_fraction": val_fraction, "test_fraction": test_fraction, "until": until}
        super().__init__(context_length, horizon, batch_size=batch_size, log=log, **shares)
        self.path = path
        self.time = time
        self.targets = [targets] if isinstance(targets, str) else list(targets)
        self.future = [future] if isinstance(future, str) else list(future)
        self.inputs = None if inputs is None else [name for name in inputs if name not in self.future]
        self.calendar = [calendar] if isinstance(calendar, str) and calendar != AUTO else calendar
        for name in self.calendar if isinstance(self.calendar, list | tuple) else ():
            check.one_of("calendar", name, PERIODS)
        self.id = [id] if isinstance(id, str) else list(id or ())
        if gaps is not None:
            check.one_of("gaps", gaps, GAPS)
        self.gaps = gaps
        if timezone is not None:
            check_zone(timezone)
        self.timezone = timezone
        self.file: dict[str, Any] = {"separator": separator, "encoding": encoding, "header": header}
        self.na_values = tuple(map(str, na_values))
        self.notation = {"decimal": decimal, "thousands": thousands}
        self.dates = dates
        if not self.targets:
            raise ValueError("targets must name at least one column")
        if self.time in self.targets:
            raise ValueError(f"'{self.time}' is the time, which is not predicted; data.targets names other columns")
        for name in self.future:
            if name in self.targets:
                raise ValueError(f"'{name}' is predicted, and so not known of the steps to come (data.future)")

    def read(self) -> Sequences:
        file = read_with_decimals(self.path, self.file, self.notation["decimal"])
        for note in file.notes:
            self.note(note)
        frame = file.frame
        for name in (self.time, *self.targets, *(self.inputs or ()), *self.future, *self.id):
            if name not in frame.columns:
                raise DataError(unknown("column", name, map(str, frame.columns)))
        local = moments(frame[self.time], dates=self.dates, timezone=None, say=self.note)
        ids = self.id or self._find_id(frame, local)
        cells = frame.drop(columns=[self.time, *ids]).apply(lambda column: hide(column, self.na_values))
        notations = self._notations(cells, file.dialect)
        names = list(notations)
        values = _stacked(cells, notations)
        for name in ids:
            if (missing := frame[name].isna()).any():
                row = frame.index[int(missing.to_numpy().argmax())]
                raise DataError(f"column '{name}', row {row}: the cell is empty, and tells series apart")
        parts, whens, clock = [], [], None
        for rows in _rows_of(frame, ids):
            cells = frame[self.time].iloc[rows]
            read = moments(cells, timezone=self.timezone, say=self.note, form=local.form)
            part, when, grid = self._series(cells, read, values[rows], names)
            clock = clock or self._clock(read, grid, float(when[-1] - when[0]))
            parts.append(part)
            whens.append(clock.later(float(when[0]), torch.arange(len(part)).numpy()))
        assert clock is not None
        masked = self.gaps == "mask"
        return Sequences(
            names,
            self.targets,
            torch.cat(parts),
            [len(part) for part in parts],
            self.future,
            tuple(notations.values()),
            filled=self.gaps == "fill" or (not masked and bool(values[:, len(self.targets) :].isnan().any())),
            masked=masked,
            id=tuple(ids),
            dialect=file.dialect,
            clock=clock,
            calendar=torch.cat([torch.from_numpy(clock.features(when)) for when in whens]),
        )

    def _clock(self, times: Moments, grid: Grid, length: float) -> Clock:
        """How times go on; the first series says so."""
        calendar: Sequence[str] = ()
        if times.is_date and self.calendar == AUTO:
            calendar = calendar_of(grid.unit, grid.step, length * (1 - sum(self.fractions)))
        elif self.calendar and self.calendar != AUTO:
            calendar = list(self.calendar)
            if not times.is_date:
                raise DataError(f"column '{self.time}' holds numbers, which have no calendar; give data.calendar=null")
        if calendar:
            self.note(f"the network is told of each step: {', '.join(calendar)} (data.calendar)")
        return Clock(self.time, grid.unit, float(grid.step), times.form, self.timezone or "", tuple(calendar))

    def _find_id(self, frame: pd.DataFrame, local: Moments) -> list[str]:
        """The column that tells series apart, if times occur several times.

        Raises:
            DataError: there is none.
        """
        import pandas as pd

        when = pd.Series(local.when)
        if self.timezone is not None and local.is_date and (when % 1 > 1e-9).any():
            once = ~occurs_twice(when, self.timezone).to_numpy()
            frame, when = frame[once], when[once]
        double = when.duplicated()
        if not double.any():
            return []
        taken = {self.time, *self.targets, *(self.inputs or ()), *self.future}
        others = [name for name in frame.columns if name not in taken and frame[name].dtype.kind != "f"]
        for name in sorted(others, key=lambda name: frame[name].nunique()):
            pairs = pd.DataFrame({"when": when.to_numpy(), "id": frame[name].to_numpy()})
            if pairs.duplicated().any():
                continue
            if str(name).lower() in HOURS or exact_words(pairs["id"]).str.fullmatch(TIME_OF_DAY).all():
                both = f"{frame[self.time].iloc[0]} {frame[name].iloc[0]}"
                raise DataError(f"column '{name}' holds times of day: write one column of both, such as {both}")
            if len(frame) >= 3 * frame[name].nunique():
                self.note(f"column '{name}' tells {frame[name].nunique()} series apart (data.id={name})")
                return [str(name)]
        place = int(double.to_numpy().argmax())
        time = frame[self.time].iloc[place]
        raise DataError(
            f"column '{self.time}' has {time} twice, again in row {frame.index[place]}: name the column that tells "
            "several series apart (data.id=…), give data.timezone if clocks were changed, or remove one of the two"
        )

    def _notations(self, cells: pd.DataFrame, dialect: Dialect) -> dict[str, Notation]:
        """How the numbers of the targets and inputs are written, by column, the targets first.

        Raises:
            DataError: a target or a named input does not hold numbers.
        """
        commas = "," if dialect.decimal == "," else None
        notation = {**self.notation, "decimal": self.notation["decimal"] or commas}
        wanted = [*self.targets, *(self.inputs or ()), *self.future]
        kinds = find(
            cells, dict.fromkeys(wanted[len(self.targets) :], "number"), self.note, targets=self.targets, **notation
        )
        chosen = {name: kinds[name].notation for name in wanted}
        if self.inputs is None:
            others = [str(name) for name in cells.columns if name not in wanted]
            chosen |= {name: kinds[name].notation for name in others if kinds[name].name == "number"}
            if left_out := [name for name in others if name not in chosen]:
                self.note(f"columns without numbers are left out: {listed(left_out)}")
        return chosen

    def _series(
        self, times: pd.Series, read: Moments, values: Tensor, names: Sequence[str]
    ) -> tuple[Tensor, np.ndarray, Grid]:
        """One series in the order of time, as float64 (L, F), with its times and their grid; steps that are missing and
        not filled are NaN."""
        import numpy as np

        when = read.when
        order = np.argsort(when, kind="stable")
        if (np.diff(order) != 1).any():
            self.note(f"column '{self.time}': the rows are put in the order of time")
            times, when, values = times.iloc[order], when[order], values[torch.from_numpy(order)]
        grid = grid_of(when, read.is_date, times, gaps=self.gaps is not None, say=self.note)
        self._check_gaps(values, names, times)
        whole = torch.full((int(grid.places[-1]) + 1, len(names)), math.nan, dtype=torch.float64)
        whole[torch.from_numpy(grid.places)] = values
        missing = int(whole[:, : len(self.targets)].isnan().any(dim=1).sum())
        if missing:
            self.note(f"{missing} steps without a number of {listed(self.targets)}: {GAPS_SAID[str(self.gaps)]}")
        if self.gaps != "mask":
            filled = torch.ones(len(names), dtype=torch.bool)
            filled[: len(self.targets)] = self.gaps == "fill"
            whole = torch.where(filled & whole.isnan(), fill(whole), whole)
        return whole, when, grid

    def _check_gaps(self, values: Tensor, names: Sequence[str], times: pd.Series) -> None:
        for name, missing in zip(names, values.isnan().T):
            if not missing.any():
                continue
            row = times.index[int(missing.int().argmax())]
            if missing.all():
                raise DataError(f"column '{name}' is empty; leave it out of data.targets and data.inputs")
            if name in self.targets and self.gaps is None:
                raise DataError(
                    f"column '{name}', row {row}: the number is missing; give data.gaps=fill to take the one before "
                    "it, data.gaps=mask to have it passed over, or data.gaps=skip to leave out the windows that hold it"
                )
            if name not in self.targets:
                taken = "the network is told so" if self.gaps == "mask" else "the one before is taken"
                self.note(f"column '{name}': {int(missing.sum())} numbers are missing, and {taken}")


def _rows_of(frame: pd.DataFrame, ids: Sequence[str]) -> list[np.ndarray]:
    """The rows of each series."""
    import numpy as np

    if not ids:
        return [np.arange(len(frame))]
    codes = frame.groupby(list(ids), sort=False, dropna=False).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _stacked(cells: pd.DataFrame, notations: dict[str, Notation]) -> Tensor:
    """Columns of numbers as float64 (L, F), NaN where they are missing."""
    columns = []
    for name, notation in notations.items():
        try:
            known = numbers(cells[name], name, notation)
        except SpecError as error:
            raise DataError(str(error)) from error
        if (huge := known.abs() > torch.finfo(torch.float32).max).any():
            row = cells.index[int(huge.to_numpy().argmax())]
            raise DataError(f"column '{name}', row {row}: it is too large for float32")
        columns.append(torch.from_numpy(known.to_numpy(copy=True)))
    return torch.stack(columns, dim=1)
