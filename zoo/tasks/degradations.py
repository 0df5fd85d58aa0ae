"""What restoration undoes: a degradation takes a batch of pictures on their device and spoils all of it at once."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError
from zoo.spec import Image, MaskedImage, Spec

HOLE = (70, 110, 190)  # red, green and blue of what is hidden, in pictures for people


class Degradation(Protocol):
    """Spoils pictures, and knows what a network that restores them takes and gives."""

    word: str  # what a spoilt picture is, in one word

    def spec(self, picture: Image) -> Spec:
        """From the spoilt picture to the whole one."""

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Spoil uint8 pictures (B, C, H, W).

        Returns the network's input before `spec.input.prepare`, and what is to be restored (B, 1, H, W), 1.0 or 0.0.
        """

    def show(self, spoilt: Tensor) -> Tensor:
        """The network's input before `prepare`, as uint8 pictures for people (B, 1 or 3, H, W)."""


class Mask:
    """Hide a part of each picture: a rectangle or a blob of random size and place, as often one as the other.

    Args:
        smallest, largest: share of the picture that is hidden, 0 < smallest <= largest < 1.

    Raises:
        ValueError: the shares are out of range.
    """

    word = "masked"

    def __init__(self, smallest: float = 0.1, largest: float = 0.4) -> None:
        if not 0 < smallest <= largest < 1:
            raise ValueError(f"shares must be 0 < smallest <= largest < 1, got {smallest} and {largest}")
        self.smallest = smallest
        self.largest = largest

    def spec(self, picture: Image) -> Spec:
        if min(picture.height, picture.width) < 4:
            raise SpecError(f"pictures of {picture.height} x {picture.width} pixels are too small to mask")
        middle = (0.5,) * picture.channels  # so that pixels lie in -1..1, as the generator's tanh
        whole = Image(picture.channels, picture.height, picture.width, mean=middle, std=middle)
        return Spec(MaskedImage(**vars(whole)), whole)

    def __call__(self, batch: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        count, _, height, width = batch.shape
        uniform = torch.rand(count, 5, generator=generator, device=batch.device)
        noise = torch.randn(count, 1, 4, 4, generator=generator, device=batch.device)
        share = self.smallest + (self.largest - self.smallest) * uniform[:, :1]
        rectangles = self._rectangles(share, height, width, uniform[:, 1:4])
        blobs = self._blobs(share, height, width, noise)
        angular = uniform[:, 4].view(-1, 1, 1, 1) < 0.5
        mask = torch.where(angular, rectangles, blobs)  # B, 1, H, W
        return torch.cat([batch, mask.to(torch.uint8)], dim=1), mask.float()

    def show(self, spoilt: Tensor) -> Tensor:
        picture, mask = spoilt[:, :-1], spoilt[:, -1:]
        hole = torch.tensor(HOLE, dtype=torch.uint8, device=spoilt.device).view(1, 3, 1, 1)
        return torch.where(mask > 0, hole, picture.expand(-1, 3, -1, -1))

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
