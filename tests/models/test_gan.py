"""The generator that paints and the discriminator that judges."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.models import Inpainter, PatchDiscriminator, UNet
from zoo.models.gan import build
from zoo.spec import Image, MaskedImage, Spec

SIZES = [(4, 4), (5, 5), (7, 9), (13, 4), (28, 28)]


def masked(size: tuple[int, int], channels: int = 1) -> tuple[Tensor, Tensor]:
    """Random pictures in -1..1 with a mask as their last channel, and that mask."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(3, channels, *size, generator=generator) * 2 - 1
    mask = (torch.rand(3, 1, *size, generator=generator) < 0.4).float()
    return torch.cat([pictures * (1 - mask), mask], dim=1), mask


@pytest.mark.parametrize(("size", "channels"), [*((size, 1) for size in SIZES), ((7, 9), 3)], ids=str)
def test_known_pixels_come_back_bit_for_bit(size: tuple[int, int], channels: int) -> None:
    x, mask = masked(size, channels)
    painted = Inpainter(channels, width=8, depth=2)(x)
    assert painted.shape == (3, channels, *size)
    known = mask.expand_as(painted) == 0
    assert torch.equal(painted[known], x[:, :-1][known])
    assert (painted[~known] != 0).all()  # and the hole is painted ...
    assert painted.abs().max() <= 1  # ... within the range of pixels


def test_known_pixels_come_back_in_mixed_precision_too() -> None:
    x, mask = masked((8, 8))
    with torch.autocast("cpu", torch.bfloat16):
        painted = Inpainter(width=8)(x)
    assert painted.dtype == torch.float32
    assert torch.equal(painted[mask == 0], x[:, :1][mask == 0])


def test_what_is_painted_depends_on_what_is_known_around_it() -> None:
    x, mask = masked((8, 8))
    network = Inpainter(width=8)
    other = x.clone()
    other[:, :1] *= -1
    assert not torch.equal(network(x)[mask == 1], network(other)[mask == 1])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("depth", [0, 2])
def test_a_unet_keeps_the_size(size: tuple[int, int], depth: int) -> None:
    assert UNet(2, 5, width=8, depth=depth)(torch.randn(1, 2, *size)).shape == (1, 5, *size)


def test_a_unet_s_channels_double_with_each_halving() -> None:
    unet = UNet(1, 1, width=8, depth=3)
    assert [layer.out_channels for layer in unet.halve] == [16, 32, 64]
    assert unet(torch.randn(1, 1, 8, 8)).shape == (1, 1, 8, 8)  # the smallest that can be halved three times


def test_a_unet_sees_the_whole_picture() -> None:
    x = torch.randn(1, 1, 16, 16, requires_grad=True)
    UNet(1, 1, width=8, depth=2)(x)[0, 0, 0, 0].backward()
    assert x.grad is not None
    assert x.grad[0, 0, 15, 15] != 0


@pytest.mark.parametrize(("size", "depth", "patches"), [((8, 8), 1, (4, 4)), ((8, 8), 2, (2, 2)), ((28, 28), 2, (7, 7)),
                                                        ((7, 9), 2, (1, 2)), ((64, 32), 4, (4, 2))])  # fmt: skip
def test_a_discriminator_scores_patches(size: tuple[int, int], depth: int, patches: tuple[int, int]) -> None:
    scores = PatchDiscriminator(2, width=4, depth=depth)(torch.randn(3, 2, *size))
    assert scores.shape == (3, 1, *patches)


def test_a_discriminator_s_layers_are_of_spectral_norm_one() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(2, width=8, depth=1)
    for _ in range(30):  # each step of training is a step of the power iteration
        network(torch.randn(1, 2, 8, 8))
    for layer in network.eval():
        if isinstance(layer, torch.nn.Conv2d):
            norms = torch.linalg.svdvals(layer.weight.detach().flatten(1))
            assert norms[0].item() == pytest.approx(1, abs=0.02)


def test_a_discriminator_learns_to_tell_real_from_painted() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(1, width=4, depth=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    real, painted = torch.randn(8, 1, 8, 8), torch.randn(8, 1, 8, 8).clamp(-0.5, 0.5)
    for _ in range(30):
        optimiser.zero_grad()
        (torch.relu(1 - network(real)).mean() + torch.relu(1 + network(painted)).mean()).backward()
        optimiser.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert network(real).mean() > 0.2
    assert network(painted).mean() < -0.2


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        (Inpainter, {"width": 12}, "multiple of 8, got 12"),
        (Inpainter, {"width": 0}, "multiple of 8"),
        (Inpainter, {"width": -8}, "multiple of 8"),
        (Inpainter, {"depth": -1}, "depth must be from 0 to 8"),
        (Inpainter, {"depth": 9}, "depth must be from 0 to 8"),
        (PatchDiscriminator, {"in_channels": 2, "width": 0}, "width must be at least 1"),
        (PatchDiscriminator, {"in_channels": 2, "depth": 0}, "depth must be from 1 to 8"),
        (PatchDiscriminator, {"in_channels": 2, "depth": 9}, "depth must be from 1 to 8"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_named(network: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network(**options)


@pytest.mark.parametrize("size", [(8, 8), (8, 28), (9, 15)], ids=str)
def test_a_picture_too_small_to_be_halved_so_often_is_refused_at_once(size: tuple[int, int]) -> None:
    picture = Image(1, *size, (0.5,), (0.5,))
    spec = Spec(MaskedImage(**vars(picture)), picture)
    x, _ = masked(size)
    assert build(spec, width=8, depth=3)(x).shape == (3, 1, *size)
    with pytest.raises(SpecError, match=f"{size[0]} x {size[1]} .*too small.*depth"):
        build(spec, width=8, depth=4)
