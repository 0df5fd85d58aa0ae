"""Reading images from files and arrays: only the formats that are meant, and no larger than they may be."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.files import if_address, is_regular, quoted
from zoo.spec.arrays import bytes_of, tensor_of
from zoo.spec.packed import kind_of

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

    ImageFile = str | os.PathLike[str] | bytes
    RawImage = ImageFile | PIL.Image.Image | np.ndarray | Tensor

# Pillow reads others too, some by starting another program
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MEANT = "PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM image"
ANIMATED = ("GIF", "PNG", "WEBP")  # those that may hold an animation
SUBFILE_TYPE, REDUCED, MASK = 254, 1, 4  # of TIFF: a tag, and its bits for a smaller version and for a mask
MAX_MEGAPIXELS = 40
MAX_FRAMES = 1000


def read_image(raw: RawImage, *, at_least: int | None = None) -> PIL.Image.Image:
    """Read an image from a path, the bytes of a file, a PIL image or an array, upright, in mode L or RGB.

    Transparent pixels become white, 16-bit grey is scaled to 8 bits, and a camera's rotation is undone.

    Args:
        raw: as for `Image.encode`.
        at_least: pixels; the file of a JPEG may be read at a half, a quarter or an eighth of its size, which is several
            times as fast, as long as height and width stay as large as this. None for its own size.

    Raises:
        SpecError: it cannot be read (the message names the file), or the array's shape, type or range is impossible.
    """
    import PIL.Image

    if isinstance(raw, (str, os.PathLike, bytes, PIL.Image.Image)):
        image = _upright(raw, at_least)
    elif hasattr(raw, "__array__"):
        image = _from_array(raw)
    else:
        raise SpecError(f"an image is a path, the bytes of a file, a PIL image or an array, not {type(raw).__name__}")
    if min(image.size) == 0:
        raise SpecError("the image has no pixels")
    try:
        return _eight_bits(image)
    except SpecError as error:
        raise SpecError(
            f"cannot read {_name(raw)}: {error}" if isinstance(raw, (str, os.PathLike)) else str(error)
        ) from error


def image_size(source: ImageFile) -> tuple[int, int]:
    """Width and height that the header of a file of an image gives, before the camera's rotation is undone.

    Raises:
        SpecError: as for `open_image`.
    """
    with open_image(source) as file:
        return file.size


def _upright(raw: ImageFile | PIL.Image.Image, at_least: int | None) -> PIL.Image.Image:
    """An image from a file, or one that is opened and perhaps not yet read, with the camera's rotation undone."""
    import PIL.Image

    if not isinstance(raw, PIL.Image.Image):
        with open_image(raw) as file:
            several = getattr(file, "is_animated", False)  # n_frames reads the whole file
            if several and file.format in ANIMATED:
                raise SpecError(f"cannot read {_name(raw)}: an animation; save one of its images")
            if several and file.format == "TIFF" and _next_is_a_page(file):
                raise SpecError(f"cannot read {_name(raw)}: a TIFF of several pages; save one of them")
            if at_least is not None and file.format == "JPEG":
                file.draft(None, (at_least, at_least))
            return _turned(file)
    try:
        return _turned(raw)
    except Exception as error:  # as in open_image
        raise SpecError(f"cannot read the image: {error}") from error


def _next_is_a_page(file: PIL.Image.Image) -> bool:
    """Whether the second image of a TIFF is one of its own, and no smaller version of the first or mask for it."""
    file.seek(1)
    kind = getattr(file, "tag_v2", {}).get(SUBFILE_TYPE, 0)
    smaller = file.size
    file.seek(0)
    return not kind & (REDUCED | MASK) and not (smaller[0] < file.width and smaller[1] < file.height)


