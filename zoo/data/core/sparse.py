"""Rows of which most places are empty, such as a user's ratings of all items: only what is there is stored.

Shape letters: N rows, G places of a row, S codes that are stored, B rows of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

AT_ONCE = 1024  # rows that are dense together
SMALL = 2**24  # pairs, up to which a number is drawn for each, as earlier versions did


class SparseRows:
    """A column of N rows of codes, uint8 (G,), most of them 0; a batch of them is dense.

    Args:
        starts: where each row's codes begin, and where the last ends, int64 (N + 1,).
        places: of the codes in their rows, int32 (S,), ascending in each row.
        codes: from 1, uint8 (S,).
        width: G.
    """

    def __init__(self, starts: Tensor, places: Tensor, codes: Tensor, width: int) -> None:
        self.starts, self.places, self.codes, self.width = starts, places, codes, width

    @classmethod
    def of_pairs(cls, rows: Tensor, places: Tensor, codes: Tensor, shape: tuple[int, int]) -> SparseRows:
        """Codes (S,) by their rows and places; the last one counts where a pair occurs several times."""
        last = _last_of_pairs(rows, places, shape)
        counts = rows[last].bincount(minlength=shape[0])
        return cls(_ends(counts), places[last].int(), codes[last].to(torch.uint8), shape[1])

    @classmethod
    def of_dense(cls, codes: Tensor) -> SparseRows:
        """Of codes (N, G), 0 where there is none."""
        rows, places = codes.nonzero().unbind(1)
        return cls(_ends(rows.bincount(minlength=len(codes))), places.int(), codes[rows, places], codes.shape[1])

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def counts(self) -> Tensor:
        """How many codes each row has (N,)."""
        return self.starts.diff()

    @property
    def owners(self) -> Tensor:
        """The row of each code (S,)."""
        return torch.arange(len(self)).repeat_interleave(self.counts)

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The codes of B rows, uint8 (B, G)."""
        starts, counts = self.starts[rows], self.counts[rows]
        batch = torch.zeros(len(rows), self.width, dtype=torch.uint8)
        owner = torch.arange(len(rows)).repeat_interleave(counts)
        stored = (starts - counts.cumsum(0) + counts).repeat_interleave(counts) + torch.arange(int(counts.sum()))
        batch[owner, self.places[stored].long()] = self.codes[stored]
        return batch

    def dense(self) -> Tensor:
        """All rows, uint8 (N, G)."""
        return self.index_select(0, torch.arange(len(self)))

    def where(self, chosen: Tensor) -> SparseRows:
        """Those codes alone that are chosen, bool (S,)."""
        counts = self.owners[chosen].bincount(minlength=len(self))
        return SparseRows(_ends(counts), self.places[chosen], self.codes[chosen], self.width)

    def held_out(
        self, count: int, random: torch.Generator, order: Tensor | None = None
    ) -> tuple[SparseRows, SparseRows, Tensor]:
        """Rows without `count` of their codes, or half of them if they are fewer; and those codes alone.

        Args:
            count: codes of a row.
            random: chooses them.
            order: of the codes (S,), such as their times: the last ones are held out, and not random ones.

        Returns:
            The rows without them, they, and which codes they are, bool (S,).
        """
        owners = self.owners
        draws = order if order is not None else self._draws(owners, random)
        sorted_codes = draws.argsort(descending=True, stable=True)
        sorted_codes = sorted_codes[owners[sorted_codes].argsort(stable=True)]  # row by row, the highest first
        ranks = torch.arange(len(owners)) - self.starts[:-1].repeat_interleave(self.counts)
        out = torch.zeros(len(owners), dtype=torch.bool)
        out[sorted_codes] = ranks < (self.counts // 2).clamp(max=count).repeat_interleave(self.counts)
        return self.where(~out), self.where(out), out

    def _draws(self, owners: Tensor, random: torch.Generator) -> Tensor:
        if len(self) * self.width > SMALL:
            return torch.rand(len(owners), generator=random)
        return torch.rand(len(self), self.width, generator=random)[owners, self.places.long()]


def _ends(counts: Tensor) -> Tensor:
    """Where each row begins, and where the last ends (N + 1,)."""
    return torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])


def with_zeros(
    clicks: SparseRows, random: torch.Generator, times: Tensor | None = None
) -> tuple[SparseRows, Tensor | None]:
    """Clicks (U, G), with code 2, and for each user as many other items, drawn at random, with code 1.

    Where clicks have times (S,), so have these: each is that of a click.
    """
    parts = []
    for rows in torch.arange(len(clicks)).split(AT_ONCE):  # a float for each pair takes room
        clicked = clicks.index_select(0, rows) > 0
        counts = clicked.sum(dim=1)
        draws = torch.rand(len(rows), clicks.width, generator=random).masked_fill_(clicked, -1)
        order = draws.argsort(dim=1, descending=True)[:, : int(counts.max())]
        wanted = (torch.arange(order.shape[1]) < counts[:, None]) & (draws.gather(1, order) >= 0)
        parts.append(torch.stack([rows[:, None].expand_as(order)[wanted], order[wanted]]))
    owners, (rows, places) = clicks.owners, torch.cat(parts, dim=1)
    pairs = torch.cat([owners, rows]), torch.cat([clicks.places.long(), places])
    codes = torch.cat([torch.full_like(owners, 2), torch.ones_like(rows)])
    both = SparseRows.of_pairs(*pairs, codes, (len(clicks), clicks.width))
    if times is None:
        return both, None
    within = torch.arange(len(rows)) - _first_of_each(rows, len(clicks))
    joined = torch.cat([times, times[clicks.starts[rows] + within]])
    return both, joined[(pairs[0] * clicks.width + pairs[1]).argsort(stable=True)]


def _first_of_each(rows: Tensor, count: int) -> Tensor:
    """Where the row of each begins, of rows in ascending order."""
    counts = rows.bincount(minlength=count)
    return (counts.cumsum(0) - counts)[rows]


def last_of_each(values: Tensor, rows: Tensor, places: Tensor, shape: tuple[int, int]) -> Tensor:
    """The last value of each pair of a row and a place, in the order of `SparseRows.of_pairs`."""
    return values[_last_of_pairs(rows, places, shape)]


def _last_of_pairs(rows: Tensor, places: Tensor, shape: tuple[int, int]) -> Tensor:
    """Where each pair of a row and a place stands last, in the order of rows and places."""
    keys, order = (rows.long() * shape[1] + places).sort(stable=True)
    last = torch.ones(len(keys), dtype=torch.bool)
    last[:-1] = keys[1:] != keys[:-1]
    return order[last]
