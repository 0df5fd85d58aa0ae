"""Degradations, which restoration undoes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.metrics.restoration import REACH, RestorationMetrics
from zoo.spec import Image, MaskedImage
from zoo.tasks.gan import Downscale, Grey, Mask

SIZES = [(8, 8), (28, 28), (5, 9), (32, 20), (4, 4)]


def random_images(size: tuple[int, int], count: int = 300, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, channels, *size), dtype=torch.uint8, generator=generator)


def drawn(mask: Mask, size: tuple[int, int], count: int = 300, seed: int = 0) -> Tensor:
    """The masks (B, H, W) that are drawn for as many images."""
    return mask(random_images(size, count), torch.Generator().manual_seed(seed))[2][:, 0]


def rectangular(mask: Tensor) -> bool:
    """Whether the hidden pixels (H, W) fill the smallest box that holds them."""
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    tall, wide = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    return bool(mask.sum() == tall * wide)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_image_is_kept_and_the_mask_is_its_last_channel(channels: int) -> None:
    batch = random_images((8, 9), 20, channels)
    before = batch.clone()
    degraded, true, region = Mask()(batch)
    assert torch.equal(true, before)
    assert degraded.dtype == torch.uint8
    assert degraded.shape == (20, channels + 1, 8, 9)
    assert torch.equal(degraded[:, :-1], before)
    assert torch.equal(batch, before)
    assert region.shape == (20, 1, 8, 9)
    assert region.dtype == torch.float32
    assert torch.equal(region, degraded[:, -1:].float())
    assert region.unique().tolist() == [0, 1]


def test_the_network_does_not_see_what_is_hidden() -> None:
    mask = Mask()
    spec = mask.spec(Image(1, 8, 8, (0.1,), (0.3,)))
    one, two = random_images((8, 8), 5), 255 - random_images((8, 8), 5)
    degraded, _, region = mask(one, torch.Generator().manual_seed(0))
    other = torch.cat([torch.where(region > 0, two, one), region.to(torch.uint8)], dim=1)
    assert torch.equal(spec.input.prepare(degraded), spec.input.prepare(other))


def test_the_spec_goes_from_masked_to_whole_images_in_minus_one_to_one() -> None:
    spec = Mask().spec(Image(3, 8, 9, (0.1, 0.2, 0.3), (0.3, 0.2, 0.1)))
    assert isinstance(spec.input, MaskedImage)
    assert type(spec.output) is Image
    assert (spec.output.channels, spec.output.height, spec.output.width) == (3, 8, 9)
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 8, 9)
    assert spec.output.prepare(ends).unique().tolist() == [-1, 1]


@pytest.mark.parametrize("size", [(3, 28), (28, 3), (1, 1)])
def test_images_too_small_to_mask_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(SpecError, match=f"{size[0]} x {size[1]} pixels are too small"):
        Mask().spec(Image(1, *size, (0.5,), (0.5,)))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("min_fraction", "max_fraction"), [(0.1, 0.4), (0.25, 0.25), (0.7, 0.7), (0.02, 0.05)])
def test_the_hidden_fraction_lies_within_its_bounds(
    size: tuple[int, int], min_fraction: float, max_fraction: float
) -> None:
    height, width = size
    for mask in drawn(Mask(min_fraction, max_fraction), size).bool():
        rounding = 1.0  # a blob's pixels are whole
        if rectangular(mask):  # a rectangle's sides are
            rounding = (mask.any(1).sum() + mask.any(0).sum()).item() / 2 + 0.25
        assert mask.sum() >= max(1, min_fraction * height * width - rounding)
        assert mask.sum() <= max(1, max_fraction * height * width + rounding)


def test_the_fractions_spread_over_their_range() -> None:
    fractions = drawn(Mask(0.1, 0.4), (28, 28), 2000).mean(dim=(1, 2))
    counts = torch.histc(fractions, bins=6, min=0.1, max=0.4)  # within rounding, uniform
    assert counts.min() > 0.7 * counts.max()


def test_as_many_rectangles_as_blobs_and_no_two_alike() -> None:
    masks = drawn(Mask(), (28, 28), 400).bool()
    angular = sum(rectangular(mask) for mask in masks)
    assert 150 < angular < 250
    assert len({tuple(mask.flatten().tolist()) for mask in masks}) > 390


def test_rectangles_are_at_most_twice_as_long_as_wide_and_lie_anywhere() -> None:
    masks = [mask for mask in drawn(Mask(0.1, 0.4), (32, 32), 600).bool() if rectangular(mask)]
    for mask in masks:
        tall, wide = mask.any(1).sum().item(), mask.any(0).sum().item()
        assert max(tall, wide) <= 2 * (min(tall, wide) + 1)
    hidden = torch.stack(masks).float().mean(0)
    for edge in (hidden[0], hidden[-1], hidden[:, 0], hidden[:, -1]):
        assert edge.any()
    assert (hidden - hidden.flip(0)).abs().max() < 0.15  # no side is preferred
    assert (hidden - hidden.flip(1)).abs().max() < 0.15


def test_masks_follow_their_generator_alone() -> None:
    mask = Mask()
    torch.manual_seed(1)
    one = drawn(mask, (8, 8))
    torch.manual_seed(2)
    assert torch.equal(drawn(mask, (8, 8)), one)
    assert not torch.equal(drawn(mask, (8, 8), seed=3), one)


def test_masks_follow_the_seed_without_a_generator() -> None:
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Mask()(random_images((8, 8)))[2])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    "fractions", [(0.0, 0.4), (-0.1, 0.4), (0.1, 1.0), (0.5, 0.4), (float("nan"), 0.4), (0.1, float("nan"))]
)
def test_fractions_out_of_range_are_refused(fractions: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError, match="_fraction must be"):
        Mask(*fractions)


# Downscale


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_images_shrink_as_pillow_s_bicubic_filter_shrinks_them(scale: int) -> None:
    batch = random_images((36, 60), 4, 3)
    small, true, region = Downscale(scale)(batch)
    assert torch.equal(true, batch)
    assert region.shape == (4, 1, 36, 60)
    for channel, found in zip(batch.flatten(0, 1), small.flatten(0, 1)):
        size = (60 // scale, 36 // scale)
        wanted = PIL.Image.fromarray(channel.float().numpy()).resize(size, PIL.Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(wanted).clip(0, 255) - found.numpy()).max() <= 0.501


def test_what_is_no_multiple_of_the_scale_is_cropped() -> None:
    small, true, _ = Downscale(4)(random_images((33, 46), 2, 3))
    assert small.shape[-2:] == (8, 11)
    assert true.shape[-2:] == (32, 44)
    assert torch.equal(true, random_images((33, 46), 2, 3)[..., :32, :44])


def test_images_too_small_to_be_shrunk_are_refused() -> None:
    with pytest.raises(SpecError, match=r"16 x 40 pixels .* need 17"):
        Downscale(2).spec(Image(1, 16, 40, (0.5,), (0.5,)))
    with pytest.raises(ValueError, match="scale"):
        Downscale(1)


@pytest.mark.parametrize(("folder", "scale", "psnr", "ssim"), [("Set5", 2, 33.66, 0.9299), ("Set5", 3, 30.39, 0.8682),
                                                               ("Set5", 4, 28.42, 0.8104)])  # fmt: skip
def test_bicubic_enlargement_has_its_published_metrics(folder: str, scale: int, psnr: float, ssim: float) -> None:
    """As in Kim et al., "Accurate image super-resolution using very deep convolutional networks", 2016, table 3."""
    root = os.environ.get("ZOO_DATA")
    if root is None or not Path(root, folder).is_dir():
        pytest.skip("ZOO_DATA names no folder with Set5")
    downscale = Downscale(scale)
    quality = RestorationMetrics(downscale.margin)
    for file in sorted(Path(root, folder).glob("*.png")):
        image = Image(3, None, None, (0.5,) * 3, (0.5,) * 3).encode(file)[None]
        small, true, region = downscale(image)
        found, where = downscale.metric_input(downscale.baselines(small)["bicubic"], region)
        quality.update(found, downscale.metric_input(true, region)[0], where)
    metrics = quality.compute()
    assert metrics["psnr"] == pytest.approx(psnr, abs=0.1)
    assert metrics["ssim"] == pytest.approx(ssim, abs=0.002)


# Grey


def test_grey_is_that_of_pillow() -> None:
    batch = random_images((30, 40), 4, 3)
    grey, true, region = Grey()(batch)
    assert torch.equal(true, batch)
    assert region.all()
    for image, found in zip(batch, grey):
        wanted = PIL.Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")
        assert (np.asarray(wanted) == found[0].numpy()).all()
    with pytest.raises(SpecError, match="colour"):
        Grey().spec(Image(1, 8, 8, (0.5,), (0.5,)))


# How like the truth


def test_metrics_against_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.metrics")
    true, noise = random_images((24, 30), 3).float() / 255, torch.randn(3, 1, 24, 30) * 0.1
    restored = (true + noise).clamp(0, 1)
    quality = RestorationMetrics(REACH)
    quality.update(restored, true, torch.ones(3, 1, 24, 30))
    pairs = [(a[0].double().numpy(), b[0].double().numpy()) for a, b in zip(restored, true)]
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    metrics = quality.compute()
    psnr = np.mean([skimage.peak_signal_noise_ratio(b, a, data_range=1.0) for a, b in pairs])
    ssim = np.mean([skimage.structural_similarity(b, a, **options) for a, b in pairs])
    assert metrics["psnr"] == pytest.approx(psnr, rel=1e-4)
    assert metrics["ssim"] == pytest.approx(ssim, abs=1e-3)
    assert metrics["l1"] == pytest.approx(np.mean([np.abs(a - b).mean() for a, b in pairs]), rel=1e-4)


def test_what_lies_outside_the_region_does_not_count() -> None:
    true, region = torch.rand(2, 1, 20, 20), torch.zeros(2, 1, 20, 20)
    region[..., :4, :4] = 1
    quality = RestorationMetrics()
    quality.update(torch.where(region > 0, true, torch.zeros(())), true, region)
    assert quality.compute()["psnr"] == pytest.approx(100)
    quality.reset()
    quality.update(torch.where(region > 0, true + 0.1, true), true, region)
    metrics = quality.compute()
    assert metrics["l1"] == pytest.approx(0.1)
    assert metrics["psnr"] == pytest.approx(20, abs=0.01)
