"""Images in arrays: which axis holds the channels, and pixels as bytes.

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.errors import SpecError

if TYPE_CHECKING:
    import numpy as np


def channels_first(raw: np.ndarray | Tensor, channels: int) -> Tensor:
    """Images in an array of four axes as (B, C, H, W): they are so already, or (B, H, W, C), by the one that fits.

    Raises:
        SpecError: neither has so many channels, or both have.
    """
    images = tensor_of(raw)
    shape = " x ".join(map(str, images.shape))
    first, last = images.shape[1] == channels, images.shape[3] == channels
    if first and last:
        raise SpecError(f"a batch of {shape} may be B x C x H x W or B x H x W x C; give a list of H x W x C arrays")
    if not first and not last:
        raise SpecError(
            f"a batch of images is B x C x H x W or B x H x W x C with {channels} channels, not {shape}; a list of "
            "arrays may have others"
        )
    if 0 in images.shape[1:]:
        raise SpecError(f"the images of a batch of {shape} have no pixels")
    return images if first else images.permute(0, 3, 1, 2)


def bytes_of(pixels: Tensor) -> Tensor:
    """Pixels of any shape as uint8 0..255: from uint8, uint16, bool, or floats 0..1.

    Raises:
        SpecError: they are of another type, or out of that range.
    """
    if pixels.dtype == torch.bool:
        return pixels.to(torch.uint8) * 255
    if pixels.dtype == torch.uint16:
        return (pixels.int() // 257).to(torch.uint8)
    if pixels.is_floating_point():
        pixels = pixels.float() if pixels.dtype == torch.bfloat16 else pixels
        low, high = pixels.aminmax() if pixels.numel() else (pixels.new_zeros(()), pixels.new_zeros(()))
        if not (low >= 0 and high <= 1):  # NaN fails too
            raise SpecError(f"a float image lies in 0..1, not {low:g}..{high:g}")
        return (pixels * 255).round().to(torch.uint8)
    if pixels.dtype != torch.uint8:
        raise SpecError(f"an image array is uint8 (0..255) or float (0..1), not {str(pixels.dtype).split('.')[-1]}")
    return pixels


def tensor_of(raw: np.ndarray | Tensor) -> Tensor:
    """An array as a tensor.

    Raises:
        SpecError: it does not hold numbers that torch has.
    """
    import numpy as np

    if isinstance(raw, Tensor):
        if raw.layout != torch.strided or raw.is_meta:
            kind = "has no numbers" if raw.is_meta else "is sparse"
            raise SpecError(f"a tensor of an image holds all its pixels, and this one {kind}")
        return raw.detach()
    array = np.asarray(raw)
    try:
        return torch.from_numpy(np.require(array, array.dtype.newbyteorder("="), ["C", "W"]))
    except TypeError as error:
        raise SpecError(f"an image array is uint8 (0..255) or float (0..1), not {array.dtype}") from error
