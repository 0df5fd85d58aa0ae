"""What a run sets in its process: the seed, threads, precision, memory, and what Lightning prints."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.distributed
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo import private
from zoo.errors import ConfigError

PREPARATION = timedelta(hours=6)  # that a download may take
NOISE = (
    ".*does not have many workers",  # the data is in memory
    ".*is smaller than the logging interval",  # losses are logged once an epoch
    ".*exists and is not empty",  # the folder is the run's own
    ".*It will use the implementation from `LightningModule`",  # as it should
    r"Found \d+ module\(s\) in eval mode",  # what is frozen
    "RNN module weights are not part of single contiguous chunk",  # where recurrent dropout has changed them
    "Grad strides do not match bucket view",  # of 1 x 1 convolutions, whose layout is ambiguous
    ".*when logging on epoch level in distributed setting",  # what is not summed up is alike on all processes
    ".*treespec, LeafSpec",  # Lightning 2.6 on torch 2.15
    r".*functional\.all_gather is deprecated",  # likewise
)


@contextmanager
def left_as_found() -> Iterator[None]:
    """Give the process back as it was: what a run, a test or Lightning sets in it holds until the end of this alone.

    That is: random states, threads, precisions and the default type of torch; filters of warnings; levels and handlers
    of loggers; handlers of signals; and the environment. Within, the default type is float32.
    """
    loggers = [logging.getLogger(), *(one for one in logging.Logger.manager.loggerDict.values())]
    logging_before = [(one, one.level, one.handlers[:]) for one in loggers if isinstance(one, logging.Logger)]
    environment, threads = dict(os.environ), torch.get_num_threads()
    matmul, dtype = torch.get_float32_matmul_precision(), torch.get_default_dtype()
    cudnn = {name: getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    strict, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    python, numpy = random.getstate(), np.random.get_state()
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    torch.set_default_dtype(torch.float32)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(device_type="cuda"):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(matmul)
        torch.set_default_dtype(dtype)
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        for name, value in cudnn.items():
            setattr(torch.backends.cudnn, name, value)
        for logger, level, its in logging_before:
            if logger.level != level:  # to set it empties the caches of all loggers
                logger.setLevel(level)
            logger.handlers[:] = its
        if threading.current_thread() is threading.main_thread():
            for one, handler in handlers.items():
                signal.signal(one, handler)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


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


def prepare_once(data: L.LightningDataModule) -> None:
    """Have one process of all prepare the data, which may download it, before the others read it.

    Lightning starts its other processes once the first one has come to `fit`, and so after this. Those that torchrun
    starts are there from the beginning, and wait for the first one's word in torchrun's own store.
    """
    store = None
    if "TORCHELASTIC_RUN_ID" in os.environ:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = torch.distributed.TCPStore(address, port, is_master=False, timeout=PREPARATION)
    if getattr(rank_zero_only, "rank", 0) == 0:
        data.prepare_data()
        if store is not None:
            store.set("zoo/prepared", "yes")
    elif store is not None:
        store.wait(["zoo/prepared"])


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
