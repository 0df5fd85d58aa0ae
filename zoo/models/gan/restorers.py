"""Generators that restore: they fill holes, enlarge, and colour.

Inpainting follows Pathak et al., "Context encoders", 2016. Super-resolution is a residual network without batch
normalisation (Lim et al., "Enhanced deep residual networks for single image super-resolution", 2017) that adds to the
bicubic enlargement and ends in a pixel shuffle (Shi et al., 2016). Colourisation predicts the two chroma channels as
Zhang et al. ("Colorful image colorization", 2016) do, and takes the luminance from the grey image.

Shape letters: B batch, C channels, H height, W width, S scale.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.models.gan.unet import Residual, UNet

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in a grey image: ITU-R BT.601, as in JPEG and Pillow


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
        self.to(memory_format=torch.channels_last)

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


class Colouriser(nn.Module):
    """Colours a grey image of any size; converted back to grey, the result is the input.

    Args:
        width: channels of the U-Net at full size, a multiple of 8; they double with each halving.
        depth: number of halvings of the U-Net.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, *, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        self.unet = UNet(1, 2, width=width, depth=depth)
        self.min_size = 2**depth
        self.num_stages = depth + 1

    def forward(self, x: Tensor) -> Tensor:
        """Grey (B, 1, H, W) to red, green and blue (B, 3, H, W), float32, both in -1..1."""
        return colour(x.float(), self._chroma(x))

    def generate(self, x: Tensor, *, side: int = 256) -> Tensor:
        """As `forward`, in whole steps of 1/255, whose luminance is that of x even after rounding.

        Colours vary slowly: those of a larger image are computed at a smaller size, and enlarged.

        Args:
            x: (B, 1, H, W) in -1..1.
            side: height and width up to which colours are computed at full size.
        """
        height, width = x.shape[-2:]
        longest = max(height, width)
        if longest <= side:
            chroma = self._chroma(x)
        else:
            small = [max(self.min_size, round(length * side / longest)) for length in (height, width)]
            chroma = self._chroma(functional.interpolate(x, size=small, mode="bilinear", antialias=True))
            chroma = functional.interpolate(chroma, size=(height, width), mode="bicubic")
        return _round_with_exact_luma(x, colour(x, chroma))

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature maps of the U-Net on the way down."""
        return self.unet.forward_stages(x)

    def _chroma(self, x: Tensor) -> Tensor:
        return self.unet(x).float().tanh() / 2


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


def colour(luma: Tensor, chroma: Tensor) -> Tensor:
    """Red, green and blue (B, 3, H, W) in -1..1 from luma (B, 1, H, W) in -1..1 and chroma Cb, Cr in -0.5..0.5.

    The luma of the result is exactly that given: a colour outside the cube of possible colours is moved towards grey
    just far enough to lie in it.
    """
    cb, cr = chroma[:, :1], chroma[:, 1:]
    red, green, blue = LUMA
    offsets = torch.cat(
        [
            2 * (1 - red) * cr,
            -2 * (blue * (1 - blue) * cb + red * (1 - red) * cr) / green,
            2 * (1 - blue) * cb,
        ],
        dim=1,
    )
    offsets = 2 * offsets  # of pixels in -1..1
    room = torch.where(offsets > 0, 1 - luma, 1 + luma)
    fraction = (room / offsets.abs().clamp(min=1e-6)).amin(dim=1, keepdim=True).clamp(0, 1)
    return luma + fraction * offsets


def _round_with_exact_luma(luma: Tensor, image: Tensor) -> Tensor:
    """Round pixels (B, 3, H, W) in -1..1 to steps of 1/255, and green so that the rounded luma is that given.

    A step of green is 0.587 steps of luma, so one always fits.
    """
    red, green, blue = LUMA
    grey = ((luma + 1) * 127.5).round()
    steps = ((image + 1) * 127.5).round().clamp(0, 255)
    fitting = (grey - red * steps[:, :1] - blue * steps[:, 2:]) / green
    steps = torch.cat([steps[:, :1], fitting.round().clamp(0, 255), steps[:, 2:]], dim=1)
    return steps / 127.5 - 1


def _stretches(length: int, tile: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Start and end of each tile of a side, and start and end of the pixels that it depends on."""
    for start in range(0, length, tile):
        end = min(start + tile, length)
        yield start, end, max(0, start - reach), min(length, end + reach)
