"""What restoration undoes: a degradation takes a batch of pictures on their device and spoils all of it at once."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError
from zoo.metrics.restoration import REACH
from zoo.models.gan.restorers import LUMA, enlarge
from zoo.spec import Image, MaskedImage, SmallImage, Spec

SMALLEST = 4  # pixels each way of a picture in which something is hidden
HOLE = (70, 110, 190)  # red, green and blue of what is hidden, in pictures for people


class Degradation(Protocol):
    """Spoils pictures, and knows what a network that restores them takes and gives."""

    margin: int  # pixels at each edge of what is judged where SSIM is not
    detail: bool  # whether a picture too large to be shown is shown in part, at full size, or else whole and smaller
    colours: bool  # whether it takes the colours, so that there must be some to learn from

    def spec(self, picture: Image) -> Spec:
        """From the spoilt picture to the whole one."""

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Spoil uint8 pictures (B, C, H, W).

        Returns the network's input before `spec.input.prepare`, the pictures it is to give (B, C', H', W'), uint8, and
        what of them is to be restored (B, 1, H', W'), 1.0 or 0.0.
        """

    def simple(self, spoilt: Tensor) -> dict[str, Tensor]:
        """What simple methods make of the network's input before `prepare`: whole uint8 pictures by method."""

    def show(self, spoilt: Tensor) -> dict[str, Tensor]:
        """The network's input before `prepare`, as uint8 pictures for people (B, 1 or 3, H', W'), by name."""

    def judged(self, whole: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        """What of a whole uint8 picture is judged, in 0..1, and where of it."""


class Mask:
    """Hide a part of each picture: a rectangle or a blob of random size and place, as often one as the other.

    Args:
        smallest, largest: share of the picture that is hidden, 0 < smallest <= largest < 1.

    Raises:
        ValueError: the shares are out of range.
    """

    margin = 0
    detail = False
    colours = False

    def __init__(self, smallest: float = 0.1, largest: float = 0.4) -> None:
        if not 0 < smallest <= largest < 1:
            raise ValueError(f"shares must be 0 < smallest <= largest < 1, got {smallest} and {largest}")
        self.smallest = smallest
        self.largest = largest

    def spec(self, picture: Image) -> Spec:
        if picture.height is not None and min(picture.height, picture.width or 0) < SMALLEST:
            raise SpecError(f"pictures of {picture.height} x {picture.width} pixels are too small to mask")
        whole = _whole(picture.channels, picture.height, picture.width)
        return Spec(MaskedImage(**vars(whole)), whole)

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        count, _, height, width = batch.shape
        uniform = torch.rand(count, 5, generator=generator, device=batch.device)
        noise = torch.randn(count, 1, 4, 4, generator=generator, device=batch.device)
        share = self.smallest + (self.largest - self.smallest) * uniform[:, :1]
        rectangles = self._rectangles(share, height, width, uniform[:, 1:4])
        blobs = self._blobs(share, height, width, noise)
        angular = uniform[:, 4].view(-1, 1, 1, 1) < 0.5
        mask = torch.where(angular, rectangles, blobs)  # B, 1, H, W
        return torch.cat([batch, mask.to(torch.uint8)], dim=1), batch, mask.float()

    def simple(self, spoilt: Tensor) -> dict[str, Tensor]:
        picture, known = spoilt[:, :-1], 1 - spoilt[:, -1:].float()
        mean = (picture * known).sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True)
        return {"mean_fill": torch.where(known > 0, picture, mean.round().to(torch.uint8))}

    def show(self, spoilt: Tensor) -> dict[str, Tensor]:
        picture, mask = spoilt[:, :-1], spoilt[:, -1:]
        hole = torch.tensor(HOLE, dtype=torch.uint8, device=spoilt.device).view(1, 3, 1, 1)
        return {"masked": torch.where(mask > 0, hole, picture.expand(-1, 3, -1, -1))}

    def judged(self, whole: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        return whole / 255, region

    @staticmethod
    def _rectangles(share: Tensor, height: int, width: int, uniform: Tensor) -> Tensor:
        """Rectangles of the share's area, at most twice as long as wide, from uniform numbers (B, 3)."""
        stretch = 2 ** (uniform[:, :1] - 0.5)
        length = torch.maximum((share.sqrt() * stretch).clamp(max=1), share)  # neither side is longer than the picture
        tall = (length * height).round().clamp(1, height)
        wide = (share / length * width).round().clamp(1, width)
        top, left = (uniform[:, 1:2] * (height - tall + 1)).floor(), (uniform[:, 2:] * (width - wide + 1)).floor()
        y, x = torch.arange(height, device=share.device), torch.arange(width, device=share.device)
        rows, columns = (y >= top) & (y < top + tall), (x >= left) & (x < left + wide)  # B, H and B, W
        return (rows[:, :, None] & columns[:, None, :])[:, None]

    @staticmethod
    def _blobs(share: Tensor, height: int, width: int, noise: Tensor) -> Tensor:
        """The highest pixels of smooth noise (from B, 1, 4, 4), as many as the share asks for."""
        hills = functional.interpolate(noise, size=(height, width), mode="bicubic").flatten(1)
        rank = hills.argsort(dim=1, descending=True).argsort(dim=1)
        return (rank < (share * height * width).clamp(min=1)).view(-1, 1, height, width)


class Downscale:
    """Shrink each picture by a whole number, with the bicubic kernel widened so that nothing aliases.

    It is MATLAB's `imresize` (Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5),
    but for the outermost pixels, which MATLAB mirrors; rounded to 8 bits. Pictures whose sides are no multiples of
    the scale are cropped to such at their right and lower edge. Judged is, as papers do, the luma of the picture
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
        if type(scale) is not int or not 2 <= scale <= 8:
            raise ValueError(f"scale must be a whole number from 2 to 8, got {scale}")
        self.scale = scale

    def spec(self, picture: Image) -> Spec:
        if picture.height is not None and picture.width is not None:
            smallest = 3 * self.scale + 2 * REACH + 1  # so that something is left to be judged
            if min(picture.height, picture.width) < smallest:
                raise SpecError(
                    f"pictures of {picture.height} x {picture.width} pixels are too small to be shrunk {self.scale} "
                    f"times; they need {smallest} pixels each way"
                )
        whole = _whole(picture.channels)
        return Spec(SmallImage(**vars(whole), scale=self.scale), whole)

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        height, width = (length // self.scale for length in batch.shape[-2:])
        true = batch[..., : height * self.scale, : width * self.scale]
        small = functional.interpolate(true.float(), size=(height, width), mode="bicubic", antialias=True)
        return _eight_bits(small), true, torch.ones_like(true[:, :1], dtype=torch.float32)

    def simple(self, spoilt: Tensor) -> dict[str, Tensor]:
        return {"bicubic": _eight_bits(enlarge(spoilt, self.scale))}

    def show(self, spoilt: Tensor) -> dict[str, Tensor]:
        nearest = functional.interpolate(spoilt.float(), scale_factor=float(self.scale), mode="nearest")
        return {"small": nearest.to(torch.uint8), **self.simple(spoilt)}

    def judged(self, whole: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        inside = (..., slice(self.scale, -self.scale), slice(self.scale, -self.scale))
        whole, region = whole[inside] / 255, region[inside]
        if whole.shape[1] == 3:
            weights = torch.tensor(LUMA, device=whole.device).view(1, 3, 1, 1)
            whole = (whole * weights).sum(dim=1, keepdim=True)
        return (whole * 219 + 16) / 255, region


class Grey:
    """Take the colours from each picture: what remains is its luma, as Pillow rounds it."""

    margin = 0
    detail = False
    colours = True

    def spec(self, picture: Image) -> Spec:
        if picture.channels != 3:
            raise SpecError("to learn colours takes pictures in colour, and these are grey")
        return Spec(_whole(1), _whole(3))

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
        weights = torch.tensor([19595, 38470, 7471], dtype=torch.int32, device=batch.device).view(1, 3, 1, 1)
        grey = ((batch * weights).sum(dim=1, keepdim=True) + 2**15) >> 16
        return grey.to(torch.uint8), batch, torch.ones_like(batch[:, :1], dtype=torch.float32)

    def simple(self, spoilt: Tensor) -> dict[str, Tensor]:
        return {"grey": spoilt.expand(-1, 3, -1, -1)}

    def show(self, spoilt: Tensor) -> dict[str, Tensor]:
        return {"grey": spoilt}

    def judged(self, whole: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
        return whole / 255, region


def _whole(channels: int, height: int | None = None, width: int | None = None) -> Image:
    """A whole picture; its pixels lie in -1..1, as the generator's tanh."""
    middle = (0.5,) * channels
    return Image(channels, height, width, mean=middle, std=middle)


def _eight_bits(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)
