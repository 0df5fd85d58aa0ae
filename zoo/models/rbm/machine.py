"""A restricted Boltzmann machine: visible units, hidden units that are 0 or 1, and weights between the two layers.

Smolensky, "Information processing in dynamical systems: foundations of harmony theory", 1986; Hinton, "Training
products of experts by minimizing contrastive divergence", 2002. Kinds of visible units: see `zoo.models.rbm.units`.

    E(v, h) = energy(v) - drive(v)·W h - b·h            F(v) = energy(v) - Σ_j softplus(drive(v)·W_j + b_j)

For Bernoulli units energy(v) = -a·v and drive(v) = v. p(v) = exp(-F(v)) / Z.

Shape letters: B batch, V visible, D numbers that the visible units send up (V of most kinds), H hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import unknown
from zoo.models.rbm.units import Bernoulli, Counts, Gaussian, Mixed, Ordinal, Softmax, Units, bernoulli

TOP_WORDS = 10  # that tell what a topic is about
RELEVANCE = 0.3  # how much a word's frequency counts there, and not only by how much the topic makes it likelier


class RBM(nn.Module):
    """A restricted Boltzmann machine.

    Args:
        num_visible: visible units: numbers, softmax units, or words of the vocabulary.
        num_hidden: H, hidden units.
        visible: bernoulli (0..1), gaussian (standardised numbers, with a learned variance each), softmax (one of
            `states`, as one-hot groups; zeros where it is missing), ordinal (the same, where the states are steps of a
            scale and share their weights) or counts (replicated softmax).
        states: of each softmax or ordinal unit.
        categories: how many codes each of some categorical columns has, which follow the numbers; each becomes a
            softmax unit.
        longest: words of the longest document that can be sampled (counts).

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
        longest: int = 1_000,
    ) -> None:
        super().__init__()
        if type(num_hidden) is not int or num_hidden < 1:
            raise ValueError(f"num_hidden must be a whole number of at least 1, got {num_hidden!r}")
        self.num_numbers = num_visible
        self.categories = tuple(categories)
        self.visible = _units(num_visible, visible, states, self.categories, longest)
        self.weight = nn.Parameter(0.01 * torch.randn(self.visible.drives, num_hidden))
        self.hidden_bias = nn.Parameter(torch.zeros(num_hidden))

    def forward(self, x: Tensor) -> Tensor:
        """What `vector` takes, to the hidden units' probabilities (B, H)."""
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
        """What the hidden units receive, drive(v)·W + b: (B, V) to float32 (B, H)."""
        return (self.visible.drive(v) @ self._weight()).float() + self.hidden_bias * self.visible.copies(v)

    def transform(self, v: Tensor) -> Tensor:
        """The hidden units' probabilities p(h = 1 | v): (B, V) to (B, H) in 0..1."""
        return torch.sigmoid(self.hidden_input(v))

    @torch.no_grad()
    def sample_hidden(self, v: Tensor) -> Tensor:
        """A draw of h given v: (B, V) to 0.0 and 1.0 (B, H)."""
        return bernoulli(self.transform(v))

    @torch.no_grad()
    def sample_visible(self, h: Tensor, like: Tensor | None = None) -> Tensor:
        """A draw of v given h: (B, H) to (B, V).

        Args:
            h: hidden vectors.
            like: visible vectors (B, V) that say which softmax units are there, and how long documents are.
        """
        return self.visible.sample(h @ self._weight().t(), like)

    @torch.no_grad()
    def gibbs(self, v: Tensor, steps: int = 1) -> Tensor:
        """Where a Markov chain is after so many steps (all hidden, then all visible units) from v (B, V)."""
        like = v
        for _ in range(steps):
            v = self.sample_visible(self.sample_hidden(v), like)
        return v

    def reconstruct(self, v: Tensor) -> Tensor:
        """The mean of v given the hidden units' probabilities for v: (B, V) to (B, V)."""
        return self.visible.mean(self.transform(v) @ self._weight().t(), v)

    # Learning

    @torch.no_grad()
    def centre_gradients(self, drive_mean: Tensor, hidden_mean: Tensor) -> None:
        """Turn the gradient that lies in the parameters into the centred one (Melchior, Fischer, Wiskott 2016).

        It is the gradient by the parameters of E(v, h) = energy(v) - (drive(v) - μ)·W (h - λ) - …, mapped back to ours;
        there the parameters disturb one another less.

        Args:
            drive_mean: μ (D,), about the mean of drive(v).
            hidden_mean: λ (H,), about the mean of h.
        """
        layers: list[Any] = list(self.visible.layers) if isinstance(self.visible, Mixed) else [self.visible]
        weight, hidden = self.weight.grad, self.hidden_bias.grad
        # In units of what is sent up, as all of these gradients are but those of ordinal units
        ordinal = [isinstance(layer, Ordinal) for layer in layers]
        grads = [layer.bias.grad for layer in layers]  # None of what is frozen
        biases = [torch.zeros_like(layer.bias) if grad is None else grad for layer, grad in zip(layers, grads)]
        visible = [layer.drive(bias) if its else bias for layer, bias, its in zip(layers, biases, ordinal)]
        assert weight is not None
        assert hidden is not None
        left, right = torch.stack([drive_mean, torch.cat(visible)], dim=1), torch.stack([hidden, hidden_mean])
        weight.addmm_(left, right, alpha=-1)  # both outer products in one pass
        hidden -= drive_mean @ weight
        for layer, bias, change in zip(layers, biases, (weight @ hidden_mean).split([part.drives for part in layers])):
            bias -= layer.lift(change)

    def _weight(self) -> Tensor:
        # Autocast would keep a copy made without gradients, and use it with them
        return self.weight if torch.is_grad_enabled() else self.weight.detach()


