"""Only the formats that are meant, and no larger than they may be."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.GifImagePlugin
import PIL.Image
import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Video, read_image
from zoo.spec.image_files import frames_of, image_size


def blank(path: Path, width: int, height: int) -> Path:
    """A black PNG of one bit a pixel."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(bytes(((width + 7) // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", header) + piece(b"IDAT", pixels) + piece(b"IEND", b""))
    return path


def test_forty_megapixels_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = blank(tmp_path / "large.png", 20_000, 9_000)
    for read in (read_image, image_size, lambda path: list(frames_of(path))):
        with pytest.raises(SpecError, match=r"it has over 179 megapixels; 40 is the limit; .*ZOO_MAX_MEGAPIXELS"):
            read(path)
    with pytest.raises(SpecError, match="120 megapixels; 40 is the limit"):
        read_image(blank(tmp_path / "wide.png", 60_000, 2_000))
    small = blank(tmp_path / "small.png", 2_000, 1_000)
    assert read_image(small).size == image_size(small) == (2_000, 1_000)
    monkeypatch.setenv("ZOO_MAX_MEGAPIXELS", "1")
    with pytest.raises(SpecError, match="2 megapixels; 1 is the limit"):
        read_image(small)
    monkeypatch.setenv("ZOO_MAX_MEGAPIXELS", "400")
    with pytest.raises(SpecError, match="Pillow's limit is 179 megapixels"):
        read_image(path)
    monkeypatch.setenv("ZOO_MAX_MEGAPIXELS", "many")
    with pytest.raises(SpecError, match="ZOO_MAX_MEGAPIXELS is a whole number"):
        read_image(small)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG, JPEG"),
        (b"<svg></svg>", "not a PNG, JPEG"),
        (b"\x89PNG\r\n\x1a\n", "not a PNG, JPEG.* or a damaged one"),
        (b"II*\0\x08\0\0\0\x0c\0", "damaged|not a PNG"),  # of which Pillow warns
        (b"%PDF-1.4\n", "it is a PDF"),
        (b"", "it is empty"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_no_other_program_reads_it(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(SpecError, match=fault):
        read_image(tmp_path / "x.png")


def test_formats_that_are_not_meant(tmp_path: Path) -> None:
    PIL.Image.new("F", (8, 8)).save(tmp_path / "picture.spi", "SPIDER")  # by its own ending, which Pillow remembers
    (tmp_path / "picture.spi").rename(tmp_path / "spider.png")
    video = Video(1, 8, 8, (0.5,), (0.5,))
    with pytest.raises(SpecError, match=r"spider\.png"):
        video.encode(tmp_path / "spider.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(SpecError, match="no regular file"):
        read_image(tmp_path / "pipe.png")


def test_a_thousand_frames(tmp_path: Path) -> None:
    screen = struct.pack("<HHBBB", 8, 8, 0b1000_0000, 0, 0) + b"\x00\x00\x00\xff\xff\xff"
    frame = b"\x21\xf9\x04\x00\x02\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    (tmp_path / "x.gif").write_bytes(b"GIF89a" + screen + frame * 1001 + b"\x3b")
    with pytest.raises(SpecError, match="1,001 frames; 1,000 is the limit"):
        next(frames_of(tmp_path / "x.gif"))


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_an_animation_is_not_read_as_its_first_image(tmp_path: Path, ending: str) -> None:
    images = [PIL.Image.new("L", (60, 40), shade) for shade in (255, 200, 90)]
    images[0].save(tmp_path / f"moves.{ending}", save_all=True, append_images=images[1:])
    for raw in (tmp_path / f"moves.{ending}", (tmp_path / f"moves.{ending}").read_bytes()):
        with pytest.raises(SpecError, match="an animation; save one"):
            read_image(raw)
    images[0].save(tmp_path / f"still.{ending}")
    assert read_image(tmp_path / f"still.{ending}").size == (60, 40)


def test_an_animation_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes seconds for one of millions of small images."""
    images = [PIL.Image.new("L", (60, 40), shade) for shade in (255, 200, 90)]
    images[0].save(tmp_path / "moves.gif", save_all=True, append_images=images[1:])
    monkeypatch.setattr(PIL.GifImagePlugin.GifImageFile, "n_frames", property(lambda file: pytest.fail("counted")))
    with pytest.raises(SpecError, match="an animation; save one"):
        read_image(tmp_path / "moves.gif")


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "jpg", "bmp", "tif", "ppm"])
@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_a_file_that_was_cut_off_is_called_damaged(tmp_path: Path, ending: str, fraction: float) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    path = tmp_path / f"cut.{ending}"
    images = [PIL.Image.fromarray(pixels), PIL.Image.fromarray(pixels[::-1].copy())]
    images[0].save(path, **({"save_all": True, "append_images": images[1:]} if ending == "gif" else {}))
    os.truncate(path, int(path.stat().st_size * fraction))
    with pytest.raises(SpecError, match=r"damaged|an animation"):
        read_image(path)


def test_pages_of_a_tiff_are_not_read_as_the_first_and_smaller_versions_are_left(tmp_path: Path) -> None:
    page, smaller = PIL.Image.new("L", (60, 40), 200), PIL.Image.new("L", (30, 20), 200)
    page.save(tmp_path / "pages.tif", save_all=True, append_images=[page, page])
    for raw in (tmp_path / "pages.tif", (tmp_path / "pages.tif").read_bytes()):
        with pytest.raises(SpecError, match="a TIFF of several pages"):
            read_image(raw)
    page.save(tmp_path / "pyramid.tif", save_all=True, append_images=[smaller])
    assert read_image(tmp_path / "pyramid.tif").size == (60, 40)


@pytest.mark.parametrize(("numbers", "shade"), [(200, 200), (200 * 257, 200), (-5, 0), (70_000, 255)])
def test_integers_of_32_bits(tmp_path: Path, numbers: int, shade: int) -> None:
    PIL.Image.fromarray(np.full((4, 4), numbers, np.int32)).save(tmp_path / "x.tif")
    assert read_image(tmp_path / "x.tif").getpixel((3, 3)) == shade


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("word " * 1000, "no such image"),
        ("", "no such image: ''"),
        ("https://example.invalid/a.png", "no such image: .* download it"),
        (torch.empty(8, 8, device="meta"), "has no numbers"),
        (torch.eye(8).to_sparse(), "is sparse"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_image_is_one_line(raw: Any, fault: str) -> None:
    with pytest.raises(SpecError, match=fault) as caught:
        read_image(raw)
    assert len(str(caught.value)) <= 300
