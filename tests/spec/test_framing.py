"""Digits as people have them: dark on white, with a margin, off the middle, thick or thin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

import zoo
from zoo.spec import Image
from zoo.spec.framing import framed

MNIST_INK = 20 / 28


def drawn(count: int, side: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Scikit-learn's digits, white on black, each `side` pixels high somewhere in an image of twice that."""
    digits, random = load_digits(), np.random.default_rng(seed)
    images = np.zeros((count, 2 * side, 2 * side), "uint8")
    for image, digit in zip(images, digits.images):
        down, right = random.integers(0, side + 1, 2)
        enlarged = PIL.Image.fromarray((digit * 255 / 16).astype("uint8")).resize((side, side))
        image[down : down + side, right : right + side] = np.asarray(enlarged)
    return images, [str(label) for label in digits.target[:count]]


def disc(side: int, row: float, column: float, radius: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (((y - row) ** 2 + (x - column) ** 2 <= radius**2) * 255).to(torch.uint8)[None, None]


@pytest.mark.parametrize(("side", "dark"), [(24, False), (64, True)], ids=["light on black", "dark on white"])
@pytest.mark.parametrize("name", ["cnn.mnist", "mlp.mnist", "cnn.digits"])
def test_digits_of_other_people_are_read(name: str, side: int, dark: bool) -> None:
    images, labels = drawn(300, side)
    answers = zoo.load(name)(list(255 - images if dark else images))
    assert np.mean([answer["label"] == label for answer, label in zip(answers, labels)]) >= 0.95


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0, 17.0])
def test_the_place_and_the_size_of_a_disc_do_not_matter(scale: float) -> None:
    side = round(40 * scale)
    image = framed(disc(side, 14 * scale, 25 * scale, 8 * scale), 28, 28, MNIST_INK).float()[0, 0] / 255
    number = torch.arange(28.0)
    centre = (image.sum(1) @ number / image.sum(), image.sum(0) @ number / image.sum())
    assert centre == pytest.approx((14, 14), abs=0.55)  # MNIST's middle; a drawing of that size moves by whole pixels
    assert image.sum() == pytest.approx(torch.pi * 10**2, rel=0.15)  # its box is 20 x 20


def test_a_negative_is_read_alike() -> None:
    images = torch.from_numpy(drawn(20, 32)[0])[:, None]
    dark = framed(255 - images, 28, 28, MNIST_INK)
    assert (dark.int() - framed(images, 28, 28, MNIST_INK).int()).abs().max() <= 1


def test_grey_paper_and_faint_ink_are_stretched() -> None:
    images = torch.from_numpy(drawn(20, 32)[0])[:, None]
    faint = 200 - (images.float() * 0.3).round().to(torch.uint8)
    difference = framed(faint, 28, 28, MNIST_INK).float() - framed(images, 28, 28, MNIST_INK).float()
    assert difference.abs().mean() < 3


def test_what_is_framed_stays() -> None:
    images = framed(torch.from_numpy(drawn(100, 32)[0])[:, None], 28, 28, MNIST_INK)
    again = framed(images, 28, 28, MNIST_INK)
    assert (again != images).flatten(1).any(1).float().mean() < 0.1


@pytest.mark.parametrize("level", [0, 77, 255])
def test_no_ink_is_black(level: int) -> None:
    assert not framed(torch.full((2, 1, 9, 12), level, dtype=torch.uint8), 8, 8, 1.0).any()


def test_a_pixel_fills_its_box() -> None:
    image = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    image[0, 0, 0, 8] = 9  # faint, in a corner
    assert framed(image, 28, 28, MNIST_INK)[0, 0, 6:22, 6:22].min() > 50


def test_where_ink_fills_the_image_nothing_is_cut_off() -> None:
    digits = torch.from_numpy(load_digits().images[:200] * 255 / 16).to(torch.uint8)[:, None]
    padded = functional.pad(digits, (5, 1, 0, 7))
    kept = [framed(images, 8, 8, 1.0).flatten(1).sort(1).values for images in (padded, digits)]  # wherever they lie
    assert (kept[0] == kept[1]).all(1).float().mean() > 0.9  # some with ink along most of the border differ


@pytest.mark.parametrize(
    "wrong",
    [{"ink": 0}, {"ink": 1.1}, {"ink": True}, {"ink": float("nan")}, {"ink": "20/28"}, {"height": None, "width": None}],
    ids=str,
)
def test_impossible_shares(wrong: dict[str, Any]) -> None:
    sound: dict[str, Any] = {"channels": 1, "height": 28, "width": 28, "mean": (0.1,), "std": (0.3,), "ink": 0.7}
    with pytest.raises(zoo.SpecError, match="ink"):
        Image(**{**sound, **wrong})


def test_ink_is_for_grey() -> None:
    with pytest.raises(zoo.SpecError, match="ink is for grey images"):
        Image(3, 28, 28, (0.1,) * 3, (0.3,) * 3, ink=0.7)


def test_arrays_files_and_batches_are_framed_alike(tmp_path: Path) -> None:
    spec = Image(1, 28, 28, (0.1,), (0.3,), ink=MNIST_INK)
    images, _ = drawn(3, 20)
    PIL.Image.fromarray(images[0]).save(tmp_path / "digit.png")
    (batch,) = spec.encode_batch(images[:, None], 3)
    assert torch.equal(batch, torch.stack([spec.encode(image) for image in images]))
    assert torch.equal(spec.encode(tmp_path / "digit.png"), batch[0])


def test_ink_is_found_in_many_images_as_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several sizes, in turns and in a row, and more than are taken together."""
    monkeypatch.setattr("zoo.spec.image.AT_ONCE", 3 * 32**2)
    spec = Image(1, 28, 28, (0.1,), (0.3,), ink=MNIST_INK)
    small, large = (list(drawn(8, side)[0]) for side in (16, 30))
    images = [*small, *large[:4], 255 - small[0], *large[4:], small[1][:20]]
    found = spec.encode_all([(image,) for image in images])
    assert len(found) == len(images)
    for image, encoded in zip(images, found):
        assert encoded.shape == (1, 28, 28)
        assert (encoded.int() - spec.encode(image).int()).abs().max() <= 1  # of a product's rounding
