"""How a task is optimized: one record, for all tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from zoo import check
from zoo.optim.schedules import SCHEDULES

OptimizerBuilder = Callable[..., Optimizer]


@dataclass(frozen=True)
class TrainingOptions:
    """The optimizer of a run, and what goes with it.

    Args:
        optimizer: builds the optimizer for parameter groups, such as `partial(torch.optim.AdamW, lr=1e-3)`.
        schedule: of the learning rate over the whole run: constant, cosine or one_cycle.
        max_grad_norm: longest gradient (Euclidean norm over all parameters) of a step; None for any.
        ema: decay of an exponential moving average of the weights, which is then what is validated, tested and
            kept; None for none. It starts low: after n steps it is at most (1 + n) / (10 + n).
        decay_steps: steps of the run that the optimizer's weight decay is meant for: in one of more steps it is less by
            as much, so that the pull over the whole run is the same (Loshchilov and Hutter, "Decoupled weight decay
            regularization", 2019, normalise it likewise); None for the same decay in any run.
        steps_per_batch: training steps, each on a batch of its own, of which Lightning takes one and all others run
            without it; None for what suits the sizes of network and batch. It changes how long a run takes, and nothing
            of its result.

    Raises:
        ValueError: an option is out of range.
    """

    optimizer: OptimizerBuilder
    schedule: str = "constant"
    max_grad_norm: float | None = None
    ema: float | None = None
    decay_steps: int | None = None
    steps_per_batch: int | None = None

    def __post_init__(self) -> None:
        check.one_of("schedule", self.schedule, SCHEDULES)
        if self.max_grad_norm is not None:
            check.positive("max_grad_norm", self.max_grad_norm)
        if self.ema is not None:
            check.fraction("ema", self.ema, one=False)
        if self.decay_steps is not None:
            check.whole("decay_steps", self.decay_steps)
        if self.steps_per_batch is not None:
            check.whole("steps_per_batch", self.steps_per_batch)
        self.optimizer([nn.Parameter(torch.zeros(1))])  # a learning rate out of range shows now, and not in fit

    @classmethod
    def of(cls, given: OptimizerBuilder | TrainingOptions) -> TrainingOptions:
        """Options as they are given, or those of an optimizer's builder alone."""
        return given if isinstance(given, TrainingOptions) else cls(given)
