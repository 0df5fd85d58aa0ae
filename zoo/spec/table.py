"""Tables: rows of numbers, categories, booleans, dates and times of day, some of them missing.

Columns and their statistics are those of the training split, so that a row is always encoded in the same way.

Shape letters: N rows, B batch, E encoded columns, F numbers that the network sees, C categorical columns.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.files import quoted
from zoo.spec.cells import plain_columns, words
from zoo.spec.columns import MISSING, Category, Column, Number, column_from
from zoo.spec.dialect import SEPARATORS, Dialect, dialect_from
from zoo.spec.files import import_pandas, read_table
from zoo.spec.kind import InputKind
from zoo.spec.rows import encode_plain

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Row = Mapping[str, Any]

AT_ONCE = 2**16  # rows that are encoded together
BLOCK = 4096  # rows whose columns are joined together, in the cache of a CPU


_DECIMAL_COMMA = r"^(\s*[+-]?\d*),(\d+(?:[eE][+-]?\d+)?\s*)$"


@dataclass(frozen=True)
class Table(InputKind):
    """A row of a table, stored as float32 (E,): numbers, NaN if they are missing, and the codes of categories.

    The network gets the numbers, then an indicator (0.0 or 1.0) for each number that may be missing, then the codes of
    the categories.

    Args:
        columns: what the network sees; other columns are ignored.
        na_values: what else stands for a missing cell, such as "-999".
        dialect: of the file that the columns were learned from; similar files are read alike.

    Raises:
        SpecError: there is no column, or a name occurs twice.
    """

    word: ClassVar[str] = "table"
    takes: ClassVar[tuple[str, ...]] = ("rows",)

    columns: tuple[Column, ...]
    na_values: tuple[str, ...] = ()
    dialect: Dialect | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.columns, (list, tuple)) or not self.columns:
            raise SpecError("a table has at least one column")
        object.__setattr__(self, "columns", tuple(column_from(column) for column in self.columns))
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise SpecError("the names of columns must differ")
        if not isinstance(self.na_values, (list, tuple)) or not all(isinstance(word, str) for word in self.na_values):
            raise SpecError("na_values of a table are a list of strings")
        object.__setattr__(self, "na_values", tuple(self.na_values))
        object.__setattr__(self, "dialect", dialect_from(self.dialect))

    def example(self) -> str:
        return repr({column.name: column.example() for column in self.columns})

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[dict[str, Any]]:
        return ({column.name: column.sample(random) for column in self.columns},)

    @property
    def width(self) -> int:
        """E."""
        return sum(len(column.inputs) for column in self.columns)

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

    @property
    def exact(self) -> list[str]:
        """Columns of names that may look like numbers."""
        return [column.name for column in self.columns if isinstance(column, Category) and column.exact]

    def read(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> pd.DataFrame:
        """Turn one row, a list of rows, a DataFrame, or a CSV or Parquet file into a DataFrame of N rows.

        Raises:
            SpecError: it is none of these, or a row has no cell for a column.
            DataError: the file cannot be read, or pandas is not installed.
        """
        pd = import_pandas()
        if isinstance(raw, (str, os.PathLike)):
            frame = self.with_points(read_table(raw, like=self.dialect, names=list(self.slices), text=self.exact))
        elif isinstance(raw, pd.DataFrame):
            frame = plain_columns(raw)
        else:
            frame = _frame(self._rows(raw), list(self.slices))
        names = list(self.slices)
        columns = Counter(frame.columns)
        for name in names:
            if name not in columns:
                raise SpecError(f"the table has no column {name}{_instead(name, frame)}: {', '.join(names)}")
            if columns[name] > 1:
                raise SpecError(f"the table has {columns[name]} columns called {name}")
        return frame

    def with_points(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table from a file like that of the dialect, whose cells of text have decimal points where that has commas.

        pandas reads the commas of a column in which all cells are numbers. What was learned from text has its commas.
        """
        if self.dialect is None or self.dialect.decimal == ".":
            return frame
        names = [column.name for column in self.columns if column.name in frame and not _has_commas(column)]
        texts = [name for name in names if frame[name].dtype.kind == "O"]
        return frame.assign(**{name: frame[name].replace(_DECIMAL_COMMA, r"\1.\2", regex=True) for name in texts})

    def is_row(self, raw: object) -> bool:
        """Whether this is one row (a dict, or a row of a DataFrame), not several."""
        return isinstance(raw, Mapping) or (hasattr(raw, "keys") and not hasattr(raw, "columns"))

    def encode(self, raw: Row | Sequence[Row] | pd.DataFrame | str | os.PathLike[str]) -> Tensor:
        """Turn rows, as `read` takes them, into float32 (N, E). Plain cells of rows take no pandas.

        A cell that is None, NaN, empty or a word for a missing cell (NA, null, …) is missing. Columns of other names
        are ignored.

        Raises:
            SpecError: a column is missing, or a cell is of another kind; the message names column and row.
            DataError: the file cannot be read.
        """
        import numpy as np

        if isinstance(raw, (list, tuple)) or self.is_row(raw):
            return self._encode_rows(self._rows(raw))
        frame = self.read(raw)
        return self.encode_parts(frame, [np.arange(len(frame))])[0]

    def _encode_rows(self, rows: list[dict[str, Any]]) -> Tensor:
        """Encode dicts; by pandas those columns alone that have a cell which is not plain."""
        parts = {} if self.na_values else encode_plain(self.columns, rows)
        if left := [column for column in self.columns if column.name not in parts]:
            frame = _frame(rows, [column.name for column in left])
            for column in left:
                encode = self._encoder(column, frame[column.name])
                parts[column.name] = torch.from_numpy(encode(slice(None)))
        return torch.cat([parts[column.name] for column in self.columns], dim=1)

    def encode_parts(self, frame: pd.DataFrame, parts: Sequence[np.ndarray]) -> list[Tensor]:
        """Turn disjoint parts of a DataFrame, each the places of its rows (N,), into float32 (N, E).

        Raises:
            SpecError: a cell is of another kind; the message names column and row.
        """
        import numpy as np

        place, count = np.full(len(frame), -1, np.int32), 0  # of a row among those of all parts
        for rows in parts:
            place[rows] = np.arange(count, count := count + len(rows))
        encoded = np.empty((count, self.width), np.float32)
        row = np.dtype((np.void, encoded.itemsize * self.width))  # as one thing, it is moved in half the time
        for start, rows in self.encode_blocks(frame):
            places = place[start : start + len(rows)]
            if (places < 0).any():
                rows, places = rows[places >= 0], places[places >= 0]
            encoded.view(row)[places, 0] = rows.view(row)[:, 0]
        return list(torch.from_numpy(encoded).split([len(rows) for rows in parts]))

    def encode_blocks(self, frame: pd.DataFrame) -> Iterator[tuple[int, np.ndarray]]:
        """Turn a DataFrame into float32 (N, E), block by block: the place of the first row of each, and its rows, which
        the next block replaces.

        Raises:
            SpecError: as in `encode_parts`.
        """
        import numpy as np

        encoders = [self._encoder(column, frame[column.name]) for column in self.columns]
        block = np.empty((min(BLOCK, len(frame)), self.width), np.float32)
        for start in range(0, len(frame), AT_ONCE):
            given = [encode(slice(start, start + AT_ONCE)) for encode in encoders]
            count = len(given[0])
            for low in range(0, count, BLOCK):
                part = slice(low, min(low + BLOCK, count))
                rows = block[: part.stop - low]
                np.concatenate([numbers[part] for numbers in given], 1, rows)
                yield start + low, rows

    def _encoder(self, column: Column, cells: pd.Series) -> Callable[[slice], np.ndarray]:
        """What encodes some rows of a column as float32; each different cell once, where the column knows them."""
        import numpy as np
        import pandas as pd

        names = getattr(cells.dtype, "categories", None)
        if names is not None and isinstance(names.dtype, pd.StringDtype):
            try:
                known = column.encode(hide(pd.Series(names).reindex(range(len(names) + 1)), self.na_values))
            except SpecError:  # whose row is to be named
                pass
            else:
                known, codes = known.astype(np.float32), cells.cat.codes.to_numpy()  # -1 is missing, the last one
                return lambda rows: known.take(codes[rows], axis=0)
        return lambda rows: column.encode(hide(cells.iloc[rows], self.na_values)).astype(np.float32)

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

    def restore(self, batch: Tensor) -> Tensor:
        """Undo `prepare`: (B, F + C) to encoded rows (B, E); a number whose lack has no indicator stays 0.0."""
        values, indicators, codes = self._places
        known, missing, given = batch.split([len(values), len(indicators), len(codes)], dim=1)
        encoded = batch.new_zeros(len(batch), len(values) + len(codes))
        encoded[:, values], encoded[:, codes] = known, given
        encoded[:, indicators] = encoded[:, indicators].masked_fill(missing > 0.5, math.nan)
        return encoded

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


