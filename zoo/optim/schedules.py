"""Schedules of the learning rate over a whole run, by name.

One cycle: Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
2018. Cosine: Loshchilov and Hutter, "SGDR", 2017, without restarts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

SCHEDULES = ("constant", "cosine", "one_cycle")
WARM_UP = 0.2  # fraction of a one_cycle run in which the learning rate rises


def scheduler(name: str, optimizer: Optimizer, steps: int) -> LRScheduler:
    """The schedule of that name for a run of so many steps."""
    steps = max(steps, 1)
    if name == "one_cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        cycle = "betas" in optimizer.defaults
        rising = max(WARM_UP, 2 / (steps + 1))  # a step at least: torch divides by how many there are
        return OneCycleLR(optimizer, rates, total_steps=steps + 1, pct_start=rising, cycle_momentum=cycle)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0)


def steps_of(state: Mapping[str, Any]) -> int | None:
    """The steps for which `scheduler` made a schedule, from its state; None for one without an end."""
    return state["total_steps"] - 1 if "total_steps" in state else state.get("T_max")
