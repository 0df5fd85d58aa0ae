"""Columns of examples in memory; a batch is indexed from them, not collated."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from zoo.files import Mapped
from zoo.spec import Encoded

Batch = tuple[Encoded, ...]
AT_ONCE = 64  # rows that are read of a mapped file, before their memory is let go of


class Ragged:
    """A column of N examples of unequal length T, each (T, …), stored end to end in one tensor.

    Args:
        values: (sum of all T, …).
        lengths: T of each example (N,).

    Raises:
        ValueError: the lengths do not add up to the number of values, or there are no values.
    """

    def __init__(self, values: Tensor, lengths: Tensor) -> None:
        if len(values) == 0 or int(lengths.sum()) != len(values):
            raise ValueError(f"lengths add up to {int(lengths.sum())}, and there are {len(values)} values")
        self.values = values
        self.lengths = lengths.long()
        self.starts = self.lengths.cumsum(0) - self.lengths

    @classmethod
    def of(cls, examples: Sequence[Tensor]) -> Ragged:
        """The column of these examples."""
        return cls(torch.cat(list(examples)), torch.tensor([len(example) for example in examples]))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Tensor:
        start = int(self.starts[index])
        return self.values[start : start + int(self.lengths[index])]

    def index_select(self, dim: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The examples of B rows, padded with zeros to the longest (B, T, …), and their lengths (B,)."""
        lengths = self.lengths[rows]
        steps = torch.arange(max(1, int(lengths.max())) if len(rows) else 1)
        return _gather(self.values, self.starts[rows, None] + steps, lengths)


class Joined:
    """A column of N examples, each a sequence of pieces that are joined only when a batch is indexed.

    A piece may be part of many examples, and is stored once.

    Args:
        pieces: (T, …), each of its own length, which may be 0.
        chosen: for each example, the rows of its pieces, in order.

    Raises:
        ValueError: there is no such piece.
    """

    def __init__(self, pieces: Ragged, chosen: Ragged) -> None:
        low, high = int(chosen.values.min()), int(chosen.values.max())
        if low < 0 or high >= len(pieces):
            raise ValueError(f"chosen are pieces {low} to {high}, and there are {len(pieces)}")
        self.pieces = pieces
        self.chosen = chosen
        owner = torch.arange(len(chosen)).repeat_interleave(chosen.lengths)  # the example of each chosen piece
        self.lengths = torch.zeros(len(chosen), dtype=torch.long)
        self.lengths.index_add_(0, owner, pieces.lengths.index_select(0, chosen.values))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0][0, : self.lengths[index]]

    def index_select(self, dim: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The examples of B rows, padded with zeros to the longest (B, T, …), and their lengths (B,)."""
        chosen, counts = self.chosen.index_select(0, rows)  # B, P
        widths = self.pieces.lengths[chosen].masked_fill_(torch.arange(chosen.shape[1]) >= counts[:, None], 0)
        ends = widths.cumsum(1)
        lengths = self.lengths[rows]
        steps = torch.arange(max(1, int(lengths.max())) if len(rows) else 1).expand(len(rows), -1).contiguous()
        piece = torch.searchsorted(ends, steps, right=True).clamp_(max=chosen.shape[1] - 1)  # B, T
        offsets = self.pieces.starts[chosen] - (ends - widths)
        return _gather(self.pieces.values, offsets.gather(1, piece) + steps, lengths)


class Windows:
    """A column of N windows of equal length T on a series, which is stored once; windows may overlap.

    Args:
        series: (L, …).
        starts: the first step of each window (N,).
        length: T.

    Raises:
        ValueError: a window reaches beyond the series.
    """

    def __init__(self, series: Tensor, starts: Tensor, length: int) -> None:
        if len(starts) and (int(starts.min()) < 0 or int(starts.max()) + length > len(series)):
            raise ValueError(f"windows of {length} steps reach beyond a series of {len(series)}")
        self.series = series
        self.starts = starts
        self.steps = torch.arange(length)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Tensor:
        start = int(self.starts[index])
        return self.series[start : start + len(self.steps)]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The windows of B rows (B, T, …)."""
        return self.series[self.starts[rows, None] + self.steps]

    @property
    def nbytes(self) -> int:
        """Of the series."""
        return self.series.nbytes

    def to(self, device: torch.device) -> Windows:
        """The same column on a device."""
        there = copy(self)
        there.series, there.starts, there.steps = (part.to(device) for part in (self.series, self.starts, self.steps))
        return there


class MappedRows:
    """A column of N rows (E,) of a table, which lies in a file that is mapped into memory.

    Args:
        rows: of the table (M, E), in the map.
        places: of the N rows in it.
        mapped: the map.
    """

    def __init__(self, rows: Tensor, places: Tensor, mapped: Mapped) -> None:
        self.rows, self.places, self.mapped = rows, places, mapped

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0]

    def __reduce__(self) -> Any:
        return torch.clone, (self.index_select(0, torch.arange(len(self))),)  # the file has no name

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """B rows (B, E)."""
        found = self.rows.new_empty(len(rows), self.rows.shape[1])
        for part, places in zip(found.split(AT_ONCE), self.places[rows].split(AT_ONCE)):
            torch.index_select(self.rows, 0, places, out=part)
            self.mapped.touch(len(part), part[0].nbytes)
        return found


