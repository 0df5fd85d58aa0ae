"""The network that colours: luminance, sizes and hints."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.errors import SpecError
from zoo.models import Colouriser
from zoo.models.gan import colouriser
from zoo.models.gan.lab import rgb_to_lab
from zoo.spec import Image

GREY = Image(1, None, None, (0.5,), (0.5,))


def network(**options: int) -> Colouriser:
    torch.manual_seed(0)
    return Colouriser(width=8, depth=1, **options).eval()


def ab_at(image: torch.Tensor, left: int, top: int) -> torch.Tensor:
    """a* and b* of a pixel of an image (1, 3, H, W) in -1..1."""
    return rgb_to_lab((image + 1) / 2)[0, 1:, top, left]


def test_luma_is_kept_exactly_once_pillow_turns_the_picture_grey_again() -> None:
    """Whatever colours are asked for, with all shades of grey, in the 8 bits that a user gets."""
    torch.manual_seed(0)
    picture = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
    grey = torch.arange(256, dtype=torch.uint8).repeat(64).view(1, 1, 128, 128)
    luma = Image(1, None, None, (0.5,), (0.5,)).prepare(grey)
    chroma = torch.rand(1, 2, 128, 128) - 0.5
    coloured = colouriser.colour(luma, chroma)
    assert coloured.abs().max() <= 1 + 1e-6
    weights = torch.tensor(colouriser.LUMA).view(1, 3, 1, 1)
    torch.testing.assert_close((coloured * weights).sum(1, keepdim=True), luma, rtol=0, atol=1e-5)
    (shown,) = picture.decode(colouriser._round_with_exact_luma(luma, coloured))
    assert shown.mode == "RGB"
    assert np.asarray(shown).std(axis=2).mean() > 10  # it has colours
    assert (np.asarray(shown.convert("L")) == grey[0, 0].numpy()).all()


def test_colours_are_those_of_pillow_s_ycbcr() -> None:
    pixels = np.random.default_rng(0).integers(80, 170, (16, 16, 3), dtype=np.uint8)
    ycbcr = torch.from_numpy(np.array(PIL.Image.fromarray(pixels).convert("YCbCr"))).permute(2, 0, 1)[None] / 255
    found = colouriser.colour(ycbcr[:, :1] * 2 - 1, ycbcr[:, 1:] - 128 / 255)
    assert np.abs((found[0].permute(1, 2, 0).numpy() + 1) * 127.5 - pixels).max() < 3  # it rounds to 8 bits twice


@pytest.mark.parametrize("size", [(8, 8), (9, 30), (300, 20), (33, 290)], ids=str)
def test_a_picture_of_any_size_is_coloured_and_its_luma_kept(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    grey = torch.randint(0, 256, (2, 1, *size), dtype=torch.uint8)
    network = Colouriser(width=8, depth=2).eval()
    with torch.inference_mode():
        coloured = network.generate(Image(1, None, None, (0.5,), (0.5,)).prepare(grey), side=64)
    for shown, given in zip(Image(3, None, None, (0.5,) * 3, (0.5,) * 3).decode(coloured), grey):
        assert (np.asarray(shown.convert("L")) == given[0].numpy()).all()


def test_a_picture_smaller_than_the_reach_of_a_u_net_is_named() -> None:
    with pytest.raises(SpecError, match=r"7 x 20.*too small"):
        Colouriser(width=8, depth=2)(torch.zeros(1, 1, 7, 20))


@torch.inference_mode()
@pytest.mark.parametrize("side", [256, 24], ids=["as large as it is", "shrunk"])
def test_a_hint_sets_the_colour_of_its_place(side: int) -> None:
    """Even of a network that has learned nothing, which spreads no colour."""
    x = torch.zeros(1, 1, 31, 47)
    orange = ab_at(torch.tensor([200, 120, 40]).view(1, 3, 1, 1) / 127.5 - 1, 0, 0)
    plain = network().generate(x, side=side)
    hinted = network().generate(x, hints=[[45, 29, "#C87828"], (2, 3, "#c87828")], side=side)
    for left, top in ((45, 29), (2, 3)):
        before, after = ((ab_at(image, left, top) - orange).norm() for image in (plain, hinted))
        assert after < before / 2
    far = [ab_at(image, 2, 28) for image in (plain, hinted)]
    assert (far[0] - far[1]).norm() < orange.norm() / 2
    assert (np.asarray(PIL.Image.fromarray(shown(hinted)).convert("L")) == 128).all()


def shown(image: torch.Tensor) -> np.ndarray:
    return np.asarray(Image(3, None, None, (0.5,) * 3, (0.5,) * 3).decode(image)[0])


@torch.inference_mode()
def test_no_image_of_a_batch_depends_on_the_others() -> None:
    x = torch.rand(3, 1, 10, 13) * 2 - 1
    together = network()(x)
    for place in range(3):
        torch.testing.assert_close(network()(x[place : place + 1]), together[place : place + 1], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("hints", "fault"),
    [
        ([[20, 5, "#000000"]], "hint 1 is at 20, 5, outside the image of 20 x 10 pixels"),
        ([[0, 0, "#000000"], [3, -1, "#000000"]], "hint 2 is at 3, -1, outside"),
        ([[1, 2, "red"]], "hint 1 is .x, y, .#rrggbb"),
        ([[1, 2, "#00ff0"]], "#rrggbb"),
        ([[1, 2]], "#rrggbb"),
        ([1, 2, "#00ff00"], "hint 1 is"),
        ("#00ff00", "hints is a list"),
        ([[1.5, 2, "#00ff00"]], "whole numbers"),
        ([[True, 2, "#00ff00"]], "whole numbers"),
        ([["1", "2", "#00ff00"]], "whole numbers"),
    ],
)
def test_what_is_no_hint_is_refused(hints: object, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        network().generate(torch.zeros(1, 1, 10, 20), hints=hints)


@pytest.mark.parametrize("options", [{"temperature": 1.5}, {"temperature": "warm"}, {"side": 2}, {"side": 64.5}])
def test_what_no_option_can_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(SpecError, match=next(iter(options))):
        network().generate(torch.zeros(1, 1, 10, 20), **options)


def test_the_size_at_which_colours_are_computed_is_the_network_s() -> None:
    torch.manual_seed(0)
    network = Colouriser(width=8, depth=1, side=16).eval()
    x = torch.rand(1, 1, 40, 60).mul(255).round() / 127.5 - 1
    with torch.inference_mode():
        assert torch.equal(network.generate(x), network.generate(x, side=16))
        assert not torch.equal(network.generate(x), network.generate(x, side=60))
    with pytest.raises(ValueError, match="side"):
        Colouriser(width=8, depth=1, side=3)