@contextmanager
def open_image(source: ImageFile) -> Iterator[PIL.Image.Image]:
    """A file of one of the formats that are meant, of at most 40 megapixels, opened and not yet read.

    The environment variable ZOO_MAX_MEGAPIXELS sets another limit.

    Args:
        source: the file's path, or its bytes.

    Raises:
        SpecError: no such file, no regular one, another format, a damaged image (also as it is read) or a larger one.
    """
    import PIL.Image

    name = _name(source)
    if not isinstance(source, bytes):
        _check_file(source)
    try:
        with catch_warnings():
            simplefilter("ignore")  # of many pixels, where our limit is lower, and of damage, which is told below
            file = PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)
        with file:
            check_pixels(file.width * file.height, f"cannot read {name}: it has")
            yield file
    except SpecError:
        raise
    except PIL.UnidentifiedImageError:
        raise SpecError(f"cannot read {name} as an image: {_what_it_is(source)}") from None
    except PIL.Image.DecompressionBombError as error:  # of so many pixels that Pillow does not open the file
        limit = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)
        check_pixels(limit, f"cannot read {name}: it has over")
        raise SpecError(f"cannot read {name}: Pillow's limit is {limit / 10**6:,.0f} megapixels; shrink it") from error
    except Exception as error:  # Pillow's readers raise various errors for damaged files
        intact = isinstance(error, MemoryError) or getattr(error, "errno", None)
        raise SpecError(f"cannot read {name} as an image: {'' if intact else 'it is damaged: '}{error}") from error


def _name(source: ImageFile) -> str:
    """A file as messages name it."""
    return f"the file of {len(source):,} bytes" if isinstance(source, bytes) else str(source)


def _what_it_is(source: ImageFile) -> str:
    """What a file is that is none of the images which are meant."""
    if isinstance(source, bytes):
        start = source[:16]
    else:
        with open(source, "rb") as file:
            start = file.read(16)
    if not start:
        return "it is empty"
    what = kind_of(start)
    return f"it is {what}" if what not in ("", "an image") else f"not a {MEANT}, or a damaged one"


def _check_file(path: str | os.PathLike[str]) -> None:
    if not os.path.exists(path):  # which answers for a name that no file can have
        raise SpecError(f"no such image: {quoted(str(path)) if not str(path).strip() else path}{if_address(path)}")
    if not is_regular(Path(path)):
        raise SpecError(f"{path} is {'a folder' if os.path.isdir(path) else 'no regular file'}; give an image's file")


def frames_of(source: ImageFile) -> Iterator[PIL.Image.Image]:
    """The frames of an animated image, at most 1,000, and of ten times as many pixels together as one image may have.

    Raises:
        SpecError: as for `open_image`, or there are more frames or pixels.
    """
    import PIL.ImageSequence

    name = _name(source)
    with open_image(source) as file:
        count = getattr(file, "n_frames", 1)
        if count > MAX_FRAMES:
            raise SpecError(f"cannot read {name}: it has {count:,} frames; {MAX_FRAMES:,} is the limit")
        check_pixels(count * file.width * file.height, f"cannot read {name}: its {count:,} frames have", 10)
        for frame in PIL.ImageSequence.Iterator(file):
            check_pixels(frame.width * frame.height, f"cannot read {name}: a frame has")
            yield frame.copy()


def check_pixels(count: int, what: str, times: int = 1) -> None:
    """Refuse more pixels than the limit, or than some times the limit.

    Raises:
        SpecError: there are more, or the limit that is set is no number.
    """
    given = os.environ.get("ZOO_MAX_MEGAPIXELS") or str(MAX_MEGAPIXELS)
    if not given.isdecimal():
        raise SpecError(f"ZOO_MAX_MEGAPIXELS is a whole number, not {given!r}")
    if count > int(given) * times * 10**6:
        raise SpecError(
            f"{what} {count / 10**6:,.0f} megapixels; {int(given) * times} is the limit; "
            "shrink it, or set the environment variable ZOO_MAX_MEGAPIXELS"
        )


def _turned(image: PIL.Image.Image) -> PIL.Image.Image:
    import PIL.ImageOps

    image.load()
    try:
        return PIL.ImageOps.exif_transpose(image)
    except Exception:  # of damaged metadata, various errors; the pixels are intact
        return image.copy()


def _from_array(raw: Any) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if isinstance(raw, Tensor):
        raw = tensor_of(raw).cpu()
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
    return PIL.Image.fromarray(bytes_of(tensor_of(array)).numpy())


def _eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    import numpy as np
    import PIL.Image

    if image.mode.startswith("I"):  # 16-bit grey, or 32-bit integers that hold grey of 16 bits or of 8
        grey = np.asarray(image)
        deep = image.mode != "I" or grey.max() > 255
        return PIL.Image.fromarray((grey // 257 if deep else grey).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        return _from_array(np.asarray(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = PIL.Image.new("RGBA", image.size, "white")
        return PIL.Image.alpha_composite(paper, image).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")
