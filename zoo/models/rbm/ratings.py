"""A restricted Boltzmann machine of ratings, which predicts the ratings of items that somebody has not rated.

Salakhutdinov, Mnih, Hinton, "Restricted Boltzmann machines for collaborative filtering", 2007: a softmax unit for each
item, absent where the item is not rated. In ours the values of the scale share an item's weights, each times its
distance from the item's usual rating.

Shape letters: B batch, G items, K values of the scale, V = G K, H hidden, T some of the items.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.models.rbm.machine import RBM
from zoo.models.rbm.units import Ordinal

CHUNK = 2**22  # numbers at a time, where all items are predicted,
CACHED = 2**18  # and of one user, which then stay in the cache of a CPU


class RatingRBM(RBM):
    """An RBM that predicts ratings.

    An item's weights are its own plus those that all items share, so that somebody's general tendency also predicts
    items with few ratings.

    Args:
        num_items: G.
        num_hidden: H.
        scale: the K values of a rating, ascending.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, num_items: int = 100, num_hidden: int = 50, *, scale: Sequence[float] = (1, 2, 3, 4, 5)) -> None:
        super().__init__(num_items, num_hidden, visible="ordinal", states=len(scale))
        self.shared = nn.Parameter(0.1 * torch.randn(num_hidden))
        self.scale: Tensor
        self.register_buffer("scale", torch.tensor([float(value) for value in scale]))

    def forward(self, x: Tensor) -> Tensor:
        """One-hot ratings (B, V), to the mean of p(rating | those) of each item (B, G), NaN where that is given."""
        rows = max(1, CHUNK // (self.visible.width * len(self.hidden_bias)))
        means = torch.cat([self._means(self.hidden_input(part)) for part in x.split(rows)])
        return means.masked_fill(self._units.grouped(x).sum(dim=-1) > 0, torch.nan)

    def _means(self, hidden_input: Tensor) -> Tensor:
        """Expected ratings of all items: (B, H) to (B, G)."""
        items = torch.arange(len(self.weight), device=hidden_input.device)
        parts = items.split(max(1, CACHED // (self._units.states * len(self.hidden_bias))))
        return torch.cat([self.expected(self.logits(hidden_input, part)) for part in parts], dim=1)

    def conditional(self, v: Tensor, places: Tensor) -> Tensor:
        """Logits of p(rating | v) of items not rated in v: (B, V) and their positions (T,) or (B, T) to (B, T, K)."""
        return self.logits(self.hidden_input(v), places)

    def hidden_input_of(self, codes: Tensor) -> Tensor:
        """As `hidden_input`, of codes of ratings (B, G), 0 for none, in time that grows with the ratings alone: (B, H).

        Codes from 1 stand for the values of the scale.
        """
        rows, places = codes.nonzero().unbind(1)
        values = self._units.values[places, codes[rows, places].long() - 1]
        counts = rows.bincount(minlength=len(codes))
        starts = counts.cumsum(0) - counts
        pulls = functional.embedding_bag(places, self.weight, starts, mode="sum", per_sample_weights=values)
        totals = torch.zeros_like(starts, dtype=values.dtype).scatter_add(0, rows, values)
        return pulls + totals[:, None] * self.shared + self.hidden_bias

    def logits(self, hidden_input: Tensor, places: Tensor) -> Tensor:
        """As `conditional`, of the input of the hidden units (B, H)."""
        units = self._units
        weights = functional.embedding(places, self.weight)[..., None, :] + self.shared  # …, T, 1, H
        pulls = weights * units.values[places][..., None]  # …, T, K, H
        sums = functional.softplus(hidden_input[:, None, None] + pulls).sum(dim=-1)
        return sums + functional.embedding(places, units.grouped(units.bias))

    def expected(self, logits: Tensor) -> Tensor:
        """The mean rating (…,) of logits (…, K)."""
        return logits.softmax(dim=-1) @ self.scale

    @property
    def _units(self) -> Ordinal:
        assert isinstance(self.visible, Ordinal)
        return self.visible

    def _weight(self) -> Tensor:
        return super()._weight() + self.shared
