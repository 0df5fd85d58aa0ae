"""Tables: rows of numbers, categories, booleans and dates, some of them missing; and values to predict from them.

Columns and their statistics are those of the training split, so that a row is read in one way for ever after.

Shape letters: N rows, B batch, E encoded columns, F numbers that the network sees, C categorical columns, V values.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.files import read_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Row = Mapping[str, Any]

TRUE_WORDS = ("true", "yes", "t", "y", "1")
FALSE_WORDS = ("false", "no", "f", "n", "0")
_NUMBER = re.compile(r"\+?(?P<minus>-?)(?=\.?\d)0*(?P<whole>\d*)(?:\.(?P<fraction>\d*?)0*)?", re.ASCII)
MISSING, UNSEEN = 0, 1  # the codes of a category that is not there, and of one that training never saw


@dataclass(frozen=True)
class Number:
    """A column of numbers, standardised.

    Args:
        name: of the column.
        mean, std: of the training split's known numbers.
        missing: whether some were missing there; if so, the network is told which are.
    """

    name: str
    mean: float
    std: float
    missing: bool
    kind: str = field(default="number", init=False)

    def __post_init__(self) -> None:
        _check(self)
        _check_scale(self.name, self.mean, self.std)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into standardised numbers (N, 1), with NaN where they are missing."""
        standardised = (numbers(cells, self.name) - self.mean) / self.std
        _refuse(cells, standardised.abs() > torch.finfo(torch.float32).max, self.name, "too large for float32")
        return standardised.to_numpy()[:, None]


@dataclass(frozen=True)
class Boolean:
    """A column of two states: True or False, yes or no, 1 or 0; -1.0 and 1.0 to the network."""

    name: str
    missing: bool
    kind: str = field(default="boolean", init=False)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into -1.0 and 1.0 (N, 1), with NaN where they are missing."""
        states = {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, -1.0)}
        encoded = words(cells).str.lower().map(states)
        _refuse(cells, encoded.isna() & cells.notna(), self.name, "not a boolean (true, false, yes, no, 1, 0)")
        return encoded.to_numpy("float64", na_value=math.nan)[:, None]


@dataclass(frozen=True)
class Date:
    """A column of dates: days since 1970 (standardised), and the circles of the year, the week and the day.

    Args:
        name: of the column.
        mean, std: of the training split's known dates, in days since 1970.
        missing: whether some were missing there.
    """

    name: str
    mean: float
    std: float
    missing: bool
    kind: str = field(default="date", init=False)

    def __post_init__(self) -> None:
        _check(self)
        _check_scale(self.name, self.mean, self.std)

    @property
    def inputs(self) -> tuple[str, ...]:
        circles = (
            f"{self.name} {wave} of {circle}" for circle in ("year", "week", "day") for wave in ("sine", "cosine")
        )
        return (self.name, *circles)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,), ISO 8601 text or dates, into (N, 7), with NaN where they are missing."""
        import numpy as np

        day = days(cells, self.name).to_numpy()
        angles = 2 * math.pi * np.stack([day / 365.2425, day / 7, day], axis=1)  # N, 3
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(-1, 6)
        return np.concatenate([((day - self.mean) / self.std)[:, None], waves], axis=1)