def in_memory(column: Any, rows: Tensor | None = None) -> Tensor:
    """Some rows of a tensor, or of one that is mapped, or all of them."""
    if rows is None and not isinstance(column, MappedRows):
        return column
    return column.index_select(0, torch.arange(len(column)) if rows is None else rows)


class Column(Protocol):
    """Anything other than a tensor that holds one value for each of N examples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor: ...

    def index_select(self, dim: int, rows: Tensor) -> Encoded:
        """The values of B rows, as one batch."""


class Examples(Dataset[Batch]):
    """A data set of columns, all of length N; a batch is one indexing operation a column, without a loop over examples.

    Raises:
        ValueError: the columns differ in length.
    """

    def __init__(self, *columns: Tensor | Column) -> None:
        if len({len(column) for column in columns}) != 1:
            raise ValueError(f"columns differ in length: {[len(column) for column in columns]}")
        self.columns = columns
        self.device = torch.device("cpu")

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def can_move(self) -> bool:
        """Whether batches can be indexed on another device: the host needs no number of a column, such as lengths."""
        return all(isinstance(column, Tensor | Windows) for column in self.columns)

    @property
    def nbytes(self) -> int:
        """Of columns that can move."""
        return sum(column.nbytes for column in self.columns if isinstance(column, Tensor | Windows))

    def to(self, device: torch.device) -> Examples:
        """The same examples on a device, where their batches are then indexed.

        Raises:
            ValueError: they cannot move.
        """
        if not self.can_move:
            raise ValueError("a column is indexed by numbers that the host needs")
        there = Examples(*(column.to(device) for column in self.columns if isinstance(column, Tensor | Windows)))
        there.device = device
        return there

    @property
    def lengths(self) -> Tensor | None:
        """The lengths of the examples (N,), those of the longest of their ragged columns; None where there is none."""
        lengths = [column.lengths for column in self.columns if isinstance(column, Ragged | Joined)]
        return torch.stack(lengths).amax(dim=0) if lengths else None

    def __getitem__(self, index: int) -> Batch:
        return tuple(column[index] for column in self.columns)

    def __getitems__(self, rows: Sequence[int] | Tensor) -> Batch:
        rows = torch.as_tensor(rows)
        if self.device.type == "cuda":
            rows = rows.pin_memory().to(self.device, non_blocking=True)
        return tuple(column.index_select(0, rows) for column in self.columns)  # ten times as fast as column[rows]


def _gather(values: Tensor, places: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The values (N, …) at places (B, T), with zeros beyond lengths (B,), as (B, T, …); and the lengths."""
    gathered = values.index_select(0, places.flatten().clamp(max=len(values) - 1))
    outside = torch.arange(places.shape[1]) >= lengths[:, None]
    gathered = gathered.view(*places.shape, *values.shape[1:])
    return gathered.masked_fill_(outside.view(*places.shape, *[1] * (values.ndim - 1)), 0), lengths
