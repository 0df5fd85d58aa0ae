"""The U-Net of residual blocks (Ronneberger et al., 2015) with group normalisation (Wu and He, 2018).

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import SpecError

GROUPS = 8  # of group normalisation


class UNet(nn.Module):
    """A picture to a picture of the same size: down `depth` halvings, up again, and across at each size.

    It takes any size of at least 2**depth pixels each way; a smaller one is a SpecError.

    Args:
        in_channels, out_channels: channels of the pictures.
        width: channels at full size, a multiple of 8.
        depth: number of halvings, 0 to 8.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        if width < GROUPS or width % GROUPS:
            raise ValueError(f"width must be a positive multiple of {GROUPS}, got {width}")
        if not 0 <= depth <= 8:
            raise ValueError(f"depth must be from 0 to 8, got {depth}")
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
        depth = len(self.encoders)
        if min(x.shape[-2:]) < 2**depth:
            raise SpecError(
                f"pictures of {x.shape[-2]} x {x.shape[-1]} pixels are too small to be halved {depth} times (depth)"
            )
        x = self.stem(laid_out(x))
        across = []
        for encode, halve in zip(self.encoders, self.halve):
            x = encode(x)
            across.append(x)
            x = halve(x)
        x = self.middle(x)
        for decode in self.decoders:
            skip = across.pop()
            x = functional.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = decode(torch.cat([x, skip], dim=1))
        return self.head(x)


def laid_out(x: Tensor) -> Tensor:
    """(B, C, H, W) with its channels last in memory on a GPU, where convolutions are fastest so.

    On a CPU they gain less by it than group normalisation loses: of bfloat16 with few channels a group, torch's takes
    forty times as long that way.
    """
    return x.contiguous(memory_format=torch.channels_last if x.is_cuda else torch.contiguous_format)


class ResidualBlock(nn.Module):
    """Twice group normalisation, SiLU and a 3 x 3 convolution, added to the input: (B, C, H, W), C may change."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(GROUPS, in_channels),
            nn.SiLU(),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.GroupNorm(GROUPS, out_channels),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        )
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.layers(x)