def _has_commas(column: Column) -> bool:
    """Whether a column was learned from text with decimal commas, or may hold any text."""
    if isinstance(column, Number):
        return column.decimal == ","
    if not isinstance(column, Category):
        return False
    return column.exact or any(re.fullmatch(_DECIMAL_COMMA, value) for value in column.values)


def _frame(rows: Sequence[Row], names: Sequence[str]) -> pd.DataFrame:
    """Some columns of rows, which are counted from 1."""
    frame = import_pandas().DataFrame(rows, columns=names)
    frame.index += 1
    return plain_columns(frame)


def hide(cells: pd.Series, na_values: Sequence[str]) -> pd.Series:
    """The cells, of which those that stand for a missing one are missing; -999 and "-999.0" are one word.

    So are "-9,99" and -9.99, which pandas makes of it in a file with decimal commas.
    """
    import pandas as pd

    if not na_values or not len(cells):
        return cells
    with_points = [re.sub(_DECIMAL_COMMA, r"\1.\2", value) for value in na_values]
    if cells.dtype.kind in "iuf":
        return cells.mask(cells.isin(pd.to_numeric(pd.Series(with_points), errors="coerce").dropna()))
    known = words(pd.Series([*na_values, *with_points], dtype="string"))
    return cells.mask(words(cells).isin(known).fillna(False).astype(bool))


@lru_cache(maxsize=64)  # a copy to the device in each step would stall it
def _index(places: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(places, dtype=torch.long, device=device)


def _instead(name: str, frame: pd.DataFrame) -> str:
    """What a table has in place of a column, for a message that goes on with the names of all."""
    alike = {re.sub(r"\W|_", "", str(column)).casefold(): column for column in frame.columns}
    if (found := alike.get(re.sub(r"\W|_", "", name).casefold())) is not None:
        return f"; it has {quoted(found)}, and names must be the same to the letter"
    is_one_line = frame.shape[1] == 1 and any(sign in str(frame.columns[0]) for sign in SEPARATORS)
    return "; its columns must be these, with commas between them" if is_one_line else "; its columns must be"
