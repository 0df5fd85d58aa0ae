"""Raw series, as people have them, as numbers: on an even grid of times, cut to what a network reads.

Shape letters: N steps of a raw series, T of the context, H to come, F numbers, K of the calendar.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.cells import PLAIN, numbers
from zoo.spec.clock import Times
from zoo.spec.files import read_table

if TYPE_CHECKING:
    import numpy as np

    from zoo.spec.series import Series


class Part(NamedTuple):
    """One series: encoded, with what tells it from others, and its times up to the last known step, if it has any."""

    encoded: Tensor
    id: dict[str, Any]
    times: Times | None
    last: int

    def dated(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of a forecast with the times that follow, and with what tells the series from others."""
        if self.times is None:
            return [{**self.id, **row} for row in rows]
        following = self.times.after(len(rows), self.last)
        return [{**self.id, **row, "time": time} for row, time in zip(rows, following)]


def said_steps(count: int) -> str:
    """A number of steps in words: `1 step`, `24 steps`."""
    return "1 step" if count == 1 else f"{count} steps"


def parts_of(series: Series, raw: Any) -> list[Part]:
    """The series of raw input.

    Raises:
        SpecError: it does not fit.
        DataError: a file or its times cannot be read.
    """
    if isinstance(raw, (str, os.PathLike)):
        raw = read_table(raw, like=series.dialect, names=series.names)
    table = _table(series, raw)
    if table is None:
        return [_part(series, _array(series, raw), None, {})]
    ids = [name for name in series.ids if name in table]
    groups = table.groupby(ids, sort=False, dropna=False) if ids else [((), table)]
    parts = []
    for key, rows in groups:
        told = {name: cell.item() if hasattr(cell, "item") else cell for name, cell in zip(ids, key)}
        parts.append(_part(series, _array(series, _stacked(series, rows)), _times(series, rows), told))
    if not parts:
        raise SpecError("the series is empty; give at least one step")
    return parts


def _table(series: Series, raw: Any) -> Any:
    """Columns by name, as a DataFrame; None for an array."""
    import pandas as pd

    if not isinstance(raw, Mapping) and not hasattr(raw, "columns"):
        return None
    for name in series.names:
        if name not in raw:
            raise SpecError(f"the table has no column {name}; its columns must be: {', '.join(series.names)}")
    if hasattr(raw, "columns"):
        return raw
    wanted = [*series.names, *series.ids, *([series.clock.column] if series.clock else ())]
    try:
        return pd.DataFrame({name: raw[name] for name in wanted if name in raw})
    except (TypeError, ValueError) as error:
        raise SpecError(f"a series is an array of numbers, or columns of one length: {error}") from error


def _stacked(series: Series, table: Any) -> Any:
    """The numbers of a table (N, F); text is read as in training."""
    import numpy as np

    columns = []
    for name, notation in zip(series.names, series.notations or [PLAIN] * len(series.names)):
        cells = table[name]
        is_text = hasattr(cells, "astype") and cells.dtype.kind in "OU"
        columns.append(numbers(cells, name, notation) if is_text else cells)
    try:
        return np.stack(columns, axis=1)
    except (TypeError, ValueError) as error:
        raise SpecError(f"a series is an array of numbers: {error}") from error


def _array(series: Series, raw: Any) -> np.ndarray:
    """Numbers as float64 (N, F)."""
    import numpy as np

    try:
        array = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpecError(f"a series is an array of numbers: {error}") from error
    if array.ndim == 1 and len(series.names) == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != len(series.names):
        raise SpecError(
            f"a series is an array of steps x {len(series.names)} numbers ({', '.join(series.names[:5])}), "
            f"not {' x '.join(map(str, array.shape)) or 'a number'}"
        )
    if len(array) == 0:
        raise SpecError("the series is empty; give at least one step")
    return array


def _times(series: Series, table: Any) -> Times | None:
    clock = series.clock
    if clock is None:
        return None
    if clock.column not in table:
        if clock.calendar:
            raise SpecError(
                f"the table has no column {clock.column}, whose {', '.join(clock.calendar)} the network reads"
            )
        return None
    return clock.read(table[clock.column], gaps=series.masked or series.filled)


