"""Images: in all formats and modes that Pillow writes, or damaged, or hostile; the pixels are known by NumPy."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from zoo.spec import Image, Video, read_image

from .campaign import Case

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

GREY = {"L": ("png", "tif", "bmp", "gif", "pgm", "webp", "jpg"), "I;16": ("png", "tif"), "I": ("tif",), "F": ("tif",)}
COLOUR = {"RGB": ("png", "tif", "bmp", "ppm", "webp", "jpg"), "RGBA": ("png", "tif", "webp"), "CMYK": ("tif", "jpg")}
OTHER = {"1": ("png", "tif", "bmp", "pbm", "gif"), "P": ("png", "gif", "bmp", "tif"), "LA": ("png", "tif")}
MODES = {**GREY, **COLOUR, **OTHER}
FOREIGN = ("eps", "pdf", "ico", "tga", "pcx", "sgi", "dds", "spider")


def pixels(draw: random.Random, channels: int, side: int = 40) -> np.ndarray:
    """A smooth image (H, W, C) in uint8, which JPEG keeps too."""
    height, width = draw.randrange(1, side), draw.randrange(1, side)
    rows, columns = np.mgrid[:height, :width]
    waves = [draw.random() * rows + draw.random() * columns + 50 * draw.random() for _ in range(channels)]
    return np.stack([127 + 120 * np.sin(wave / 9) for wave in waves], axis=2).astype(np.uint8)


def over_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colours * share + 255 * (1 - share)


def made(mode: str, draw: random.Random) -> tuple[PIL.Image.Image, np.ndarray, float]:
    """An image of a mode, the 8-bit pixels (H, W, C) that it shows, and how far these may be off."""
    bands = pixels(draw, 4)
    grey = bands[:, :, 0]
    if mode == "L":
        return PIL.Image.fromarray(grey), bands[:, :, :1], 0
    if mode == "I;16":
        return PIL.Image.fromarray(grey.astype(np.uint16) * 257), bands[:, :, :1], 0
    if mode == "I":
        scale = draw.choice([1, 257]) if grey.max() > 1 else 1
        return PIL.Image.fromarray(grey.astype(np.int32) * scale), bands[:, :, :1], 0
    if mode == "F":
        return PIL.Image.fromarray(grey.astype(np.float32) / 255), bands[:, :, :1], 0
    if mode == "1":
        bits = grey > 127
        return PIL.Image.fromarray(bits), bits[:, :, None] * np.uint8(255), 0
    if mode == "LA":
        image = PIL.Image.merge("LA", [PIL.Image.fromarray(band) for band in (grey, bands[:, :, 3])])
        return image, over_white(bands[:, :, :1], bands[:, :, 3]), 2
    if mode == "RGBA":
        return PIL.Image.fromarray(bands), over_white(bands[:, :, :3], bands[:, :, 3]), 2
    if mode == "P":
        image = PIL.Image.fromarray(bands[:, :, :3]).quantize(draw.choice([2, 16, 256]))
        palette = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return image, palette[np.asarray(image)], 0
    image = PIL.Image.fromarray(bands[:, :, :3])
    if mode == "CMYK":
        return image.convert("CMYK"), bands[:, :, :3], 2
    return image, bands[:, :, :3], 0


def saved(image: PIL.Image.Image, ending: str, draw: random.Random) -> tuple[bytes, float]:
    """The image in a file, and how far its pixels may be off by the format."""
    file, options, off = io.BytesIO(), {}, 0.0
    if ending == "jpg":
        options, off = {"quality": 95, "subsampling": 0, "progressive": draw.random() < 0.5}, 12
    if ending == "webp":
        options = {"lossless": True, "exact": True}
    if ending == "tif":
        options = {"compression": draw.choice([None, "tiff_adobe_deflate", "tiff_lzw", "packbits"])}
    if ending == "png":
        options = {"compress_level": draw.randrange(10), "optimize": draw.random() < 0.2}
    image.save(
        file, {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "pbm": "PPM", "ppm": "PPM"}.get(ending, ending), **options
    )
    return file.getvalue(), off


def sound(draw: random.Random, folder: Path) -> Case:
    mode = draw.choice(list(MODES))
    ending = draw.choice(MODES[mode])
    image, shown, off = made(mode, draw)
    data, lost = saved(image, ending, draw)
    name = draw.choice([f"case.{ending}", "CASE.PNG", "no ending", "ünï ✓.jpeg"])  # what it is stands in the file
    (folder / name).write_bytes(data)

    def fault(answer: PIL.Image.Image) -> str:
        if answer.mode not in ("L", "RGB"):
            return f"mode {answer.mode}"
        found = np.asarray(answer.convert("RGB" if shown.shape[2] == 3 else "L"), float).reshape(*answer.size[::-1], -1)
        if found.shape != shown.shape:
            return f"shape {found.shape}, not {shown.shape}"
        distance = np.abs(found - shown).max()
        return "" if distance <= off + lost else f"off by {distance}"

    return Case(True, f"{mode} as {name}, {ending}", lambda: read_image(folder / name), fault)


def png(width: int, height: int, depth: int, colour: int) -> bytes:
    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", zlib.compress(bytes(9999))) + piece(b"IEND", b"")
    )


def hostile(draw: random.Random, folder: Path) -> Case:
    mode = draw.choice(list(MODES))
    ending = draw.choice(MODES[mode])
    image = made(mode, draw)[0]
    if draw.random() < 0.3 and ending in ("gif", "webp", "tif", "png"):
        file = io.BytesIO()
        image.save(
            file, "TIFF" if ending == "tif" else ending, save_all=True, append_images=[image] * draw.randrange(1, 9)
        )
        data = bytearray(file.getvalue())
    else:
        data = bytearray(saved(image, ending, draw)[0])
    how = draw.choice(["bytes", "bytes", "cut", "size", "foreign", "words", "frames"])
    if how == "bytes":
        for _ in range(draw.choice([1, 2, 10, 100])):
            data[draw.randrange(draw.choice([min(len(data), 60), len(data)]))] = draw.randrange(256)
    elif how == "cut":
        del data[draw.randrange(len(data)) :]
    elif how == "size":
        sides = [1, 2, 1000, 6000, 20_000, 60_000, 2**20, 2**31 - 1]
        data = bytearray(
            png(draw.choice(sides), draw.choice(sides), draw.choice([1, 8, 16]), draw.choice([0, 2, 3, 6]))
        )
    elif how == "foreign":
        data = bytearray(foreign(draw.choice(FOREIGN)))
    elif how == "words":
        data = bytearray(
            draw.choice([b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg></svg>", b"P5\n9 9\n255\n"])
        )
    elif how == "frames":
        screen = struct.pack("<HHBBB", 64, 64, 0b1000_0000, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
        frame = b"\x21\xf9\x04\x00\x02\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
        data = bytearray(b"GIF89a" + screen + frame * draw.choice([1, 999, 1000, 1001, 9000]) + b"\x3b")
    path = folder / f"case.{ending}"
    path.write_bytes(data)
    grey = Image(1, 8, 8, (0.5,), (0.5,))
    if how == "frames" or draw.random() < 0.3:
        video = Video(1, 8, 8, (0.5,), (0.5,))
        return Case(
            False, f"{how} of a video, {ending}", lambda: video.encode(path), lambda frames: likeness(path, frames[0])
        )
    return Case(False, f"{how}, {mode} as {ending}", lambda: grey.encode(path), lambda answer: likeness(path, answer))


def foreign(kind: str) -> bytes:
    file = io.BytesIO()
    try:
        PIL.Image.new("RGB" if kind != "spider" else "F", (16, 16)).save(file, kind)
    except (OSError, ValueError, KeyError):  # a format that this Pillow does not write
        return b"\x00" * 100
    return file.getvalue()


def likeness(path: Path, answer: object) -> str:
    """Whether Pillow reads an image at all, where zoo answered, and whether it is of a kind that is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with PIL.Image.open(path) as file:
                file.load()
                kind = file.format
        except Exception as error:
            return f"answered, and Pillow says {error}"
    return "" if kind in ("PNG", "JPEG", "MPO", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM") else f"answered a {kind}"


def case(draw: random.Random, folder: Path) -> Case:
    return (sound if draw.random() < 0.5 else hostile)(draw, folder)


def test_images(fuzz: Callable[..., None]) -> None:
    fuzz("images", case)
