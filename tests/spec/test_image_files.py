"""How images of other sizes and depths are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from zoo.errors import SpecError
from zoo.spec import Image, MaskedImage, Spec, read_image


def spec(fit: str, height: int = 20, width: int = 20) -> Image:
    return Image(3, height, width, (0.5,) * 3, (0.5,) * 3, fit=fit)


def three_stripes(height: int, width: int) -> PIL.Image.Image:
    """Red, green and blue, from left to right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel in range(3):
        pixels[:, channel * width // 3 : (channel + 1) * width // 3, channel] = 255
    return PIL.Image.fromarray(pixels)


def test_an_image_is_stretched_cut_or_padded() -> None:
    wide = three_stripes(20, 60)
    stretched, cropped, padded = (spec(fit).encode(wide).float() / 255 for fit in ("stretch", "crop", "pad"))
    assert stretched.mean(dim=(1, 2)).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)
    assert cropped.mean(dim=(1, 2)).tolist() == pytest.approx([0, 1, 0], abs=0.03)  # the middle
    assert padded[:, 7:13].mean(dim=(1, 2)).tolist() == pytest.approx([1 / 3] * 3, abs=0.05)
    assert padded[:, :6].max() == padded[:, 14:].max() == 0
    square = three_stripes(20, 20)
    assert all(
        (spec(fit).encode(square).permute(1, 2, 0).numpy() == np.asarray(square)).all() for fit in ("crop", "pad")
    )


def test_a_mask_fits_as_its_image_does() -> None:
    mask = PIL.Image.fromarray(np.asarray(three_stripes(20, 60))[:, :, 1])  # bright in the middle
    masked = MaskedImage(3, 10, 10, (0.5,) * 3, (0.5,) * 3, fit="pad").encode(three_stripes(20, 60), mask)
    hidden = masked[3].bool()
    assert 10 <= int(hidden.sum()) <= 16
    assert (masked[1][hidden] > 100).all()


def test_how_it_fits_is_kept_with_the_spec() -> None:
    described = Spec(spec("crop"), spec("crop"))
    assert Spec.from_json(described.to_json()) == described
    old = described.to_json()
    del old["input"]["fit"]
    assert Spec.from_json(old).input == spec("stretch")
    with pytest.raises(SpecError, match="fit is one of stretch, crop, pad"):
        spec("squeeze")


def test_a_large_jpeg_is_read_at_a_part_of_its_size(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 640).astype(np.uint8)
    photo = PIL.Image.fromarray(np.broadcast_to(ramp[None, :, None], (480, 640, 3)).copy())
    photo.save(tmp_path / "photo.jpg", quality=95)
    photo.save(tmp_path / "photo.png")
    assert read_image(tmp_path / "photo.jpg", at_least=100).size == (160, 120)
    assert read_image(tmp_path / "photo.jpg", at_least=300).size == (640, 480)
    assert read_image(tmp_path / "photo.png", at_least=10).size == (640, 480)
    small = spec("stretch", 30, 30)
    whole, drafted = (small.pixels(read_image(tmp_path / "photo.jpg", at_least=least)).int() for least in (None, 60))
    assert (whole - drafted).abs().max() <= 2


@pytest.mark.parametrize(("value", "wanted"), [(200, 200), (0, 0), (65535, 255), (25700, 100)])
def test_grey_in_32_bits_is_not_black(tmp_path: Path, value: int, wanted: int) -> None:
    PIL.Image.fromarray(np.full((4, 4), value, np.int32)).save(tmp_path / "grey.tif")
    assert read_image(tmp_path / "grey.tif").getpixel((3, 3)) == wanted
