"""Batches indexed from tensors in memory, in an order that depends on seed and epoch alone."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Any, Protocol

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from zoo.spec import Encoded, Spec

Batch = tuple[Encoded, ...]
WINDOW = 32  # batches among which examples of like length are put together


class Ragged:
    """A column of N examples of unequal length T, each (T, …), which lie end to end in one tensor.

    Args:
        values: (sum of all T, …).
        lengths: T of each example (N,).

    Raises:
        ValueError: the lengths do not add up to the values, or there are none.
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
    """A column of N examples, each some pieces end to end, which are put together only when a batch is indexed.

    A piece may stand in many examples, and takes memory once.

    Args:
        pieces: (T, …), each of a length of its own, which may be 0.
        chosen: the rows of each example's pieces, in order.

    Raises:
        ValueError: there is no such piece.
    """

    def __init__(self, pieces: Ragged, chosen: Ragged) -> None:
        low, high = int(chosen.values.min()), int(chosen.values.max())
        if low < 0 or high >= len(pieces):
            raise ValueError(f"chosen are pieces {low} to {high}, and there are {len(pieces)}")
        self.pieces = pieces
        self.chosen = chosen
        owner = torch.arange(len(chosen)).repeat_interleave(chosen.lengths)  # of each piece that is chosen
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


class Column(Protocol):
    """What else than a tensor holds a value for each of N examples."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Tensor: ...

    def index_select(self, dim: int, rows: Tensor) -> Encoded:
        """The values of B rows, as one batch."""


class Examples(Dataset[Batch]):
    """Columns of one length N; a batch is one indexing operation on each, never a loop over examples."""

    def __init__(self, *tensors: Tensor | Column) -> None:
        if len({len(tensor) for tensor in tensors}) != 1:
            raise ValueError(f"tensors differ in length: {[len(tensor) for tensor in tensors]}")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    @property
    def lengths(self) -> Tensor | None:
        """Of the examples (N,), where one of the columns is ragged: the first such."""
        return next((column.lengths for column in self.tensors if isinstance(column, Ragged | Joined)), None)

    def __getitem__(self, index: int) -> Batch:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, rows: Sequence[int] | Tensor) -> Batch:
        rows = torch.as_tensor(rows)
        return tuple(tensor.index_select(0, rows) for tensor in self.tensors)  # ten times as fast as tensor[rows]


class Batches(Sampler[Tensor]):
    """The rows of each batch of an epoch, as one tensor a batch.

    Shuffled, the order is a function of seed and epoch alone, each process takes an equal share of it, and what does
    not fill a batch is left out (it is another remainder in each epoch; fewer examples than a batch are one batch).
    Given the examples' lengths, those of like length are put together, among each `WINDOW` batches.
    In order, each example comes exactly once, on one of the processes.
    """

    def __init__(
        self,
        examples: int,
        batch_size: int,
        *,
        shuffle: bool,
        rank: int = 0,
        processes: int = 1,
        seed: int = 0,
        lengths: Tensor | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.examples = examples
        self.shuffle = shuffle
        self.rank = rank
        self.processes = processes
        self.seed = seed
        self.lengths = lengths
        self.epoch = 0
        self.start = 0

    @property
    def sampler(self) -> Batches:
        """Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            return max(1, self.examples // self.processes // self.batch_size)
        return ceil(len(range(self.rank, self.examples, self.processes)) / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        start, self.start = self.start, 0
        if not self.shuffle:
            order = torch.arange(self.examples)[self.rank :: self.processes]
            yield from order.split(self.batch_size)[start : len(self)]
            return
        random = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)  # no seed has another's epochs
        order = torch.randperm(self.examples, generator=random)
        order = order[: self.examples // self.processes * self.processes]
        order = order[self.rank :: self.processes][: len(self) * self.batch_size]
        if self.lengths is None:
            yield from order.split(self.batch_size)[start:]
            return
        windows = order.split(WINDOW * self.batch_size)
        batches = torch.cat([window[self.lengths[window].argsort()] for window in windows]).split(self.batch_size)
        for batch in torch.randperm(len(batches), generator=random)[start:].tolist():
            yield batches[batch]


class ResumableLoader(DataLoader[Batch]):
    """A DataLoader of whole batches that knows how many it has served, so that a run resumes within an epoch.

    Lightning keeps `state_dict` in its checkpoints.
    """

    def __init__(self, examples: Examples, batches: Batches) -> None:
        super().__init__(
            examples,
            batch_sampler=batches,  # type: ignore[arg-type]  # tensors of rows, where torch declares lists
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
        )
        self.batches = batches
        self._skip = 0
        self._served = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self._served = self.batches.start = self._skip
        self._skip = 0
        for batch in super().__iter__():
            self._served += 1
            # With a GPU, earlier versions of torch pin the memory of tuples as lists
            yield tuple(tuple(column) if isinstance(column, list) else column for column in batch)

    def state_dict(self) -> dict[str, int]:
        return {"served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._served = self._skip = state["served"] % max(1, len(self))


class TensorDataModule(L.LightningDataModule, ABC):
    """A data module whose splits lie in memory.

    After `setup` it has `spec` (what the data holds) and serves `train`, `val` and `test`.

    Args:
        batch_size: examples a step, on each process.
        augment: changes a batch of training inputs on its device; None leaves them.

    Raises:
        ValueError: the batch size is not positive.
    """

    spec: Spec

    def __init__(self, batch_size: int, augment: Callable[[Any], Encoded] | None = None) -> None:
        super().__init__()
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size}")
        self.batch_size = batch_size
        self.augment = augment
        self.splits: dict[str, Examples] = {}

    @abstractmethod
    def load(self) -> tuple[Spec, dict[str, Examples]]:
        """Read the data: its spec, and the disjoint splits `train`, `val` and `test`."""

    def setup(self, stage: str | None = None) -> None:
        if not self.splits:
            self.spec, self.splits = self.load()

    def train_dataloader(self) -> ResumableLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> ResumableLoader:
        return self._loader("val", shuffle=False)

    def test_dataloader(self) -> ResumableLoader:
        return self._loader("test", shuffle=False)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        return self.augment(batch[0]), *batch[1:]

    def _loader(self, split: str, *, shuffle: bool) -> ResumableLoader:
        examples = self.splits[split]
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))  # where Lightning's seed_everything keeps it
        return ResumableLoader(
            examples,
            Batches(
                len(examples),
                self.batch_size,
                shuffle=shuffle,
                rank=rank,
                processes=processes,
                seed=seed,
                lengths=examples.lengths,
            ),
        )


def _gather(values: Tensor, places: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The values (N, …) at places (B, T), zeros beyond lengths (B,), as (B, T, …); and the lengths."""
    gathered = values.index_select(0, places.flatten().clamp(max=len(values) - 1))
    outside = torch.arange(places.shape[1]) >= lengths[:, None]
    gathered = gathered.view(*places.shape, *values.shape[1:])
    return gathered.masked_fill_(outside.view(*places.shape, *[1] * (values.ndim - 1)), 0), lengths


def _as_it_is(batch: Any) -> Any:
    return batch
