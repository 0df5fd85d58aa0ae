"""Private parts of Lightning, torch and the system that the zoo touches: each with its version, reason and gain.

`tests/test_private.py` has a test for each that fails once it may go. Nothing else in the zoo touches such parts.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from math import ceil
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from lightning import LightningModule, Trainer

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


class InnerLoop:
    """Runs all but every k-th training step without what Lightning does around one, with the same result, bit for bit.

    Lightning 2.6 calls a hundred functions in each step, most of which find nothing to do; a step of the quickstart's
    perceptron (32 digits) takes 1.8 times the CPU time of a bare loop with them, and 1.3 times without. A step
    here is a fetch, the hooks of task and data that change a batch, forward, backward, optimizer, average, schedule,
    and Lightning's counters, so that callbacks, checkpoints and limits find each step counted. Lightning itself takes
    the first step of an epoch, its last one, each before which something else is due, and all of a run where something
    wants to know of each step: another strategy than one device, a gradient scaler, accumulation, a callback.

    Args:
        trainer, task: of this run.
        base: the class whose hooks are known here; what a subclass of it overrides, Lightning must call.
    """

    def __init__(self, trainer: Trainer, task: Any, base: type[LightningModule]) -> None:
        self.trainer: Any = trainer
        self.task, self.base = task, base
        self.loop: Any = trainer.fit_loop.epoch_loop
        self.whole_step = type(self.loop).advance.__get__(self.loop)
        self.steps: int | None = None  # k, once Lightning has taken a step
        self.shown: list[Any] = []  # what shows progress
        self.hooks: list[Any] = []  # that bring a batch to the device

    def start(self) -> None:
        """Stand in the place of Lightning's own step."""
        self.loop.advance = self

    def __call__(self, fetcher: Any) -> None:
        if self.steps and not self.loop.restarting and self.loop.batch_progress.current.ready:
            for _ in range(self.steps - 1):
                if self._something_is_due():
                    break
                self._step(fetcher)
        self.whole_step(fetcher)
        if self.steps is None:
            self.steps = self.task.steps_per_batch if self._does_suit() else 1
            self.shown = [callback for callback in self.trainer.callbacks if _shows_progress(callback)]
            whose = self.trainer._data_connector._datahook_selector.get_instance  # the task or the data
            self.hooks = [getattr(whose(name), name) for name in HOOKS_OF_BATCHES]

    def _does_suit(self) -> bool:
        from lightning import LightningModule
        from lightning.pytorch.plugins.precision import MixedPrecision, Precision
        from lightning.pytorch.profilers import PassThroughProfiler
        from lightning.pytorch.strategies import SingleDeviceStrategy

        trainer, task, loop = self.trainer, self.task, self.loop
        precision = trainer.precision_plugin
        scaled = isinstance(precision, MixedPrecision) and precision.scaler is not None
        schedules = trainer.lr_scheduler_configs
        return (
            task.automatic_optimization
            and type(trainer.strategy) is SingleDeviceStrategy
            and type(precision) in (Precision, MixedPrecision)
            and not scaled
            and trainer.accumulate_grad_batches == 1
            and trainer.gradient_clip_val is None
            and not trainer._detect_anomaly
            and isinstance(trainer.profiler, PassThroughProfiler)
            and trainer.num_training_batches != float("inf")
            and trainer._val_check_time_interval is None
            and not loop._results  # nothing is logged in a step
            and all(one.interval == "epoch" or not one.reduce_on_plateau for one in schedules)
            and not _overrides(type(task), LightningModule, HOOKS_OF_STEPS)
            and not _overrides(type(task), self.base, ("optimizer_step", "backward"))
            and not any(_wants_each_step(callback) for callback in trainer.callbacks)
        )

    def _something_is_due(self) -> bool:
        """Whether Lightning has something to do before the next step, or after it."""
        trainer, loop = self.trainer, self.loop
        batches, steps = loop.batch_progress.current.ready + 1, loop.global_step + 1
        if trainer.should_stop or trainer.received_sigterm or batches >= trainer.num_training_batches:
            return True
        if 0 <= loop.max_steps <= steps:
            return True
        seen = loop.batch_progress.total.ready + 1 if trainer.check_val_every_n_epoch is None else batches
        if trainer.val_check_batch != float("inf") and seen % trainer.val_check_batch == 0:
            return True
        intervals = (getattr(callback, "_every_n_train_steps", 0) for callback in trainer.checkpoint_callbacks)
        return any(interval and steps % interval == 0 for interval in intervals)

    def _step(self, fetcher: Any) -> None:
        trainer, task, loop = self.trainer, self.task, self.loop
        batches, counted = loop.batch_progress, loop.automatic_optimization.optim_progress.optimizer
        batch, _, _ = next(fetcher)
        number = batches.current.ready
        batches.is_last_batch = fetcher.done
        batch = trainer.precision_plugin.convert_input(batch)
        before_transfer, transfer, after_transfer = self.hooks
        batch = after_transfer(transfer(before_transfer(batch, 0), trainer.strategy.root_device, 0), 0)
        batches.increment_ready()
        batches.increment_started()
        optimizer = trainer.optimizers[0]
        output: Any = None

        def closure() -> Any:
            nonlocal output
            with torch.enable_grad():
                with trainer.precision_plugin.train_step_context():
                    output = task.training_step(batch, number)
                loss = output["loss"] if isinstance(output, Mapping) else output
                task.optimizer_zero_grad(trainer.current_epoch, number, optimizer)
                if loss is not None:
                    loss.backward()
                task.on_before_optimizer_step(optimizer)
            return loss

        counted.step.increment_ready()
        optimizer.step(closure)
        task.update_average()
        counted.step.increment_completed()
        for count in (counted.zero_grad.increment_ready, counted.zero_grad.increment_started):
            count()
        counted.zero_grad.increment_completed()
        batches.increment_processed()
        for schedule in trainer.lr_scheduler_configs:
            if schedule.interval == "step" and (number + 1) % schedule.frequency == 0:
                loop.scheduler_progress.increment_ready()
                schedule.scheduler.step()
                loop.scheduler_progress.increment_completed()
        for callback in self.shown:
            callback.on_train_batch_end(trainer, task, output, batch, number)
        batches.increment_completed()
        loop._batches_that_stepped += 1


