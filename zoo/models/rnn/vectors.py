"""Images and rows of tables for a recurrent network: one to one, or an image read row by row.

Shape letters: B batch, C channels, H height, W width, F numbers, N categorical columns, K outputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.models.rnn.recurrent import Recurrent


class ImageReader(nn.Module):
    """A picture's class, or other numbers.

    Args:
        network: takes sequences of C * W features, or of C * H * W where it does not read by rows.
        rows: read the picture row by row, in H steps; otherwise all of it in one step.
    """

    def __init__(self, network: Recurrent, rows: bool) -> None:
        super().__init__()
        self.network = network
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures (B, C, H, W) to outputs (B, K)."""
        return self.network(self.sequence(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """What `forward` takes, to what the output layer sees (B, D * H)."""
        return self.network.forward_features(self.sequence(x))

    def sequence(self, x: Tensor) -> Tensor:
        """What `forward` takes, as the network reads it: (B, T, F)."""
        if self.rows:
            return x.transpose(1, 2).flatten(2)  # B, C, H, W -> B, H, C * W
        return x.flatten(1)[:, None]  # B, C, H, W -> B, 1, C * H * W


class RowReader(nn.Module):
    """What a table's row says, in one step.

    Args:
        network: takes sequences of F numbers, and the N categories one-hot.
        numbers: F.
        categories: how many codes each of the N categorical columns has.
    """

    def __init__(self, network: Recurrent, numbers: int, categories: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.numbers = numbers
        self.categories = tuple(categories)

    def forward(self, x: Tensor) -> Tensor:
        """Numbers and codes (B, F + N) to outputs (B, K)."""
        return self.network(self.sequence(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """What `forward` takes, to what the output layer sees (B, D * H)."""
        return self.network.forward_features(self.sequence(x))

    def sequence(self, x: Tensor) -> Tensor:
        """What `forward` takes, as the network reads it: (B, 1, F + codes of all categories)."""
        codes = x[:, self.numbers :].long().unbind(1)
        hot = [functional.one_hot(column, size).to(x.dtype) for column, size in zip(codes, self.categories)]
        return torch.cat([x[:, : self.numbers], *hot], dim=1)[:, None]