@dataclass(frozen=True)
class Category:
    """A column of names: 0 for a missing one, 1 for one that training never saw, and from 2 on those in `values`."""

    name: str
    values: tuple[str, ...]
    kind: str = field(default="category", init=False)

    def __post_init__(self) -> None:
        _check(self)
        if not isinstance(self.values, (list, tuple)) or not all(isinstance(value, str) for value in self.values):
            raise SpecError(f"the values of column '{self.name}' are a list of strings")
        object.__setattr__(self, "values", tuple(self.values))
        if len(set(self.values)) != len(self.values):
            raise SpecError(f"the values of column '{self.name}' must differ")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def codes(self) -> int:
        return len(self.values) + 2

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into codes (N, 1)."""
        codes = {value: code for code, value in enumerate(self.values, start=2)}
        encoded = words(cells).map(codes).fillna(UNSEEN).to_numpy("float64", copy=True)
        encoded[cells.isna().to_numpy()] = MISSING
        return encoded[:, None]


Column = Number | Boolean | Date | Category
COLUMNS: dict[str, type[Column]] = {"number": Number, "boolean": Boolean, "date": Date, "category": Category}


@dataclass(frozen=True)
class Table:
    """A row of a table: held as float32 (E,), NaN where a number is missing, a code for each category.

    The network is given the numbers, then an indicator (0.0 or 1.0) for each of those that training saw missing, then
    the codes of the categories.

    Raises:
        SpecError: no column, or a name twice.
    """

    word: ClassVar[str] = "table"
    takes: ClassVar[tuple[str, ...]] = ("rows",)
    example: ClassVar[str] = '"table.csv"'

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.columns, (list, tuple)) or not self.columns:
            raise SpecError("a table has at least one column")
        object.__setattr__(self, "columns", tuple(_column(column) for column in self.columns))
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise SpecError("the names of columns must differ")

    @property
    def numbers(self) -> int:
        """F: numbers and indicators that the network sees."""
        return len(self._places[0]) + len(self._places[1])

    @property
    def categories(self) -> tuple[int, ...]:
        """How many codes each of the C categorical columns has."""
        return tuple(column.codes for column in self.columns if isinstance(column, Category))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where in an encoded row each column lies."""
        slices, start = {}, 0
        for column in self.columns:
            slices[column.name] = slice(start, start + len(column.inputs))
            start += len(column.inputs)
        return slices

    def read(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
        """Turn one row, a list of rows, a DataFrame, or a CSV or Parquet file into a DataFrame of N rows.

        Raises:
            SpecError: it is none of these, or a row has no cell for one of the columns.
            DataError: the file cannot be read.
        """
        import pandas as pd

        if isinstance(raw, (str, os.PathLike)):
            frame = read_table(raw)
        elif isinstance(raw, pd.DataFrame):
            frame = raw
        else:
            rows = raw if isinstance(raw, (list, tuple)) else [raw]
            frame = pd.DataFrame([self._row(row) for row in rows], columns=list(self.slices))
            frame.index += 1  # rows are counted from 1
        names = list(self.slices)
        columns = Counter(frame.columns)
        for name in names:
            if name not in columns:
                between = ", with commas between them" if len(columns) == 1 else ""
                raise SpecError(f"the table has no column {name}; its columns must be: {', '.join(names)}{between}")
            if columns[name] > 1:
                raise SpecError(f"the table has {columns[name]} columns called {name}")
        return frame

    def is_row(self, raw: object) -> bool:
        """Whether it is one row (a dict, or a row of a DataFrame), and not several."""
        return isinstance(raw, Mapping) or (hasattr(raw, "keys") and not hasattr(raw, "columns"))

    def encode(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> Tensor:
        """Turn rows, as `read` takes them, into float32 (N, E).

        A cell that is None or NaN is missing. Columns of other names are ignored.

        Raises:
            SpecError: a column is not there, or a cell is of another kind; the message names column and row.
            DataError: the file cannot be read.
        """
        import numpy as np

        frame = self.read(raw)
        encoded = [column.encode(frame[column.name]) for column in self.columns]
        return torch.from_numpy(np.concatenate(encoded, axis=1).astype(np.float32))

    def blank(self, encoded: Tensor) -> Tensor:
        """Which encoded rows (N, E) know of no cell, all being missing: (N,)."""
        codes = torch.zeros(encoded.shape[1], dtype=torch.bool)
        codes[list(self._places[2])] = True
        return torch.where(codes, encoded == MISSING, encoded.isnan()).all(dim=1)

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn encoded rows (B, E) into what the network takes (B, F + C); a missing number is 0.0, the mean."""
        values, indicators, codes = (_index(places, batch.device) for places in self._places)
        known = batch[:, values].nan_to_num()
        return torch.cat([known, batch[:, indicators].isnan().to(batch.dtype), batch[:, codes]], dim=1)

    @cached_property
    def _places(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Where in an encoded row the numbers lie, those that can be missing (once a column), and the codes."""
        values: list[int] = []
        indicators: list[int] = []
        codes: list[int] = []
        for column, place in zip(self.columns, self.slices.values()):
            if isinstance(column, Category):
                codes.append(place.start)
                continue
            values += range(place.start, place.stop)
            indicators += [place.start] * column.missing
        return tuple(values), tuple(indicators), tuple(codes)

    def _row(self, row: Any) -> dict[str, Any]:
        names = list(self.slices)
        if not self.is_row(row):
            raise SpecError(f"a row is a dict of column names and cells, not {type(row).__name__}")
        for name in names:
            if name not in row:
                raise SpecError(f"the row has no {name}; give None if it is unknown. It takes: {', '.join(names)}")
        return {name: row[name] for name in names}


@dataclass(frozen=True)
class Values:
    """One or more numbers, by name; the network gives them standardised, as (B, V).

    Args:
        names: of the V values.
        mean, std: of each, in the training split.

    Raises:
        SpecError: no name, a name twice, or statistics that do not fit.
    """

    word: ClassVar[str] = "values"

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("names", "mean", "std"):
            if not isinstance(getattr(self, name), (list, tuple)):
                raise SpecError(f"{name} of values is a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.names or not all(isinstance(name, str) for name in self.names):
            raise SpecError("values have at least one name, and names are strings")
        if len(set(self.names)) != len(self.names):
            raise SpecError("the names of values must differ")
        if not len(self.names) == len(self.mean) == len(self.std):
            raise SpecError("values have a name, a mean and a standard deviation each")
        for name, mean, std in zip(self.names, self.mean, self.std):
            _check_scale(name, mean, std)

    def standardise(self, values: Tensor) -> Tensor:
        """Turn float64 (B, V) in their own units into float32 as the network gives them."""
        mean, std = _row(self.mean, values.device), _row(self.std, values.device)
        return ((values - mean) / std).float()

    def restore(self, output: Tensor) -> Tensor:
        """Undo `standardise`: float64 (B, V), in their own units."""
        return output.double() * _row(self.std, output.device) + _row(self.mean, output.device)

    def decode(self, output: Tensor) -> list[dict[str, float]]:
        """Turn a network's output (B, V) into B answers in the values' own units."""
        return [dict(zip(self.names, numbers)) for numbers in self.restore(output).tolist()]


def words(cells: pd.Series) -> pd.Series:
    """Cells as text without spaces around; 1, 1.0, "01" and "1" are the same word, and so are True and "TRUE".

    It must not depend on what else is in a column, by which pandas tells its type.
    """
    text = cells.astype("string").str.strip()
    return text.map({word: _plain(word) for word in text.dropna().unique()}, na_action="ignore").astype("string")


def _plain(word: str) -> str:
    """A number without the zeros that change nothing, True or False with a capital, and other words as they are."""
    if match := _NUMBER.fullmatch(word):
        whole, fraction = match["whole"] or "0", match["fraction"]
        return match["minus"] + whole + (f".{fraction}" if fraction else "")
    return word.capitalize() if word.lower() in ("true", "false") else word


def numbers(cells: pd.Series, name: str) -> pd.Series:
    """Cells as float64, NaN where they are missing.

    Raises:
        SpecError: one is not a number, or not finite.
    """
    import numpy as np
    import pandas as pd

    if cells.dtype.kind in "Mmc":
        raise SpecError(f"column '{name}' holds {cells.dtype}, and not numbers")
    values = pd.to_numeric(cells, errors="coerce").astype("float64")
    _refuse(cells, values.isna() & cells.notna(), name, "not a number")
    _refuse(cells, pd.Series(np.isinf(values), index=cells.index), name, "not finite")
    return values


def days(cells: pd.Series, name: str) -> pd.Series:
    """ISO 8601 text, or dates, as days since 1970 (float64, UTC), NaN where they are missing.

    Raises:
        SpecError: one is not such a date.
    """
    import pandas as pd

    text = words(cells) if cells.dtype.kind in "iuf" else cells  # 20241231
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    _refuse(cells, times.isna() & cells.notna(), name, "not a date such as 2024-12-31 or 2024-12-31 18:30")
    # Nanoseconds end in 2262, and who writes 9999-12-31 means "for ever"
    return (times.dt.as_unit("us") - pd.Timestamp(0, tz="UTC").as_unit("us")) / pd.Timedelta(days=1)


def _refuse(cells: pd.Series, wrong: pd.Series, name: str, fault: str) -> None:
    if wrong.any():
        position = int(wrong.to_numpy().argmax())
        raise SpecError(f"column '{name}', row {cells.index[position]}: '{cells.iloc[position]}' is {fault}")


def _check(column: Column) -> None:
    if not isinstance(column.name, str):
        raise SpecError(f"the name of a column is a string, not {column.name!r}")
    if not isinstance(getattr(column, "missing", False), bool):
        raise SpecError(f"whether column '{column.name}' was missing is true or false")


def _check_scale(name: str, mean: object, std: object) -> None:
    for number in (mean, std):
        if type(number) not in (int, float) or not math.isfinite(number):  # type: ignore[arg-type]
            raise SpecError(f"mean and std of '{name}' are finite numbers, not {number!r}")
    if std <= 0:  # type: ignore[operator]
        raise SpecError(f"std of '{name}' must be above 0, not {std}")


def _column(data: object) -> Column:
    """A column, or one rebuilt from its JSON."""
    if isinstance(data, (Number, Boolean, Date, Category)):
        return data
    if not isinstance(data, dict) or data.get("kind") not in COLUMNS:
        raise SpecError(f"each column of a table has a kind: {', '.join(COLUMNS)}")
    options = {name: value for name, value in data.items() if name != "kind"}
    try:
        return COLUMNS[data["kind"]](**options)
    except TypeError as error:
        raise SpecError(f"a column of kind {data['kind']} does not hold {', '.join(options)}") from error


@lru_cache(maxsize=64)  # a copy to the device in every step would stall it
def _index(places: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(places, dtype=torch.long, device=device)


@lru_cache(maxsize=64)
def _row(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float64, device=device)
