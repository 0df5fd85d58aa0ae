"""Several networks of one kind as one, which averages what they predict.

Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles", 2017.

Shape letters: B batch, M members, K outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import SpecError
from zoo.spec import Classes, Forecast, MultiLabel, Spec, Values


def mean_of_classes(logits: Tensor) -> Tensor:
    """The logarithm (B, K) of the mean of the probabilities that each member's logits (B, M, K) stand for."""
    return logits.log_softmax(dim=-1).logsumexp(dim=1) - math.log(logits.shape[1])


def mean_of_labels(logits: Tensor) -> Tensor:
    """The logits (B, K) of the mean probability of each label, by the logits (B, M, K) of the members."""
    return functional.logsigmoid(logits).logsumexp(dim=1) - functional.logsigmoid(-logits).logsumexp(dim=1)


def mean_of_values(values: Tensor) -> Tensor:
    """The mean of the members' values or quantiles: (B, M, …) to (B, …)."""
    return values.mean(dim=1)


def average_for(spec: Spec) -> Callable[[Tensor], Tensor]:
    """How the outputs of several networks for a spec become those of one: (B, M, …) to (B, …).

    Raises:
        SpecError: the mean of such outputs is no answer.
    """
    if isinstance(spec.output, Classes):
        return mean_of_classes
    if isinstance(spec.output, MultiLabel):
        return mean_of_labels
    if isinstance(spec.output, Values | Forecast):
        return mean_of_values
    raise SpecError(f"networks for {spec} cannot be averaged; those for classes, labels, values and forecasts can")


class Ensemble(nn.Module):
    """Averages the outputs of its members: probabilities of classes and labels, values and forecasts as they are.

    Args:
        spec: that all members are for.
        members: M networks, which take the same input.

    Raises:
        SpecError: the mean of such outputs is no answer.
    """

    def __init__(self, spec: Spec, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.average = average_for(spec)
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The arguments that a member takes, to what one gives (B, …)."""
        return self.average(torch.stack([member(*inputs) for member in self.members], dim=1))
