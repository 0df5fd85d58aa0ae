"""Distortions of lines of text like those of scanners, cameras and old paper, for a whole batch on its device.

Shape letters: B batch, W width, H height.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check

# JPEG's quantization table for brightness at quality 50 (ITU-T T.81, 1992, annex K)
_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)

KNOT = 12  # pixels, about the width of a digit


class Scan:
    """Distort each line of a batch at random, as printing, ageing, photographing and compression do.

    In this order: slant, rotation, perspective, waves and squeezing; ink that bleeds or fades; parts of other lines,
    rules and specks; blur; uneven light, paper and ink; noise; JPEG; and sometimes white on black.

    Args:
        strength: from 0 (no distortion) to 1; each line gets a random fraction of it.
        elastic: elastic distortion of handwriting before all others, in pixels, as in `warp`; each line gets a random
            fraction of it.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, strength: float = 1.0, elastic: float = 0.0) -> None:
        self.strength = check.fraction("strength", strength)
        self.elastic = check.between("elastic", elastic, 0, KNOT)

    def __call__(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Distort lines (B, W, H) of uint8, dark on bright and padded to the length of the longest.

        Returns:
            uint8 of the same shape, and the lengths, which squeezing may reduce.
        """
        padded, lengths = batch
        strength = self.strength * torch.rand(len(padded), 1, 1, device=padded.device)
        inside = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]  # B, W
        ink = (255 - padded.transpose(1, 2).float()) / 255 * inside[:, None]  # B, H, W: 1 is ink, 0 is paper
        if self.elastic:
            ink = warp(ink, self.elastic * _uniform(ink, 0, 1))
        ink, lengths = bend(ink, lengths, strength)
        ink = clutter(bleed(ink, strength), strength)
        image = photograph(blur(ink, 3 * strength * _uniform(ink, 0, 1)), strength)
        compressed = compress(image, 2 * strength * _uniform(ink, 0, 1))
        image = torch.where(_chance(ink, 0.35) & (strength > 0), compressed, image)
        inverted = _chance(ink, 0.1 * self.strength)
        image = torch.where(inverted, 1 - image, image)
        return (image.clamp(0, 1) * 255).round().to(torch.uint8).transpose(1, 2), lengths


def warp(ink: Tensor, pixels: Tensor) -> Tensor:
    """Displace the ink of lines (B, H, W) by a smooth random field, so that each character changes its shape.

    Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual document analysis",
    2003. At knots about `KNOT` pixels apart, displacements are normal with a standard deviation of `pixels` (B, 1, 1).
    """
    count, height, width = ink.shape
    knots = torch.randn(count, 2, height // KNOT + 2, width // KNOT + 2, device=ink.device) * pixels[..., None]
    right, down = functional.interpolate(knots, (height, width), mode="bicubic", align_corners=True).unbind(1)
    x = torch.arange(width, device=ink.device) + 0.5 + right  # B, H, W
    y = torch.arange(height, device=ink.device)[:, None] + 0.5 + down
    grid = torch.stack([x * (2 / width) - 1, y * (2 / height) - 1], dim=-1)  # B, H, W, 2
    return functional.grid_sample(ink[:, None], grid, padding_mode="zeros", align_corners=False)[:, 0]


def bend(ink: Tensor, lengths: Tensor, strength: Tensor) -> tuple[Tensor, Tensor]:
    """Slant, rotate, shift, stretch, wave and squeeze lines (B, H, W); return them and their new lengths."""
    _, height, width = ink.shape
    squeeze = 1 - 0.2 * strength * _uniform(ink, 0, 1)
    lengths = (lengths * squeeze[:, 0, 0]).round().long().clamp(min=1)
    half = lengths[:, None, None] / 2
    x = torch.arange(width, device=ink.device) + 0.5  # W
    y = (torch.arange(height, device=ink.device) + 0.5 - height / 2)[:, None]  # H, 1; from the middle of the line
    along = (x - half) / half  # B, 1, W; -1 at the start of the line, 1 at its end
    turn = strength * _uniform(ink, -1.5, 1.5)  # pixels at the ends
    wave = strength * _uniform(ink, 0, 1) * torch.sin(x / (height * _uniform(ink, 0.5, 2)) + _uniform(ink, 0, 6.28))
    shift = strength * _uniform(ink, -1, 1)
    stretch = 1 + strength * (_uniform(ink, -0.1, 0.1) + _uniform(ink, -0.08, 0.08) * along)  # perspective: along it
    from_y = y * stretch + turn * along + wave + shift
    slant = strength * _uniform(ink, -0.35, 0.35)
    ripple = strength * _uniform(ink, 0, 1) * torch.sin(x / (height * _uniform(ink, 0.3, 1)) + _uniform(ink, 0, 6.28))
    from_x = (x + ripple) / squeeze + slant * y
    grid = torch.stack([(from_x * (2 / width) - 1).expand_as(from_y), from_y * (2 / height)], dim=-1)  # B, H, W, 2
    bent = functional.grid_sample(ink[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return bent[:, 0], lengths


def bleed(ink: Tensor, strength: Tensor) -> Tensor:
    """Spread ink (B, H, W) into the paper, or fade it at the edges of strokes."""
    amount = strength * _uniform(ink, -0.45, 0.7)
    grown, shrunk = ink, ink
    for dim in (1, 2):
        before, here, after = _neighbours(grown, dim)
        grown = torch.maximum(torch.maximum(before, here), after)
        before, here, after = _neighbours(shrunk, dim)
        shrunk = torch.minimum(torch.minimum(before, here), after)
    return ink + (grown - ink) * amount.clamp(min=0) + (ink - shrunk) * amount.clamp(max=0)


def clutter(ink: Tensor, strength: Tensor) -> Tensor:
    """Add the edges of other lines, rules above or below, and specks to lines (B, H, W)."""
    _, height, _ = ink.shape
    row = torch.arange(height, device=ink.device)[:, None].float()  # H, 1
    edge = 4 * strength * _uniform(ink, 0, 1)  # visible pixels of the lines above and below
    above = ink.roll(1, dims=0).roll(3, dims=1) * (row < edge) * _chance(ink, 0.2)
    below = ink.roll(2, dims=0).roll(-3, dims=1) * (row >= height - edge) * _chance(ink, 0.2)
    place = torch.where(_chance(ink, 0.5), edge / 2, height - 1 - edge / 2)
    rule = (1 - (row - place).abs()).clamp(min=0) * _uniform(ink, 0.5, 1) * _chance(ink, 0.15) * (strength > 0)
    specks = (torch.rand_like(ink) < 0.004 * strength * _uniform(ink, 0, 1)) * _chance(ink, 0.3)
    for added in (above, below, rule, specks.to(ink.dtype)):
        ink = torch.maximum(ink, added)
    return ink


def blur(ink: Tensor, amount: Tensor) -> Tensor:
    """Blur lines (B, H, W) by a Gaussian of variance `amount` / 2; `amount` (B, 1, 1) is at most 3."""
    for step in range(3):
        blurred = ink
        for dim in (1, 2):
            before, here, after = _neighbours(blurred, dim)
            blurred = (before + after) / 4 + here / 2
        ink = torch.lerp(ink, blurred, (amount - step).clamp(0, 1))
    return ink


def photograph(ink: Tensor, strength: Tensor) -> Tensor:
    """Turn lines (B, H, W) of ink into images, where 0 is black and 1 is white; noise may exceed that range."""
    _, height, width = ink.shape
    paper = 1 - 0.45 * strength * _uniform(ink, 0, 1)
    black = strength * _uniform(ink, 0, 1) * (paper - 0.3)  # of the ink
    spots = torch.rand(len(ink), 1, 3, max(2, width // 64), device=ink.device) - 0.5
    light = functional.interpolate(spots, (height, width), mode="bilinear", align_corners=True)[:, 0]
    image = (paper - (paper - black) * ink) * (1 + strength * _uniform(ink, 0, 0.5) * light)
    return image + torch.randn_like(ink) * (0.2 * (paper - black) * strength * _uniform(ink, 0, 1) ** 2)


def compress(image: Tensor, coarseness: Tensor) -> Tensor:
    """Compress images (B, H, W) in 0..1, H a multiple of 8, as JPEG does.

    The cosine transform of each block of 8 x 8 is rounded to multiples of JPEG's table times the coarseness (B, 1, 1),
    which is 1 at quality 50 and 2 at quality 25.
    """
    width = image.shape[2]
    k = torch.arange(8, device=image.device)
    cosines = torch.cos(math.pi / 8 * (k + 0.5) * k[:, None]) / 2  # frequency, place; orthonormal
    cosines[0] /= math.sqrt(2)
    table = _table(image.device)
    padded = functional.pad(image, (0, -width % 8), mode="replicate")
    blocks = padded.unflatten(2, (-1, 8)).unflatten(1, (-1, 8)).transpose(2, 3)  # B, H / 8, W / 8, 8, 8
    frequencies = cosines @ (blocks - 128 / 255) @ cosines.T
    steps = table * coarseness[..., None, None].clamp(min=1e-3)
    restored = cosines.T @ ((frequencies / steps).round() * steps) @ cosines + 128 / 255
    return restored.transpose(2, 3).flatten(3).flatten(1, 2)[:, :, :width]


@cache
def _table(device: torch.device) -> Tensor:
    """JPEG's table for pixels in 0..1, (8, 8), once on each device: to copy it makes a step wait."""
    return torch.tensor(_TABLE, device=device) / 255


def _neighbours(x: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """The places before, at and after each place; torch's pooling takes ten times as long on a CPU."""
    size = x.shape[dim]
    padded = functional.pad(x, (1, 1) if dim == 2 else (0, 0, 1, 1))
    return padded.narrow(dim, 0, size), x, padded.narrow(dim, 2, size)


def _uniform(like: Tensor, low: float, high: float) -> Tensor:
    """A random number for each line of a batch (B, …): (B, 1, 1)."""
    return low + (high - low) * torch.rand(len(like), 1, 1, device=like.device)


def _chance(like: Tensor, probability: float) -> Tensor:
    """Whether an event of this probability happens to each line of a batch (B, …): (B, 1, 1)."""
    return torch.rand(len(like), 1, 1, device=like.device) < probability
