"""Private parts of Lightning, torch and the system that the zoo touches: each with its version, reason and gain.

`tests/test_private.py` has a test for each that fails once it may go. Nothing else in the zoo touches such parts.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from lightning import Trainer

# Lightning 2.6 sets this on the module some forty times a step, where nn.Module looks for parameters each time; a run
# of a perceptron takes 1.08 times the CPU time where it does (medians of five, in turns)
CURRENT_HOOK = "_current_fx_name"
STEPS = "_batches_that_stepped"  # Lightning 2.6 calls so, in its checkpoints, the steps that loggers count
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h


def batches_per_epoch(trainer: Trainer) -> int:
    """Batches that this process gets in an epoch, known before training starts.

    Lightning 2.6: `estimated_stepping_batches` is public, but reading it before a checkpoint is restored loses the
    place of a loader that resumes within an epoch (its pull request 21765).
    """
    loader: Any = trainer.fit_loop._data_source.dataloader()
    batches, processes = len(loader), trainer.world_size
    if processes > 1 and isinstance(loader, DataLoader) and _is_shared_out(loader):
        batches = ceil(ceil(len(loader.sampler) / processes) / (loader.batch_size or 1))  # type: ignore[arg-type]
    limit = trainer.limit_train_batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def attach(trainer: Trainer, task: Any, data: Any) -> None:
    """Let trainer, task and data know each other, as they do in `fit`, so that a checkpoint can be checked before.

    Lightning 2.6 does so in `fit` alone, by which time a run's folder is in use.
    """
    trainer._data_connector.attach_data(task, datamodule=data)


def _is_shared_out(loader: DataLoader[Any]) -> bool:
    """Whether Lightning gives each process its part of a loader."""
    return isinstance(loader.sampler, RandomSampler | SequentialSampler)


def batches_so_far(trainer: Trainer) -> int:
    """The number of the batch that is trained on now, counted from 0 over all epochs.

    Lightning 2.6 tells it of no hook that comes before a batch is augmented.
    """
    return trainer.fit_loop.epoch_loop.total_batch_idx


def batches_of_epoch(trainer: Trainer) -> int:
    """How many batches of this epoch were served; Lightning 2.6 tells it of no hook but as an index."""
    return trainer.fit_loop.epoch_loop.batch_progress.current.ready


def optimizers_of(task: Any) -> tuple[list[Any], list[Any]]:
    """Optimizers and schedulers as Lightning 2.6 makes them, which it does in `fit` alone."""
    from lightning.pytorch.core.optimizer import _init_optimizers_and_lr_schedulers

    optimizers, configs = _init_optimizers_and_lr_schedulers(task)
    return optimizers, [config.scheduler for config in configs]


def numbers_its_files(callback: Any) -> bool:
    """Whether a ModelCheckpoint adds a number to the name of a file that is there; Lightning 2.6 does not tell."""
    return bool(callback._enable_version_counter)


def row_to_come(trainer: Trainer) -> tuple[dict[str, float], int] | None:
    """The metrics that Lightning logs next, at the end of an epoch, and their step; None within an epoch.

    Lightning 2.6 saves a checkpoint before it logs the epoch's means: a kill between the two lost a row for good (3 of
    35 kills, and 11 of 60).
    """
    connector = trainer._logger_connector
    if connector._first_loop_iter is not None or trainer._results is None:  # within an epoch
        return None
    metrics = {name: float(value) for name, value in connector.metrics["log"].items()}
    # Lightning counts one back as it logs the end of an epoch; within its validation it has done so already
    step = getattr(trainer.fit_loop.epoch_loop, STEPS) - (not trainer.validating)
    return (metrics, step) if metrics else None


def set_epochs(trainer: Trainer, epochs: int) -> None:
    """Set the length of a run once its loader is known.

    Lightning 2.6 has `max_epochs` as an argument of the trainer alone, and how many processes share the batches is
    known once there is one.
    """
    trainer.fit_loop.max_epochs = epochs


@contextmanager
def resolvers_kept() -> Iterator[None]:
    """Keep the resolvers of OmegaConf (2.3) as they are, of which there is no public list.

    Hydra 1.3 puts its own in the place of a program's `now`, `hydra` and `python_version` each time it is initialised.
    """
    from omegaconf.basecontainer import BaseContainer

    before = dict(BaseContainer._resolvers)
    try:
        yield
    finally:
        BaseContainer._resolvers = before


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones.

    It gives large blocks back to the system at once, and each page of them comes anew in every step. A step of the
    convolutional network on 256 digits takes 1.13 to 1.31 times the CPU time without this (one thread, an AMD EPYC).
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for parameter, size in ((_M_TRIM_THRESHOLD, 2**30), (_M_MMAP_THRESHOLD, 2**25), (_M_TOP_PAD, 2**26)):
            library.mallopt(parameter, size)


def look_for_gpus_once() -> None:
    """Say so where there is no GPU: in torch 2.15 Adam asks in each step, and NVIDIA's library is then loaded anew.

    A run of a perceptron takes 1.15 times the CPU time without this (medians of five, in turns).
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def is_batch_too_small(error: ValueError) -> bool:
    """Whether torch (2.15) refused to normalise over a single example, of which it has no error of its own."""
    return "more than 1 value per channel" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small: torch (2.15) has an error of its own for that of a GPU, and none for the CPU's."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def compose_by(wrapper: Any) -> None:
    """Have each config that Hydra composes for a command go through a function, before anything in it is acted on.

    Hydra 1.3 configures logging and builds its callbacks from a config as soon as that is composed, and has no hook
    before that. Jobs of a sweep are composed in the same place, in other processes too.

    Args:
        wrapper: called as `wrapper(compose, name, overrides, folder)`; gives the config.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    inner = getattr(ConfigLoaderImpl.load_configuration, "__wrapped__", ConfigLoaderImpl.load_configuration)

    @wraps(inner)
    def load_configuration(self: Any, config_name: str | None, overrides: list[str], *args: Any, **more: Any) -> Any:
        def compose(name: str | None, chosen: Any) -> Any:
            return inner(self, name, list(chosen), *args, **more)

        path = next((one.path for one in self.config_search_path.get_path() if one.provider == "main"), None)
        return wrapper(compose, config_name, overrides, path and path.removeprefix("file://"))

    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign]
