"""The visible units of a restricted Boltzmann machine: their distribution given the hidden units.

Each kind is one exponential family. With the top-down input x = W h, units v have the density

    p(v | h) = exp(-energy(v) + statistics(v)·x) / exp(log_partition(x))

where statistics(v) are the sufficient statistics, v itself for most kinds.

Shape letters: B batch, V width of the layer, D sufficient statistics, G groups, K states of a softmax unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check


class Units(nn.Module):
    """A layer of V visible units, whose energy is -bias·v unless a kind says otherwise.

    Args:
        width: V, numbers in a visible vector.

    Raises:
        ValueError: the width is not a positive whole number.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = check.whole("num_visible", width)
        self.bias = nn.Parameter(torch.zeros(width))

    @property
    def num_statistics(self) -> int:
        """D, the number of sufficient statistics; V unless a kind says otherwise."""
        return self.width

    def energy(self, v: Tensor) -> Tensor:
        """The energy of the visible units alone, in nats: (B, V) to (B,)."""
        return -dot(v, self.bias)

    def sufficient_statistics(self, v: Tensor) -> Tensor:
        """The input of the weights: (B, V) to (B, D)."""
        return v

    def project_down(self, x: Tensor) -> Tensor:
        """Top-down input of each statistic, (…, D), to that of each number of v, (…, V)."""
        return x

    def bias_scale(self, v: Tensor) -> Tensor | float:
        """The factor of the hidden biases: 1, or (B, 1)."""
        return 1.0

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """The mean of v given x (B, D); `like` (B, V) says which units are present, where some may be missing."""
        raise NotImplementedError

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """A sample of v given x; arguments as of `mean`."""
        raise NotImplementedError

    def log_partition(self, x: Tensor) -> Tensor:
        """The logarithm of the sum (or integral) over all v of exp(-energy(v) + statistics(v)·x): (B, D) to (B,)."""
        raise NotImplementedError

    def start(self, mean: Tensor, variance: Tensor) -> None:
        """Set the biases so that, without hidden units, v has the mean (V,) and variance (V,) of the data."""
        raise NotImplementedError


class Bernoulli(Units):
    """Units that are 0 or 1 (or a probability in between, which then stands for its mean)."""

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return torch.sigmoid(x.float() + self.bias)

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return bernoulli(self.mean(x))

    def log_partition(self, x: Tensor) -> Tensor:
        return functional.softplus(x.float() + self.bias).sum(dim=-1)

    @torch.no_grad()
    def start(self, mean: Tensor, variance: Tensor) -> None:
        self.bias.copy_(mean.clamp(1e-4, 1 - 1e-4).logit())


LEAST_VARIANCE = 1e-4  # of a real unit that says anything


