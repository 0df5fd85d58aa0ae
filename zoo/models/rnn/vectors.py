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
    """Reads an image as a sequence.

    Args:
        network: takes sequences of C * W features by rows, of C * H * W otherwise.
        by_rows: read the image row by row, in H steps; otherwise all of it in one step.
    """

    def __init__(self, network: Recurrent, by_rows: bool) -> None:
        super().__init__()
        self.network = network
        self.by_rows = by_rows

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to outputs (B, K)."""
        return self.network(self.sequence(x))

    def forward_features(self, x: Tensor) -> Tensor:
        """The input of the output layer for the input of `forward`: (B, D * H)."""
        return self.network.forward_features(self.sequence(x))

    def remove_head(self) -> None:
        """Leave the output layer out: the network then gives the features."""
        self.network.remove_head()

    def sequence(self, x: Tensor) -> Tensor:
        """The input of `forward` as a sequence: (B, T, F)."""
        if self.by_rows:
            return x.transpose(1, 2).flatten(2)  # B, C, H, W -> B, H, C * W
        return x.flatten(1)[:, None]  # B, C, H, W -> B, 1, C * H * W


class RowReader(nn.Module):
    """Reads a row of a table as a sequence of one step.

    Args:
        network: takes sequences of the F numbers and the N one-hot categories.
        numbers: F.
        categories: number of codes of each of the N categorical columns.
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
        """The input of the output layer for the input of `forward`: (B, D * H)."""
        return self.network.forward_features(self.sequence(x))

    def remove_head(self) -> None:
        """Leave the output layer out: the network then gives the features."""
        self.network.remove_head()

    def sequence(self, x: Tensor) -> Tensor:
        """The input of `forward` as a sequence: (B, 1, F + codes of all categories)."""
        codes = x[:, self.numbers :].long()
        hot = [functional.one_hot(codes[:, place], size).to(x.dtype) for place, size in enumerate(self.categories)]
        return torch.cat([x[:, : self.numbers], *hot], dim=1)[:, None]
