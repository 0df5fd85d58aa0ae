"""Series of numbers over time, cut into windows: the past, and the steps that follow it.

Shape letters: N windows, L steps of the whole series, T steps of the past, H of the horizon, F numbers, V values.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.data.core.loader import Examples, TensorDataModule
from zoo.data.core.splits import check_shares, seed_of
from zoo.errors import DataError, SpecError, unknown
from zoo.spec import Forecast, Series, Spec
from zoo.spec.files import read_table
from zoo.spec.table import days, numbers

if TYPE_CHECKING:
    import pandas as pd

SAME_STEP = ((28, 31), (365, 366))  # days: months and years are steps of one length, to a calendar


class SeriesData(TensorDataModule):
    """A series over time: from the past, foretell what comes.

    The first part of the series is trained on, the next validated and the last tested; the past of a window may reach
    back into an earlier part, but what is to be foretold never does.

    Args:
        past: T, steps that are read.
        horizon: H, steps that are foretold.
        batch_size: windows a step.
        val_share, test_share: of the series, above 0.

    Raises:
        ValueError: an option is out of range.
        DataError: the series is too short, or not a series.
    """

    def __init__(
        self, past: int, horizon: int, *, batch_size: int = 64, val_share: float = 0.15, test_share: float = 0.15
    ) -> None:
        super().__init__(batch_size)
        for name, number in (("past", past), ("horizon", horizon)):
            if type(number) is not int or number < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {number}")
        self.past = past
        self.horizon = horizon
        self.shares = check_shares(val_share, test_share)

    @abstractmethod
    def read(self) -> tuple[Sequence[str], Sequence[str], Tensor]:
        """The names of the F numbers, those of the V values among them, and the series, float64 (L, F)."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        names, targets, series = self.read()
        val, test = (round(share * len(series)) for share in self.shares)
        ends = {"train": len(series) - val - test, "val": len(series) - test, "test": len(series)}
        shortest = self.past + 2 * self.horizon
        if min(val, test) < self.horizon or ends["train"] < shortest:
            raise DataError(
                f"a series of {len(series)} steps is too short for a past of {self.past} and a horizon of "
                f"{self.horizon} in three parts of {ends['train']}, {val} and {test}; take a shorter past or horizon"
            )
        known = series[: ends["train"]]
        mean, std = known.mean(dim=0), known.std(dim=0)
        for name, deviation in zip(names, std.tolist()):
            if deviation < 1e-12:
                raise DataError(f"column '{name}' never changes in the training part; leave it out")
        places = [list(names).index(target) for target in targets]
        spec = Spec(
            Series(tuple(names), tuple(mean.tolist()), tuple(std.tolist())),
            Forecast(tuple(targets), tuple(mean[places].tolist()), tuple(std[places].tolist()), self.horizon),
        )
        splits, begin = {}, self.past
        for split, end in ends.items():
            first = torch.arange(begin, end - self.horizon + 1)[:, None]  # N, 1: the first step that is foretold
            pasts = series[first - self.past + torch.arange(self.past)].float()  # N, T, F
            futures = series[first + torch.arange(self.horizon)][:, :, places]  # N, H, V
            splits[split] = Examples(pasts, spec.output.standardise(futures))  # type: ignore[union-attr]
            begin = end
        return spec, splits