def _part(series: Series, array: np.ndarray, times: Times | None, told: dict[str, Any]) -> Part:
    """A series of numbers (N, F), encoded."""
    import numpy as np

    if times is not None:  # in the order of time, with its gaps
        whole = np.full((int(times.grid.places[-1]) + 1, array.shape[1]), np.nan)
        whole[times.grid.places] = array[times.order]
        array = whole
    elif series.clock is not None and series.clock.calendar:
        raise SpecError(f"give columns by name, with {series.clock.column}, whose calendar the network reads")
    count = len(array) if not series.context_length else _past_steps(series, array)
    past = _context(series, array[:count])
    if not series.context_length:
        return Part(torch.from_numpy(past), told, times, 0)
    last = 0 if times is None else int(np.searchsorted(times.grid.places, count - 1))
    when = None if times is None else float(times.when[last])
    ahead = _ahead(series, array[count:]) if series.horizon else past[:0]
    joined = np.concatenate([np.concatenate([past, ahead]), _calendar(series, when)], axis=1)
    return Part(torch.from_numpy(joined.astype(np.float32)), told, times, last)


def _past_steps(series: Series, array: np.ndarray) -> int:
    """How many steps of a series (N, F) are of the past: all up to the last with a number that is not known ahead."""
    import numpy as np

    columns = [place for place, name in enumerate(series.names) if name not in series.future]
    known = np.flatnonzero(~np.isnan(array[:, columns]).all(axis=1))
    if not len(known):
        raise SpecError(f"the series has no number of {series.names[columns[0]]}; give at least one step")
    return int(known[-1]) + 1


def _context(series: Series, past: np.ndarray) -> np.ndarray:
    """The steps (T, F) that the network reads, float32."""
    import numpy as np

    length = series.context_length or len(past)
    if series.filled:
        past = _filled(past)
    if len(past) < length:
        if not series.masked:
            raise SpecError(
                f"the series has {said_steps(len(past))} before the forecast, and the network reads {length}; "
                f"give at least {length}"
            )
        past = np.concatenate([np.full((length - len(past), past.shape[1]), np.nan), past])
    before = len(past) - length
    past = _single(past[before:])
    wrong = np.isinf(past) if series.masked else ~np.isfinite(past)
    if wrong.any():
        step, column = np.argwhere(wrong)[0]
        raise SpecError(f"step {before + step + 1} of the series has no finite {series.names[column]}; fill gaps first")
    for name in series.log:
        low = past[:, series.names.index(name)] <= 0
        if low.any():
            raise SpecError(
                f"step {before + int(low.argmax()) + 1} of the series has {name} at or below 0, and the network reads "
                "its logarithm: train with data.log=false"
            )
    return past


def _ahead(series: Series, ahead: np.ndarray) -> np.ndarray:
    """What is known of the steps to come (H, F), float32; the rest of it is NaN."""
    import numpy as np

    found = np.full((series.horizon, len(series.names)), np.nan)
    columns = [series.names.index(name) for name in series.future]
    if not columns:
        return _single(found)
    if len(ahead) < series.horizon:
        raise SpecError(
            f"the network reads {', '.join(series.future)} of the {series.horizon} steps to come, and {len(ahead)} are "
            "given: add their rows, with all that is not yet known left empty"
        )
    given = ahead[: series.horizon, columns]
    found[:, columns] = _filled(given) if series.filled or series.masked else given
    found = _single(found)
    if not np.isfinite(found[:, columns]).all():
        step, column = np.argwhere(~np.isfinite(found[:, columns]))[0]
        raise SpecError(f"step {step + 1} of those to come has no finite {series.future[column]}")
    return found


def _calendar(series: Series, when: float | None) -> np.ndarray:
    """What the calendar tells of the context and of the steps to come (T + H, K), by the time of the last one known."""
    import numpy as np

    steps = np.arange(1 - series.context_length, series.horizon + 1)
    if when is None or series.clock is None:
        return np.zeros((len(steps), 0))
    return series.clock.features(series.clock.later(when, steps))


def _filled(array: np.ndarray) -> np.ndarray:
    import pandas as pd

    filled: np.ndarray = pd.DataFrame(array).ffill().bfill().to_numpy()
    return filled


def _single(array: np.ndarray) -> np.ndarray:
    """Numbers as float32; those too large are infinite."""
    import numpy as np

    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=True)
