"""What a run sets in its process: the seed, threads, precision, memory, and what Lightning prints."""

from __future__ import annotations

import logging
import os
import warnings
from datetime import timedelta
from typing import Any

import lightning as L
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


def prepare_process(seed: Any) -> None:
    """Seed all generators, and spare each step what costs more than a small network's arithmetic.

    Raises:
        ConfigError: the seed is none.
    """
    quieten_lightning()
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed}")
    L.seed_everything(seed, workers=True, verbose=False)
    private.keep_freed_memory()
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
