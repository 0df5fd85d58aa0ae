"""Generative adversarial networks: a generator that paints and a discriminator that judges.

Goodfellow et al., "Generative adversarial nets", 2014. Inpainting follows Pathak et al., "Context encoders", 2016:
the hole is painted from what surrounds it. The painter is a U-Net (Ronneberger et al., 2015) of residual blocks with
group normalisation (Wu and He, 2018); the judge scores patches (Isola et al., 2017) under spectral normalisation
(Miyato et al., 2018).

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from zoo.errors import SpecError
from zoo.spec import Image, MaskedImage, Spec

GROUPS = 8  # of group normalisation


class Inpainter(nn.Module):
    """Paints what a mask hides; what it does not hide comes back as it was, bit for bit.

    Args:
        channels: C of the picture.
        width: channels of the U-Net at full size, a multiple of 8; they double with each halving.
        depth: how often the U-Net halves the picture.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, channels: int = 1, *, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.unet = UNet(channels + 1, channels, width=width, depth=depth)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures in -1..1 with their mask as last channel (B, C + 1, H, W), to whole pictures (B, C, H, W)."""
        known, mask = x[:, :-1], x[:, -1:]
        return torch.where(mask > 0.5, self.unet(x).float().tanh(), known)


class UNet(nn.Module):
    """A picture to a picture of the same size: down `depth` halvings, up again, and across at each size.

    It takes any size of at least 2**depth pixels each way.

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
        self.to(memory_format=torch.channels_last)  # the layout in which convolutions are fastest

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) to (B, out_channels, H, W), unbounded."""
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
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


class PatchDiscriminator(nn.Sequential):
    """Scores each patch of a picture: real above 0, painted below.

    Takes (B, in_channels, H, W), gives (B, 1, H / 2**depth, W / 2**depth).

    Args:
        in_channels: channels of what it sees (a picture, and whatever the generator was shown beside it).
        width: channels of its first layer, which double with each halving.
        depth: number of halvings, 1 to 8: with more of them a patch is larger.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, in_channels: int, *, width: int = 32, depth: int = 2) -> None:
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        if not 1 <= depth <= 8:
            raise ValueError(f"depth must be from 1 to 8, got {depth}")
        layers: list[nn.Module] = [
            spectral_norm(nn.Conv2d(in_channels, width, kernel_size=3, padding=1)),
            nn.LeakyReLU(0.2),
        ]
        for level in range(depth):
            fan_in, fan_out = width << level, width << (level + 1)
            layers += [
                spectral_norm(nn.Conv2d(fan_in, fan_out, kernel_size=4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            ]
        layers.append(spectral_norm(nn.Conv2d(width << depth, 1, kernel_size=3, padding=1)))
        super().__init__(*layers)


def build(spec: Spec, *, width: int = 32, depth: int = 2) -> Inpainter:
    """The generator for a spec: masked image → image.

    Raises:
        SpecError: the spec asks for something else, or its pictures are too small for the depth.
        ValueError: an option is out of range.
    """
    if not isinstance(spec.input, MaskedImage) or type(spec.output) is not Image:
        raise SpecError(f"gan goes from masked image to image, not {spec}")
    if spec.input.channels != spec.output.channels:
        raise SpecError("the masked image and the image must have the same channels")
    network = Inpainter(spec.input.channels, width=width, depth=depth)
    tall, wide = spec.input.height, spec.input.width
    if min(tall, wide) < 2**depth:
        raise SpecError(f"pictures of {tall} x {wide} pixels are too small to be halved {depth} times (depth)")
    return network
