"""Columns of tables: numbers, booleans, dates, times of day and categories, some of them missing.

All but categories are a number first (days since 1970, minutes since midnight, 0 or 1), which `scaled` turns into what
the network sees, and `unscaled` back; an exported program begins there.

Shape letters: N rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.files import quoted
from zoo.spec.cells import (
    MISSING_NAMES,
    MISSING_WORDS,
    STATES,
    Notation,
    booleans,
    days,
    exact_words,
    factorized,
    minutes,
    numbers,
    plain_word,
    refuse,
    words,
)
from zoo.spec.values import check_scale

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MINUTES = 24 * 60  # of a day
MISSING, UNSEEN = 0, 1  # codes of a missing category, and of one that is not in the training split


@dataclass(frozen=True)
class Number:
    """A column of numbers, standardised.

    Args:
        name: name of the column.
        mean, std: statistics of the known numbers in the training split.
        missing: whether some are missing there; if so, the network gets an indicator of missing numbers.
        decimal, thousands, unit: how they are written, as in `zoo.spec.cells.Notation`.
    """

    name: str
    mean: float
    std: float
    missing: bool
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    kind: str = field(default="number", init=False)

    def __post_init__(self) -> None:
        _check(self)
        check_scale(self.name, self.mean, self.std)
        for part in ("decimal", "thousands", "unit"):
            _check_text(self.name, part, getattr(self, part))
        if self.decimal not in (".", ",") or self.decimal == self.thousands:
            raise SpecError(f"the decimal of column '{self.name}' is . or , and not what stands between thousands")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.name,)

    @property
    def notation(self) -> Notation:
        return Notation(self.decimal, self.thousands, self.unit)

    def example(self) -> float:
        return float(f"{self.mean:.4g}")

    def sample(self, random: np.random.Generator) -> float:
        return random.normal(self.mean, self.std)

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into standardised numbers (N, 1), NaN if they are missing."""
        values = numbers(cells, self.name, self.notation)
        standardised = self.scaled(_tensor(values))
        largest = torch.finfo(torch.float32).max
        low, high = standardised.aminmax() if len(cells) else (0, 0)
        if not (low >= -largest and high <= largest):  # NaN fails too
            refuse(cells, (standardised[:, 0].abs() > largest).numpy(), self.name, "too large for float32")
        return standardised.numpy()

    def scaled(self, values: Tensor) -> Tensor:
        """Numbers (N,) to standardised ones (N, 1)."""
        return ((values - self.mean) / self.std)[:, None]

    def unscaled(self, encoded: Tensor) -> Tensor:
        return encoded[:, 0] * self.std + self.mean


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
        return self.scaled(_tensor(booleans(cells, self.name))).numpy()

    def of_word(self, cell: str) -> float | None:
        """What `encode` gives for a cell of text; None where it refuses it."""
        word = cell.strip()
        state = STATES.get(plain_word(word).lower(), math.nan if word.lower() in MISSING_WORDS else None)
        return None if state is None else 2 * state - 1

    def scaled(self, values: Tensor) -> Tensor:
        """0 and 1 (N,) to -1.0 and 1.0 (N, 1)."""
        return (2 * values - 1)[:, None]

    def unscaled(self, encoded: Tensor) -> Tensor:
        return (encoded[:, 0] + 1) / 2


@dataclass(frozen=True)
class Date:
    """A column of dates, encoded as standardised days since 1970, and as sine and cosine of year, week and day.

    Args:
        name: name of the column.
        mean, std: statistics of the known dates in the training split, in days since 1970.
        missing: whether some are missing there.
        form: how they are written besides ISO 8601, as of strptime; "" for ISO 8601 alone.
    """

    name: str
    mean: float
    std: float
    missing: bool
    form: str = ""
    kind: str = field(default="date", init=False)

    def __post_init__(self) -> None:
        _check(self)
        check_scale(self.name, self.mean, self.std)
        _check_text(self.name, "form", self.form)

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
        """Turn raw cells (N,), text or dates, into (N, 7), NaN if they are missing."""
        import numpy as np
        import pandas as pd

        places, different = pd.factorize(days(cells, self.name, self.form).to_numpy(), use_na_sentinel=False)
        return np.take(self.scaled(torch.from_numpy(different)).float().numpy(), places, axis=0)

    def scaled(self, values: Tensor) -> Tensor:
        """Days since 1970 (N,) to (N, 7)."""
        turns = torch.stack([values / 365.2425, values / 7, values], dim=1)  # N, 3
        angles = 2 * math.pi * (turns - turns.floor())  # small, for runtimes whose sine is of float32
        waves = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)  # N, 6
        return torch.cat([((values - self.mean) / self.std)[:, None], waves], dim=1)

    def unscaled(self, encoded: Tensor) -> Tensor:
        return encoded[:, 0] * self.std + self.mean


