"""The cells of delimited text as pandas parses them: a small file at once, a large one in parts into a mapped file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import Mapped
from zoo.private import freed_memory_given_back
from zoo.spec.dialect import LINES
from zoo.spec.mapped import CELL, is_large, new_map

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

UTF8, MARKED = "utf-8", "utf-8-sig"  # the second one takes longer
LARGE = 2**28  # bytes of a file above which memory counts more than the time to read it
SMALLEST_PART = 2**18  # cells that pandas turns into numbers or text together, or more
AT_ONCE = 2**20  # cells of a mapped table that are read together
LARGEST_WHOLE = 2**53  # up to which float64 has all whole numbers


@dataclass
class Parser:
    """What pandas reads of a file.

    Args:
        source: the file, or its bytes.
        options: of `pandas.read_csv`.
        width: how many columns it has.
        may_map: whether the cells of a large file lie in a mapped one, those of text as categories if words recur.
    """

    source: Path | bytes
    options: dict[str, Any]
    width: int
    may_map: bool

    def __post_init__(self) -> None:
        self.size = len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size
        self.most_rows = self._count_lines() if self.may_map and is_large(CELL * self.size) else 0
        self.is_mapped = is_large(CELL * self.most_rows * self.width)

    def table(self, types: Mapping[int, Any]) -> pd.DataFrame:
        """All columns, some of them of given types."""
        with freed_memory_given_back() if self.size > LARGE else nullcontext():
            if self.is_mapped:
                return self._decoded(lambda: self._mapped(types, range(self.width)))
            return self._decoded(lambda: self._in_parts(types))

    def texts(self, places: Sequence[int]) -> pd.DataFrame:
        """Some columns as they are written."""
        types = dict.fromkeys(places, str)
        if self.is_mapped:
            return self._decoded(lambda: self._mapped(types, places))
        return self._decoded(lambda: self._read(dtype=types, usecols=places))

    def _decoded(self, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        try:
            return read()
        except UnicodeDecodeError:
            if self.options["encoding"] != UTF8:
                raise
            # It was decoded cell by cell, and the error's place is not that in the file
            self.options["encoding"] = MARKED
            return read()

    def _read(self, **more: Any) -> Any:
        import pandas as pd

        given = io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source
        return pd.read_csv(given, **self.options, **more)

    def _in_parts(self, types: Mapping[int, Any]) -> pd.DataFrame:
        """The table, whose cells pandas turns into numbers or text some rows at a time, which takes half the memory.

        A column whose parts may differ in type, or in the rounding of large whole numbers, is read again as one. Where
        all columns of a large file are named, pandas does not map it to read it in threads, whose parts would all be in
        memory beside the whole.
        """
        import pandas as pd

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            frame: pd.DataFrame = self._read(dtype=types, usecols=range(self.width) if self.size > LARGE else None)
        if frame.size < SMALLEST_PART:
            return frame
        mixed = [place for place, cells in frame.items() if place not in types and _may_be_mixed(cells)]
        for place, cells in self._read(usecols=mixed, low_memory=False).items() if mixed else ():
            frame[place] = cells
        return frame

    def _mapped(self, types: Mapping[int, Any], places: Sequence[int]) -> pd.DataFrame:
        """Some columns, of which a part is in memory at a time."""
        import pandas as pd

        mapped = new_map(CELL * self.most_rows * len(places), "cells of the table")
        columns = {place: _Column(mapped, self.most_rows, order) for order, place in enumerate(places)}
        rows = max(1, AT_ONCE // len(places))
        for part in self._read(dtype=types, usecols=places, chunksize=rows, low_memory=False):
            for place, column in columns.items():
                column.append(part[place])
            mapped.let_go()
        again = {place: kind for place, column in columns.items() if (kind := column.read_again_as) is not None}
        odd = [place for place, kind in again.items() if kind is object]
        known = {place: kind for place, kind in again.items() if kind is not object}
        instead = dict(self._read(usecols=odd, low_memory=False).items()) if odd else {}
        if known:
            instead |= self._mapped(known, list(known)).items()
        found = (instead[place] if place in instead else column.cells() for place, column in columns.items())
        return pd.DataFrame(dict(zip(columns, found)), copy=False)

    def _count_lines(self) -> int:
        """How many rows there are at most: the ends of lines, and one."""
        import numpy as np

        with io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source.open("rb") as file:
            parts = (np.frombuffer(part, np.uint8) for part in iter(lambda: file.read(LINES), b""))
            return 1 + sum(map(_count_ends, parts))


def _count_ends(part: np.ndarray) -> int:
    """How many lines end by a line feed, a carriage return, or both together."""
    import numpy as np

    returns = part == ord("\r")
    returns[:-1] &= part[1:] != ord("\n")
    return int(np.count_nonzero(part == ord("\n")) + np.count_nonzero(returns))


def _may_be_mixed(cells: pd.Series) -> bool:
    import pandas as pd

    if cells.dtype == object:
        return pd.api.types.infer_dtype(cells) != "string"
    return cells.dtype.kind == "f" and bool(cells.abs().max() >= LARGEST_WHOLE)


class _Column:
    """A column of a file that is read part by part; each part's numbers, or codes of words, lie in the map.

    Args:
        mapped: the map.
        most_rows: how many there are at most.
        order: the place of the column in the map.
    """

    def __init__(self, mapped: Mapped, most_rows: int, order: int) -> None:
        self.mapped, self.most_rows, self.order = mapped, most_rows, order
        self.parts: list[tuple[slice, str]] = []  # rows, and their kind: i, f, b, text, none, or object
        self.words: list[pd.Series] = []  # the different ones of each part, end to end
        self.different = 0
        self.count = 0
        self.largest = 0  # of whole numbers, without their signs

    def append(self, cells: pd.Series) -> None:
        """The cells of the next rows."""
        import pandas as pd

        rows = slice(self.count, self.count + len(cells))
        kind = _kind(cells)
        if kind == "text":
            codes, different = pd.factorize(cells)
            codes[codes >= 0] += self.different
            self.words.append(pd.Series(different))
            self.different += len(different)
            self._values("int32")[rows] = codes
        elif kind in ("i", "f", "b"):
            values = cells.to_numpy()
            self._values(values.dtype)[rows] = values
            if kind == "i":
                self.largest = max(self.largest, -int(values.min()), int(values.max()))
        self.parts.append((rows, kind))
        self.count = rows.stop

    @property
    def kinds(self) -> set[str]:
        return {kind for _, kind in self.parts}

    @property
    def read_again_as(self) -> Any:
        """What the column is, where its parts do not tell all about it: text, a float, or a thing that pandas finds in
        the whole column alone; None where they do."""
        kinds = self.kinds - {"none"}
        if "object" in kinds or (kinds == {"b"} and "none" in self.kinds):
            return object
        if kinds == {"i", "f"}:
            return "float64" if self.largest >= LARGEST_WHOLE else None
        return str if len(kinds) > 1 else None

    def cells(self) -> pd.Series:
        """All cells."""
        import numpy as np
        import pandas as pd

        kinds = self.kinds
        if "text" in kinds:
            return self._text()
        if kinds == {"b"}:
            return pd.Series(self._values("bool")[: self.count], copy=False)
        if kinds == {"i"}:
            return pd.Series(self._values("int64")[: self.count], copy=False)
        floats = self._values("float64")[: self.count]
        for rows, kind in self.parts:
            if kind != "f":
                floats[rows] = self._values("int64")[rows] if kind == "i" else np.nan
        self.mapped.let_go()
        return pd.Series(floats, copy=False)

    def _text(self) -> pd.Series:
        import numpy as np
        import pandas as pd

        places, different = pd.factorize(pd.concat(self.words, ignore_index=True))
        self.words.clear()
        places = np.append(places, -1)  # the last one is of missing cells
        if len(different) > self.count / 2:
            codes = np.full(self.count, -1, np.int32)
            for rows, kind in self.parts:
                if kind == "text":
                    codes[rows] = places[self._values("int32")[rows]]
            return pd.Series(pd.Series(different).array.take(codes, allow_fill=True))
        places = places.astype(np.min_scalar_type(-max(1, len(different))))
        # No wider than what they replace, so that no part reaches into the next
        codes = self._values(places.dtype)[: self.count]
        for rows, kind in self.parts:
            codes[rows] = places[self._values("int32")[rows]] if kind == "text" else -1
        self.mapped.let_go()
        return pd.Series(pd.Categorical.from_codes(codes, different), copy=False)

    def _values(self, dtype: Any) -> np.ndarray:
        """The column's numbers or codes, and what lies behind them."""
        import numpy as np

        return np.frombuffer(self.mapped, dtype, self.most_rows, CELL * self.most_rows * self.order)


def _kind(cells: pd.Series) -> str:
    """i, f or b of whole numbers, floats and booleans, text, none where all are missing, and object of all else."""
    import pandas as pd

    if isinstance(cells.dtype, pd.StringDtype) or (
        cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) == "string"
    ):
        return "text"
    if cells.dtype.kind == "f" and cells.isna().all():
        return "none"
    return str(cells.dtype.kind) if cells.dtype in ("int64", "float64", "bool") else "object"