HOOKS_OF_BATCHES = "on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"
HOOKS_OF_STEPS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "lr_scheduler_step",
    "configure_gradient_clipping",
)


def _overrides(kind: type, base: type, names: Iterable[str]) -> bool:
    return any(getattr(kind, name, None) is not getattr(base, name, None) for name in names)


def _shows_progress(callback: Any) -> bool:
    from lightning.pytorch.callbacks import ProgressBar

    return isinstance(callback, ProgressBar) and bool(getattr(callback, "is_enabled", True))


def _wants_each_step(callback: Any) -> bool:
    """Whether a callback has something to do in each step; progress bars are told by `InnerLoop`."""
    from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ProgressBar

    hooks = {*HOOKS_OF_STEPS[:5], "on_before_optimizer_step"}
    if isinstance(callback, ModelCheckpoint):
        return callback._train_time_interval is not None or _overrides(type(callback), ModelCheckpoint, hooks)
    known = {"on_train_batch_end"} if isinstance(callback, ProgressBar) else set()
    return _overrides(type(callback), Callback, hooks - known)


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


LARGEST_KEPT = 2**25  # bytes, the most that glibc takes: larger blocks go back to the system once they are freed


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones.

    It gives large blocks back to the system at once, and each page of them comes anew in every step. A step of the
    convolutional network on 256 digits takes 1.13 to 1.31 times the CPU time without this (one thread, an AMD EPYC).
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for parameter, size in ((_M_TRIM_THRESHOLD, 2**30), (_M_MMAP_THRESHOLD, LARGEST_KEPT), (_M_TOP_PAD, 2**26)):
            library.mallopt(parameter, size)


@contextmanager
def freed_memory_given_back() -> Iterator[None]:
    """Have glibc give the memory of each freed block of 64 KB or more back to the system, and at the end of all others.

    pandas reads a file in pieces and joins them column by column. The pieces of a column are freed by then, but lie
    in gaps that no large block fits into.
    """
    library: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    bytearray(LARGEST_KEPT - 2**12)  # once it is freed, glibc's own threshold is 32 MB, where nobody has set one
    library.mallopt(_M_MMAP_THRESHOLD, 2**16)
    try:
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)
        library.malloc_trim(0)


def look_for_gpus_once() -> None:
    """Say so where there is no GPU: in torch 2.15 Adam asks in each step, and NVIDIA's library is then loaded anew.

    A run of a perceptron takes 1.15 times the CPU time without this (medians of five, in turns).
    """
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def keep_tensorflow_out() -> None:
    """Have the writer of TensorBoard (2.21) do without TensorFlow, which it imports for its file functions, if it can.

    That takes 2 seconds. It looks for this module, which builds of it without TensorFlow have.
    """
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))


def is_batch_too_small(error: ValueError) -> bool:
    """Whether torch (2.15) refused to normalise over a single example, of which it has no error of its own."""
    return "more than 1 value per channel" in str(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was too small.

    torch (2.15) has an error of its own where its allocator gets none of a GPU, and none for the CPU's memory, for that
    of cuBLAS and cuDNN, and for a card that others have filled.
    """
    said = re.search(r"can't allocate memory|out of memory|_ALLOC(ATION)?_FAILED", str(error))
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or said is not None


def empty_states(metric: Any) -> None:
    """Leave a metric as if it had seen nothing, but with states of its types and sizes, and lists of empty tensors.

    torchmetrics 1.9 puts float32 (0,) for what a process has not seen, and gathers that with tensors of other types. It
    starts sums of several values from one zero.
    """
    for name, start in metric._defaults.items():
        kept = getattr(metric, name)
        empty = [one[:0] for one in kept] if isinstance(start, list) else torch.zeros_like(kept) + start.to(kept)
        setattr(metric, name, empty)


@contextmanager
def compiled(network: nn.Module) -> Iterator[None]:
    """Have calls of a network in training compiled within; names of its tensors, and copies of it, stay as they are.

    torch 2.15 has `nn.Module.compile` and no way back: what comes after training looks into the network by hooks, and
    compiles nothing for sizes that come once. Validation computes as the artefact will, and is not worth the
    compiler's time, which would be twice as long.
    """
    plain, fast = network._call_impl, torch.compile(network._call_impl)
    network._compiled_call_impl = lambda *args, **more: (fast if network.training else plain)(*args, **more)
    try:
        yield
    finally:
        network._compiled_call_impl = None


def graphs_compiled() -> int:
    """How many graphs torch (2.15) has compiled in this process; it tells of them in the log alone."""
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


def graph_breaks() -> int:
    """How often torch (2.15) has ended a graph in this process at what it does not compile."""
    from torch._dynamo.utils import counters

    return sum(counters["graph_break"].values())


def why_not_compiled(error: BaseException) -> str | None:
    """What torch (2.15) says where it could not compile, in a line; None of another error, since none is public."""
    from torch._dynamo.exc import TorchDynamoException

    if not isinstance(error, TorchDynamoException):
        return None
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = (line for line in lines if re.match(r"\w+(\.\w+)*: ", line))  # after a title such as "backend=… raised:"
    return next(named, lines[0] if lines else type(error).__name__)


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
