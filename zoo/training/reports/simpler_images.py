"""What a generator is compared with: images drawn from a normal distribution of pixels, and those of training.

Shape letters: N and B images, C channels, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.spec import Label, Text
from zoo.tasks.gan import Generation
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import comparison
from zoo.training.runtime import seeded

FITTED = 4096  # training images, at most, that the others are drawn from
NORMAL = "normal pixels"
Draw = Callable[[Tensor, int], Tensor]


def normal_images(images: Tensor, count: int) -> Tensor:
    """Images (count, C, H, W) from the normal distribution that has the mean and covariance of others (N, C, H, W),
    uint8.

    With x the others and z standard normal, mean(x) + z (x - mean(x)) / sqrt(N) has just this covariance.
    """
    pixels = images.flatten(1).float()
    mean = pixels.mean(dim=0)
    drawn = mean + torch.randn(count, len(pixels)) @ (pixels - mean) / len(pixels) ** 0.5
    return drawn.round().clamp(0, 255).to(torch.uint8).unflatten(1, images.shape[1:])


def chosen_images(images: Tensor, count: int) -> Tensor:
    """Some of the images (N, C, H, W) at random, each as often as it comes: (count, C, H, W)."""
    return images[torch.randint(len(images), (count,))]


def scores(task: Generation, evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """The metrics of images by simpler methods, from the same classes as those of the test; none without an
    evaluator."""

    def find() -> dict[str, dict[str, float]]:
        if task.quality is None:
            return {}
        chosen = "images of other texts" if isinstance(task.spec.input, Text) else comparison.BEST_IMAGES
        methods: dict[str, Draw] = {NORMAL: normal_images, chosen: chosen_images}
        return {method: _scores(task, evaluation, draw) for method, draw in methods.items()}

    return evaluation.once("simpler", find)


@torch.no_grad()
def _scores(task: Generation, evaluation: Evaluation, draw: Draw) -> dict[str, float]:
    quality = copy.deepcopy(task.quality)
    quality.reset()
    with seeded(0):
        train = evaluation.splits["train"]
        known: Any = train.__getitems__(torch.randperm(len(train))[:FITTED])
        batch: Any
        for batch in evaluation.batches("test"):
            its, wanted = _classes(task, known), _classes(task, batch).cpu()
            fake = _drawn(draw, known[0], its, wanted)
            quality.update(batch[0], fake.to(task.device), *batch[1:2])
    return {name: float(value) for name, value in quality.compute().items()}


def _classes(task: Generation, batch: Any) -> Tensor:
    """The class of each image of a batch (B,); 0 where images are not generated from classes."""
    classes: Tensor = batch[1] if isinstance(task.spec.input, Label) else torch.zeros(len(batch[0]))
    return classes


def _drawn(draw: Draw, images: Tensor, classes: Tensor, wanted: Tensor) -> Tensor:
    """An image of each wanted class (B,), drawn from the images (N, C, H, W) of this class, or else of any."""
    found = images.new_empty(len(wanted), *images.shape[1:])
    for one in wanted.unique():
        mine = images[classes == one]
        places = wanted == one
        found[places] = draw(mine if len(mine) else images, int(places.sum()))
    return found


@report.baselines.register
def _(task: Generation, evaluation: Evaluation) -> dict[str, float]:
    """Images from a normal distribution of pixels, and those of training, of the same classes as the generated ones."""
    found = scores(task, evaluation).items()
    return {f"{name} of {method}": value for method, its in found for name, value in its.items()}


@report.notes.register
def _(task: Generation, evaluation: Evaluation) -> list[str]:
    """The metrics of simpler images, and what they say."""
    found = scores(task, evaluation)
    if not found:
        return []
    last = "chance" if isinstance(task.spec.input, Text) else "about the best that generated ones can reach"
    said = f"The normal distribution has the moments of training pixels. Images of training, at random, are {last}."
    return ["## Simpler images", comparison.table(found), said]
