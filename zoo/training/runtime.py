"""What a run sets in its process: the seed, threads, precision, memory, and what Lightning prints."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.distributed
from lightning.pytorch.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo import private
from zoo.errors import ConfigError

PREPARATION = timedelta(hours=6)  # that a download may take
# By these the processes of a distributed run know each other, which all go on with the program that calls it
OF_PROCESSES = {"MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE"}
NOISE = (
    ".*does not have many workers",  # the data is in memory
    ".*is smaller than the logging interval",  # losses are logged once an epoch
    ".*exists and is not empty",  # the folder is the run's own
    ".*It will use the implementation from `LightningModule`",  # as it should
    r"Found \d+ module\(s\) in eval mode",  # what is frozen
    "RNN module weights are not part of single contiguous chunk",  # where recurrent dropout has changed them
    "GPU available but not used",  # as trainer=cpu says
    "Grad strides do not match bucket view",  # of 1 x 1 convolutions, whose layout is ambiguous
    ".*when logging on epoch level in distributed setting",  # what is not summed up is alike on all processes
    r"Detected call of `lr_scheduler\.step\(\)` before",  # where the gradient scaler skips the first step, as it should
    ".*treespec, LeafSpec",  # Lightning 2.6 on torch 2.15
    r".*functional\.all_gather is deprecated",  # likewise
)


@contextmanager
def left_as_found() -> Iterator[None]:
    """Give the process back as it was: what a run or a test sets in it holds until the end of this alone.

    That is: random states; threads, precisions and the default type of torch; filters of warnings; levels and handlers
    of loggers; handlers of signals; and the environment. Within, the default type is float32.
    """
    with ExitStack() as stack:
        for keep in (random_states_kept, _torch_settings, _loggers, _signal_handlers, _environment):
            stack.enter_context(keep())
        stack.enter_context(warnings.catch_warnings())
        yield


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Give Python, NumPy and torch back their random states."""
    python, numpy, on_gpu = random.getstate(), np.random.get_state(), torch.cuda.is_initialized()
    try:
        with torch.random.fork_rng(_gpus()):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        if torch.cuda.is_initialized() and not on_gpu:
            torch.cuda.manual_seed_all(torch.initial_seed())  # as it would have started


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers by a seed, on all devices that are in use; what comes after draws as if nothing had been."""
    with torch.random.fork_rng(_gpus()):
        torch.manual_seed(seed)
        yield


def _gpus() -> range:
    """All GPUs, once CUDA has started: `fork_rng` would start it, and warns of several that it is not told of."""
    return range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)


@contextmanager
def _torch_settings() -> Iterator[None]:
    threads, dtype, matmul = torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision()
    strict, lenient = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    benchmark = torch.backends.cudnn.benchmark
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(matmul)
        torch.use_deterministic_algorithms(strict, warn_only=lenient)
        torch.backends.cudnn.benchmark = benchmark


@contextmanager
def _loggers() -> Iterator[None]:
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    before = [(one, one.level, one.handlers[:]) for one in loggers if isinstance(one, logging.Logger)]
    try:
        yield
    finally:
        for logger, level, handlers in before:
            if logger.level != level:  # to set it empties the caches of all loggers
                logger.setLevel(level)
            logger.handlers[:] = handlers


@contextmanager
def _signal_handlers() -> Iterator[None]:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # elsewhere none can be set
            for one, handler in before.items():
                signal.signal(one, handler)


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys() - OF_PROCESSES:
            del os.environ[name]
        os.environ.update(before)


def prepare_process(seed: Any) -> None:
    """Seed all generators, and spare each step what costs more than a small network's arithmetic.

    Raises:
        ConfigError: the seed is none.
    """
    quieten_lightning()
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed}")
    L.seed_everything(seed, workers=True, verbose=False)
    private.look_for_gpus_once()
    private.keep_tensorflow_out()


def prepare_once(data: L.LightningDataModule) -> None:
    """Have one process of all prepare the data, which may download it, before the others read it.

    Lightning starts its other processes once the first one has come to `fit`, and so after this. Those that torchrun
    or SLURM starts are there from the beginning, and wait for the first one's word.
    """
    data.prepare_data_per_node = False  # for Lightning, too: the machines share the folder of data
    store, others = _store()
    rank = getattr(rank_zero_only, "rank", 0)
    if rank == 0:
        data.prepare_data()
        if store is not None:
            store.set("zoo/prepared", "yes")
            store.wait([f"zoo/heard/{other}" for other in others])  # the store may end with this process
    elif store is not None:
        store.wait(["zoo/prepared"])
        store.set(f"zoo/heard/{rank}", "yes")


def _store() -> tuple[torch.distributed.TCPStore | None, range]:
    """What processes that are there from the beginning tell each other by, and the ranks of all but the first."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun has one
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = torch.distributed.TCPStore(address, port, is_master=False, timeout=PREPARATION)
        return store, range(1, int(os.environ["WORLD_SIZE"]))
    if SLURMEnvironment.detect():
        slurm = SLURMEnvironment()
        address, port, first = slurm.main_address, slurm.main_port + 1, slurm.global_rank() == 0
        store = torch.distributed.TCPStore(address, port, is_master=first, timeout=PREPARATION, wait_for_workers=False)
        return store, range(1, slurm.world_size())
    return None, range(0)


def limit_threads(threads: Any) -> None:
    """Let torch compute with so many threads; None leaves it.

    Raises:
        ConfigError: that is no number of threads.
    """
    if threads is None:
        return
    if type(threads) is not int or not 1 <= threads <= 4096:
        raise ConfigError(f"threads must be a whole number from 1 to 4096, or null, got {threads}")
    torch.set_num_threads(threads)


def quieten_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
