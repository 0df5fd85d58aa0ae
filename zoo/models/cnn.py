"""A small convolutional network that classifies images.

LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998: convolutions that
halve the picture, then a linear layer. Where we deviate: strided convolutions in place of subsampling (Springenberg
et al., 2015), batch normalisation (Ioffe and Szegedy, 2015), ReLU, and optional residual blocks (He et al., 2016).

Shape letters: B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import SpecError
from zoo.spec import Classes, Image, Spec


class CNN(nn.Module):
    """Strided convolutions, one a stage and each halving height and width, then one linear layer.

    Args:
        in_channels: channels of the picture.
        num_classes: K, the number of logits.
        widths: channels of each stage; the first convolution is 5 x 5, the others 3 x 3.
        blocks: residual blocks that follow the convolution of each stage but the first.
        grid: the classifier looks at grid x grid cells; a larger feature map is averaged down to that.
        dropout: probability of zeroing a feature before the classifier, 0 <= dropout < 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 0,
        grid: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 1 <= len(widths) <= 16 or min(widths) < 1:
            raise ValueError(f"widths must be 1 to 16 positive numbers, got {list(widths)}")
        for name, number in (("in_channels", in_channels), ("num_classes", num_classes), ("grid", grid)):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}")
        if not 0 <= blocks <= 64:
            raise ValueError(f"blocks must be from 0 to 64, got {blocks}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        self.num_features = widths[-1] * grid * grid
        self.grid = grid
        self.stages = nn.Sequential()
        for stage, (fan_in, width) in enumerate(zip((in_channels, *widths), widths)):
            self.stages.append(Convolution(fan_in, width, kernel_size=3 if stage else 5, stride=2))
            if stage:
                self.stages.extend(ResidualBlock(width) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.num_features, num_classes)
        self.to(memory_format=torch.channels_last)  # the layout in which convolutions are fastest

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures (B, C, H, W), any size, to logits (B, K)."""
        return self.classifier(self.dropout(self.forward_features(x)))

    def forward_features(self, x: Tensor) -> Tensor:
        """Normalised pictures (B, C, H, W) to the features (B, F) that the classifier sees."""
        x = self.stages(x.contiguous(memory_format=torch.channels_last))
        if x.shape[-2:] != (self.grid, self.grid):
            x = functional.adaptive_avg_pool2d(x, self.grid)
        # B, C, H, W -> B, H * W * C: flattened as it lies in memory, which spares backward a 30 times slower copy
        return x.permute(0, 2, 3, 1).flatten(1)


class Convolution(nn.Sequential):
    """Convolution, batch normalisation and ReLU: (B, C, H, W) to (B, width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size, stride, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to the input (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width, kernel_size=3)
        self.second = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)  # a new block passes its input on (Goyal et al., 2017)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.norm(self.second(self.first(x))))


def build(
    spec: Spec,
    *,
    widths: Sequence[int] = (32, 64, 128),
    blocks: int = 0,
    dropout: float = 0.0,
) -> CNN:
    """The CNN for a spec: image → classes.

    Raises:
        SpecError: the spec asks for something else.
        ValueError: an option is out of range.
    """
    if type(spec.input) is not Image or not isinstance(spec.output, Classes):
        raise SpecError(f"cnn goes from image to classes, not {spec}")
    smallest = -(-min(spec.input.size) // 2 ** len(widths))  # of the last feature map; rounded up
    return CNN(
        in_channels=spec.input.channels,
        num_classes=len(spec.output.names),
        widths=widths,
        blocks=blocks,
        grid=min(4, smallest),
        dropout=dropout,
    )
