"""The U-Net of residual blocks (Ronneberger et al., 2015) with group normalisation (Wu and He, 2018).

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError

GROUPS = 8  # of group normalisation


class UNet(nn.Module):
    """An image to an image of the same size: `depth` halvings down, up again, with skip connections at each size.

    It takes any size of at least 2**depth pixels each way; a smaller one is a SpecError.

    Args:
        in_channels, out_channels: channels of the images.
        width: channels at full size, a multiple of 8.
        depth: number of halvings, 0 to 8.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        check_groups(width)
        check.whole("depth", depth, 0, 8)
        self.num_stages = depth + 1
        widths = [width << level for level in range(depth + 1)]
        self.stem = nn.Conv2d(in_channels, width, kernel_size=3, padding=1)
        self.encoders = nn.ModuleList(ResidualBlock(w, w) for w in widths[:-1])
        self.halve = nn.ModuleList(nn.Conv2d(w, 2 * w, kernel_size=4, stride=2, padding=1) for w in widths[:-1])
        self.middle = nn.Sequential(ResidualBlock(widths[-1], widths[-1]), ResidualBlock(widths[-1], widths[-1]))
        self.decoders = nn.ModuleList(ResidualBlock(3 * w, w) for w in widths[-2::-1])
        self.head = nn.Sequential(
            nn.GroupNorm(GROUPS, width), nn.SiLU(), nn.Conv2d(width, out_channels, kernel_size=3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W), unbounded."""
        *skips, x = self.forward_stages(x)
        for decode in self.decoders:
            skip = skips.pop()
            x = functional.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = decode(torch.cat([x, skip], dim=1))
        return self.head(x)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature map (B, width * 2**stage, H / 2**stage, W / 2**stage) of each size on the way down."""
        x = self.stem(laid_out(halvable(x, len(self.encoders))))
        maps = []
        for encode, halve in zip(self.encoders, self.halve):
            x = encode(x)
            maps.append(x)
            x = halve(x)
        return [*maps, self.middle(x)]


@fx.wrap  # what depends on the size or the device of an input is one node of a traced graph
def halvable(x: Tensor, depth: int) -> Tensor:
    """Images (B, C, H, W), as they are.

    Raises:
        SpecError: they are too small to be halved so often.
    """
    if min(x.shape[-2:]) < 2**depth:
        raise SpecError(
            f"images of {x.shape[-2]} x {x.shape[-1]} pixels are too small to be halved {depth} times (depth)"
        )
    return x


def check_groups(width: int) -> None:
    """See that group normalisation can divide so many channels."""
    if check.whole("width", width) % GROUPS:
        raise ValueError(f"width must be a multiple of {GROUPS}, got {width}")


@fx.wrap
def laid_out(x: Tensor) -> Tensor:
    """(B, C, H, W), on a GPU with channels last in memory, where convolutions are fastest.

    On a CPU convolutions gain less by that layout than group normalisation loses: in bfloat16, with few channels a
    group, torch's takes forty times as long.
    """
    return x.contiguous(memory_format=torch.channels_last if x.is_cuda else torch.contiguous_format)


class Residual(nn.Module):
    """Layers whose output is added to the input: (B, C, H, W), and C may change.

    Args:
        *layers: applied one after the other.
        in_channels, out_channels: where they differ, a 1 x 1 convolution fits the input to the output.
    """

    def __init__(self, *layers: nn.Module, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.skip = skip(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.layers(x)


class ResidualBlock(Residual):
    """Twice group normalisation, SiLU and a 3 x 3 convolution, added to the input."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.GroupNorm(GROUPS, in_channels),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.GroupNorm(GROUPS, out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            in_channels=in_channels,
            out_channels=out_channels,
        )


def skip(in_channels: int, out_channels: int) -> nn.Module:
    """The way around the layers of a residual block."""
    if in_channels == out_channels:
        return nn.Identity()
    return nn.Conv2d(in_channels, out_channels, kernel_size=1)
