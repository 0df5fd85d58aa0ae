"""Parts of convolutional networks, for images and for frames of videos.

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


@fx.wrap  # what depends on the size of an input is one node of a traced graph
def averaged_down(x: Tensor, grid: int) -> Tensor:
    """Average a feature map (B, C, H, W) down to grid x grid cells, where it does not have that size."""
    if x.shape[-2:] == (grid, grid):
        return x
    if x.is_cuda and torch.are_deterministic_algorithms_enabled():  # as the gradient of CUDA's pooling is not
        return _means(x.shape[2], grid, x) @ x @ _means(x.shape[3], grid, x).T
    return functional.adaptive_avg_pool2d(x, grid)


def _means(size: int, cells: int, like: Tensor) -> Tensor:
    """The matrix (cells, size) that takes the means over which adaptive pooling goes, of its type and device."""
    place, cell = torch.arange(size, device=like.device), torch.arange(cells, device=like.device)[:, None]
    start, end = cell * size // cells, -(-(cell + 1) * size // cells)  # rounded down, and up
    return ((place >= start) & (place < end)).to(like.dtype) / (end - start)


def to_channels_last(network: nn.Module) -> None:
    """Lay out the weights of convolutions, learned or not, as is fastest; `Module.to` looks at all others, too."""
    for tensor in (*network.parameters(), *network.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


class Convolution(nn.Sequential):
    """Convolution, batch normalisation and ReLU: (B, C, H, W) to (B, width, H / stride, W / stride)."""

    def __init__(self, in_channels: int, width: int, kernel_size: int, stride: int | tuple[int, int] = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size, stride, padding=kernel_size // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose output is added to the input (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Convolution(width, width, kernel_size=3)
        self.second = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.norm.weight)  # a new block passes its input on (Goyal et al., 2017)

    def forward(self, x: Tensor, inside: Tensor | None = None) -> Tensor:
        """`inside` (B, 1, 1, W) is 1 within each line and 0 beyond it; the output beyond is 0."""
        y = self.first(x)
        y = self.norm(self.second(y if inside is None else y * inside))
        return functional.relu(x + (y if inside is None else y * inside))
