"""Tables that would take much of the memory: their columns lie in a file that is mapped into it.

The file is in the user's cache folder. It has no name, so that it is gone with the process, however that ends. Columns
are read, changed and encoded one after another, and each lets go of its part of the memory.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from zoo.errors import DataError
from zoo.files import Mapped, cache_folder, check_room, gigabytes, one_line, reserve
from zoo.hardware import memory
from zoo.spec.cells import compact

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

LARGE = 2**29  # bytes of a table that are mapped, or
SHARE = 16  # this part of the machine's memory, if it is less
CELL = 8  # bytes
_OPEN: WeakSet[Mapped] = WeakSet()


def is_large(size: int) -> bool:
    """Whether a table of so many bytes is to lie in a mapped file."""
    return size > min(LARGE, (memory() or LARGE * SHARE) // SHARE)


def new_map(size: int, what: str) -> Mapped:
    """A mapped file of so many bytes that nobody else sees.

    Raises:
        DataError: it cannot be written, or the disk has no room.
    """
    remedy = "set ZOO_CACHE to a folder on another disk"
    try:
        folder = cache_folder() / "tables"
        folder.mkdir(parents=True, exist_ok=True)
        check_room(folder, size, f"the {what} take", remedy)
        log.info("The %s are in a file in %s, which ends with this process: %s", what, folder, gigabytes(size))
        with tempfile.TemporaryFile(dir=folder) as file:
            reserve(file, size)
            mapped = Mapped(file.fileno(), size)
    except (OSError, RuntimeError) as error:  # of a home that cannot be told, the second
        raise DataError(one_line(f"the {what} cannot be in the user's cache folder ({error}); {remedy}")) from error
    _OPEN.add(mapped)
    return mapped


def let_go() -> None:
    """Let go of what is in this process's memory of all such files."""
    for mapped in _OPEN:
        mapped.let_go()


def one_by_one(frame: pd.DataFrame) -> Iterator[tuple[Hashable, pd.Series]]:
    """The names and cells of columns; each lets go of its memory, if it is mapped."""
    for name, cells in frame.items():
        yield name, cells
        let_go()


def each_column(frame: pd.DataFrame, change: Callable[[pd.Series], pd.Series]) -> pd.DataFrame:
    """A table of what becomes of each column, mapped if it is large."""
    return table_of(frame.columns, (change(cells) for _, cells in one_by_one(frame)), frame.size)


def joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of tables, one after another; mapped if they are many."""
    import pandas as pd

    if not is_large(CELL * sum(frame.size for frame in frames)):
        return pd.concat(frames)
    names = list(dict.fromkeys(name for frame in frames for name in frame.columns))

    def column(name: Hashable) -> pd.Series:
        parts = [frame.reindex(columns=[name])[name] for frame in frames]
        let_go()
        alike = len({part.dtype for part in parts}) == 1
        cells = pd.concat(parts if alike else map(_with_words, parts))  # of other categories
        return compact(cells) if isinstance(cells.dtype, pd.StringDtype) else cells

    return table_of(names, map(column, names), len(names) * sum(map(len, frames)))


def table_of(names: Sequence[Hashable] | pd.Index, columns: Iterable[pd.Series], cells: int) -> pd.DataFrame:
    """A table of columns, each made when it is its turn; mapped if it has many cells."""
    import pandas as pd

    if is_large(CELL * cells):
        columns = _mapped(columns, len(names), cells)
    return pd.DataFrame(dict(enumerate(columns)), copy=False).set_axis(names, axis=1)


def _with_words(cells: pd.Series) -> pd.Series:
    """The words of categories."""
    import pandas as pd

    is_category = isinstance(cells.dtype, pd.CategoricalDtype)
    return cells.astype(cells.dtype.categories.dtype) if is_category else cells


def _mapped(columns: Iterable[pd.Series], count: int, cells: int) -> Iterator[pd.Series]:
    """The columns, mapped but for those of text, or of Python's objects."""
    import numpy as np
    import pandas as pd

    rows, mapped = cells // count, new_map(CELL * cells, "cells of the table")
    for place, column in enumerate(columns):
        is_category = isinstance(column.dtype, pd.CategoricalDtype)
        if not is_category and not (isinstance(column.dtype, np.dtype) and column.dtype.kind in "iufb"):
            yield column
            continue
        values = column.cat.codes.to_numpy() if is_category else column.to_numpy()
        there = np.frombuffer(mapped, values.dtype, len(values), CELL * rows * place)
        there[:] = values
        kept: Any = pd.Categorical.from_codes(there, dtype=column.dtype) if is_category else there
        yield pd.Series(kept, column.index, name=column.name, copy=False)
        mapped.let_go()
