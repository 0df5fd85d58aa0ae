"""Restricted Boltzmann machines with a label unit beside the visible ones, which give p(label | visible) exactly.

Larochelle and Bengio, "Classification using discriminative restricted Boltzmann machines", 2008; there labels are
classes. Ours may also be values: a Gaussian unit, whose density given the visible units is evaluated on a grid.

Shape letters: B batch, V visible, H hidden, K classes, P points of the grid.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from zoo.models.rbm.machine import RBM
from zoo.models.rbm.units import Gaussian, Mixed, Softmax, Units

REACH, POINTS = 5.0, 101  # of the grid of values, in standard deviations


class LabelledRBM(RBM):
    """An RBM whose last visible units are a label.

    A joint vector (B, V + label) is a visible vector followed by that of the label.
    """

    def _add_label(self, label: Units) -> None:
        inputs: list[Any] = list(self.visible.layers) if isinstance(self.visible, Mixed) else [self.visible]
        self.visible = Mixed([*inputs, label])
        grown = 0.01 * torch.randn(label.width, self.weight.shape[1])
        self.weight = torch.nn.Parameter(torch.cat([self.weight.detach(), grown]))

    @property
    def label(self) -> Units:
        """The label's units."""
        assert isinstance(self.visible, Mixed)
        return self.visible.layers[-1]  # type: ignore[return-value]

    def learn_labels_alone(self) -> None:
        """Freeze the biases of the other visible units: p(label | visible) does not depend on them.

        Otherwise several processes would wait for their gradients.
        """
        assert isinstance(self.visible, Mixed)
        for layer in list(self.visible.layers)[:-1]:
            layer.bias.requires_grad_(False)

    @abstractmethod
    def joint(self, x: Tensor, targets: Tensor) -> Tensor:
        """The input of `vector`, and labels, to joint vectors."""

    @abstractmethod
    def conditional_loss(self, x: Tensor, targets: Tensor) -> Tensor:
        """The mean of -log p(label | visible), in nats, of the input of `vector` and labels."""

    def _log_potentials(self, x: Tensor, candidates: Tensor) -> Tensor:
        """log p(label, visible) up to a constant of x, of K label vectors (K, width), or K for each x: (B, K)."""
        v = self.vector(x)
        from_inputs = self.hidden_input(functional.pad(v, (0, self.label.width)))  # B, H; without a label
        from_labels = self.label.sufficient_statistics(candidates) @ self.weight[-self.label.width :]  # K, H or B, K, H
        sums = functional.softplus(from_inputs[:, None] + from_labels.float()).sum(dim=2)  # B, K, H -> B, K
        return sums - self.label.energy(candidates)


@fx.wrap  # what depends on the device of an input is one node of a traced graph
def identity(size: int, like: Tensor) -> Tensor:
    """The identity matrix (size, size) on the device of another tensor."""
    return torch.eye(size, device=like.device)


class ClassRBM(LabelledRBM):
    """An RBM that classifies.

    Args:
        num_visible, num_hidden, visible, categories: as in `RBM`.
        num_classes: K.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        num_visible: int = 784,
        num_classes: int = 10,
        num_hidden: int = 256,
        *,
        visible: str = "bernoulli",
        categories: Sequence[int] = (),
    ) -> None:
        super().__init__(num_visible, num_hidden, visible=visible, categories=categories)
        self._add_label(Softmax(1, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """The input of `vector` to logits of p(class | visible): (B, K)."""
        return self._log_potentials(x, identity(self.label.width, x))

    def joint(self, x: Tensor, targets: Tensor) -> Tensor:
        """Labels (B,) are whole numbers from 0 to K - 1."""
        v = self.vector(x)
        return torch.cat([v, functional.one_hot(targets, self.label.width).to(v.dtype)], dim=1)

    def conditional_loss(self, x: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(self(x), targets)


class ValueRBM(LabelledRBM):
    """An RBM that predicts one standardised value: the mean of p(value | visible), within 5 standard deviations.

    Args:
        num_visible, num_hidden, visible, categories: as in `RBM`.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        num_visible: int = 784,
        num_hidden: int = 256,
        *,
        visible: str = "gaussian",
        categories: Sequence[int] = (),
    ) -> None:
        super().__init__(num_visible, num_hidden, visible=visible, categories=categories)
        self._add_label(Gaussian(1))
        self.grid: Tensor
        self.register_buffer("grid", torch.linspace(-REACH, REACH, POINTS)[:, None])  # P, 1

    def forward(self, x: Tensor) -> Tensor:
        """The input of `vector` to standardised values (B, 1)."""
        return self._log_potentials(x, self.grid).softmax(dim=1) @ self.grid

    def joint(self, x: Tensor, targets: Tensor) -> Tensor:
        """Labels (B, 1) are standardised."""
        return torch.cat([self.vector(x), targets], dim=1)

    def conditional_loss(self, x: Tensor, targets: Tensor) -> Tensor:
        step = 2 * REACH / (POINTS - 1)
        log_total = self._log_potentials(x, self.grid).logsumexp(dim=1) + math.log(step)
        return (log_total - self._log_potentials(x, targets[:, None])[:, 0]).mean()