class Waves(SeriesData):
    """A day and a week in hourly numbers, with a slow drift and noise. Generated.

    load = 50 + 10 sin(2 pi t / 24) + 4 sin(4 pi t / 24 + 1) + 6 sin(2 pi t / 168) + drift + noise, where the noise has
    a standard deviation of 1.5 and the drift is a random walk of steps of 0.15.

    Args:
        length: hours, L.
        past, horizon, batch_size, val_share, test_share: as in `SeriesData`.
        data_seed: the seed of the noise and the drift.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        length: int = 4_000,
        past: int = 168,
        horizon: int = 24,
        *,
        batch_size: int = 64,
        val_share: float = 0.15,
        test_share: float = 0.15,
        data_seed: int = 0,
    ) -> None:
        super().__init__(past, horizon, batch_size=batch_size, val_share=val_share, test_share=test_share)
        if type(length) is not int or length < 1:
            raise ValueError(f"length must be a whole number of at least 1, got {length}")
        self.length = length
        self.data_seed = seed_of("data_seed", data_seed)

    def read(self) -> tuple[Sequence[str], Sequence[str], Tensor]:
        random = torch.Generator().manual_seed(self.data_seed)
        hours = torch.arange(self.length, dtype=torch.float64)
        day, week = 2 * math.pi * hours / 24, 2 * math.pi * hours / 168
        law = 50 + 10 * day.sin() + 4 * (2 * day + 1).sin() + 6 * week.sin()
        walk, noise = torch.randn(2, self.length, generator=random, dtype=torch.float64)
        return ["load"], ["load"], (law + 0.15 * walk.cumsum(0) + 1.5 * noise)[:, None]


class CsvSeries(SeriesData):
    """A CSV or Parquet file with a column of times, evenly spaced and in order, and columns of numbers.

    Args:
        path: of the file.
        time: the column of times: dates (ISO 8601) or numbers.
        targets: the columns to foretell.
        inputs: other columns that tell something; None for all others that hold numbers alone.
        past, horizon, batch_size, val_share, test_share: as in `SeriesData`.
        separator, encoding: of a CSV file.

    Raises:
        ValueError: an option is out of range.
        DataError: a column is missing, a cell is no number, or times are out of order or have gaps.
    """

    def __init__(
        self,
        path: str,
        time: str,
        targets: Sequence[str] | str,
        *,
        inputs: Sequence[str] | None = None,
        past: int = 96,
        horizon: int = 24,
        batch_size: int = 64,
        val_share: float = 0.15,
        test_share: float = 0.15,
        separator: str = ",",
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(past, horizon, batch_size=batch_size, val_share=val_share, test_share=test_share)
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
    """See that times are there, in order, and a step apart; months and years are of one length.

    Raises:
        DataError: they are not; the message names the row.
    """
    name = str(times.name)
    if times.isna().any():
        raise DataError(f"column '{name}', row {times.index[int(times.isna().to_numpy().argmax())]}: there is no time")
    try:
        when = (numbers if times.dtype.kind in "if" else days)(times, name).to_numpy()
    except SpecError as error:
        raise DataError(str(error)) from error
    steps = when[1:] - when[:-1]
    if len(steps) == 0:
        raise DataError(f"column '{name}' holds one time; a series has more")

    def told(place: int) -> str:
        return f"row {times.index[place + 1]}: {times.iloc[place + 1]} after {times.iloc[place]}"

    if (steps <= 0).any():
        place = int((steps <= 0).argmax())
        raise DataError(f"column '{name}' is not in order at {told(place)}; sort the rows, and leave no time twice")
    usual = sorted(steps)[len(steps) // 2]
    low, high = next(((a, b) for a, b in SAME_STEP if a <= usual <= b), (usual, usual))
    odd = (steps < low - 1e-3 * usual) | (steps > high + 1e-3 * usual)
    if odd.any():
        place = int(odd.argmax())
        raise DataError(
            f"column '{name}' is not evenly spaced at {told(place)}, {steps[place] / usual:.3g} of the usual steps; "
            "fill the gap"
        )


def _numbers(cells: pd.Series, name: str) -> Tensor:
    try:
        known = numbers(cells, name)
    except SpecError as error:
        raise DataError(str(error)) from error
    if known.isna().any():
        row = cells.index[int(known.isna().to_numpy().argmax())]
        raise DataError(f"column '{name}', row {row}: there is no number; a series has no gaps, so fill them first")
    if (huge := known.abs() > torch.finfo(torch.float32).max).any():
        raise DataError(
            f"column '{name}', row {cells.index[int(huge.to_numpy().argmax())]}: it is too large for float32"
        )
    return torch.from_numpy(known.to_numpy(copy=True))
