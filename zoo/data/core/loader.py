"""The order of batches, which depends on seed and epoch alone, and a DataLoader that can resume within an epoch."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from zoo.data.core.columns import Batch, Examples

WINDOW = 32  # batches within which examples of similar length are grouped


class SeededBatchSampler(Sampler[Tensor]):
    """Yields the rows of each batch of an epoch, one tensor a batch.

    With `shuffle`, the order is a function of seed and epoch alone. Each process takes an equal part of it, and the
    rows that do not fill a batch are dropped (different ones in each epoch; if there are fewer rows than a batch takes,
    they are one batch). Given the examples' lengths, those of similar length share a batch, within windows of `WINDOW`
    batches.

    Without it, each example comes exactly once, in order, on one of the processes. A process for which there is none is
    served the first one (`stands_in`), so that it takes part in what all do together.
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
    def sampler(self) -> SeededBatchSampler:
        """Itself: Lightning looks here for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def stands_in(self) -> bool:
        """Whether the only example of this process is one of another's."""
        return not self.shuffle and 0 < self.examples <= self.rank

    def __len__(self) -> int:
        if self.shuffle:
            return max(1, self.examples // self.processes // self.batch_size)
        if self.stands_in:
            return 1
        return ceil(len(range(self.rank, self.examples, self.processes)) / self.batch_size)

    def __iter__(self) -> Iterator[Tensor]:
        start, self.start = self.start, 0
        if not self.shuffle:
            order = torch.arange(self.examples)[0 if self.stands_in else self.rank :: self.processes]
            yield from order.split(self.batch_size)[start : len(self)]
            return
        random = torch.Generator().manual_seed(
            self.seed * 1_000_003 + self.epoch
        )  # no two seeds share an epoch's order
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
    """A DataLoader that indexes whole batches and counts those it has served, so that a run resumes within an epoch.

    Lightning saves `state_dict` in its checkpoints.

    Args:
        examples: what is served.
        batches: their rows.
        pin_memory: for a run on CUDA, whose copies to the device then wait for nothing.
    """

    def __init__(self, examples: Examples, batches: SeededBatchSampler, *, pin_memory: bool = False) -> None:
        super().__init__(
            examples,
            batch_sampler=batches,  # type: ignore[arg-type]  # tensors of rows, where torch declares lists
            collate_fn=_unchanged,
            pin_memory=pin_memory,
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


def _unchanged(batch: Any) -> Any:
    return batch
