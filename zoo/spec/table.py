"""Tables: rows of numbers, categories, booleans and dates, some of them missing; and values to predict.

Columns and their statistics are those of the training split, so that a row is always encoded in the same way.

Shape letters: N rows, B batch, E encoded columns, F numbers that the network sees, C categorical columns, V values.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec.files import import_pandas, read_table
from zoo.spec.kind import InputKind
from zoo.spec.rows import encode_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Row = Mapping[str, Any]

TRUE_WORDS = ("true", "yes", "t", "y", "1")
FALSE_WORDS = ("false", "no", "f", "n", "0")
_NUMBER = re.compile(r"\+?(?P<minus>-?)(?=\.?\d)0*(?P<whole>\d*)(?:\.(?P<fraction>\d*?)0*)?", re.ASCII)
MISSING, UNSEEN = 0, 1  # codes of a missing category, and of one that is not in the training split


@dataclass(frozen=True)
class Number:
    """A column of numbers, standardised.

    Args:
        name: name of the column.
        mean, std: statistics of the known numbers in the training split.
        missing: whether some are missing there; if so, the network gets an indicator of missing numbers.
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

    def example(self) -> float:
        return float(f"{self.mean:.4g}")

    def sample(self, random: np.random.Generator) -> float:
        return random.normal(self.mean, self.std)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into standardised numbers (N, 1), NaN if they are missing."""
        standardised = (numbers(cells, self.name) - self.mean) / self.std
        _refuse(cells, standardised.abs() > torch.finfo(torch.float32).max, self.name, "too large for float32")
        return standardised.to_numpy()[:, None]


@dataclass(frozen=True)
class Boolean:
    """A column of booleans (True or False, yes or no, 1 or 0), which the network sees as 1.0 and -1.0."""

    name: str
    missing: bool
    kind: str = field(default="boolean", init=False)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    def example(self) -> bool:
        return True

    def sample(self, random: np.random.Generator) -> bool:
        return bool(random.integers(2))

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into -1.0 and 1.0 (N, 1), NaN if they are missing."""
        states = {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, -1.0)}
        encoded = words(cells).str.lower().map(states)
        _refuse(cells, encoded.isna() & cells.notna(), self.name, "not a boolean (true, false, yes, no, 1, 0)")
        return encoded.to_numpy("float64", na_value=math.nan)[:, None]


@dataclass(frozen=True)
class Date:
    """A column of dates, encoded as standardised days since 1970, and as sine and cosine of year, week and day.

    Args:
        name: name of the column.
        mean, std: statistics of the known dates in the training split, in days since 1970.
        missing: whether some are missing there.
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

    def example(self) -> str:
        return (date(1970, 1, 1) + timedelta(days=round(self.mean))).isoformat()

    def sample(self, random: np.random.Generator) -> str:
        return "2024-12-31"

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,), ISO 8601 text or dates, into (N, 7), NaN if they are missing."""
        import numpy as np

        day = days(cells, self.name).to_numpy()
        angles = 2 * math.pi * np.stack([day / 365.2425, day / 7, day], axis=1)  # N, 3
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(-1, 6)
        return np.concatenate([((day - self.mean) / self.std)[:, None], waves], axis=1)