class Gaussian(Units):
    """Real units with learned variances (Cho, Ilin, Raiko 2011): energy Σ (v - bias)² / 2σ², statistics v / σ².

    Given h they are normal with mean bias + W h and variance σ². A unit of variance `LEAST_VARIANCE` or less is a
    constant, its bias: it has no part in the energy, where 1 / σ² would let the weights diverge.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.log_variance = nn.Parameter(torch.zeros(width))

    def constant(self) -> Tensor:
        """Which units are constants, (V,)."""
        return self.log_variance <= math.log(LEAST_VARIANCE) + 1e-5

    def precision(self) -> Tensor:
        """1 / σ² of each unit, (V,), and 0 of a constant."""
        return torch.exp(-self.log_variance).masked_fill(self.constant(), 0.0)

    def energy(self, v: Tensor) -> Tensor:
        return 0.5 * ((v.float() - self.bias).square() * self.precision()).sum(dim=-1)

    def sufficient_statistics(self, v: Tensor) -> Tensor:
        return v * self.precision()

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return x.float().masked_fill(self.constant(), 0.0) + self.bias

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        deviation = torch.exp(0.5 * self.log_variance).masked_fill(self.constant(), 0.0)
        return self.mean(x) + deviation * torch.randn_like(x, dtype=torch.float32)

    def log_partition(self, x: Tensor) -> Tensor:
        x = x.float()
        exponents = (self.bias * x + 0.5 * x.square()) * self.precision()
        widths = 0.5 * (self.log_variance + math.log(2 * math.pi))
        return (exponents + widths.masked_fill(self.constant(), 0.0)).sum(dim=-1)

    @torch.no_grad()
    def start(self, mean: Tensor, variance: Tensor) -> None:
        self.bias.copy_(mean)
        self.log_variance.copy_(variance.clamp(min=LEAST_VARIANCE).log())


class Softmax(Units):
    """G units with K states each, one-hot: V = G K. A group of zeros is a unit whose state is missing.

    (Salakhutdinov, Mnih and Hinton 2007.)
    """

    def __init__(self, groups: int, states: int) -> None:
        super().__init__(groups * check.whole("states", states, 2))
        self.states = states

    def grouped(self, v: Tensor) -> Tensor:
        """(…, V) to (…, G, K)."""
        return v.unflatten(-1, (-1, self.states))

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        shares = self.grouped(self.project_down(x.float()) + self.bias).softmax(dim=-1)
        if like is not None:
            shares = shares * self.grouped(like).sum(dim=-1, keepdim=True)
        return shares.flatten(-2)

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        logits = self.grouped(self.project_down(x.float()) + self.bias)
        gumbel = -torch.empty_like(logits).exponential_().log()  # the largest of logits + Gumbel noise is a sample
        drawn = functional.one_hot((logits + gumbel).argmax(dim=-1), self.states).float()
        if like is not None:
            drawn = drawn * self.grouped(like).sum(dim=-1, keepdim=True)
        return drawn.flatten(-2)

    def log_partition(self, x: Tensor) -> Tensor:
        return self.grouped(self.project_down(x.float()) + self.bias).logsumexp(dim=-1).sum(dim=-1)

    @torch.no_grad()
    def start(self, mean: Tensor, variance: Tensor) -> None:
        shares = self.grouped(mean)
        overall = shares.mean(dim=0).clamp(min=1e-6)  # K; each unit starts as if it had seen a hundredth of it too,
        shares = shares + 0.01 * overall / overall.sum()  # so that states which it never took are possible
        self.bias.copy_((shares / shares.sum(dim=-1, keepdim=True)).log().flatten())


class Ordinal(Softmax):
    """Softmax units whose states are steps of a scale: a unit's states share its weights, each times its value.

    The values go evenly from -1 to 1, less their mean in the data, so that a usual state has no effect. The statistic
    of a unit is the value of its state, or 0 where that is missing: D = G.
    """

    def __init__(self, groups: int, states: int) -> None:
        super().__init__(groups, states)
        self.values: Tensor
        self.register_buffer("values", torch.linspace(-1, 1, states).repeat(groups, 1))  # G, K

    @property
    def num_statistics(self) -> int:
        return self.width // self.states

    def sufficient_statistics(self, v: Tensor) -> Tensor:
        return (self.grouped(v) * self.values).sum(dim=-1)

    def project_down(self, x: Tensor) -> Tensor:
        return (x[..., None] * self.values).flatten(-2)

    @torch.no_grad()
    def start(self, mean: Tensor, variance: Tensor) -> None:
        super().start(mean, variance)
        steps = torch.linspace(-1, 1, self.states, device=mean.device)
        self.values.copy_(steps - self.grouped(self.bias).softmax(dim=-1) @ steps[:, None])


class Counts(Units):
    """Replicated softmax: how often each of V words stands in a document of D words (Salakhutdinov and Hinton 2009).

    The hidden biases are scaled by D, so that they keep their weight in long documents. Probabilities are those of the
    words in their order: without the multinomial coefficient.

    Args:
        width: V, words of the vocabulary.
        max_length: D of the longest document that can be sampled.
    """

    def __init__(self, width: int, max_length: int = 1_000) -> None:
        super().__init__(width)
        self.max_length = check.whole("max_length", max_length)

    def bias_scale(self, v: Tensor) -> Tensor | float:
        return v.float().sum(dim=-1, keepdim=True)

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        shares = (x.float() + self.bias).softmax(dim=-1)
        return shares if like is None else shares * self.bias_scale(like)

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        """Documents of as many words as those of `like`, or of one word without it."""
        words = self.mean(x).multinomial(1 if like is None else self.max_length, replacement=True)  # B, D
        lengths = torch.ones_like(words[:, :1]) if like is None else like.sum(dim=-1, keepdim=True)
        inside = torch.arange(words.shape[1], device=x.device) < lengths
        return torch.zeros_like(x, dtype=torch.float32).scatter_add_(-1, words, inside.float())

    def log_partition(self, x: Tensor) -> Tensor:
        """That of one word; of D words it is D times as much."""
        return (x.float() + self.bias).logsumexp(dim=-1)

    @torch.no_grad()
    def start(self, mean: Tensor, variance: Tensor) -> None:
        shares = mean + 1e-3 * mean.mean()
        self.bias.copy_((shares / shares.sum()).log())


class Mixed(Units):
    """Layers of several kinds side by side; a vector is the concatenation of theirs."""

    def __init__(self, layers: Sequence[Units]) -> None:
        nn.Module.__init__(self)
        self.layers = nn.ModuleList(layers)
        self.widths = [layer.width for layer in layers]
        self.statistics = [layer.num_statistics for layer in layers]
        self.width = sum(self.widths)

    @property
    def num_statistics(self) -> int:
        return sum(self.statistics)

    def energy(self, v: Tensor) -> Tensor:
        return torch.stack([layer.energy(part) for layer, part in self._parts(v, self.widths)]).sum(dim=0)

    def sufficient_statistics(self, v: Tensor) -> Tensor:
        return torch.cat([layer.sufficient_statistics(part) for layer, part in self._parts(v, self.widths)], dim=-1)

    def project_down(self, x: Tensor) -> Tensor:
        return torch.cat([layer.project_down(part) for layer, part in self._parts(x, self.statistics)], dim=-1)

    def mean(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return torch.cat([layer.mean(*part) for layer, part in self._given(x, like)], dim=-1)

    def sample(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        return torch.cat([layer.sample(*part) for layer, part in self._given(x, like)], dim=-1)

    def log_partition(self, x: Tensor) -> Tensor:
        return torch.stack([layer.log_partition(part) for layer, part in self._parts(x, self.statistics)]).sum(dim=0)

    def start(self, mean: Tensor, variance: Tensor) -> None:
        parts = zip(mean.split(self.widths, dim=-1), variance.split(self.widths, dim=-1))
        for layer, part in zip(self.layers, parts):
            layer.start(*part)  # type: ignore[operator]

    def _parts(self, vector: Tensor, sizes: list[int]) -> Iterator[tuple[Any, Tensor]]:
        """Each layer with its part of a vector."""
        parts = vector.split(sizes, dim=-1)
        return ((layer, parts[place]) for place, layer in enumerate(self.layers))

    def _given(self, x: Tensor, like: Tensor | None) -> Iterator[tuple[Any, tuple[Tensor, Tensor | None]]]:
        """Each layer with its part of the top-down input, and of `like`."""
        alike = [None] * len(self.widths) if like is None else like.split(self.widths, dim=-1)
        return zip(self.layers, zip(x.split(self.statistics, dim=-1), alike))


@fx.wrap  # what depends on the device of an input is one node of a traced graph
def dot(v: Tensor, bias: Tensor) -> Tensor:
    """v·bias in the precision of the bias, in autocast too: (B, V) and (V,) to (B,)."""
    with torch.autocast(v.device.type, enabled=False):
        return v.to(bias.dtype) @ bias


def bernoulli(probabilities: Tensor) -> Tensor:
    """Draw 1.0 with these probabilities (float32), else 0.0; several times as fast as torch.bernoulli on a CPU.

    On a CPU torch draws one number after the other, so each of its 64 bits give four uniform numbers of 16 bits. The
    bits below them are drawn once for all, so that each probability is exact.
    """
    if probabilities.device.type != "cpu":
        return torch.rand_like(probabilities).lt_(probabilities)
    count = probabilities.numel()
    drawn = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)[:count]
    offset = -(2**15 + torch.randint(2**8, ()) / 2**8)
    threshold = torch.add(offset, probabilities, alpha=2**16)  # in one pass
    return drawn.view(probabilities.shape).float().lt_(threshold)
