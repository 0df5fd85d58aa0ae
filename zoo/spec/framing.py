"""Drawings of one sign, such as a digit, brought to the form of MNIST: light ink on black, in the middle, of one size.

Written in tensor operations alone, so that an exported program holds it. Shape letters: B batch, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor

INK = 0.2003  # of the contrast; fainter pixels are no ink. No ratio of two levels is near, as 51 / 255 is to 0.2
FINE = 4  # fine pixels a pixel, on which strokes are sharpened
SHARPNESS = 2.0  # by which contrast grows at the edge of a stroke, as blurred or enlarged drawings need
SLACK = 1.6  # pixels; a drawing whose box differs by less is at most shifted, by whole pixels, and that by 2 or more
DARK, LIGHT = 0.0203, 0.8003  # of 1; a drawing from darker to lighter than these keeps its contrast


def framed(pixels: Tensor, height: int, width: int, ink: float) -> Tensor:
    """Find the ink of each image, scale it into a box and put that in the middle of an image of a given size.

    The ink is dark where most of the border is light, and light otherwise. Its box keeps its proportions. Its centre
    of mass comes to the pixel (height // 2, width // 2), as far as the box stays inside; where the box fills the image
    (`ink=1`), its own centre does. An image without ink becomes black.
    Source: LeCun and others, "Gradient-based learning applied to document recognition", 1998, section III.A.

    Args:
        pixels: uint8 (B, 1, H, W), of any size.
        height, width: of the images to give.
        ink: share of height and width that the box of the ink takes, above 0 and up to 1.

    Returns:
        uint8 (B, 1, height, width).
    """
    drawn = _light_on_black(pixels[:, 0].float() / 255)
    down, across = _Axis(drawn, 1, height, ink), _Axis(drawn, 2, width, ink)
    scale = torch.minimum(ink * height / down.length, ink * width / across.length)
    kept = (ink * height * (1 - 1 / scale)).abs() < SLACK
    scale = torch.where(kept, 1.0, scale)
    shifted = down.weights(scale, kept, 1) @ drawn @ across.weights(scale, kept, 1).transpose(1, 2)
    if not torch.jit.is_tracing() and not torch.compiler.is_compiling() and kept.all():  # as in MNIST: most of the work
        return _bytes(shifted)
    fine = down.weights(scale, kept, FINE) @ drawn @ across.weights(scale, kept, FINE).transpose(1, 2)
    sharp = ((_stretched(fine) - 0.5) * SHARPNESS + 0.5).clamp(0, 1)
    scaled = _stretched(sharp.reshape(-1, height, FINE, width, FINE).mean((2, 4)))
    return _bytes(torch.where(kept[:, None, None], shifted, scaled))


def _bytes(images: Tensor) -> Tensor:
    """Images (B, H, W) of 0..1 as uint8 (B, 1, H, W)."""
    return (images.clamp(0, 1) * 255).round().to(torch.uint8)[:, None]


class _Axis:
    """How the ink of images (B, H, W) lies along one axis, and where it goes on a new one of `size` pixels."""

    def __init__(self, drawn: Tensor, axis: int, size: int, ink: float) -> None:
        other = 3 - axis
        self.old, self.size = drawn.shape[axis], size
        number = torch.arange(self.old, device=drawn.device, dtype=drawn.dtype)
        inked = drawn.amax(other) > INK
        self.first = torch.where(inked, number, self.old - 1.0).amin(1)
        self.last = torch.where(inked, number, 0.0).amax(1)
        self.length = (self.last - self.first + 1).clamp(min=1)
        mass = drawn.sum(other)
        self.centre = (mass * number).sum(1) / mass.sum(1).clamp(min=1e-6)
        self.target = float(size // 2)
        if ink == 1:
            self.centre, self.target = (self.first + self.last) / 2, (size - 1) / 2

    def weights(self, scale: Tensor, kept: Tensor, fine: int) -> Tensor:
        """How much of each old pixel is in each new one, (B, size * fine, old): triangles, wide enough to average."""
        lowest = -0.5 - (self.first - 0.5 - self.centre) * scale
        highest = self.size - 0.5 - (self.last + 0.5 - self.centre) * scale
        target = torch.minimum(torch.maximum(torch.full_like(scale, self.target), lowest), highest)
        shift = (target - self.centre).round()
        shift = torch.where(shift.abs() < SLACK, 0.0, shift)
        target = torch.where(kept, self.centre + shift, target)
        scale, target = scale * fine, (target + 0.5) * fine - 0.5
        new = torch.arange(self.size * fine, device=scale.device, dtype=scale.dtype)
        source = self.centre[:, None] + (new - target[:, None]) / scale[:, None]
        old = torch.arange(self.old, device=scale.device, dtype=scale.dtype)
        reach = (1 / scale).clamp(min=1)[:, None, None]
        return (1 - (old - source[:, :, None]).abs() / reach).clamp(min=0) / reach


def _light_on_black(images: Tensor) -> Tensor:
    """Images (B, H, W) of 0..1 with a background of 0 and ink up to 1."""
    border = torch.cat([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    background = border.sort(1).values[:, border.shape[1] // 2]
    middle = (images.amin((1, 2)) + images.amax((1, 2))) / 2
    sign = torch.where(background > middle, -1.0, 1.0)
    above = ((images - background[:, None, None]) * sign[:, None, None]).clamp(min=0)
    clean = (background < DARK) & (above.amax((1, 2)) > LIGHT)
    return torch.where(clean[:, None, None], above, _stretched(above))


def _stretched(images: Tensor) -> Tensor:
    """Images (B, H, W) whose brightest pixel is 1; black ones stay black."""
    return images / images.amax((1, 2)).clamp(min=1e-6)[:, None, None]
