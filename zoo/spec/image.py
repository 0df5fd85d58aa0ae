"""Pictures: of one size or of any, with a hole, or to be enlarged; and reading them from whatever a user has.

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    RawImage = str | os.PathLike[str] | PIL.Image.Image | np.ndarray | Tensor

MAX_SIDE = 65_536  # pixels; a file that asks for more is hostile


@dataclass(frozen=True)
class Image:
    """A picture, held as uint8 and given to the network as normalised floats.

    Args:
        channels: 1 (grey) or 3 (RGB).
        height, width: pixels to which a picture is resized; None and None for pictures of any size, kept as they are.
        mean, std: one number a channel, of the training split, with pixels scaled to 0..1.

    Raises:
        SpecError: where one of them is impossible.
    """

    word: ClassVar[str] = "image"
    takes: ClassVar[tuple[str, ...]] = ("image",)  # what `encode` is given
    example: ClassVar[str] = '"image.png"'  # of that, as Python

    channels: int
    height: int | None
    width: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if type(self.channels) is not int or self.channels not in (1, 3):
            raise SpecError(f"an image has 1 or 3 channels, not {self.channels!r}")
        if (self.height is None) != (self.width is None):
            raise SpecError("an image has both height and width, or neither")
        for side in (self.height, self.width):
            if side is not None and (type(side) is not int or not 1 <= side <= MAX_SIDE):
                raise SpecError(f"an image's height and width are from 1 to {MAX_SIDE} pixels, not {side!r}")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            object.__setattr__(self, name, _floats(name, numbers, self.channels))
        if min(self.std) < 1e-6:  # of pixels in 0..1; float32 would divide by zero
            raise SpecError(f"std must be above 0, not {self.std}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width.

        Raises:
            SpecError: pictures may be of any size.
        """
        if self.height is None or self.width is None:
            raise SpecError("pictures of one size are needed, and these are of any: data.patch=null data.size=64")
        return self.height, self.width

    def encode(self, raw: RawImage) -> Tensor:
        """Turn one raw picture into a uint8 tensor (C, H, W); it is resized and its colours converted to fit.

        Args:
            raw: a path, a PIL image, or an array: uint8 0..255 or float 0..1, H x W or H x W x C.

        Raises:
            SpecError: it cannot be read, or is no picture.
        """
        return self._pixels(read_image(raw))

    def collate(self, encoded: Sequence[Tensor]) -> Tensor:
        """Turn B encoded pictures, all of one size, into a batch."""
        return torch.stack(list(encoded))

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn uint8 (B, C, H, W) into normalised float32 of the same shape, on the device where the batch is."""
        mean, std = _per_channel(self.mean, batch.device), _per_channel(self.std, batch.device)
        return batch.to(torch.float32, copy=True).div_(255).sub_(mean).div_(std)

    def restore(self, batch: Tensor) -> Tensor:
        """Undo `prepare`: normalised floats (B, C, H, W) to uint8."""
        mean, std = _per_channel(self.mean, batch.device), _per_channel(self.std, batch.device)
        return ((batch.float() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def decode(self, output: Tensor) -> list[PIL.Image.Image]:
        """Turn a network's normalised pictures (B, C, H, W) into B PIL images."""
        import PIL.Image

        pixels = self.restore(output).permute(0, 2, 3, 1).cpu().numpy()  # B, H, W, C
        return [PIL.Image.fromarray(p[:, :, 0] if self.channels == 1 else p) for p in pixels]

    def _pixels(self, picture: PIL.Image.Image) -> Tensor:
        import numpy as np
        import PIL.Image

        picture = picture.convert("L" if self.channels == 1 else "RGB")
        size = (self.width or picture.width, self.height or picture.height)
        if picture.size != size:
            picture = picture.resize(size, PIL.Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(picture))  # H, W or H, W, C
        return pixels.reshape(*size[::-1], self.channels).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class MaskedImage(Image):
    """A picture with a hole: (C + 1, H, W), whose last channel is the mask, 1 inside the hole and 0 outside."""

    word: ClassVar[str] = "masked image"
    takes: ClassVar[tuple[str, ...]] = ("image", "mask")
    example: ClassVar[str] = '"image.png", "mask.png"'

    def encode(self, raw: RawImage, mask: RawImage | None = None) -> Tensor:
        """Turn a picture and a mask of the same size into uint8 (C + 1, H, W); the mask's is 0 or 1.

        Args:
            raw: as for `Image`.
            mask: a picture or array of the same height and width; more than half bright (or True) is the hole.

        Raises:
            SpecError: no mask, one of another size, or one that hides nothing or everything.
        """
        import PIL.Image

        if mask is None:
            raise SpecError("a mask is missing: call it with (image, mask), where the mask is bright in the hole")
        picture, hole = read_image(raw), read_image(mask).convert("L")
        if picture.size != hole.size:
            raise SpecError(
                f"the mask is {hole.width} x {hole.height} pixels and the image {picture.width} x {picture.height}; "
                "they must be of one size"
            )
        size = (self.width or hole.width, self.height or hole.height)
        shrunk = Image(1, *size[::-1], mean=(0.0,), std=(1.0,))._pixels(hole.resize(size, PIL.Image.Resampling.NEAREST))
        masked = (shrunk > 127).to(torch.uint8)
        if masked.all():
            raise SpecError("the mask covers the whole image; leave some of it known")
        if not masked.any():
            resized = "" if hole.size == size else f" once it is resized to {size[0]} x {size[1]} pixels"
            raise SpecError(f"the mask hides nothing{resized}; it is bright (above 127 of 255) or True in the hole")
        return torch.cat([self._pixels(picture), masked])

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn uint8 (B, C + 1, H, W) into floats: normalised pixels, 0 in the hole, and the mask as 0.0 or 1.0."""
        mask = batch[:, -1:].float()
        return torch.cat([super().prepare(batch[:, :-1]) * (1 - mask), mask], dim=1)


@dataclass(frozen=True)
class SmallImage(Image):
    """A picture that is to be enlarged.

    Args:
        channels, height, width, mean, std: as of `Image`.
        scale: how many times taller and wider it becomes, 2 to 8.
    """

    word: ClassVar[str] = "small image"

    scale: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.scale) is not int or not 2 <= self.scale <= 8:
            raise SpecError(f"a picture is enlarged 2 to 8 times, not {self.scale!r}")


def read_image(raw: RawImage) -> PIL.Image.Image:
    """Read a picture from a path, a PIL image or an array, upright, in mode L or RGB.

    Transparent pixels are laid on white, 16-bit grey is scaled to 8 bits, and a camera's rotation is undone.

    Raises:
        SpecError: it cannot be read (the file is named), or the array's shape, type or range is not a picture's.
    """
    import PIL.Image

    if isinstance(raw, (str, os.PathLike, PIL.Image.Image)):
        picture = _upright(raw)
    elif hasattr(raw, "__array__"):
        picture = _picture_of(raw)
    else:
        raise SpecError(f"an image is a path, a PIL image or an array, not {type(raw).__name__}")
    if min(picture.size) == 0:
        raise SpecError("the image has no pixels")
    return _eight_bits(picture)


def _upright(raw: str | os.PathLike[str] | PIL.Image.Image) -> PIL.Image.Image:
    """A picture from a file, or one that was opened and perhaps not yet read, turned as the camera was held."""
    import PIL.Image

    try:
        if isinstance(raw, PIL.Image.Image):
            return _turned(raw)
        with PIL.Image.open(raw) as file:
            return _turned(file)
    except FileNotFoundError:
        raise SpecError(f"no such image: {raw}") from None
    except Exception as error:  # each of Pillow's readers fails on damaged files in ways of its own
        name = "the picture" if isinstance(raw, PIL.Image.Image) else raw
        raise SpecError(f"cannot read {name} as an image: {error}") from error


def _turned(picture: PIL.Image.Image) -> PIL.Image.Image:
    import PIL.ImageOps

    picture.load()
    try:
        return PIL.ImageOps.exif_transpose(picture)
    except Exception:  # of damaged metadata, each format in its own way; the pixels are whole
        return picture.copy()


def _picture_of(raw: Any) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if isinstance(raw, Tensor):
        raw = raw.detach().cpu()
        raw = raw.float() if raw.dtype == torch.bfloat16 else raw  # NumPy has no such type
    array = np.asarray(raw)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        advice = "channels come last: permute(1, 2, 0)" if array.ndim == 3 and len(array) in (1, 3, 4) else ""
        raise SpecError(
            f"an image array is H x W or H x W x C with 1, 3 or 4 channels, not {' x '.join(map(str, array.shape))}; "
            f"{advice}{advice and ', and '}for several images give a list"
        )
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = (array // 257).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if array.size and not (array.min() >= 0 and array.max() <= 1):  # NaN fails too
            raise SpecError(f"a float image lies in 0..1, not {array.min():g}..{array.max():g}")
        array = (array * 255).round().astype(np.uint8)
    elif array.dtype != np.uint8:
        raise SpecError(f"an image array is uint8 (0..255) or float (0..1), not {array.dtype}")
    return PIL.Image.fromarray(array)


def _eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if picture.mode.startswith("I"):  # 16-bit grey; Pillow opens some such files as 32-bit integers
        return PIL.Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype(np.uint8))
    if picture.mode == "F":
        return _picture_of(np.asarray(picture))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = PIL.Image.new("RGBA", picture.size, "white")
        return PIL.Image.alpha_composite(paper, picture).convert("RGB")
    return picture if picture.mode in ("L", "RGB") else picture.convert("L" if picture.mode == "1" else "RGB")


@lru_cache(maxsize=64)  # a copy to the device in every step would stall it
def _per_channel(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device).view(-1, 1, 1)


def _floats(name: str, numbers: object, length: int) -> tuple[float, ...]:
    if not isinstance(numbers, (list, tuple)) or not all(
        isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) <= sys.float_info.max
        for number in numbers  # NaN fails too
    ):
        raise SpecError(f"{name} is a list of finite numbers, not {numbers!r}")
    if len(numbers) != length:
        raise SpecError(f"{name} has one number a channel ({length}), not {len(numbers)}")
    return tuple(float(number) for number in numbers)
