"""Perplexity, of losses that are computed elsewhere."""

from __future__ import annotations

from torch import Tensor
from torchmetrics import MeanMetric


class Perplexity(MeanMetric):
    """exp of the mean of -log p of a word (nats), weighted by words."""

    def compute(self) -> Tensor:
        return super().compute().exp()