class FreeEnergyRBM(RBM):
    """An RBM that tells how unusual its input is."""

    def forward(self, x: Tensor) -> Tensor:
        """What `vector` takes, to free energies (B, 1), -log p(v) up to a constant (nats)."""
        return self.free_energy(self.vector(x))[:, None]


class TopicRBM(RBM):
    """An RBM of word counts, each of whose hidden units is a topic that a text has or has not.

    Salakhutdinov and Hinton, "Replicated softmax: an undirected topic model", 2009. Weights start far enough apart that
    topics do not all turn to the same words.

    Args:
        num_words: V.
        num_hidden: H.
        longest: words of the longest document that can be sampled.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, num_words: int = 2_000, num_hidden: int = 12, *, longest: int = 1_000) -> None:
        super().__init__(num_words, num_hidden, visible="counts", longest=longest)
        with torch.no_grad():
            self.weight.mul_(10)

    def generate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Counts (B, V), to the probabilities of the topics (B, H) and the places of their words, as `top_words`."""
        return self(x), self.top_words()

    def top_words(self, most: int = TOP_WORDS) -> Tensor:
        """The places of the words that tell of each topic, the most telling first: (H, N).

        In the order of Sievert and Shirley's relevance ("LDAvis", 2014), 0.3 log p(word | topic) + 0.7 log (p(word |
        topic) / p(word)): rare words alone would say little of a topic, and frequent ones alone the same of all.
        """
        relevance = self.weight + RELEVANCE * self.visible.bias[:, None]
        return relevance.topk(min(most, self.visible.width), dim=0).indices.t()


def _units(number: int, kind: str, states: int, categories: Sequence[int], longest: int) -> Units:
    kinds = {
        "bernoulli": lambda: Bernoulli(number),
        "gaussian": lambda: Gaussian(number),
        "softmax": lambda: Softmax(number, states),
        "ordinal": lambda: Ordinal(number, states),
        "counts": lambda: Counts(number, longest),
    }
    if kind not in kinds:
        raise ValueError(unknown("kind of visible unit", kind, kinds))
    if not categories:
        return kinds[kind]()
    numbers = [kinds[kind]()] if number else []
    return Mixed([*numbers, *(Softmax(1, count) for count in categories)])
