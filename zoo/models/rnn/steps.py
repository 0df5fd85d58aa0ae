"""A label for each step of a series, of a video or of a sentence: many to many.

Shape letters: B batch, T steps, F features, C channels, H height, W width, K labels.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.models.convolution import averaged_down
from zoo.models.rnn.recurrent import Recurrent

CELLS = 4  # a side of the feature map
fx.wrap("averaged_down")  # one node of a traced graph


class FrameReader(nn.Module):
    """Features of the frames of a video: (N, C, H, W) to (N, F).

    Layer normalisation (Ba et al., 2016), not batch normalisation, so that frames of padding change nothing.

    Args:
        in_channels: C.
        out_features: F.
        width: channels of the first convolution; the second has twice as many.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, out_features: int, width: int = 16) -> None:
        super().__init__()
        check.whole("in_channels", in_channels)
        check.whole("out_features", out_features)
        check.whole("width", width)
        self.convolutions = nn.Sequential(
            nn.Conv2d(in_channels, width, kernel_size=3, padding=1),
            nn.GroupNorm(1, width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, kernel_size=3, padding=1),
            nn.GroupNorm(1, 2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.output = nn.Linear(2 * width * CELLS * CELLS, out_features)

    def forward(self, x: Tensor) -> Tensor:
        cells = averaged_down(self.convolutions(x), CELLS)
        return functional.relu(self.output(cells.flatten(1)))


class StepReader(nn.Module):
    """Reads the steps of a sequence, whatever they are.

    Args:
        network: of vectors (B, T, F).
        frames: turns the frames of a video, or the words of a sentence, into features; None for a series.
    """

    def __init__(self, network: Recurrent, frames: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.frames = frames

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Outputs (B, T, K) for each step, or (B, K) for each sequence, as the network gives them.

        Args:
            x: series (B, T, F), normalised videos (B, T, C, H, W) or sentences (B, T, 1 + L), padded after their
                lengths.
            lengths: (B,), or None if all are T. Padding changes no output.
        """
        return self.network(self.vectors(x), lengths)

    def vectors(self, x: Tensor) -> Tensor:
        """The steps as vectors (B, T, F)."""
        if self.frames is None:
            return x
        return self.frames(x.flatten(0, 1)).reshape(x.shape[0], x.shape[1], -1)


class Tagger(StepReader):
    """Labels each step; its network is a `Recurrent` with pool `none`, which gives K numbers a step."""

    def generate(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Logits (B, T, K), and the lengths (B,) of the sequences."""
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[1], device=x.device)
        return self(x, lengths), lengths


class VideoReader(StepReader):
    """Gives K numbers for a whole video; its network is a `Recurrent` that pools its states."""

    def forward_features(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The input of the output layer for the input of `forward`: (B, D * H)."""
        return self.network.forward_features(self.vectors(x), lengths)

    def remove_head(self) -> None:
        """Leave the output layer out: the network then gives the features."""
        self.network.remove_head()
