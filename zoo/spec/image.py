"""Images: of one size or of any size, with a hole, or to be enlarged.

Shape letters: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.files import quoted
from zoo.spec.arrays import bytes_of, channels_first
from zoo.spec.framing import framed
from zoo.spec.image_files import read_image
from zoo.spec.kind import InputKind

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    from zoo.spec.image_files import RawImage

MAX_SIDE = 65_536  # pixels; a spec that asks for more is hostile
MAX_SIZE = 2**21  # pixels to which images are resized: a network takes some hundred times as many numbers
FITS = ("stretch", "crop", "pad")
AT_ONCE = 2**20  # pixels in which ink is looked for together


@dataclass(frozen=True)
class Image(InputKind):
    """An image, stored as uint8 and given to the network as normalised floats.

    Args:
        channels: 1 (grey) or 3 (RGB).
        height, width: pixels to which images are resized; None and None for images of any size, which keep it.
        mean, std: statistics of each channel in the training split, with pixels scaled to 0..1.
        fit: how an image of other proportions is resized: `stretch` changes its proportions, `crop` cuts off what
            stands out at two sides, `pad` adds black there.
        ink: for grey drawings of one sign, such as a digit: the share of height and width that the box of its ink
            takes, 20/28 as in MNIST. Dark ink on white and light ink on black, of any size and at any place, are then
            brought to that form (`zoo.spec.framing`), and `fit` is not used. None for images that stay as they are.

    Raises:
        SpecError: an argument is impossible.
    """

    word: ClassVar[str] = "image"
    takes: ClassVar[tuple[str, ...]] = ("image",)
    reads_files: ClassVar[bool] = True

    channels: int
    height: int | None
    width: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: str = field(default="stretch", kw_only=True)
    ink: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise SpecError(f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        if type(self.channels) is not int or self.channels not in (1, 3):
            raise SpecError(f"an image has 1 or 3 channels, not {quoted(self.channels)}")
        if (self.height is None) != (self.width is None):
            raise SpecError("an image has both height and width, or neither")
        for side in (self.height, self.width):
            if side is not None and (type(side) is not int or not 1 <= side <= MAX_SIDE):
                raise SpecError(f"an image's height and width are from 1 to {MAX_SIDE} pixels, not {quoted(side)}")
        if self.height is not None and self.width is not None and self.height * self.width > MAX_SIZE:
            raise SpecError(f"images of {self.height} x {self.width} pixels are too large; {MAX_SIZE:,} is the limit")
        for name, numbers in (("mean", self.mean), ("std", self.std)):
            object.__setattr__(self, name, _floats(name, numbers, self.channels))
        if self.ink is not None:
            if type(self.ink) not in (int, float) or not 0 < self.ink <= 1:
                raise SpecError(f"ink is a share of the sides, above 0 and up to 1, not {quoted(self.ink)}")
            if self.channels != 1 or self.height is None:
                raise SpecError("ink is for grey images of one size")
        if min(self.std) < 1e-6:  # of pixels in 0..1; float32 would divide by zero
            raise SpecError(f"std must be above 0, not {self.std}")

    @property
    def size(self) -> tuple[int, int]:
        """Height and width.

        Raises:
            SpecError: images may have any size.
        """
        if self.height is None or self.width is None:
            raise SpecError("images must have one size, and these have any: data.patch=null data.size=64")
        return self.height, self.width

    @property
    def stacks(self) -> bool:
        return self.height is not None

    def example(self) -> str:
        return '"image.png"'

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[np.ndarray, ...]:
        height, width = (None, None) if self.ink is not None else (self.height, self.width)
        shape = (height or side, width or side + 4, self.channels)
        return (random.integers(0, 256, shape, dtype="uint8"),)

    def encode(self, raw: RawImage) -> Tensor:
        """Turn a raw image into a uint8 tensor (C, H, W), with the size and the channels of this spec.

        Args:
            raw: a path, the bytes of a file, a PIL image, or an array: uint8 0..255 or float 0..1, H x W or H x W x C.

        Raises:
            SpecError: it cannot be read, or is not an image.
        """
        return self.pixels(read_image(raw))

    def is_batch(self, raw: object) -> bool:
        """Whether this is an array of four axes."""
        return hasattr(raw, "__array__") and getattr(raw, "ndim", 0) == 4

    def encode_batch(self, raw: np.ndarray | Tensor, size: int) -> Iterator[Tensor]:
        """Turn images in one array into batches of uint8 (B, C, H, W), as `encode` does with each.

        Args:
            raw: uint8 0..255 or float 0..1, B x C x H x W, or B x H x W x C where only that has the spec's channels.
            size: the most images of a batch; 1 where they may have any size.

        Raises:
            SpecError: neither has them, both have, or the numbers are not those of images.
        """
        for images in channels_first(raw, self.channels).split(size):
            if self.ink is not None:
                yield framed(bytes_of(images), *self.size, self.ink)
            elif tuple(images.shape[2:]) == (self.height or images.shape[2], self.width or images.shape[3]):
                yield bytes_of(images)
            else:
                yield torch.stack([self.encode(image.permute(1, 2, 0)) for image in images])

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn uint8 (B, C, H, W) into normalised float32 of the same shape, on the batch's device."""
        pixels = batch.to(torch.float32, copy=True).div_(255)
        if not any(self.mean) and set(self.std) == {1.0}:  # those of Bernoulli units stay in 0..1
            return pixels
        return pixels.sub_(_per_channel(self.mean, batch.device)).div_(_per_channel(self.std, batch.device))

    def restore(self, batch: Tensor) -> Tensor:
        """Undo `prepare`: normalised floats (B, C, H, W) to uint8."""
        mean, std = _per_channel(self.mean, batch.device), _per_channel(self.std, batch.device)
        return ((batch.float() * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)

    def decode(self, output: Tensor) -> list[PIL.Image.Image]:
        """Turn a network's normalised images (B, C, H, W) into B PIL images."""
        import PIL.Image

        pixels = self.restore(output).permute(0, 2, 3, 1).cpu().numpy()  # B, H, W, C
        return [PIL.Image.fromarray(p[:, :, 0] if self.channels == 1 else p) for p in pixels]

    def encode_all(self, raw: Sequence[tuple[Any, ...]]) -> list[Tensor]:
        """As of any kind; ink is found in images of one size together, in a tenth of the time."""
        if self.ink is None or len(self.takes) > 1:
            return super().encode_all(raw)
        encoded: list[Tensor] = []
        alike: list[Tensor] = []
        for (one,) in raw:
            pixels = self._unframed(read_image(one))
            if alike and (pixels.shape != alike[0].shape or len(alike) * pixels.numel() >= AT_ONCE):
                encoded += self._framed(alike)
                alike = []
            alike.append(pixels)
        return [*encoded, *self._framed(alike)]

    def pixels(self, image: PIL.Image.Image) -> Tensor:
        """Turn an image that `read_image` gave into what `encode` gives."""
        pixels = self._unframed(image)
        return pixels if self.ink is None else self._framed([pixels])[0]

    def _framed(self, images: Sequence[Tensor]) -> Tensor:
        """Images (C, H, W) of one size, with their ink where it belongs: (B, C, height, width)."""
        assert self.ink is not None
        return framed(torch.stack(list(images)), *self.size, self.ink)

    def _unframed(self, image: PIL.Image.Image) -> Tensor:
        """The pixels (C, H, W) of an image that `read_image` gave, before ink is looked for."""
        import numpy as np
        import PIL.Image

        image = image.convert("L" if self.channels == 1 else "RGB")
        if self.ink is None:
            image = self._fitted(image, PIL.Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(image))  # H, W or H, W, C
        return pixels.reshape(image.height, image.width, self.channels).permute(2, 0, 1).contiguous()

    def _fitted(self, image: PIL.Image.Image, method: PIL.Image.Resampling) -> PIL.Image.Image:
        """The image in the size of this spec."""
        import PIL.ImageOps

        size = (self.width or image.width, self.height or image.height)
        if image.size == size:
            return image
        if self.fit == "crop":
            return PIL.ImageOps.fit(image, size, method)
        return PIL.ImageOps.pad(image, size, method) if self.fit == "pad" else image.resize(size, method)


@dataclass(frozen=True)
class MaskedImage(Image):
    """An image with a hole: (C + 1, H, W), where the last channel is the mask, 1 inside the hole and 0 outside."""

    word: ClassVar[str] = "masked image"
    takes: ClassVar[tuple[str, ...]] = ("image", "mask")

    def is_batch(self, raw: object) -> bool:
        return False  # several are two lists

    def example(self) -> str:
        return '"image.png", "mask.png"'

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[np.ndarray, ...]:
        (image,) = super().sample(random, length=length, side=side)
        return image, random.random(image.shape[:2]) < 0.3

    def answerable(self, *raw: Any) -> tuple[Any, ...]:
        """An image of the size that the network restores, and its mask.

        Raises:
            SpecError: the image has another size, so that the answer would be a small copy of it.
        """
        if self.height is None:
            return raw
        image = read_image(raw[0])
        if image.size != (self.width, self.height):
            raise SpecError(
                f"it restores images of {self.width} x {self.height} pixels, and this one has "
                f"{image.width} x {image.height}; resize it and its mask first, or cut a part out"
            )
        return image, *raw[1:]

    def encode(self, raw: RawImage, mask: RawImage | None = None) -> Tensor:
        """Turn an image and a mask of the same size into uint8 (C + 1, H, W); the mask's is 0 or 1.

        Args:
            raw: as for `Image`.
            mask: an image or array of the same height and width; pixels more than half bright (or True) are the hole.

        Raises:
            SpecError: there is no mask, it has another size, or it hides nothing or everything.
        """
        import PIL.Image

        if mask is None:
            raise SpecError("the mask is missing: give (image, mask), where the mask is bright in the hole")
        image, hole = read_image(raw), read_image(mask).convert("L")
        if image.size != hole.size:
            raise SpecError(
                f"the mask is {hole.width} x {hole.height} pixels and the image {image.width} x {image.height}; "
                "they must have one size"
            )
        shrunk = self._fitted(hole, PIL.Image.Resampling.NEAREST)
        masked = (Image(1, None, None, mean=(0.0,), std=(1.0,)).pixels(shrunk) > 127).to(torch.uint8)
        if masked.all():
            raise SpecError("the mask covers the whole image; leave some of it known")
        if not masked.any():
            small = f"{shrunk.width} x {shrunk.height} pixels"
            resized = "" if hole.size == shrunk.size else f" once it is resized to {small}"
            raise SpecError(f"the mask hides nothing{resized}; it is bright (above 127 of 255) or True in the hole")
        return torch.cat([self.pixels(image), masked])

    def prepare(self, batch: Tensor) -> Tensor:
        """Turn uint8 (B, C + 1, H, W) into floats: normalised pixels, 0 in the hole, and the mask as 0.0 or 1.0."""
        mask = batch[:, -1:].float()
        return torch.cat([super().prepare(batch[:, :-1]) * (1 - mask), mask], dim=1)


@dataclass(frozen=True)
class SmallImage(Image):
    """An image to be enlarged.

    Args:
        channels, height, width, mean, std: as in `Image`.
        scale: factor by which height and width grow, 2 to 8.
    """

    word: ClassVar[str] = "small image"

    scale: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.scale) is not int or not 2 <= self.scale <= 8:
            raise SpecError(f"an image is enlarged 2 to 8 times, not {quoted(self.scale)}")


@lru_cache(maxsize=64)  # a copy to the device in every step would stall it
def _per_channel(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(numbers, device=device).view(-1, 1, 1)


def _floats(name: str, numbers: object, length: int) -> tuple[float, ...]:
    if not isinstance(numbers, (list, tuple)) or not all(
        isinstance(number, (int, float)) and not isinstance(number, bool) and abs(number) <= sys.float_info.max
        for number in numbers  # NaN fails too
    ):
        raise SpecError(f"{name} is a list of finite numbers, not {quoted(numbers)}")
    if len(numbers) != length:
        raise SpecError(f"{name} has one number a channel ({length}), not {len(numbers)}")
    return tuple(float(number) for number in numbers)
