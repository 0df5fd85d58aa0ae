"""Series of numbers over time, cut into windows: a context, and the steps that follow it.

Shape letters: N windows, L steps of the whole series, T steps of the context, H of the horizon, F numbers, V values.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.columns import Examples, Windows
from zoo.data.core.data_module import DataModule
from zoo.data.core.kinds import find
from zoo.data.core.notations import read_with_decimals
from zoo.data.core.splits import split_fractions
from zoo.data.core.times import moments, places
from zoo.errors import DataError, SpecError, unknown
from zoo.spec import Forecast, Series, Spec
from zoo.spec.cells import Notation, numbers
from zoo.spec.dialect import AUTO, Dialect, Header
from zoo.spec.table import hide

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

GAPS = ("fill", "skip")
GAPS_SAID = {"fill": "the one before is taken", "skip": "no window holds them"}


@dataclass(frozen=True)
class Sequences:
    """One or more series of the same numbers, one after the other.

    Args:
        names: of the F numbers.
        targets: names among them that are predicted.
        values: float64 (L, F), NaN in steps that no window may hold.
        lengths: steps of each series; they add up to L.
        notations: how each number is written in a file.
        filled: whether a number that is missing is the one before it.
        id: the column of a file that tells its series apart.
        dialect: of the file.
    """

    names: Sequence[str]
    targets: Sequence[str]
    values: Tensor
    lengths: Sequence[int] = ()
    notations: tuple[Notation, ...] = ()
    filled: bool = False
    id: str = ""
    dialect: Dialect | None = None


class SeriesData(DataModule):
    """A series over time, or several, and the next values to predict.

    The first part of each series is for training, the next for validation and the last for test. The context of a
    window may reach back into an earlier part; the steps to predict never do. Windows are indexed, not copied.

    Args:
        context_length: T, steps that the network reads.
        horizon: H, steps that it predicts.
        batch_size: windows a batch.
        val_fraction, test_fraction: fractions of each series, above 0.

    Raises:
        ValueError: an option is out of range.
        DataError: the series is too short, or a number never changes.
    """

    def __init__(
        self,
        context_length: int,
        horizon: int,
        *,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
    ) -> None:
        super().__init__(batch_size)
        self.context_length = check.whole("context_length", context_length)
        self.horizon = check.whole("horizon", horizon)
        self.fractions = split_fractions(val_fraction, test_fraction)

    def expected_specs(self) -> Sequence[Spec]:
        names, mean, std = ("value",), (0.0,), (1.0,)
        return [Spec(Series(names, mean, std), Forecast(names, mean, std, self.horizon))]

    @abstractmethod
    def read(self) -> Sequences:
        """The series."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        read = self.read()
        series, names, targets = read.values, list(read.names), list(read.targets)
        starts = self._windows(read.lengths or [len(series)])
        gaps = series.isnan().any(dim=1).cumsum(0)
        starts = {split: _whole(first, gaps, self.context_length + self.horizon) for split, first in starts.items()}
        for split, first in starts.items():
            if not len(first):
                raise DataError(f"no window of {split} is without a gap; give data.gaps=fill, or a shorter context")
        known = self._known(series, read.lengths or [len(series)])
        mean, std = known.mean(dim=0), known.std(dim=0)
        for name, deviation in zip(names, std.tolist()):
            if deviation < 1e-12:
                raise DataError(f"column '{name}' never changes in the training split; remove it")
        places = [names.index(target) for target in targets]
        spec = Spec(
            Series(
                tuple(names),
                tuple(mean.tolist()),
                tuple(std.tolist()),
                notations=read.notations,
                filled=read.filled,
                id=read.id,
                dialect=read.dialect,
            ),
            Forecast(tuple(targets), tuple(mean[places].tolist()), tuple(std[places].tolist()), self.horizon),
        )
        contexts, futures = series.float(), spec.output.standardise(series[:, places])  # type: ignore[union-attr]
        return spec, {
            split: Examples(
                Windows(contexts, first, self.context_length),
                Windows(futures, first + self.context_length, self.horizon),
            )
            for split, first in starts.items()
        }

    def _ends(self, length: int) -> tuple[int, int]:
        """Where the training part and the validation part of a series end."""
        val, test = (round(fraction * length) for fraction in self.fractions)
        return length - val - test, length - test

    def _windows(self, lengths: Sequence[int]) -> dict[str, Tensor]:
        """The first steps of the windows of each split, in all series that are long enough.

        Raises:
            DataError: none is.
        """
        starts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
        begin, short = 0, 0
        for length in lengths:
            train, val = self._ends(length)
            if min(val - train, length - val) < self.horizon or train < self.context_length + 2 * self.horizon:
                short += 1
            else:
                bounds = (self.context_length, train, val, length)
                for split, (first, end) in zip(starts, pairwise(bounds)):
                    steps = torch.arange(first, end - self.horizon + 1)
                    starts[split].append(begin + steps - self.context_length)
            begin += length
        if short == len(lengths):
            longest = max(lengths)
            train, val = self._ends(longest)
            raise DataError(
                f"a series of {longest} steps, in parts of {train}, {val - train} and {longest - val}, is too short "
                f"for context_length={self.context_length} and horizon={self.horizon}; reduce one of them"
            )
        if short:
            self.note(
                f"{short} of {len(lengths)} series are left out: they are too short for the context and the horizon"
            )
        return {split: torch.cat(parts) for split, parts in starts.items()}

    def _known(self, series: Tensor, lengths: Sequence[int]) -> Tensor:
        """The training parts, without steps that are missing."""
        parts, begin = [], 0
        for length in lengths:
            parts.append(series[begin : begin + self._ends(length)[0]])
            begin += length
        known = torch.cat(parts)
        missing = known.isnan().any(dim=1)
        return known[~missing] if missing.any() else known


