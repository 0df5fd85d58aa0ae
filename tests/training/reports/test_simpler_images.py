"""What a generator is compared with: the moments of drawn images, and what an evaluator says of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import zoo
from zoo import models
from zoo.data.core.examples import Examples
from zoo.metrics.generation import frechet_distance
from zoo.models import Discriminator
from zoo.spec import Classes, Image, Spec
from zoo.tasks.gan import Generation
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.comparison import verdicts
from zoo.training.reports.simpler_images import normal_images

SPEC = Spec(Image(1, 16, 16, (0.5,), (0.5,)), Classes(("dark", "bright")))


class Looks(nn.Module):
    """Its features are the means of the two halves of an image; it reads bright ones as bright."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x[..., :8].mean(dim=(1, 2, 3)), x[..., 8:].mean(dim=(1, 2, 3))], dim=1)

    def classifier(self, features: torch.Tensor) -> torch.Tensor:
        return torch.stack([-features.sum(dim=1), features.sum(dim=1)], dim=1)


def labelled(count: int, seed: int) -> Examples:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=random)
    levels = 60 + 120 * labels + 20 * torch.randn(count, generator=random)
    noise = 5 * torch.randn(count, 1, 16, 16, generator=random)
    return Examples((levels[:, None, None, None] + noise).clamp(0, 255).to(torch.uint8), labels)


def test_normal_images_have_the_moments_of_those_they_are_drawn_from() -> None:
    torch.manual_seed(0)
    images = (120 + 20 * torch.randn(300, 1, 3, 2)).clamp(0, 255).to(torch.uint8)
    drawn = normal_images(images, 20_000)
    assert drawn.shape == (20_000, 1, 3, 2)
    assert float(frechet_distance(images.flatten(1).float(), drawn.flatten(1).float())) < 1  # of a variance of 2,400


def test_simpler_images_are_of_the_classes_that_are_asked_for() -> None:
    build = partial(models.build, "gan", width=8)
    options: dict[str, Any] = {"evaluator": zoo.Artefact("cnn", {}, SPEC, Looks())}
    adam = partial(torch.optim.Adam, lr=1e-3)
    task = Generation(SPEC, build, adam, discriminator=partial(Discriminator, width=8), **options)
    splits = {split: labelled(200, seed) for seed, split in enumerate(("train", "val", "test"))}
    evaluation = Evaluation(task, splits, 64)
    found = report.baselines(task, evaluation)
    for method in ("normal pixels", "training images"):
        assert found[f"as_asked of {method}"] > 0.95
        assert found[f"classes of {method}"] == 2
        assert found[f"frechet of {method}"] < 0.1
    assert "## Simpler images" in report.notes(task, evaluation)
    metrics = {"test/frechet": 0.05, **{f"baseline/{name}": value for name, value in found.items()}}
    assert all("training images" not in line for line in verdicts(metrics))
    assert report.baselines(
        Generation(SPEC, build, adam, discriminator=partial(Discriminator, width=8)), evaluation
    ) == (pytest.approx(found))  # found once
