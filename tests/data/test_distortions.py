"""What befalls lines of text: each step against what it is said to do."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zoo.data.distortions import Scan, bend, bleed, blur, clutter, compress, photograph, warp

HEIGHT = 32


def lines(*widths: int) -> tuple[Tensor, Tensor]:
    """Lines with some black bars on white, padded with zeros (B, W, H), and their lengths."""
    padded = torch.zeros(len(widths), max(widths), HEIGHT, dtype=torch.uint8)
    for line, width in zip(padded, widths):
        line[:width] = 255
        line[3:width:7, 6:-6] = 0
    return padded, torch.tensor(widths)


def strength(value: float, count: int) -> Tensor:
    return torch.full((count, 1, 1), value)


def test_without_strength_nothing_happens() -> None:
    padded, lengths = lines(60, 33, 48)
    changed, after = Scan(0.0)((padded, lengths))
    assert torch.equal(after, lengths)
    for before, line, width in zip(padded, changed, lengths.tolist()):
        assert torch.equal(line[:width], before[:width])
        assert (line[width:] == 255).all()  # paper


def test_each_line_changes_in_its_own_way_and_the_seed_decides_how() -> None:
    batch = lines(*[60] * 8)
    torch.manual_seed(1)
    changed, lengths = Scan()(batch)
    assert changed.shape == batch[0].shape
    assert changed.dtype == torch.uint8
    assert len({line.numpy().tobytes() for line in changed}) == 8
    assert ((lengths >= 0.8 * 60 - 1) & (lengths <= 60)).all()
    torch.manual_seed(1)
    assert torch.equal(Scan()(batch)[0], changed)
    torch.manual_seed(2)
    assert not torch.equal(Scan()(batch)[0], changed)


def test_most_lines_stay_as_legible_as_a_threshold_asks() -> None:
    """Where there was ink it stays darker than the paper around it, in lines that are neither inverted nor pale."""
    torch.manual_seed(0)
    padded, lengths = lines(*[120] * 64)
    changed, after = Scan()((padded, lengths))
    spread = torch.stack([line[:width].float().std() for line, width in zip(changed, after.tolist())])
    assert (spread > 10).float().mean() > 0.95


def test_ink_that_bleeds_grows_and_ink_that_fades_shrinks() -> None:
    ink = 1 - lines(40)[0].transpose(1, 2).float().expand(64, -1, -1) / 255
    torch.manual_seed(0)
    changed = bleed(ink, strength(1.0, 64))
    grows = (changed - ink >= 0).flatten(1).all(dim=1)
    shrinks = (changed - ink <= 0).flatten(1).all(dim=1)
    assert (grows | shrinks).all()
    assert 0 < grows.sum() < 64
    grown = functional.max_pool2d(ink, 3, stride=1, padding=1)
    assert (changed <= grown + 1e-6).all()


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_blur_has_the_variance_that_it_says(amount: float) -> None:
    point = torch.zeros(1, 15, 15)
    point[0, 7, 7] = 1
    spread = blur(point, torch.full((1, 1, 1), amount))[0].double()
    place = torch.arange(15) - 7
    assert spread.sum() == pytest.approx(1, abs=1e-6)
    for marginal in (spread.sum(dim=0), spread.sum(dim=1)):
        assert (marginal * place**2).sum() == pytest.approx(amount / 2, abs=1e-6)
    if amount.is_integer():
        kernel = torch.tensor([1.0])
        for _ in range(int(amount)):
            kernel = functional.conv1d(kernel[None, None], torch.tensor([[[0.25, 0.5, 0.25]]]), padding=2)[0, 0]
        torch.testing.assert_close(spread.sum(dim=0)[7 - int(amount) : 8 + int(amount)], kernel.double())


@pytest.mark.parametrize("quality", [50, 25])
def test_compression_is_jpeg_s(quality: int) -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (6, 20), dtype=np.uint8)
    image = PIL.Image.fromarray(coarse).resize((80, 32), PIL.Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    expected = torch.from_numpy(np.array(PIL.Image.open(file))).double()
    pixels = torch.from_numpy(np.array(image)).float() / 255
    found = compress(pixels[None], torch.full((1, 1, 1), 50 / quality))[0].clamp(0, 1).double() * 255
    assert (found - expected).abs().mean() < 0.6  # of 255; both round differently
    assert (pixels * 255 - expected).abs().mean() > 1.5


def test_compression_takes_widths_that_are_no_multiple_of_8() -> None:
    pixels = torch.rand(2, 32, 37)
    assert compress(pixels, torch.ones(2, 1, 1)).shape == pixels.shape
    assert torch.allclose(compress(pixels, torch.zeros(2, 1, 1)), pixels, atol=0.02)


def test_bending_moves_ink_and_neither_makes_nor_loses_much() -> None:
    torch.manual_seed(0)
    padded, lengths = lines(*[80] * 32)
    ink = 1 - padded.transpose(1, 2).float() / 255
    bent, after = bend(ink, lengths, strength(1.0, 32))
    share = bent.sum(dim=(1, 2)) / ink.sum(dim=(1, 2)) / (after / lengths)  # squeezing takes ink along
    assert (share - 1).abs().max() < 0.3
    assert (bent >= 0).all()
    assert (bent <= 1.0001).all()
    same, unchanged = bend(ink, lengths, strength(0.0, 32))
    torch.testing.assert_close(same, ink, atol=1e-4, rtol=0)
    assert torch.equal(unchanged, lengths)


def test_clutter_only_adds_ink() -> None:
    torch.manual_seed(0)
    ink = 1 - lines(*[50] * 64)[0].transpose(1, 2).float() / 255
    changed = clutter(ink, strength(1.0, 64))
    assert (changed >= ink).all()
    assert 0.2 < (changed > ink).flatten(1).any(dim=1).float().mean() < 0.95
    assert torch.equal(clutter(ink, strength(0.0, 64)), ink)


def test_a_photograph_is_darker_where_there_is_ink() -> None:
    torch.manual_seed(0)
    ink = torch.zeros(64, 32, 40)
    ink[:, 10:20, 10:30] = 1
    image = photograph(ink, strength(1.0, 64))
    assert (image[:, 10:20, 10:30].mean(dim=(1, 2)) < image[:, :8].mean(dim=(1, 2))).all()


def test_warping_displaces_by_as_much_as_it_says_and_smoothly() -> None:
    """Brightness that grows along the line tells from where each pixel came."""
    torch.manual_seed(0)
    ramp = torch.arange(100.0).expand(200, HEIGHT, -1)
    for pixels in (0.0, 1.0, 2.0):
        inside = (slice(None), slice(8, -8), slice(10, -10))  # beyond the edges there is nothing
        displaced = (warp(ramp, torch.full((200, 1, 1), pixels)) - ramp)[inside]
        assert displaced.mean().abs() <= 0.1 * pixels + 1e-4
        assert 0.6 * pixels - 1e-4 <= displaced.std() <= pixels + 1e-4  # it is less between the knots
        assert displaced.diff(dim=2).std() <= 0.25 * pixels + 1e-4
        assert displaced.diff(dim=1).std() <= 0.25 * pixels + 1e-4


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="strength"):
        Scan(value)


@pytest.mark.parametrize("value", [-0.1, 12.1, float("nan")])
def test_an_elasticity_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="elastic must be from 0 to 12"):
        Scan(elastic=value)
