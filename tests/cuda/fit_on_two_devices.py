"""Run by test_softgpu.py: one of two processes that train by gloo, each on a CUDA device in software."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import softgpu
import torch
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import zoo
from zoo.training import report

OF_OBJECTS = "all_gather_object", "broadcast_object_list", "gather_object", "scatter_object_list"


class OnTheDevice(TorchDispatchMode):
    """Lets tensors of the device alone pass between processes, as NCCL does, and no number that is pickled.

    It sees each collective of torch, those in C++ as well; objects may be pickled, such as paths and names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()
        self.pickling = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d" and not self.pickling and "barrier" not in func.name():
            self.called.add(func.name())
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
            assert all(tensor.is_cuda for tensor in tensors), f"{func} of a tensor of the CPU"
        return func(*args, **(kwargs or {}))

    def of_objects(self, collective: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            numbers = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, (float, torch.Tensor))]
            assert not numbers, f"{numbers} are pickled"
            self.pickling = True
            collective(*args, **kwargs)
            self.pickling = False

        return call


def main(out: str, *overrides: str) -> None:
    collectives = OnTheDevice()
    for name in OF_OBJECTS:
        setattr(torch.distributed, name, collectives.of_objects(getattr(torch.distributed, name)))
    DDPStrategy._get_process_group_backend = lambda _: "gloo"  # type: ignore[method-assign]
    report.plots = lambda *_: {}  # type: ignore[assignment]
    with softgpu.SoftGPU(), collectives:
        trained = zoo.train("trainer=gpu", "trainer.strategy=ddp", "trainer.num_nodes=2", *overrides)
    weights = b"".join(value.cpu().numpy().tobytes() for value in trained.network.state_dict().values())
    seen = {"weights": hashlib.sha256(weights).hexdigest(), "score": trained.score}
    called = {"called": sorted(collectives.called)}
    Path(out, f"{rank_zero_only.rank}.json").write_text(json.dumps(seen | called), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