@dataclass(frozen=True)
class Time:
    """A column of times of day, such as 13:27 or 13:27:05, encoded as sine and cosine of the day."""

    name: str
    missing: bool
    kind: str = field(default="time", init=False)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        return (f"{self.name} sine of day", f"{self.name} cosine of day")

    def example(self) -> str:
        return "13:27"

    def sample(self, random: np.random.Generator) -> str:
        return f"{random.integers(24):02d}:{random.integers(60):02d}"

    def encode(self, cells: pd.Series) -> np.ndarray:
        """Turn raw cells (N,) into (N, 2), NaN if they are missing."""
        return self.scaled(_tensor(minutes(cells, self.name))).numpy()

    def scaled(self, values: Tensor) -> Tensor:
        """Minutes since midnight (N,) to (N, 2)."""
        angles = 2 * math.pi * values / MINUTES
        return torch.stack([angles.sin(), angles.cos()], dim=1)

    def unscaled(self, encoded: Tensor) -> Tensor:
        return torch.atan2(encoded[:, 0], encoded[:, 1]).div(2 * math.pi).remainder(1) * MINUTES


@dataclass(frozen=True)
class Category:
    """A column of names; code 0 is a missing name, 1 a name that is not in `values`, and `values` are from 2.

    Args:
        name: name of the column.
        values: the names.
        exact: whether they are compared letter by letter; otherwise 1, 1.0 and "01" are one name.
    """

    name: str
    values: tuple[str, ...]
    exact: bool = False
    kind: str = field(default="category", init=False)

    def __post_init__(self) -> None:
        _check(self)
        if not isinstance(self.values, (list, tuple)) or not all(isinstance(value, str) for value in self.values):
            raise SpecError(f"the values of column '{self.name}' are a list of strings")
        object.__setattr__(self, "values", tuple(self.values))
        if len(set(self.values)) != len(self.values):
            raise SpecError(f"the values of column '{self.name}' must differ")
        if not isinstance(self.exact, bool):
            raise SpecError(f"whether names of column '{self.name}' are exact is true or false")

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
        import numpy as np

        if cells.dtype == object or cells.dtype.kind == "b":
            return self._codes(cells)[:, None]
        places, different = factorized(cells)  # -1 is missing
        codes = np.append(self._codes(different), MISSING)
        return codes[places][:, None]

    def of_word(self, cell: str) -> int:
        """What `encode` gives for a cell of text."""
        word = cell.strip() if self.exact else plain_word(cell.strip())
        return self._known.get(word, MISSING if word.lower() in MISSING_NAMES else UNSEEN)

    @cached_property
    def _known(self) -> dict[str, int]:
        return {value: code for code, value in enumerate(self.values, start=2)}

    def _codes(self, cells: pd.Series) -> np.ndarray:
        text = exact_words(cells) if self.exact and cells.dtype.kind not in "iuf" else words(cells)
        encoded = text.map(self._known).fillna(UNSEEN).to_numpy("float64", copy=True)
        missing = cells.isna() | text.str.lower().isin(MISSING_NAMES)
        encoded[missing.to_numpy(bool) & (encoded == UNSEEN)] = MISSING
        return encoded


Column = Number | Boolean | Date | Time | Category
COLUMNS: dict[str, type[Column]] = {
    "number": Number,
    "boolean": Boolean,
    "date": Date,
    "time": Time,
    "category": Category,
}


def _tensor(values: pd.Series | np.ndarray) -> Tensor:
    import numpy as np

    return torch.from_numpy(np.array(np.asarray(values), dtype=np.float64))


def column_from(data: object) -> Column:
    """A column, or one rebuilt from its JSON."""
    if isinstance(data, Column):
        return data
    if not isinstance(data, dict) or data.get("kind") not in COLUMNS:
        raise SpecError(f"each column of a table has a kind: {', '.join(COLUMNS)}")
    options = {name: value for name, value in data.items() if name != "kind"}
    try:
        return COLUMNS[data["kind"]](**options)
    except TypeError as error:
        raise SpecError(f"a column of kind {data['kind']} does not have {', '.join(options)}") from error


def _check(column: Column) -> None:
    if not isinstance(column.name, str):
        raise SpecError(f"the name of a column is a string, not {column.name!r}")
    if not isinstance(getattr(column, "missing", False), bool):
        raise SpecError(f"whether column '{column.name}' was missing is true or false")


def _check_text(name: str, part: str, text: object) -> None:
    if not isinstance(text, str) or len(text) > 40:
        raise SpecError(f"{part} of column '{name}' is a short text, not {quoted(text)}")
