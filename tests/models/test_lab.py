"""L*a*b*, beside scikit-image's, and classes of colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from zoo.models.gan import lab

CLASSES = lab.colour_classes()


def cube(steps: int) -> torch.Tensor:
    """Colours of sRGB on a grid, (N, 3, 1, 1)."""
    shades = torch.linspace(0, 1, steps)
    return torch.cartesian_prod(shades, shades, shades)[:, :, None, None]


def test_lab_is_that_of_scikit_image_and_there_is_a_way_back() -> None:
    rgb = cube(17)
    found = lab.rgb_to_lab(rgb)
    assert np.abs(found.flatten(1).numpy() - rgb2lab(rgb.flatten(1).numpy())).max() < 2e-4
    assert (lab.lab_to_rgb(found) - rgb).abs().max() < 2e-5


def test_a_grey_pixel_has_its_lightness_and_no_colour() -> None:
    grey = torch.linspace(0, 1, 256).view(1, 1, 16, 16)
    lightness = lab.grey_lightness(grey)
    assert lightness.flatten()[[0, -1]].tolist() == pytest.approx([0, 100], abs=1e-3)
    pixels = lab.lab_to_rgb(torch.cat([lightness, torch.zeros(1, 2, 16, 16)], dim=1))
    assert (pixels - grey).abs().max() < 1e-3


def test_colours_beyond_srgb_are_clamped() -> None:
    pixels = lab.lab_to_rgb(torch.tensor([50.0, 120.0, -120.0]).view(1, 3, 1, 1))
    assert pixels.isfinite().all()
    assert 0 <= pixels.min() <= pixels.max() <= 1


def test_every_colour_has_a_class_of_its_square_and_no_class_lies_outside_srgb() -> None:
    ab = lab.rgb_to_lab(cube(33))[:, 1:, 0, 0]
    distances, nearest = torch.cdist(ab, CLASSES).min(dim=1)
    assert distances.max() <= lab.STEP / 2**0.5 + 1e-3
    squares = {tuple(row) for row in (rgb2lab(cube(65).flatten(1).numpy())[:, 1:] / lab.STEP).round().astype(int)}
    assert squares <= {tuple(row) for row in (CLASSES / lab.STEP).int().tolist()}
    assert len(nearest.unique()) > 0.95 * lab.NUM_CLASSES  # of this coarse grid
    assert CLASSES.shape == (lab.NUM_CLASSES, 2)


def test_a_colour_is_shared_by_the_classes_around_it() -> None:
    middle = torch.tensor([[0.0, 0.0], [5.0, 0.0], [20.0, 31.0]])
    codes, shares = lab.soft_classes(middle, CLASSES)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(3))
    assert CLASSES[codes[0, 0]].tolist() == [0, 0]
    around = {tuple(row) for row in CLASSES[codes[0]].tolist()}
    assert around == {(0, 0), (10, 0), (-10, 0), (0, 10), (0, -10)}
    far = np.exp(-(10**2) / (2 * lab.SPREAD**2))
    assert shares[0].tolist() == pytest.approx([1 / (1 + 4 * far)] + [far / (1 + 4 * far)] * 4, abs=1e-5)
    assert shares[1, 0] == pytest.approx(shares[1, 1].item(), abs=1e-5)  # halfway between two
    assert {tuple(row) for row in CLASSES[codes[1, :2]].tolist()} == {(0, 0), (10, 0)}
    back = (shares[:, :, None] * CLASSES[codes]).sum(dim=1)
    assert (back - middle).abs().max() < lab.STEP / 2


def test_the_annealed_mean_lies_between_the_mean_and_the_likeliest() -> None:
    logits = torch.full((1, lab.NUM_CLASSES, 1, 2), -50.0)
    one, other = 10, 200
    logits[0, [one, other], 0, 0] = torch.tensor([0.7, 0.3]).log()
    logits[0, other, 0, 1] = 0.0
    found = {t: lab.annealed_mean(logits, CLASSES, t)[0, :, 0, 0] for t in (1.0, 0.38, 0.01, 0)}
    torch.testing.assert_close(found[1.0], 0.7 * CLASSES[one] + 0.3 * CLASSES[other])
    torch.testing.assert_close(found[0], CLASSES[one])
    torch.testing.assert_close(found[0.01], CLASSES[one])
    distances = [(found[t] - CLASSES[one]).norm().item() for t in (1.0, 0.38, 0)]
    assert distances[0] > distances[1] > distances[2]
    for temperature in (1.0, 0.38, 0):  # where only one is likely, they agree
        torch.testing.assert_close(lab.annealed_mean(logits, CLASSES, temperature)[0, :, 0, 1], CLASSES[other])
