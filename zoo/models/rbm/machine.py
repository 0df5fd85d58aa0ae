"""A restricted Boltzmann machine: visible units, hidden units that are 0 or 1, and weights between the two layers.

Smolensky, "Information processing in dynamical systems: foundations of harmony theory", 1986; Hinton, "Training
products of experts by minimizing contrastive divergence", 2002. Kinds of visible units: see `zoo.models.rbm.units`.

    E(v, h) = energy(v) - statistics(v)·W h - b·h       F(v) = energy(v) - Σ_j softplus(statistics(v)·W_j + b_j)

For Bernoulli units energy(v) = -a·v and statistics(v) = v. p(v) = exp(-F(v)) / Z.

Shape letters: B batch, V visible, D sufficient statistics of the visible units (V for most kinds), H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.models.rbm.units import Bernoulli, Counts, Gaussian, Mixed, Ordinal, Softmax, Units, bernoulli

TOP_WORDS = 10  # of a topic
RELEVANCE = 0.3  # weight of a word's probability in a topic; the rest is of its ratio to the word's overall probability


class RBM(nn.Module):
    """A restricted Boltzmann machine.

    Args:
        num_visible: visible units: numbers, softmax units, or words of the vocabulary.
        num_hidden: H, hidden units.
        visible: bernoulli (0..1), gaussian (standardised numbers, with a learned variance each), softmax (one of
            `states`, as one-hot groups; zeros where it is missing), ordinal (the same, where the states are steps of a
            scale and share their weights) or counts (replicated softmax).
        states: of each softmax or ordinal unit.
        categories: number of codes of each categorical column; these follow the numbers, and each becomes a softmax
            unit.
        max_length: words of the longest document that can be sampled (counts).

    Raises:
        ValueError: a number is out of range, or no such kind of visible unit.
    """

    def __init__(
        self,
        num_visible: int = 784,
        num_hidden: int = 256,
        *,
        visible: str = "bernoulli",
        states: int = 2,
        categories: Sequence[int] = (),
        max_length: int = 1_000,
    ) -> None:
        super().__init__()
        check.whole("num_hidden", num_hidden)
        self.num_numbers = num_visible
        self.categories = tuple(categories)
        self.visible = _units(num_visible, visible, states, self.categories, max_length)
        self.weight = nn.Parameter(0.01 * torch.randn(self.visible.num_statistics, num_hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))

    def forward(self, x: Tensor) -> Tensor:
        """The input of `vector` to the hidden units' probabilities (B, H)."""
        return self.transform(self.vector(x))

    def vector(self, x: Tensor) -> Tensor:
        """Numbers (B, …), flattened, and after them codes of categories (B, C), to visible vectors (B, V)."""
        x = x.flatten(1)
        if not self.categories:
            return x
        codes = x[:, self.num_numbers :].long()
        groups = [functional.one_hot(codes[:, i], count).to(x.dtype) for i, count in enumerate(self.categories)]
        return torch.cat([x[:, : self.num_numbers], *groups], dim=1)

    # Energies, in nats and float32

    def energy(self, v: Tensor, h: Tensor) -> Tensor:
        """E(v, h) of visible (B, V) and hidden vectors (B, H): (B,)."""
        return self.visible.energy(v) - (self.hidden_input(v) * h).sum(dim=1)

    def free_energy(self, v: Tensor, hidden_input: Tensor | None = None) -> Tensor:
        """F(v) of visible vectors (B, V): (B,); pass on their `hidden_input` where it is known already."""
        x = self.hidden_input(v) if hidden_input is None else hidden_input
        return self.visible.energy(v) - functional.softplus(x).sum(dim=1)

    def score(self, v: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A stochastic estimate of the log pseudo-likelihood, Σ_i log p(v_i | all others), of each v (B, V) in {0, 1}.

        One unit of each vector, drawn at random, stands for all, as in scikit-learn's `score_samples`. Nats, (B,).

        Raises:
            ValueError: the visible units are not Bernoulli.
        """
        if not isinstance(self.visible, Bernoulli):
            raise ValueError("the pseudo-likelihood is that of Bernoulli units")
        place = torch.randint(self.visible.width, (len(v), 1), generator=generator, device=v.device)
        flipped = v.scatter(1, place, 1 - v.gather(1, place))
        return self.visible.width * functional.logsigmoid(self.free_energy(flipped) - self.free_energy(v))

    # Conditional distributions

    def hidden_input(self, v: Tensor) -> Tensor:
        """The input of the hidden units, statistics(v)·W + b: (B, V) to float32 (B, H)."""
        statistics = self.visible.sufficient_statistics(v)
        return (statistics @ self._weight()).to(self.hidden_bias.dtype) + self.hidden_bias * self.visible.bias_scale(v)

    def transform(self, v: Tensor) -> Tensor:
        """The hidden units' probabilities p(h = 1 | v): (B, V) to (B, H) in 0..1."""
        return torch.sigmoid(self.hidden_input(v))

    @torch.no_grad()
    def sample_hidden(self, v: Tensor) -> Tensor:
        """A sample of h given v: (B, V) to 0.0 and 1.0 (B, H)."""
        return bernoulli(self.transform(v))

    @torch.no_grad()
    def sample_visible(self, h: Tensor, like: Tensor | None = None) -> Tensor:
        """A sample of v given h: (B, H) to (B, V).

        Args:
            h: hidden vectors.
            like: visible vectors (B, V), for which softmax units are present and how long documents are.
        """
        return self.visible.sample(h @ self._weight().t(), like)

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1) -> Tensor:
        """The state of a Markov chain from v (B, V) after `steps` steps, each of all hidden, then all visible units."""
        like = v
        for _ in range(steps):
            v = self.sample_visible(self.sample_hidden(v), like)
        return v

    def reconstruct(self, v: Tensor) -> Tensor:
        """The mean of v given the hidden units' probabilities for v: (B, V) to (B, V)."""
        return self.visible.mean(self.transform(v) @ self._weight().t(), v)

    # Learning

    @torch.no_grad()
    def center_gradients(self, statistics_mean: Tensor, hidden_mean: Tensor) -> None:
        """Turn the gradients of the parameters into centered ones (Melchior, Fischer, Wiskott 2016).

        They are the gradients of the parameters of E(v, h) = energy(v) - (statistics(v) - μ)·W (h - λ) - …, mapped back
        to ours; in that form the parameters depend less on one another.

        Args:
            statistics_mean: μ (D,), about the mean of statistics(v).
            hidden_mean: λ (H,), about the mean of h.
        """
        layers: list[Any] = list(self.visible.layers) if isinstance(self.visible, Mixed) else [self.visible]
        weight, hidden = self.weight.grad, self.hidden_bias.grad
        # In units of the statistics, as are all of these gradients but those of ordinal units
        ordinal = [isinstance(layer, Ordinal) for layer in layers]
        grads = [layer.bias.grad for layer in layers]  # None of what is frozen
        biases = [torch.zeros_like(layer.bias) if grad is None else grad for layer, grad in zip(layers, grads)]
        visible = [
            layer.sufficient_statistics(bias) if its else bias for layer, bias, its in zip(layers, biases, ordinal)
        ]
        assert weight is not None
        assert hidden is not None
        left, right = torch.stack([statistics_mean, torch.cat(visible)], dim=1), torch.stack([hidden, hidden_mean])
        weight.addmm_(left, right, alpha=-1)  # both outer products in one pass
        hidden -= statistics_mean @ weight
        changes = (weight @ hidden_mean).split([layer.num_statistics for layer in layers])
        for layer, bias, change in zip(layers, biases, changes):
            bias -= layer.project_down(change)

    def _weight(self) -> Tensor:
        # Autocast would keep a copy made without gradients, and use it with them
        return self.weight if torch.is_grad_enabled() else self.weight.detach()


