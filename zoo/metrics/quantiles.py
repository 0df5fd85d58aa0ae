"""The loss of quantiles.

Koenker and Bassett, "Regression quantiles", 1978. Shape letters: V values, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class QuantileLoss(nn.Module):
    """The pinball loss: what is too low costs q of the error, and what is too high 1 - q.

    Args:
        quantiles: Q of them, each above 0 and below 1.
        reduction: mean, sum or none.
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float], reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction
        self.register_buffer("quantiles", torch.tensor(list(quantiles)), persistent=False)

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of outputs (…, V Q) for targets (…, V): a scalar, or (…, V Q)."""
        errors = targets[..., None] - outputs.unflatten(-1, (-1, len(self.quantiles)))  # …, V, Q
        losses = torch.maximum(self.quantiles * errors, (self.quantiles - 1) * errors).flatten(-2)
        return losses if self.reduction == "none" else losses.sum() if self.reduction == "sum" else losses.mean()
