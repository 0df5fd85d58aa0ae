"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import nn


class WeightAverage(nn.Module):
    """A copy of a network that follows it: average ← decay · average + (1 - decay) · weights, after each step.

    The decay starts low, at 1/10, and after n steps is at most (1 + n) / (10 + n). torch's AveragedModel reads its
    counter of steps from the device in each update, for which a step would wait.

    Args:
        network: whose weights are averaged; running statistics are averaged too, and counters copied.
        decay: at least 0 and below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights of this step."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        means = [*self.network.parameters(), *self.network.buffers()]
        values = [*network.parameters(), *network.buffers()]
        floats = [(mean, value) for mean, value in zip(means, values) if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [value for _, value in floats], 1 - decay)
        for mean, value in zip(means, values):
            if not mean.is_floating_point():  # the counters of batch normalisation
                mean.copy_(value)
