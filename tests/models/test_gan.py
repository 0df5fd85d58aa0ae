"""The generators that restore, and the discriminator of patches."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.models import Colouriser, Inpainter, PatchDiscriminator, SuperResolver, UNet
from zoo.models.gan import build
from zoo.spec import Image, MaskedImage, SmallImage, Spec

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
    """However large their weights are; the power iteration comes from below, and so the norm from above."""
    network = PatchDiscriminator(2, width=8, depth=1)
    convolutions = [layer for layer in network if isinstance(layer, torch.nn.Conv2d)]
    with torch.no_grad():
        for layer in convolutions:
            layer.parametrizations.weight.original.mul_(100)
    for _ in range(30):  # each step of training is a step of the power iteration
        network(torch.randn(1, 2, 8, 8))
    for layer in network.eval():
        if isinstance(layer, torch.nn.Conv2d):
            assert 0.999 < torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2) < 1.2


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
        (Inpainter, {"width": 0}, "width"),
        (Inpainter, {"width": -8}, "width"),
        (Inpainter, {"depth": -1}, "depth"),
        (Inpainter, {"depth": 9}, "depth"),
        (SuperResolver, {"scale": 1}, "scale"),
        (SuperResolver, {"blocks": 0}, "blocks"),
        (PatchDiscriminator, {"in_channels": 2, "width": 0}, "width"),
        (PatchDiscriminator, {"in_channels": 2, "depth": 0}, "depth"),
        (PatchDiscriminator, {"in_channels": 2, "depth": 9}, "depth"),
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


# Super-resolution


def resolver(scale: int = 2, blocks: int = 3) -> SuperResolver:
    """One that adds something to the bicubic enlargement, as an untrained one does not."""
    torch.manual_seed(0)
    network = SuperResolver(3, scale=scale, width=8, blocks=blocks)
    torch.nn.init.normal_(network.head.weight, std=0.1)
    return network.eval()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_starts_as_pillow_s_bicubic_enlargement(scale: int) -> None:
    pixels = np.random.default_rng(0).random((9, 13), dtype=np.float32)
    wanted = PIL.Image.fromarray(pixels).resize((13 * scale, 9 * scale), PIL.Image.Resampling.BICUBIC)
    found = SuperResolver(1, scale=scale, width=8, blocks=1)(torch.from_numpy(pixels)[None, None])
    assert np.allclose(found[0, 0].detach().numpy(), np.asarray(wanted), atol=1e-5)


@pytest.mark.parametrize(("scale", "tile"), [(2, 16), (4, 7), (2, 1), (3, 100)])
def test_tiles_join_without_seams(scale: int, tile: int) -> None:
    network, x = resolver(scale), torch.rand(2, 3, 37, 20) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(network.generate(x, tile=tile), network(x), rtol=1e-4, atol=1e-5)


def test_its_reach_is_what_an_answer_depends_on() -> None:
    """A pixel as far away as its reach changes the answer, and one further away does not."""
    network = resolver(blocks=1)
    for distance, depends in ((network.reach, True), (network.reach + 1, False)):
        x = torch.rand(1, 3, 31, 31, requires_grad=True)
        network(x)[0, :, 30, 30].sum().backward()
        assert x.grad is not None
        assert bool(x.grad[0, :, 15, 15 + distance].any()) == depends


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)], ids=str)
def test_a_picture_smaller_than_the_reach_is_enlarged_too(size: tuple[int, int]) -> None:
    y = resolver().generate(torch.rand(1, 3, *size))
    assert y.shape == (1, 3, 2 * size[0], 2 * size[1])
    assert y.isfinite().all()


# Built from a spec

ANY, GREY = Image(3, None, None, (0.5,) * 3, (0.5,) * 3), Image(1, None, None, (0.5,), (0.5,))


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (Spec(SmallImage(**vars(ANY), scale=3), ANY), SuperResolver),
        (Spec(GREY, ANY), Colouriser),
        (Spec(MaskedImage(**vars(ANY)), ANY), Inpainter),
    ],
    ids=str,
)
def test_the_spec_decides_what_is_built(spec: Spec, kind: type) -> None:
    assert type(build(spec, width=8)) is kind


@pytest.mark.parametrize("spec", [Spec(SmallImage(**vars(GREY), scale=2), ANY), Spec(ANY, GREY), Spec(ANY, ANY)])
def test_what_makes_no_sense_is_not_built(spec: Spec) -> None:
    with pytest.raises(SpecError, match=r"like channels|same channels"):
        build(spec)


def test_an_option_of_another_network_is_refused() -> None:
    with pytest.raises(TypeError, match="depth"):
        build(Spec(SmallImage(**vars(ANY), scale=2), ANY), depth=2)
