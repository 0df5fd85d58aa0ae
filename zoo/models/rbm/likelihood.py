"""The likelihood of a restricted Boltzmann machine: its partition function, exact where feasible, or estimated.

Shape letters: B batch, V visible, H hidden, M runs.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.models.rbm.machine import RBM
from zoo.models.rbm.units import Bernoulli, Counts, bernoulli
from zoo.progress import track

MOST_ENUMERATED = 20  # hidden units: a million states
CHUNK = 4096  # states at a time


@torch.no_grad()
def log_partition(rbm: RBM, *, words: int = 1) -> float:
    """log Z in nats, by a sum over all states of the hidden units.

    Args:
        rbm: with at most 20 hidden units.
        words: D; with counts, log Z is that of documents of so many words.

    Raises:
        ValueError: more than 20 hidden units.
    """
    return float(log_partitions(rbm, torch.tensor([words], device=rbm.weight.device))[0])


def log_partitions(rbm: RBM, words: Tensor) -> Tensor:
    """As `log_partition`, for each of several lengths of documents (L,): float64 (L,), with gradients.

    Computed in float32 at least: a document multiplies the error of a word by its number of words.

    Raises:
        ValueError: more than 20 hidden units.
    """
    count = len(rbm.hidden_bias)
    if count > MOST_ENUMERATED:
        raise ValueError(f"2**{count} states are too many to add up; estimate it by annealed_importance_sampling")
    places = torch.arange(count, device=rbm.weight.device)
    sums = []
    for states in torch.arange(2**count, device=rbm.weight.device).split(CHUNK):
        h = (states[:, None] >> places & 1).float()  # CHUNK, H
        with torch.autocast(h.device.type, enabled=False):
            exponents = h @ rbm.hidden_bias + rbm.visible.log_partition(h @ rbm._weight().t())
        sums.append((words[:, None] * exponents.double()).logsumexp(dim=1))
    return torch.stack(sums).logsumexp(dim=0)


@torch.no_grad()
def annealed_importance_sampling(
    rbm: RBM, base_rates: Tensor, *, runs: int = 100, temperatures: int = 10_000, words: int = 1
) -> tuple[float, float]:
    """Estimate log Z of an RBM with Bernoulli units or word counts (Salakhutdinov and Murray 2008).

    The runs go from a model without weights, whose visible biases give the data's base rates, to the RBM through
    evenly spaced inverse temperatures. The estimate of Z is unbiased; too few temperatures show as a large error.

    Args:
        rbm: with Bernoulli visible units, or counts.
        base_rates: the mean of the training data (V,): how often each unit is on, or its fraction of the words.
        runs: M, independent ones.
        temperatures: steps of each run.
        words: D; with counts, log Z is that of documents of so many words, up to `max_length` of the units.

    Returns:
        log Z in nats, and the standard error of the estimate of Z relative to Z, which for small values is that of
        log Z.

    Raises:
        ValueError: the visible units are of another kind, fewer than 2 runs or 1 temperature, or too many words.
    """
    visible = rbm.visible
    if not isinstance(visible, (Bernoulli, Counts)):
        raise ValueError("annealed importance sampling is for Bernoulli visible units and for counts")
    check.whole("runs", runs, 2)
    check.whole("temperatures", temperatures)
    if isinstance(visible, Counts):
        check.whole("words", words, 1, visible.max_length)
        base = (base_rates / base_rates.sum()).clamp(min=1e-6).log()
        like = torch.zeros(runs, len(base), device=base.device)
        like[:, 0] = words  # the length of documents
    else:
        base, like = base_rates.clamp(1e-3, 1 - 1e-3).logit(), None
    away, shift = (base - visible.bias).expand(runs, -1), visible.bias - base
    v = visible.sample(away, like)
    log_weights = torch.zeros(runs, dtype=torch.float64, device=v.device)
    for step in track(range(temperatures), "annealed importance sampling", temperatures):
        cold, warm = (step + 1) / temperatures, step / temperatures
        x = rbm.hidden_input(v)
        rise = functional.softplus(cold * x) - functional.softplus(warm * x)
        log_weights += (cold - warm) * (v @ shift) + rise.sum(dim=1)
        h = bernoulli(torch.sigmoid(cold * x))
        v = visible.sample(away + cold * (shift + h @ rbm.weight.t()), like)
    start = words * float(visible.log_partition(away[:1].double())) + len(rbm.hidden_bias) * math.log(2)
    weights = (log_weights - log_weights.max()).exp()
    estimate = start + float(log_weights.max()) + math.log(float(weights.mean()))
    return estimate, float(weights.std() / weights.mean()) / math.sqrt(runs)


@torch.no_grad()
def log_likelihood(rbm: RBM, v: Tensor, log_z: float) -> Tensor:
    """log p(v) in nats of visible vectors (B, V), given log Z (of counts, that of their length): (B,)."""
    return -rbm.free_energy(v).double() - log_z