class FreeEnergyRBM(RBM):
    """An RBM whose output is the free energy, which is high for unusual inputs."""

    def forward(self, x: Tensor) -> Tensor:
        """The input of `vector` to free energies (B, 1), -log p(v) up to a constant (nats)."""
        return self.free_energy(self.vector(x))[:, None]


class TopicRBM(RBM):
    """An RBM of word counts, whose hidden units are topics that a text has or has not.

    Salakhutdinov and Hinton, "Replicated softmax: an undirected topic model", 2009. Weights start far apart, so that
    topics do not all settle on the same words.

    Args:
        num_words: V.
        num_hidden: H.
        max_length: words of the longest document that can be sampled.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, num_words: int = 2_000, num_hidden: int = 12, *, max_length: int = 1_000) -> None:
        super().__init__(num_words, num_hidden, visible="counts", max_length=max_length)
        with torch.no_grad():
            self.weight.mul_(10)

    def generate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Counts (B, V) to the probabilities of the topics (B, H), and the positions of their words, as `top_words`."""
        return self(x), self.top_words()

    def top_words(self, top_k: int = TOP_WORDS) -> Tensor:
        """The positions of the most relevant words of each topic, the most relevant first: (H, N).

        Relevance is that of Sievert and Shirley ("LDAvis", 2014), 0.3 log p(word | topic) + 0.7 log (p(word | topic) /
        p(word)): the second part alone favours rare words, the first alone the same frequent words in all topics.
        """
        relevance = self.weight + RELEVANCE * self.visible.bias[:, None]
        return relevance.topk(min(top_k, self.visible.width), dim=0).indices.t()


def _units(number: int, kind: str, states: int, categories: Sequence[int], max_length: int) -> Units:
    kinds = {
        "bernoulli": lambda: Bernoulli(number),
        "gaussian": lambda: Gaussian(number),
        "softmax": lambda: Softmax(number, states),
        "ordinal": lambda: Ordinal(number, states),
        "counts": lambda: Counts(number, max_length),
    }
    check.one_of("kind of visible unit", kind, kinds)
    if not categories:
        return kinds[kind]()
    numbers = [kinds[kind]()] if number else []
    return Mixed([*numbers, *(Softmax(1, count) for count in categories)])
