"""The base class of all data modules: a spec, and three splits in memory."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch

from zoo import check
from zoo.data.core.examples import Batch, Examples
from zoo.data.core.loader import ResumableLoader, SeededBatchSampler
from zoo.data.core.notes import Note, joined
from zoo.errors import ConfigError, DataError
from zoo.hardware import fits_on_gpu
from zoo.spec import Encoded, Spec

log = logging.getLogger(__name__)


class DataModule(L.LightningDataModule, ABC):
    """A LightningDataModule whose splits are columns in memory.

    A subclass implements `load`. After `setup` there is `spec`, which describes the data, and there are the splits
    `train`, `val` and `test`, and `notes` on what was guessed or left out.

    Args:
        batch_size: examples a batch, on each process.
        augment: changes a batch of training inputs, on its device; None leaves it unchanged. Where it has
            `set_epoch`, it is told the epoch. Where its `mixes` is true, its `mix(inputs, targets, output)` changes
            both.

    Raises:
        ValueError: the batch size is not positive.
    """

    spec: Spec

    def __init__(self, batch_size: int, augment: Callable[[Any], Encoded] | None = None) -> None:
        super().__init__()
        self.batch_size = check.whole("batch_size", batch_size)
        self.augment = augment
        self.splits: dict[str, Examples] = {}
        self.notes: list[str] = []
        self._held: list[Note] | None = None  # notes, while the data is read
        self._there: dict[str, Examples] = {}  # as they lie while a network trains on a GPU

    def note(self, text: str, *, warn: bool = False) -> None:
        """Say something that was guessed or left out when the data was read, in the log and in the card.

        While it is read, notes wait: many of one kind become one.
        """
        if self._held is not None:
            self._held.append(Note(text, warn))
        elif text not in self.notes:
            log.log(logging.WARNING if warn else logging.INFO, "%s", text)
            self.notes.append(text)

    def take_fold(self, number: int, count: int, *, one_encoding: bool = False) -> None:
        """Test on the fold of this number, from 0, of so many, before it is set up.

        Args:
            number, count: of folds.
            one_encoding: whether examples are encoded alike in all folds, by all of them, and not by those of training.

        Raises:
            ConfigError: its splits are given.
        """
        raise ConfigError(f"folds are for tables; {type(self).__name__} has splits of its own: give seeds=… instead")

    def expected_specs(self) -> Sequence[Spec]:
        """Specs of the kinds that `load` may give, before anything is read or downloaded.

        A run whose model and task go with none of them ends at once. Sizes are right where they are known. Where only
        the files tell, there are none.
        """
        return ()

    @abstractmethod
    def load(self) -> tuple[Spec, dict[str, Examples]]:
        """Read the data: its spec, and the disjoint splits `train`, `val` and `test`."""

    def setup(self, stage: str | None = None) -> None:
        if not self.splits:
            with self._gathered_notes():
                self.spec, splits = self.load()
            self.splits = {split: splits[split] for split in ("train", "val", "test") if split in splits}

    @contextmanager
    def _gathered_notes(self) -> Iterator[None]:
        held: list[Note] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            for text, warn in joined(list(dict.fromkeys(held))):
                self.note(text, warn=warn)

    def train_dataloader(self) -> ResumableLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> ResumableLoader:
        return self._loader("val", shuffle=False)

    def test_dataloader(self) -> ResumableLoader:
        return self._loader("test", shuffle=False)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if self.augment is None or self.trainer is None or not self.trainer.training:
            return batch
        if hasattr(self.augment, "set_epoch"):
            self.augment.set_epoch(self.trainer.current_epoch)
        inputs: Any = self.augment(batch[0])
        if getattr(self.augment, "mixes", False):  # targets, too
            return self.augment.mix(inputs, batch[-1], self.spec.output)  # type: ignore[attr-defined]
        return inputs, *batch[1:]

    def _loader(self, split: str, *, shuffle: bool) -> ResumableLoader:
        examples = self.splits[split]
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if shuffle and len(examples) < processes:
            fault = f"each process takes part of the examples of training, which are {len(examples)}, fewer than the"
            raise DataError(f"{fault} {processes} processes; give fewer (trainer.devices, trainer.num_nodes)")
        batches = SeededBatchSampler(
            len(examples),
            self.batch_size,
            shuffle=shuffle,
            rank=rank,
            processes=processes,
            seed=int(os.environ.get("PL_GLOBAL_SEED", 0)),  # set by Lightning's seed_everything
            lengths=examples.lengths,
        )
        if self.trainer is not None and self.trainer.strategy.root_device.type == "cuda":
            examples = self._on_gpu(split, self.trainer.strategy.root_device)
            return ResumableLoader(examples, batches, pin_memory=examples.device.type == "cpu")
        return ResumableLoader(examples, batches)

    def _on_gpu(self, split: str, device: torch.device) -> Examples:
        """A split as it lies while a network trains on a GPU: there, if all that can move takes a small part of it.

        A step then copies the numbers of its rows alone.
        """
        if split not in self._there:
            movable = [examples for examples in self.splits.values() if examples.can_move]
            fits = self.splits[split].can_move and fits_on_gpu(sum(examples.nbytes for examples in movable), device)
            self._there[split] = self.splits[split].to(device) if fits else self.splits[split]
        return self._there[split]

    def teardown(self, stage: str) -> None:
        self._there.clear()
