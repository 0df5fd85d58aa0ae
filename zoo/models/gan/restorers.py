"""Generators that restore: they fill holes, and enlarge.

Inpainting follows Pathak et al., "Context encoders", 2016. Super-resolution is a residual network without batch
normalisation (Lim et al., "Enhanced deep residual networks for single image super-resolution", 2017) that adds to the
bicubic enlargement and ends in a pixel shuffle (Shi et al., 2016).

Shape letters: B batch, C channels, H height, W width, S scale.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.models.convolution import to_channels_last
from zoo.models.gan.unet import Residual, UNet


class Inpainter(nn.Module):
    """Fills the pixels under a mask; all others come back unchanged, bit for bit.

    Args:
        channels: C of the image.
        width: channels of the U-Net at full size, a multiple of 8; they double with each halving.
        depth: number of halvings of the U-Net.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, channels: int = 1, *, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.unet = UNet(channels + 1, channels, width=width, depth=depth)
        self.min_size = 2**depth
        self.num_stages = depth + 1

    def forward(self, x: Tensor) -> Tensor:
        """Images in -1..1 with their mask as last channel (B, C + 1, H, W), to complete images (B, C, H, W)."""
        known, mask = x[:, :-1], x[:, -1:]
        return torch.where(mask > 0.5, self.unet(x).float().tanh(), known)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature maps of the U-Net on the way down."""
        return self.unet.forward_stages(x)


class SuperResolver(nn.Module):
    """Enlarges an image of any size: the bicubic enlargement plus details from residual blocks.

    Untrained, it is the bicubic enlargement.

    Args:
        channels: C of the image.
        scale: S, the factor of height and width, 2 to 8.
        width: channels of the residual blocks.
        blocks: number of residual blocks.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, channels: int = 3, *, scale: int = 2, width: int = 32, blocks: int = 8) -> None:
        super().__init__()
        self.scale = check.whole("scale", scale, 2, 8)
        check.whole("width", width)
        check.whole("blocks", blocks)
        self.stem = nn.Conv2d(channels, width, kernel_size=3, padding=1)
        self.blocks = nn.Sequential(*(_block(width) for _ in range(blocks)))
        self.head = nn.Conv2d(width, channels * scale**2, kernel_size=3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        self.reach = 2 * blocks + 2  # pixels each way that an output depends on; the bicubic enlargement needs 2
        to_channels_last(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to float32 (B, C, S H, S W), both with pixels in -1..1 (the output roughly)."""
        features = self.stem(x.contiguous(memory_format=torch.channels_last))
        details = functional.pixel_shuffle(self.head(features + self.blocks(features)), self.scale)
        return enlarge(x, self.scale) + details.float()

    def generate(self, x: Tensor, *, tile: int = 256) -> Tensor:
        """As `forward`, a tile at a time, so that memory does not grow with the image.

        Tiles overlap by the pixels that an output depends on, so that they join without seams.

        Args:
            x: (B, C, H, W).
            tile: height and width of a tile of x, at least 1.

        Raises:
            ValueError: the tile is smaller than that.
        """
        check.whole("tile", tile)
        height, width = x.shape[-2:]
        rows = []
        for top, bottom, above, below in _stretches(height, tile, self.reach):
            row = []
            for left, right, before, behind in _stretches(width, tile, self.reach):
                y = self(x[..., above:below, before:behind])
                down, along = (top - above) * self.scale, (left - before) * self.scale
                row.append(
                    y[..., down : down + (bottom - top) * self.scale, along : along + (right - left) * self.scale]
                )
            rows.append(torch.cat(row, dim=-1))
        return torch.cat(rows, dim=-2)


def _block(channels: int) -> Residual:
    return Residual(
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1),
        in_channels=channels,
        out_channels=channels,
    )


def enlarge(x: Tensor, scale: int) -> Tensor:
    """Bicubic enlargement of (B, C, H, W) with the kernel of Keys (1981, a = -0.5), as MATLAB's `imresize`; float32."""
    size = x.shape[-2] * scale, x.shape[-1] * scale
    return functional.interpolate(x.float(), size=size, mode="bicubic", antialias=True)  # without, torch has a = -0.75


def _stretches(length: int, tile: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Start and end of each tile of a side, and start and end of the pixels that it depends on."""
    for start in range(0, length, tile):
        end = min(start + tile, length)
        yield start, end, max(0, start - reach), min(length, end + reach)
