"""Windows on series of numbers over time: a context, and the steps that follow it.

Shape letters: N windows, L steps of the whole series, T steps of the context, H of the horizon, F numbers, V values, K
numbers of the calendar.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Windows
from zoo.data.core.splits import split_fractions
from zoo.data.logarithms import grows_with_level
from zoo.errors import DataError
from zoo.spec import Forecast, Series, Spec
from zoo.spec.cells import Notation
from zoo.spec.clock import Clock
from zoo.spec.dialect import AUTO, Dialect
from zoo.spec.series_parts import said_steps

CONTEXT, HORIZON = 96, 24  # steps, where none are given and the data carries them
WEEKS_STEPS = 336  # of a week, at most, that a context holds by itself
SEASONS: dict[tuple[str, float], int] = {  # steps
    ("month", 1): 12,
    ("month", 3): 4,
    ("month", 6): 2,
    ("weekday", 1): 5,
    ("day", 1): 7,
}


@dataclass(frozen=True)
class Sequences:
    """One or more series of the same numbers, one after the other.

    Args:
        names: of the F numbers.
        targets: names among them that are predicted.
        values: float64 (L, F), NaN in steps that no window may hold, or that are masked.
        lengths: steps of each series; they add up to L.
        future: names among them that are known of the steps to come.
        notations: how each number is written in a file.
        filled: whether a number that is missing is the one before it.
        masked: whether numbers may be missing.
        id: the columns of a file that tell its series apart.
        dialect: of the file.
        clock: of the times.
        calendar: what it tells of each step (L, K).
    """

    names: Sequence[str]
    targets: Sequence[str]
    values: Tensor
    lengths: Sequence[int] = ()
    future: Sequence[str] = ()
    notations: tuple[Notation, ...] = ()
    filled: bool = False
    masked: bool = False
    id: tuple[str, ...] = ()
    dialect: Dialect | None = None
    clock: Clock | None = None
    calendar: Tensor | None = None


class SeriesData(DataModule):
    """A series over time, or several, and the next values to predict.

    The first part of each series is for training, the next for validation and the last for test. The context of a
    window may reach back into an earlier part; the steps to predict never do. Windows are indexed, not copied.

    Args:
        context_length: T, steps that the network reads; None for as many as the data carries, up to 96, or a week.
        horizon: H, steps that it predicts; None for 24, or less where the data is short.
        batch_size: windows a batch.
        val_fraction, test_fraction: fractions of each series, above 0.
        until: the fraction of each series that is used, from its beginning: runs with several of them are a backtest
            with networks that are trained anew.
        log: whether logarithms are predicted; `auto` for those targets of a single series that are above 0 and whose
            swings grow with their level.

    Raises:
        ValueError: an option is out of range.
        DataError: the series is too short, or a number never changes.
    """

    def __init__(
        self,
        context_length: int | None,
        horizon: int | None,
        *,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        until: float = 1.0,
        log: bool | str = False,
    ) -> None:
        super().__init__(batch_size)
        if not isinstance(log, bool):
            check.one_of("log", log, (AUTO,))
        self.log = log
        self.context_length = None if context_length is None else check.whole("context_length", context_length)
        self.horizon = None if horizon is None else check.whole("horizon", horizon)
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.until = check.fraction("until", until, zero=False)

    def expected_specs(self) -> Sequence[Spec]:
        names, mean, std = ("value",), (0.0,), (1.0,)
        return [Spec(Series(names, mean, std), Forecast(names, mean, std, self.horizon or HORIZON))]

    @abstractmethod
    def read(self) -> Sequences:
        """The series."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        read = self.read()
        lengths = list(read.lengths or [len(read.values)])
        kept = _until(lengths, self.until)
        series = read.values[kept]
        calendar = series[:, :0] if read.calendar is None else read.calendar[kept].double()
        lengths = [round(self.until * length) for length in lengths]
        context, horizon = self._lengths(max(lengths), read.clock)
        starts = self._whole(self._windows(lengths, context, horizon), read, series, context, horizon)
        places = [list(read.names).index(target) for target in read.targets]
        log = self._logarithms(read, series[:, places], lengths, horizon)
        logged = torch.tensor([name in log for name in read.names])
        mean, std = self._statistics(read.names, torch.where(logged, series.log(), series), lengths)
        has_more = bool(read.future or calendar.shape[1])
        spec = Spec(
            Series(
                tuple(read.names),
                tuple(mean.tolist()),
                tuple(std.tolist()),
                notations=read.notations,
                filled=read.filled,
                id=read.id[0] if len(read.id) == 1 else read.id or "",
                dialect=read.dialect,
                context_length=context,
                horizon=horizon if has_more else 0,
                future=tuple(read.future),
                masked=read.masked,
                clock=read.clock,
                log=log,
            ),
            Forecast(tuple(read.targets), tuple(mean[places].tolist()), tuple(std[places].tolist()), horizon, log=log),
        )
        steps = torch.cat([series, calendar], dim=1).float()
        futures = spec.output.standardise(series[:, places])  # type: ignore[union-attr]
        return spec, {
            split: Examples(
                Windows(steps, first, context + horizon * has_more), Windows(futures, first + context, horizon)
            )
            for split, first in starts.items()
        }

    def _lengths(self, steps: int, clock: Clock | None) -> tuple[int, int]:
        """The steps of a context and of a horizon, where the longest series has so many."""
        train, val = self._ends(steps)
        part, season = min(val - train, steps - val), _season(clock)
        horizon = self.horizon
        if horizon is None:
            horizon = HORIZON if part >= HORIZON else season if 1 < season <= part else max(1, part // 2)
            self.note(f"{said_steps(horizon)} to be predicted (data.horizon={horizon})")
        context = self.context_length
        if context is None:
            week = round(7 / clock.step) if clock is not None and clock.unit == "day" and clock.step < 1 else 0
            long = week if CONTEXT < week <= WEEKS_STEPS and train >= 4 * week else CONTEXT
            context = max(1, min(long, train // 4))
            self.note(f"{said_steps(context)} to be read (data.context_length={context})")
        return context, horizon

    def _ends(self, length: int) -> tuple[int, int]:
        """Where the training part and the validation part of a series end."""
        val, test = (round(fraction * length) for fraction in self.fractions)
        return length - val - test, length - test

    def _windows(self, lengths: Sequence[int], context: int, horizon: int) -> dict[str, Tensor]:
        """The first steps of the windows of each split, in all series that are long enough.

        Raises:
            DataError: none is.
        """
        starts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
        begin, short = 0, 0
        for length in lengths:
            train, val = self._ends(length)
            if min(val - train, length - val) < horizon or train < context + 2 * horizon:
                short += 1
            else:
                bounds = (context, train, val, length)
                for split, (first, end) in zip(starts, pairwise(bounds)):
                    steps = torch.arange(first, end - horizon + 1)
                    starts[split].append(begin + steps - context)
            begin += length
        if short == len(lengths):
            longest = max(lengths)
            train, val = self._ends(longest)
            sizes = {"context_length": context, "horizon": horizon}
            long = [f"{name}={steps}" for name, steps in sizes.items() if steps > 1]
            raise DataError(
                f"a series of {longest} steps, in parts of {train}, {val - train} and {longest - val}, is too short "
                f"for context_length={context} and horizon={horizon}; "
                f"{'reduce ' + ' or '.join(long) if long else 'give a longer one'}"
            )
        if short:
            self.note(
                f"{short} of {len(lengths)} series are left out: they are too short for the context and the horizon"
            )
        return {split: torch.cat(parts) for split, parts in starts.items()}

    def _whole(
        self, starts: dict[str, Tensor], read: Sequences, series: Tensor, context: int, horizon: int
    ) -> dict[str, Tensor]:
        """Those windows that hold no gap, or, of masked series, those in which something is known before and after.

        Raises:
            DataError: none is left of a split.
        """
        if read.masked:
            targets = series[:, [list(read.names).index(target) for target in read.targets]]
            blank = targets.isnan().all(dim=1)
            found = {
                split: first[
                    (_count(blank, first, context) < context) & (_count(blank, first + context, horizon) < horizon)
                ]
                for split, first in starts.items()
            }
        else:
            gaps = series.isnan().any(dim=1)
            found = {split: first[_count(gaps, first, context + horizon) == 0] for split, first in starts.items()}
        for split, first in found.items():
            if not len(first):
                fault = f"no window of {split} is without a gap"
                raise DataError(f"{fault}; give data.gaps=fill or data.gaps=mask, or a shorter context")
        return found

    def _logarithms(self, read: Sequences, targets: Tensor, lengths: Sequence[int], horizon: int) -> tuple[str, ...]:
        """The targets, of values (L, V), whose logarithms are predicted.

        Raises:
            DataError: a logarithm is asked for of a number at or below 0.
        """
        if not self.log:
            return ()
        positive = {name: not (column <= 0).any() for name, column in zip(read.targets, targets.T)}
        if self.log is True:
            for name, its in positive.items():
                if not its:
                    raise DataError(
                        f"column '{name}' has numbers at or below 0, which have no logarithm; give data.log=false"
                    )
            return tuple(read.targets)
        if len(lengths) > 1 or read.id:  # each window is scaled by its own spread
            return ()
        train = targets[: self._ends(lengths[0])[0]]
        period = _season(read.clock)
        chosen = tuple(
            name
            for name, column in zip(read.targets, train.T)
            if positive[name] and grows_with_level(column, period if period > 1 else horizon)
        )
        if chosen:
            told = ", ".join(chosen)
            self.note(f"logarithms of {told} are predicted, whose swings grow with the level (data.log=false: not so)")
        return chosen

    def _statistics(self, names: Sequence[str], series: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (F,) of what is known in the training parts.

        Raises:
            DataError: a number never changes there.
        """
        parts, begin = [], 0
        for length in lengths:
            parts.append(series[begin : begin + self._ends(length)[0]])
            begin += length
        train = torch.cat(parts)
        means, stds = [], []
        for name, column in zip(names, train.T):
            column = column[~column.isnan()]
            if len(column) < 2 or not column.std() >= 1e-12:
                raise DataError(f"column '{name}' never changes in the training split; remove it")
            means.append(column.mean())
            stds.append(column.std())
        return torch.stack(means), torch.stack(stds)


def _season(clock: Clock | None) -> int:
    """The steps after which such times often repeat themselves; 1 where none is known."""
    return 1 if clock is None else SEASONS.get((clock.unit, round(clock.step, 6)), 1)


def _until(lengths: Sequence[int], fraction: float) -> Tensor:
    """The steps that a fraction of each series holds, from its beginning."""
    begin, kept = 0, []
    for length in lengths:
        kept.append(torch.arange(begin, begin + round(fraction * length)))
        begin += length
    return torch.cat(kept)


def _count(marked: Tensor, starts: Tensor, length: int) -> Tensor:
    """How many of the steps (L,) of each window (N,) are marked."""
    before = torch.cat([marked.new_zeros(1, dtype=torch.long), marked.cumsum(0)])
    return before[starts + length] - before[starts]


def fill(values: Tensor) -> Tensor:
    """Numbers (L, F), in which one that is NaN is the one before it, and at the beginning the first that is known."""
    known = ~values.isnan()
    steps = torch.arange(len(values))[:, None]
    last = torch.where(known, steps, -1).cummax(dim=0).values
    first = known.int().argmax(dim=0)
    return values.gather(0, torch.where(last < 0, first, last))
