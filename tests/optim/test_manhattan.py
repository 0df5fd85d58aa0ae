"""Manhattan propagation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.optim.manhattan import Manhattan


def test_each_weight_moves_by_the_step_against_the_sign() -> None:
    weights = nn.Parameter(torch.tensor([1.0, -2.0, 0.0, 3.0]))
    untouched = nn.Parameter(torch.tensor([1.0]))
    optimiser = Manhattan([weights, untouched], lr=0.25)
    weights.grad = torch.tensor([1e-9, -7.0, 0.0, 100.0])
    optimiser.step()
    assert weights.tolist() == [0.75, -1.75, 0.0, 2.75]
    assert untouched.tolist() == [1.0]


def test_it_finds_a_minimum_to_within_a_step() -> None:
    weights = nn.Parameter(torch.tensor([1.0, -1.0]))
    optimiser = Manhattan([weights], lr=0.01)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = ((weights - torch.tensor([0.3, 0.7])) ** 2).sum()
        loss.backward()
        return loss

    losses = [float(optimiser.step(closure).detach()) for _ in range(300)]
    assert losses[-1] < 3e-4 < losses[0]


@pytest.mark.parametrize("lr", [0.0, -1.0])
def test_the_step_is_positive(lr: float) -> None:
    with pytest.raises(ValueError, match="lr must be above 0"):
        Manhattan([nn.Parameter(torch.zeros(1))], lr=lr)
