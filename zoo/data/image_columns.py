"""Columns of decoded images: of one size, cut into patches as a batch is indexed, or each whole and of its own size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.data.core.cache import DecodedImages


class SizedImages:
    """A column of images of one size, from memory or from a map.

    Args:
        images: all of them.
        rows: those of this column.
    """

    def __init__(self, images: DecodedImages, rows: Sequence[int]) -> None:
        self.images = images
        self.rows = torch.tensor(rows)
        self.pixels = images.values.view(len(images), -1)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The images of B rows, uint8 (B, C, H, W)."""
        chosen = self.pixels.index_select(0, self.rows[rows])
        self.images.touch(len(rows), chosen.shape[1])
        height, width = self.images.shape_of(int(self.rows[0]))
        return chosen.view(len(rows), self.images.channels, height, width)


class Patches:
    """A column of square patches of images, which are cut out when a batch is indexed.

    Args:
        images: uint8 (C, H, W), each of its own size, at least `size` in height and width.
        size: height and width of a patch.
        stride: pixels from one patch to the next, in each direction.
        rows: those images that patches are cut from; None for all.
    """

    def __init__(self, images: Sequence[Tensor], size: int, stride: int, rows: Sequence[int] | None = None) -> None:
        self.images = images if isinstance(images, DecodedImages) else DecodedImages.of(images)
        self.size, self.stride = size, stride
        chosen = torch.arange(len(images)) if rows is None else torch.tensor(rows)
        self.starts, self.widths = self.images.starts[chosen], self.images.widths[chosen]
        self.planes = self.images.heights[chosen] * self.widths
        self.across = (self.widths - size) // stride + 1  # patches side by side
        counts = self.across * ((self.images.heights[chosen] - size) // stride + 1)
        self.ends = counts.cumsum(0)
        self.begins = self.ends - counts

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The patches of B rows, uint8 (B, C, size, size)."""
        image = torch.searchsorted(self.ends, rows, right=True)
        place, widths = rows - self.begins[image], self.widths[image]
        tops, lefts = place // self.across[image] * self.stride, place % self.across[image] * self.stride
        corners = self.starts[image] + tops * widths + lefts
        channels = self.images.channels
        along = torch.arange(self.size)
        places = (
            corners[:, None, None, None]
            + self.planes[image, None, None, None] * torch.arange(channels)[:, None, None]
            + widths[:, None, None, None] * along[:, None]
            + along
        )
        patches = self.images.values[places]
        self.images.touch(channels * len(rows), self.size * int(widths.max()))
        return patches


class WholeImages:
    """A column of whole images (C, H, W), each of its own size; a batch holds one of them.

    Args:
        images: all of them.
        rows: those of this column; None for all.
    """

    def __init__(self, images: Sequence[Tensor], rows: Sequence[int] | None = None) -> None:
        self.images = images if isinstance(images, DecodedImages) else DecodedImages.of(images)
        self.rows = list(range(len(images)) if rows is None else rows)

    @property
    def smallest(self) -> tuple[int, int]:
        """The smallest height and the smallest width."""
        return int(self.images.heights[self.rows].min()), int(self.images.widths[self.rows].min())

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.images[self.rows[index]]
        return image

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The images of B rows, which must have one size: (B, C, H, W)."""
        return torch.stack([self[row] for row in rows.tolist()])