def _whole(starts: Tensor, gaps: Tensor, length: int) -> Tensor:
    """Those windows that hold no gap, by how many gaps (L,) there are up to each step."""
    before = torch.cat([gaps.new_zeros(1), gaps])
    return starts[before[starts + length] == before[starts]]


class Waves(SeriesData):
    """Generated hourly numbers with a daily and a weekly cycle, a slow drift and noise.

    load = 50 + 10 sin(2 pi t / 24) + 4 sin(4 pi t / 24 + 1) + 6 sin(2 pi t / 168) + drift + noise, where the noise has
    a standard deviation of 1.5 and the drift is a random walk whose steps have a standard deviation of 0.15.

    Args:
        length: L, in hours.
        context_length, horizon, batch_size, val_fraction, test_fraction: as in `SeriesData`.
        data_seed: seed of the noise and the drift.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        length: int = 4_000,
        context_length: int = 168,
        horizon: int = 24,
        *,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        data_seed: int = 0,
    ) -> None:
        super().__init__(
            context_length, horizon, batch_size=batch_size, val_fraction=val_fraction, test_fraction=test_fraction
        )
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
        inputs: other columns for the network to read; None for all others that hold numbers.
        id: column or columns that tell several series apart; None to find it.
        gaps: what is done where a target or a step is missing: `fill` takes the value before it, `skip` leaves out the
            windows that would hold it, None refuses the file. Inputs are always filled.
        timezone: of times whose clocks are changed twice a year, such as Europe/Berlin.
        context_length, horizon, batch_size, val_fraction, test_fraction: as in `SeriesData`.
        na_values, decimal, thousands, dates: as in `zoo.data.tables.TableData`.
        separator, encoding, header: as in `zoo.data.tables.Csv`.

    Raises:
        ValueError: an option is out of range.
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
        id: Sequence[str] | str | None = None,  # noqa: A002
        gaps: str | None = None,
        timezone: str | None = None,
        context_length: int = 96,
        horizon: int = 24,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        na_values: Sequence[str | float] = (),
        decimal: str | None = None,
        thousands: str | None = None,
        dates: str | None = None,
    ) -> None:
        super().__init__(
            context_length, horizon, batch_size=batch_size, val_fraction=val_fraction, test_fraction=test_fraction
        )
        self.path = path
        self.time = time
        self.targets = [targets] if isinstance(targets, str) else list(targets)
        self.inputs = inputs
        self.id = [id] if isinstance(id, str) else list(id or ())
        if gaps is not None:
            check.one_of("gaps", gaps, GAPS)
        self.gaps = gaps
        self.timezone = timezone
        self.file: dict[str, Any] = {"separator": separator, "encoding": encoding, "header": header}
        self.na_values = tuple(map(str, na_values))
        self.notation = {"decimal": decimal, "thousands": thousands}
        self.dates = dates
        if not self.targets:
            raise ValueError("targets must name at least one column")

    def read(self) -> Sequences:
        file = read_with_decimals(self.path, self.file, self.notation["decimal"])
        for note in file.notes:
            self.note(note)
        frame = file.frame
        for name in (self.time, *self.targets, *(self.inputs or ()), *self.id):
            if name not in frame.columns:
                raise DataError(unknown("column", name, map(str, frame.columns)))
        when, is_date = moments(frame[self.time], dates=self.dates, timezone=self.timezone, say=self.note)
        ids = self.id or self._find_id(frame, when)
        cells = frame.drop(columns=[self.time, *ids]).apply(lambda column: hide(column, self.na_values))
        notations = self._notations(cells, file.dialect)
        names = list(notations)
        values = _stacked(cells, notations)
        parts = [
            self._series(frame[self.time].iloc[rows], when[rows], is_date, values[rows], names)
            for rows in _rows_of(frame, ids)
        ]
        return Sequences(
            names,
            self.targets,
            torch.cat(parts),
            [len(part) for part in parts],
            tuple(notations.values()),
            filled=self.gaps == "fill" or bool(values[:, len(self.targets) :].isnan().any()),
            id=ids[0] if ids else "",
            dialect=file.dialect,
        )

    def _find_id(self, frame: pd.DataFrame, when: np.ndarray) -> list[str]:
        """The column that tells series apart, if times occur several times.

        Raises:
            DataError: there is none.
        """
        import pandas as pd

        double = pd.Series(when).duplicated()
        if not double.any():
            return []
        taken = {self.time, *self.targets, *(self.inputs or ())}
        others = [name for name in frame.columns if name not in taken and frame[name].dtype.kind != "f"]
        for name in sorted(others, key=lambda name: frame[name].nunique()):
            pairs = pd.DataFrame({"when": when, "id": frame[name].to_numpy()})
            if not pairs.duplicated().any() and len(frame) >= 3 * frame[name].nunique():
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
        wanted = [*self.targets, *(self.inputs or ())]
        kinds = find(cells, dict.fromkeys(self.inputs or (), "number"), self.note, targets=self.targets, **notation)
        chosen = {name: kinds[name].notation for name in wanted}
        if self.inputs is None:
            others = [str(name) for name in cells.columns if name not in self.targets]
            chosen |= {name: kinds[name].notation for name in others if kinds[name].name == "number"}
            if left_out := [name for name in others if name not in chosen]:
                self.note(f"columns without numbers are left out: {', '.join(left_out)}")
        return chosen

    def _series(
        self, times: pd.Series, when: np.ndarray, is_date: bool, values: Tensor, names: Sequence[str]
    ) -> Tensor:
        """One series in the order of time, as float64 (L, F); steps that are missing and not filled are NaN."""
        import numpy as np

        order = np.argsort(when, kind="stable")
        if (np.diff(order) != 1).any():
            self.note(f"column '{self.time}': the rows are put in the order of time")
            times, when, values = times.iloc[order], when[order], values[torch.from_numpy(order)]
        grid = places(when, is_date, times, gaps=self.gaps is not None, say=self.note)
        self._check_gaps(values, names, times)
        whole = torch.full((int(grid[-1]) + 1, len(names)), math.nan, dtype=torch.float64)
        whole[torch.from_numpy(grid)] = values
        filled = torch.ones(len(names), dtype=torch.bool)
        filled[: len(self.targets)] = self.gaps == "fill"
        missing = int(whole[:, : len(self.targets)].isnan().any(dim=1).sum())
        if missing:
            self.note(f"{missing} steps without a number of {', '.join(self.targets)}: {GAPS_SAID[str(self.gaps)]}")
        return torch.where(filled & whole.isnan(), fill(whole), whole)

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
                    "it, or data.gaps=skip to leave out the windows that hold it"
                )
            if name not in self.targets:
                self.note(f"column '{name}': {int(missing.sum())} numbers are missing, and the one before is taken")


def fill(values: Tensor) -> Tensor:
    """Numbers (L, F), in which one that is NaN is the one before it, and at the beginning the first that is known."""
    known = ~values.isnan()
    steps = torch.arange(len(values))[:, None]
    last = torch.where(known, steps, -1).cummax(dim=0).values
    first = known.int().argmax(dim=0)
    return values.gather(0, torch.where(last < 0, first, last))


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
