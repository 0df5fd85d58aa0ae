"""Series of numbers over time, cut into windows: a context, and the steps that follow it.

Shape letters: N windows, L steps of the whole series, T steps of the context, H of the horizon, F numbers, V values.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.columns import Examples
from zoo.data.core.data_module import DataModule
from zoo.data.core.splits import split_fractions
from zoo.errors import DataError, SpecError, unknown
from zoo.spec import Forecast, Series, Spec
from zoo.spec.cells import days, numbers
from zoo.spec.files import read_table

if TYPE_CHECKING:
    import pandas as pd

SAME_STEP = ((28, 31), (365, 366))  # days: months count as equal steps, and so do years


class SeriesData(DataModule):
    """A series over time, and its next values to predict.

    The first part of the series is for training, the next for validation and the last for test. The context of a window
    may reach back into an earlier part; the steps to predict never do.

    Args:
        context_length: T, steps that the network reads.
        horizon: H, steps that it predicts.
        batch_size: windows a batch.
        val_fraction, test_fraction: fractions of the series, above 0.

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

    @abstractmethod
    def read(self) -> tuple[Sequence[str], Sequence[str], Tensor]:
        """The names of the F numbers, the V names among them to predict, and the series, float64 (L, F)."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        names, targets, series = self.read()
        val, test = (round(fraction * len(series)) for fraction in self.fractions)
        ends = {"train": len(series) - val - test, "val": len(series) - test, "test": len(series)}
        shortest = self.context_length + 2 * self.horizon
        if min(val, test) < self.horizon or ends["train"] < shortest:
            raise DataError(
                f"a series of {len(series)} steps, in parts of {ends['train']}, {val} and {test}, is too short for "
                f"context_length={self.context_length} and horizon={self.horizon}; reduce one of them"
            )
        known = series[: ends["train"]]
        mean, std = known.mean(dim=0), known.std(dim=0)
        for name, deviation in zip(names, std.tolist()):
            if deviation < 1e-12:
                raise DataError(f"column '{name}' never changes in the training split; remove it")
        places = [list(names).index(target) for target in targets]
        spec = Spec(
            Series(tuple(names), tuple(mean.tolist()), tuple(std.tolist())),
            Forecast(tuple(targets), tuple(mean[places].tolist()), tuple(std[places].tolist()), self.horizon),
        )
        splits, begin = {}, self.context_length
        for split, end in ends.items():
            first = torch.arange(begin, end - self.horizon + 1)[:, None]  # N, 1: the first step to predict
            contexts = series[first - self.context_length + torch.arange(self.context_length)].float()  # N, T, F
            futures = series[first + torch.arange(self.horizon)][:, :, places]  # N, H, V
            splits[split] = Examples(contexts, spec.output.standardise(futures))  # type: ignore[union-attr]
            begin = end
        return spec, splits


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

    def read(self) -> tuple[Sequence[str], Sequence[str], Tensor]:
        random = torch.Generator().manual_seed(self.data_seed)
        hours = torch.arange(self.length, dtype=torch.float64)
        day, week = 2 * math.pi * hours / 24, 2 * math.pi * hours / 168
        cycles = 50 + 10 * day.sin() + 4 * (2 * day + 1).sin() + 6 * week.sin()
        walk, noise = torch.randn(2, self.length, generator=random, dtype=torch.float64)
        return ["load"], ["load"], (cycles + 0.15 * walk.cumsum(0) + 1.5 * noise)[:, None]


class CsvSeries(SeriesData):
    """A CSV or Parquet file with a column of times, in order and evenly spaced, and columns of numbers.

    Args:
        path: the file; names that end in .parquet or .pq are read by pyarrow.
        time: column of times: dates (ISO 8601) or numbers.
        targets: column or columns to predict.
        inputs: other columns for the network to read; None for all others without gaps that hold numbers.
        context_length, horizon, batch_size, val_fraction, test_fraction: as in `SeriesData`.
        separator, encoding: as in `zoo.data.tables.Csv`.

    Raises:
        ValueError: an option is out of range.
        DataError: a column is missing, a cell is not a number, or times are not in order or not evenly spaced.
    """

    def __init__(
        self,
        path: str,
        time: str,
        targets: Sequence[str] | str,
        *,
        inputs: Sequence[str] | None = None,
        context_length: int = 96,
        horizon: int = 24,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        separator: str = ",",
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(
            context_length, horizon, batch_size=batch_size, val_fraction=val_fraction, test_fraction=test_fraction
        )
        self.path = path
        self.time = time
        self.targets = [targets] if isinstance(targets, str) else list(targets)
        self.inputs = inputs
        self.separator = separator
        self.encoding = encoding
        if not self.targets:
            raise ValueError("targets must name at least one column")

    def read(self) -> tuple[Sequence[str], Sequence[str], Tensor]:
        frame = read_table(self.path, separator=self.separator, encoding=self.encoding)
        for name in (self.time, *self.targets, *(self.inputs or ())):
            if name not in frame.columns:
                raise DataError(unknown("column", name, map(str, frame.columns)))
        check_times(frame[self.time])
        others = self.inputs
        if others is None:
            numeric = frame.select_dtypes("number").dropna(axis=1).columns
            others = [str(name) for name in numeric if name not in (self.time, *self.targets)]
        names = [*self.targets, *others]
        return names, self.targets, torch.stack([_numbers(frame[name], name) for name in names], dim=1)


def check_times(times: pd.Series) -> None:
    """Check that no time is missing, and that times are in order and evenly spaced; months and years count as even.

    Raises:
        DataError: they are not; the message names the row.
    """
    name = str(times.name)
    if times.isna().any():
        raise DataError(
            f"column '{name}', row {times.index[int(times.isna().to_numpy().argmax())]}: the time is missing"
        )
    try:
        when = (numbers if times.dtype.kind in "if" else days)(times, name).to_numpy()
    except SpecError as error:
        raise DataError(str(error)) from error
    steps = when[1:] - when[:-1]
    if len(steps) == 0:
        raise DataError(f"column '{name}' has one time; a series needs more")

    def described(place: int) -> str:
        return f"row {times.index[place + 1]}: {times.iloc[place + 1]} after {times.iloc[place]}"

    if (steps <= 0).any():
        place = int((steps <= 0).argmax())
        raise DataError(
            f"column '{name}' is not in order at {described(place)}; sort the rows, and remove double times"
        )
    usual = sorted(steps)[len(steps) // 2]
    low, high = next(((a, b) for a, b in SAME_STEP if a <= usual <= b), (usual, usual))
    odd = (steps < low - 1e-3 * usual) | (steps > high + 1e-3 * usual)
    if odd.any():
        place = int(odd.argmax())
        raise DataError(
            f"column '{name}' is not evenly spaced at {described(place)}, {steps[place] / usual:.3g} of the usual "
            "steps; fill the gap"
        )


def _numbers(cells: pd.Series, name: str) -> Tensor:
    try:
        known = numbers(cells, name)
    except SpecError as error:
        raise DataError(str(error)) from error
    if known.isna().any():
        row = cells.index[int(known.isna().to_numpy().argmax())]
        raise DataError(f"column '{name}', row {row}: the number is missing; fill gaps first")
    if (huge := known.abs() > torch.finfo(torch.float32).max).any():
        raise DataError(
            f"column '{name}', row {cells.index[int(huge.to_numpy().argmax())]}: it is too large for float32"
        )
    return torch.from_numpy(known.to_numpy(copy=True))