@dataclass(frozen=True)
class Category:
    """A column of names; code 0 is a missing name, 1 a name that is not in `values`, and `values` are from 2."""

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

    def example(self) -> str:
        return self.values[0] if self.values else "other"

    def sample(self, random: np.random.Generator) -> str:
        return random.choice(self.values)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into codes (N, 1)."""
        codes = {value: code for code, value in enumerate(self.values, start=2)}
        encoded = words(cells).map(codes).fillna(UNSEEN).to_numpy("float64", copy=True)
        encoded[cells.isna().to_numpy()] = MISSING
        return encoded[:, None]


Column = Number | Boolean | Date | Category
COLUMNS: dict[str, type[Column]] = {"number": Number, "boolean": Boolean, "date": Date, "category": Category}


@dataclass(frozen=True)
class Table(InputKind):
    """A row of a table, stored as float32 (E,): numbers, NaN if they are missing, and the codes of categories.

    The network gets the numbers, then an indicator (0.0 or 1.0) for each number that may be missing, then the codes of
    the categories.

    Raises:
        SpecError: there is no column, or a name occurs twice.
    """

    word: ClassVar[str] = "table"
    takes: ClassVar[tuple[str, ...]] = ("rows",)

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.columns, (list, tuple)) or not self.columns:
            raise SpecError("a table has at least one column")
        object.__setattr__(self, "columns", tuple(_column(column) for column in self.columns))
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise SpecError("the names of columns must differ")

    def example(self) -> str:
        return repr({column.name: column.example() for column in self.columns})

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[dict[str, Any]]:
        return ({column.name: column.sample(random) for column in self.columns},)

    @property
    def numbers(self) -> int:
        """F: numbers and indicators that the network sees."""
        return len(self._places[0]) + len(self._places[1])

    @property
    def categories(self) -> tuple[int, ...]:
        """The number of codes of each of the C categorical columns."""
        return tuple(column.codes for column in self.columns if isinstance(column, Category))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The places of each column in an encoded row."""
        slices, start = {}, 0
        for column in self.columns:
            slices[column.name] = slice(start, start + len(column.inputs))
            start += len(column.inputs)
        return slices

    def read(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
        """Turn one row, a list of rows, a DataFrame, or a CSV or Parquet file into a DataFrame of N rows.

        Raises:
            SpecError: it is none of these, or a row has no cell for a column.
            DataError: the file cannot be read, or pandas is not installed.
        """
        pd = import_pandas()
        if isinstance(raw, (str, os.PathLike)):
            frame = read_table(raw)
        elif isinstance(raw, pd.DataFrame):
            frame = raw
        else:
            frame = pd.DataFrame(self._rows(raw), columns=list(self.slices))
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
        """Whether this is one row (a dict, or a row of a DataFrame), not several."""
        return isinstance(raw, Mapping) or (hasattr(raw, "keys") and not hasattr(raw, "columns"))

    def encode(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> Tensor:
        """Turn rows, as `read` takes them, into float32 (N, E). Rows of plain numbers take no pandas.

        A cell that is None or NaN is missing. Columns of other names are ignored.

        Raises:
            SpecError: a column is missing, or a cell is of another kind; the message names column and row.
            DataError: the file cannot be read.
        """
        import numpy as np

        if isinstance(raw, (list, tuple)) or self.is_row(raw):
            encoded_numbers = encode_numbers(self.columns, self._rows(raw))
            if encoded_numbers is not None:
                return encoded_numbers
        frame = self.read(raw)
        encoded = [column.encode(frame[column.name]) for column in self.columns]
        return torch.from_numpy(np.concatenate(encoded, axis=1).astype(np.float32))

    def blank(self, encoded: Tensor) -> Tensor:
        """Whether all cells of an encoded row are missing: (N, E) to (N,)."""
        codes = torch.zeros(encoded.shape[1], dtype=torch.bool)
        codes[list(self._places[2])] = True
        return torch.where(codes, encoded == MISSING, encoded.isnan()).all(dim=1)

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn encoded rows (B, E) into the network's input (B, F + C); a missing number becomes 0.0, the mean."""
        values, indicators, codes = (_index(places, batch.device) for places in self._places)
        known = batch[:, values].nan_to_num()
        return torch.cat([known, batch[:, indicators].isnan().to(batch.dtype), batch[:, codes]], dim=1)

    @cached_property
    def _places(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """The places in an encoded row of numbers, of numbers that may be missing (one a column), and of codes."""
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

    def _rows(self, raw: Any) -> list[dict[str, Any]]:
        return [self._row(row) for row in (raw if isinstance(raw, (list, tuple)) else [raw])]

    def _row(self, row: Any) -> dict[str, Any]:
        names = list(self.slices)
        if not self.is_row(row):
            raise SpecError(f"a row is a dict of column names and cells, not {type(row).__name__}")
        for name in names:
            if name not in row:
                raise SpecError(f"the row has no {name}; give None if it is unknown. Columns: {', '.join(names)}")
        return {name: row[name] for name in names}


@dataclass(frozen=True)
class Values:
    """One or more named numbers; the network gives them standardised, as (B, V).

    Args:
        names: names of the V values.
        mean, std: statistics of each value in the training split.

    Raises:
        SpecError: there is no name, a name occurs twice, or the statistics do not fit.
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
    """Cells as text without surrounding spaces; 1, 1.0, "01" and "1" are the same word, and so are True and "TRUE".

    It must not depend on the other cells of a column, from which pandas infers the column's type.
    """
    text = cells.astype("string").str.strip()
    return text.map({word: _plain(word) for word in text.dropna().unique()}, na_action="ignore").astype("string")


def _plain(word: str) -> str:
    """A number without redundant zeros, True or False with a capital, and other words unchanged."""
    if match := _NUMBER.fullmatch(word):
        whole, fraction = match["whole"] or "0", match["fraction"]
        return match["minus"] + whole + (f".{fraction}" if fraction else "")
    return word.capitalize() if word.lower() in ("true", "false") else word


def numbers(cells: pd.Series, name: str) -> pd.Series:
    """Cells as float64, NaN if they are missing.

    Raises:
        SpecError: one is not a number, or not finite.
    """
    import numpy as np
    import pandas as pd

    if cells.dtype.kind in "Mmc":
        raise SpecError(f"column '{name}' has {cells.dtype}, not numbers")
    values = pd.to_numeric(cells, errors="coerce").astype("float64")
    _refuse(cells, values.isna() & cells.notna(), name, "not a number")
    _refuse(cells, pd.Series(np.isinf(values), index=cells.index), name, "not finite")
    return values


def days(cells: pd.Series, name: str) -> pd.Series:
    """ISO 8601 text, or dates, as days since 1970 (float64, UTC), NaN if they are missing.

    Raises:
        SpecError: one is not a date.
    """
    import pandas as pd

    text = words(cells) if cells.dtype.kind in "iuf" else cells  # 20241231
    times = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    _refuse(cells, times.isna() & cells.notna(), name, "not a date such as 2024-12-31 or 2024-12-31 18:30")
    # Nanoseconds end in 2262, and some tables have 9999-12-31 for "for ever"
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
        raise SpecError(f"a column of kind {data['kind']} does not have {', '.join(options)}") from error


@lru_cache(maxsize=64)  # a copy to the device in each step would stall it
def _index(places: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(places, dtype=torch.long, device=device)


@lru_cache(maxsize=64)
def _row(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float64, device=device)
