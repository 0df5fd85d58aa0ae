"""How many examples a step takes where nobody says so: what the data's config has, and more of them on a GPU.

A GPU takes about as long for a small step as for one of several times as many examples, since it waits for its kernels
to be launched. Larger steps are fewer, and each learns as much as a small one at most. So an epoch keeps a number of
steps, and small data its batch size.
"""

from __future__ import annotations

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.utils._pytree import tree_leaves

from zoo.data.core.columns import Examples
from zoo.data.core.data_module import DataModule
from zoo.hardware import gpu_memory, takes_gpu
from zoo.training.recipe import overrides_given, plain

STEPS = 100  # that an epoch has at least, if batches grow
GROWTH = 16  # times as many examples as on a CPU, at most
KEPT = 4_000  # floats that the networks of the zoo keep for the backward pass, for each number of an example, at most
SHARE = 0.5  # of the memory of the device, for these


def resolve(cfg: DictConfig, data: DataModule) -> bool:
    """Let the data module have as many examples a step as suit the device, and keep that in the config.

    Nothing changes on a CPU, on several devices (each of which takes as many already), or where the command or an
    experiment says how many.

    Args:
        cfg: of the run; its `data.batch_size` and its overrides are as if the command had said the number.
        data: set up.

    Returns:
        Whether it is another number than before.
    """
    if not is_free(cfg):
        return False
    usual = data.batch_size
    chosen = on_gpu(usual, data.splits["train"], gpu_memory())
    if chosen == usual:
        return False
    take(cfg, chosen)
    data.batch_size = chosen
    data.note(f"A step takes {chosen} examples on this GPU; data.batch_size={usual} asks for as few as on a CPU")
    return True


def is_free(cfg: DictConfig) -> bool:
    """Whether the batch size of this run may follow the device."""
    said = any(part.lstrip("+").startswith(("data.batch_size=", "experiment=")) for part in overrides_given(cfg))
    described = OmegaConf.select(cfg, "data.batch_size") is not None  # or a data module was given
    return described and not said and takes_gpu(cfg.trainer.accelerator) and cfg.trainer.devices == 1


def take(cfg: DictConfig, chosen: int) -> None:
    """Have a config say this number, as if the command had."""
    cfg.data.batch_size = chosen
    cfg.choices.overrides = [*plain(cfg.choices.overrides, resolve=False), f"data.batch_size={chosen}"]


def on_gpu(usual: int, examples: Examples, memory: int) -> int:
    """How many examples a step takes on a GPU: the usual number, doubled while all of this holds.

    An epoch has `STEPS` steps or more, the number is `GROWTH` times the usual one or less, and what a step with the
    longest examples takes fits in `SHARE` of the memory.

    Args:
        usual: the number on a CPU.
        examples: of training.
        memory: bytes of the device.
    """
    rows = torch.arange(min(usual, len(examples)))
    if examples.lengths is not None:
        rows = examples.lengths.topk(len(rows)).indices
    batch = [leaf for leaf in tree_leaves(examples.__getitems__(rows)) if isinstance(leaf, Tensor)]
    bytes_each = 4 * KEPT * sum(part.numel() for part in batch) / max(1, len(rows))
    most = min(GROWTH * usual, len(examples) // STEPS, int(SHARE * memory / max(1.0, bytes_each)))
    chosen = usual
    while 2 * chosen <= most:
        chosen *= 2
    return chosen
