"""Batches indexed from tensors in memory, in an order that depends on seed and epoch alone."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler

from zoo.spec import Spec

Batch = tuple[Tensor, ...]


class Examples(Dataset[Batch]):
    """Tensors of one length N; a batch is one indexing operation on each, never a loop over examples."""

    def __init__(self, *tensors: Tensor) -> None:
        if len({len(tensor) for tensor in tensors}) != 1:
            raise ValueError(f"tensors differ in length: {[len(tensor) for tensor in tensors]}")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Batch:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        rows = torch.as_tensor(indices)
        return tuple(tensor[rows] for tensor in self.tensors)


class ResumableLoader(DataLoader[Batch]):
    """A DataLoader of whole batches that knows how many it has served, so that a run resumes within an epoch.

    Lightning saves `state_dict` in its checkpoints. The sampler's order must be a function of the epoch alone.
    """

    def __init__(
        self, examples: Examples, sampler: Sampler[int] | Sequence[int], batch_size: int, *, drop_last: bool = False
    ) -> None:
        super().__init__(
            examples,
            batch_size=batch_size,
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
        )
        self._served = 0
        self._skip = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        skip, self._skip = self._skip, 0
        self._served = skip
        batches = self._after(skip) if skip else super().__iter__()
        for batch in batches:
            self._served += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        return {"served": self._served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self._skip = state["served"] % len(self)

    def _after(self, skip: int) -> Iterator[Batch]:
        assert self.batch_sampler is not None
        for position, indices in enumerate(self.batch_sampler):
            if position >= skip:
                yield self.dataset.__getitems__(indices)  # type: ignore[attr-defined]


class TensorDataModule(L.LightningDataModule, ABC):
    """A data module whose splits lie in memory.

    After `setup` it has `spec` (what the data holds) and serves `train`, `val` and `test`.

    Args:
        batch_size: examples a step, on each process.
        augment: changes a batch of training inputs (B, …) on its device; None leaves them.

    Raises:
        ValueError: the batch size is not positive.
    """

    spec: Spec

    def __init__(self, batch_size: int, augment: Callable[[Tensor], Tensor] | None = None) -> None:
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
        train = self.splits["train"]
        rank, world = self._place()
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0))  # where Lightning's seed_everything keeps it
        order: Sampler[int] = DistributedSampler(train, world, rank, shuffle=True, seed=seed)
        return ResumableLoader(train, order, self.batch_size, drop_last=len(train) // world >= self.batch_size)

    def val_dataloader(self) -> ResumableLoader:
        return self._in_order("val")

    def test_dataloader(self) -> ResumableLoader:
        return self._in_order("test")

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        return self.augment(batch[0]), *batch[1:]

    def _in_order(self, split: str) -> ResumableLoader:
        rank, world = self._place()  # no example twice, so that figures over several processes are exact
        return ResumableLoader(self.splits[split], range(rank, len(self.splits[split]), world), self.batch_size)

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _as_it_is(batch: Any) -> Any:
    return batch
