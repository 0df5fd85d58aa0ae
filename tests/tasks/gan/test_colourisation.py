"""Colourisation: its loss beside an enumeration, the weights of rare colours, random hints, and that it learns."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from zoo import models
from zoo.errors import SpecError
from zoo.models import Inpainter, PatchDiscriminator
from zoo.models.gan.lab import NUM_CLASSES, SPREAD, annealed_mean, rgb_to_lab
from zoo.optim.options import TrainingOptions
from zoo.spec import Image, Spec
from zoo.tasks import Colourisation
from zoo.tasks.gan.colourisation import MEAN_HINTS, random_hints

IMAGE = Image(3, 8, 8, (0.5,) * 3, (0.5,) * 3)


def colourisation(build: Any = None, **options: Any) -> Colourisation:
    torch.manual_seed(0)
    return Colourisation(
        Spec(IMAGE, IMAGE),
        build or partial(models.build, "gan", width=8, depth=1),
        TrainingOptions(partial(torch.optim.Adam, lr=5e-3), schedule="cosine"),
        discriminator=partial(PatchDiscriminator, width=8, depth=1),
        **options,
    )


@pytest.mark.parametrize("rebalancing", [0.0, 0.5, 0.9])
def test_the_loss_is_the_weighted_cross_entropy(rebalancing: float) -> None:
    """Of each cell by itself, with all classes enumerated."""
    task = colourisation(rebalancing=rebalancing)
    task.prior.copy_(torch.rand(NUM_CLASSES).softmax(dim=0))
    logits, true = torch.randn(2, NUM_CLASSES, 2, 3), 60 * torch.rand(2, 2, 2, 3) - 30
    classes: Any = task.network.classes
    total, weights = 0.0, 0.0
    for image in range(2):
        for row in range(2):
            for column in range(3):
                distances = (classes - true[image, :, row, column]).norm(dim=1)
                nearest = distances.argsort()[:5]
                shares = torch.exp(-(distances[nearest] ** 2) / (2 * SPREAD**2))
                wanted = torch.zeros(NUM_CLASSES).index_add(0, nearest, shares / shares.sum())
                mixed = rebalancing * task.prior[nearest[0]] + (1 - rebalancing) / NUM_CLASSES
                weight = 1 / mixed.item()
                total -= weight * (wanted * logits[image, :, row, column].log_softmax(dim=0)).sum().item()
                weights += weight
    assert task._cross_entropy(logits, true).item() == pytest.approx(total / weights, rel=1e-4)


def test_rare_colours_count_more() -> None:
    task = colourisation(rebalancing=0.5)
    torch.testing.assert_close(task.class_weights, torch.ones(NUM_CLASSES))  # nothing is known of the data
    red = torch.tensor([200, 30, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 8, 8)
    grey = torch.full((12, 3, 8, 8), 90, dtype=torch.uint8)
    task.fit_prior([red, grey])
    weights = task.class_weights
    assert task.prior.sum().item() == pytest.approx(1)
    assert (task.prior * weights).sum().item() == pytest.approx(1)
    common = task.prior.argmax()
    assert task.network.classes[common].tolist() == [0, 0]
    assert weights[common] == weights.min()
    assert weights.max() > 5 * weights.min()
    torch.testing.assert_close(colourisation(rebalancing=0.0).class_weights, torch.ones(NUM_CLASSES))


def test_half_of_the_images_have_hints_and_they_are_true() -> None:
    torch.manual_seed(0)
    true = torch.randn(4000, 2, 8, 8)
    hints = random_hints(true)
    known = hints[:, 2:]
    assert set(known.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(hints[:, :2], true * known)
    counts = known.sum(dim=(1, 2, 3))
    assert (counts == 0).float().mean().item() == pytest.approx(0.5, abs=0.04)  # five standard deviations
    assert counts[counts > 0].mean().item() == pytest.approx(MEAN_HINTS, abs=1.0)


def test_it_learns_that_dark_is_blue_and_bright_is_red(trainer: Callable[..., L.Trainer]) -> None:
    generator = torch.Generator().manual_seed(0)
    bright = torch.rand(256, 1, 8, 8, generator=generator).round()
    bright = bright[..., ::2, ::2].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)  # a cell has one colour
    blue, red = (torch.tensor(rgb).view(1, 3, 1, 1) for rgb in ([30.0, 40.0, 140.0], [230.0, 120.0, 110.0]))
    images = torch.where(bright > 0.5, red, blue).to(torch.uint8)
    loader = DataLoader([(image,) for image in images], batch_size=32)
    task = colourisation()
    fitted = trainer(max_epochs=8, limit_val_batches=0)
    fitted.fit(task, loader, loader)
    metrics = fitted.test(task, loader, verbose=False)[0]
    grey = task.baselines(task.degradation(images)[0])["grey"].float()
    of_grey = -10 * ((grey - images) / 255).square().flatten(1).mean(dim=1).log10().mean()
    assert metrics["test/psnr"] > of_grey + 3
    assert metrics["test/colourfulness"] > metrics["test/true_colourfulness"] / 2
    assert metrics["test/loss"] < math.log(NUM_CLASSES) / 2  # where all classes are alike it is the logarithm
    assert task.monitor == "val/loss"


def test_the_baselines_are_grey_and_of_the_mean_colour() -> None:
    task = colourisation()
    green = torch.tensor([90, 160, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    task.fit_prior([green])
    degraded = task.degradation(green)[0]
    found = task.baselines(degraded)
    assert set(found) == {"grey", "mean_colour"}
    assert torch.equal(found["grey"], degraded.expand(-1, 3, -1, -1))
    assert (found["mean_colour"].int() - green.int()).abs().max() < 20  # within a class


def test_another_network_is_refused() -> None:
    with pytest.raises(SpecError, match="not Inpainter"):
        colourisation(lambda spec: Inpainter(3, width=8, depth=1))


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_what_no_option_can_be_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="rebalancing"):
        colourisation(rebalancing=value)


def test_the_mean_of_what_it_says_without_training_is_pale() -> None:
    task = colourisation()
    network: Any = task.network
    ab = annealed_mean(network.logits(torch.zeros(1, 1, 8, 8)), network.classes, 1.0)
    assert ab.norm(dim=1).max() < rgb_to_lab(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1))[:, 1:].norm() / 2
