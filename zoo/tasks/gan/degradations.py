"""Degradations, which restoration undoes: each takes a batch of images on their device and degrades all at once."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.metrics.restoration import REACH
from zoo.models.gan.colouriser import LUMA
from zoo.models.gan.restorers import enlarge
from zoo.spec import Image, MaskedImage, SmallImage, Spec

MIN_SIZE = 4  # pixels each way of an image in which a part is hidden
HOLE = (70, 110, 190)  # red, green and blue of what is hidden, in plots


class Degradation(Protocol):
    """Degrades images, and gives the spec of a network that restores them."""

    margin: int  # pixels at each edge, of what `metric_input` gives, where SSIM is not counted
    detail: bool  # whether plots show the middle of a large image at full size, or else all of it, made small
    colours: bool  # whether it removes the colours, so that training images must have some

    def spec(self, image: Image) -> Spec:
        """From the degraded image to the restored one."""

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Degrade uint8 images (B, C, H, W).

        Returns the network's input before `spec.input.prepare`, its target (B, C', H', W'), uint8, and the region
        that is to be restored (B, 1, H', W'), 1.0 or 0.0.
        """

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        """What simple methods restore from the network's input before `prepare`: uint8 images by method."""

    def show(self, degraded: Tensor) -> dict[str, Tensor]:
        """The network's input before `prepare`, as uint8 images for plots (B, 1 or 3, H', W'), by name."""

    def metric_input(self, image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """What metrics compare of a restored or true uint8 image, in 0..1, and the region of it that counts."""


class Mask:
    """Hide a part of each image: a rectangle or a blob of random size and place, as often one as the other.

    Args:
        min_fraction, max_fraction: of the image that is hidden, 0 < min_fraction <= max_fraction < 1.

    Raises:
        ValueError: the fractions are out of range.
    """

    margin = 0
    detail = False
    colours = False

    def __init__(self, min_fraction: float = 0.1, max_fraction: float = 0.4) -> None:
        self.min_fraction = check.fraction("min_fraction", min_fraction, zero=False, one=False)
        self.max_fraction = check.fraction("max_fraction", max_fraction, zero=False, one=False)
        if min_fraction > max_fraction:
            raise ValueError(f"min_fraction must be at most max_fraction, got {min_fraction} and {max_fraction}")

    def spec(self, image: Image) -> Spec:
        if image.height is not None and min(image.height, image.width or 0) < MIN_SIZE:
            raise SpecError(f"images of {image.height} x {image.width} pixels are too small to mask")
        target = _target(image.channels, image.height, image.width)
        return Spec(MaskedImage(**vars(target)), target)

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        count, _, height, width = batch.shape
        uniform = torch.rand(count, 5, generator=generator, device=batch.device)
        noise = torch.randn(count, 1, 4, 4, generator=generator, device=batch.device)
        fraction = self.min_fraction + (self.max_fraction - self.min_fraction) * uniform[:, :1]
        rectangles = self._rectangles(fraction, height, width, uniform[:, 1:4])
        blobs = self._blobs(fraction, height, width, noise)
        angular = uniform[:, 4].view(-1, 1, 1, 1) < 0.5
        mask = torch.where(angular, rectangles, blobs)  # B, 1, H, W
        return torch.cat([batch, mask.to(torch.uint8)], dim=1), batch, mask.float()

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        image, known = degraded[:, :-1], 1 - degraded[:, -1:].float()
        mean = (image * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True)
        return {"mean_fill": torch.where(known > 0, image, mean.round().to(torch.uint8))}

    def show(self, degraded: Tensor) -> dict[str, Tensor]:
        image, mask = degraded[:, :-1], degraded[:, -1:]
        hole = torch.tensor(HOLE, dtype=torch.uint8, device=degraded.device).view(1, 3, 1, 1)
        return {"masked": torch.where(mask > 0, hole, image.expand(-1, 3, -1, -1))}

    def metric_input(self, image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        return image / 255, region

    @staticmethod
    def _rectangles(fraction: Tensor, height: int, width: int, uniform: Tensor) -> Tensor:
        """Rectangles of a fraction of the area, at most twice as long as wide, from uniform numbers (B, 3)."""
        stretch = 2 ** (uniform[:, :1] - 0.5)
        length = torch.maximum((fraction.sqrt() * stretch).clamp(max=1), fraction)  # no side is longer than the image
        tall = (length * height).round().clamp(1, height)
        wide = (fraction / length * width).round().clamp(1, width)
        top, left = (uniform[:, 1:2] * (height - tall + 1)).floor(), (uniform[:, 2:] * (width - wide + 1)).floor()
        y, x = torch.arange(height, device=fraction.device), torch.arange(width, device=fraction.device)
        rows, columns = (y >= top) & (y < top + tall), (x >= left) & (x < left + wide)  # B, H and B, W
        return (rows[:, :, None] & columns[:, None, :])[:, None]

    @staticmethod
    def _blobs(fraction: Tensor, height: int, width: int, noise: Tensor) -> Tensor:
        """The highest pixels of smooth noise (from B, 1, 4, 4), as many as make up the fraction."""
        hills = functional.interpolate(noise, size=(height, width), mode="bicubic").flatten(1)
        rank = hills.argsort(dim=1, descending=True).argsort(dim=1)
        return (rank < (fraction * height * width).clamp(min=1)).view(-1, 1, height, width)


class Downscale:
    """Shrink each image by a whole number, with the bicubic kernel widened so that nothing aliases.

    It is MATLAB's `imresize` (Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5),
    but for the outermost pixels, which MATLAB mirrors; rounded to 8 bits. Images whose sides are no multiples of the
    scale are cropped to such at their right and lower edge. Metrics compare, as papers do, the luma of the image
    without `scale` pixels at each edge, in the range that MATLAB's `rgb2ycbcr` gives it, 16/255 to 235/255; SSIM
    besides leaves out the reach of its window.

    Args:
        scale: how many times smaller, 2 to 8.

    Raises:
        ValueError: the scale is out of range.
    """

    margin = REACH
    detail = True
    colours = False

    def __init__(self, scale: int = 2) -> None:
        self.scale = check.whole("scale", scale, 2, 8)

    def spec(self, image: Image) -> Spec:
        if image.height is not None and image.width is not None:
            least = 3 * self.scale + 2 * REACH + 1  # so that metrics have something to compare
            if min(image.height, image.width) < least:
                raise SpecError(
                    f"images of {image.height} x {image.width} pixels are too small to be shrunk {self.scale} times; "
                    f"they need {least} pixels each way"
                )
        target = _target(image.channels)
        return Spec(SmallImage(**vars(target), scale=self.scale), target)

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        height, width = (length // self.scale for length in batch.shape[-2:])
        target = batch[..., : height * self.scale, : width * self.scale]
        small = functional.interpolate(target.float(), size=(height, width), mode="bicubic", antialias=True)
        return _eight_bits(small), target, torch.ones_like(target[:, :1], dtype=torch.float32)

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        return {"bicubic": _eight_bits(enlarge(degraded, self.scale))}

    def show(self, degraded: Tensor) -> dict[str, Tensor]:
        nearest = functional.interpolate(degraded.float(), scale_factor=float(self.scale), mode="nearest")
        return {"small": nearest.to(torch.uint8), **self.baselines(degraded)}

    def metric_input(self, image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        inside = (..., slice(self.scale, -self.scale), slice(self.scale, -self.scale))
        image, region = image[inside] / 255, region[inside]
        if image.shape[1] == 3:
            weights = torch.tensor(LUMA, device=image.device).view(1, 3, 1, 1)
            image = (image * weights).sum(dim=1, keepdim=True)
        return (image * 219 + 16) / 255, region


class Grey:
    """Remove the colours of each image: what remains is its luma, as Pillow rounds it."""

    margin = 0
    detail = False
    colours = True

    def spec(self, image: Image) -> Spec:
        if image.channels != 3:
            raise SpecError("learning colours needs images in colour, and these are grey")
        return Spec(_target(1), _target(3))

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        red, green, blue = batch.int().split(1, dim=1)  # plain numbers: a table would have to be copied to the device
        grey = (19595 * red + 38470 * green + 7471 * blue + 2**15) >> 16
        return grey.to(torch.uint8), batch, torch.ones_like(batch[:, :1], dtype=torch.float32)

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        return {"grey": degraded.expand(-1, 3, -1, -1)}

    def show(self, degraded: Tensor) -> dict[str, Tensor]:
        return {"grey": degraded}

    def metric_input(self, image: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        return image / 255, region


def _target(channels: int, height: int | None = None, width: int | None = None) -> Image:
    """A restored image; its pixels lie in -1..1, as the generator's tanh."""
    middle = (0.5,) * channels
    return Image(channels, height, width, mean=middle, std=middle)


def _eight_bits(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)
