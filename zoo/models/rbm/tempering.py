"""Parallel tempering of a restricted Boltzmann machine: Markov chains that move between modes.

Desjardins, Courville, Bengio, Vincent, Delalleau, "Tempered Markov chain Monte Carlo for training of restricted
Boltzmann machines", 2010. The hottest model is that of independent units with the data's base rates, from which
Salakhutdinov and Murray's annealing (2008) starts, too.

Shape letters: K temperatures, P particles, V visible, H hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.models.rbm.machine import RBM
from zoo.models.rbm.units import bernoulli


@torch.no_grad()
def tempered_gibbs(rbm: RBM, h: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
    """One Gibbs step of P chains at each of K inverse temperatures, evenly from 0 to 1, then swaps of neighbours.

    At the inverse temperature β the visible units have the bias (1 - β) base + β bias, and weights and hidden biases
    are multiplied by β. Chains are swapped with the probability that leaves their joint distribution unchanged.

    Args:
        rbm: with Bernoulli visible units.
        h: hidden vectors (K, P, H), K at least 2.
        base: logits of the data's base rates (V,).

    Returns:
        The next hidden vectors (K, P, H), and the visible vectors before them at β = 1, the machine itself (P, V).
    """
    beta = torch.linspace(0, 1, len(h), device=h.device)[:, None, None]
    v = rbm.visible.sample((1 - beta) * (base - rbm.visible.bias) + beta * (h @ rbm.weight.t()))  # K, P, V
    x = rbm.hidden_input(v)  # K, P, H
    for first in (0, 1):
        cold, warm = slice(first + 1, None, 2), slice(first, len(h) - 1, 2)
        chosen = torch.zeros(h.shape[:2], dtype=torch.bool, device=h.device)
        gain = _gain(beta[warm], beta[cold], v[warm] - v[cold], x[warm], x[cold], rbm.visible.bias - base)
        chosen[warm] = torch.rand_like(gain).log() < gain
        v, x = (_swapped(rows, chosen[warm], warm, cold) for rows in (v, x))
    return bernoulli(torch.sigmoid(beta * x)), v[-1]


def _gain(warm: Tensor, cold: Tensor, apart: Tensor, x_warm: Tensor, x_cold: Tensor, shift: Tensor) -> Tensor:
    """The gain in log-probability (nats) of a swap of each pair of chains."""
    hidden = functional.softplus(cold * x_warm) + functional.softplus(warm * x_cold)
    hidden = hidden - functional.softplus(warm * x_warm) - functional.softplus(cold * x_cold)
    return hidden.sum(dim=-1) + (cold - warm)[..., 0] * (apart @ shift)


def _swapped(rows: Tensor, chosen: Tensor, warm: slice, cold: slice) -> Tensor:
    """Rows (K, P, …) of chains, with the chosen pairs swapped."""
    result = rows.clone()
    result[warm] = torch.where(chosen[..., None], rows[cold], rows[warm])
    result[cold] = torch.where(chosen[..., None], rows[warm], rows[cold])
    return result
