"""Metrics of generated images against scipy, by counting, and of several processes together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

import zoo
from zoo.errors import ConfigError
from zoo.metrics.generation import (
    CaptionerMetrics,
    ClassifierMetrics,
    caption_agreement,
    classes_present,
    frechet_distance,
    generation_metrics,
    precision_and_recall,
)
from zoo.spec import Image, Label, Seed, Spec, Text, Tokens

WORDS = ("cat", "dog")


def test_frechet_distance_against_scipy() -> None:
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(500, 6)), random.normal(size=(400, 6)) @ random.normal(size=(6, 6)) + 0.5
    covariances = np.cov(real.T), np.cov(fake.T)
    apart = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    wanted = apart + np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    found = frechet_distance(torch.from_numpy(real), torch.from_numpy(fake))
    assert found.item() == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(torch.from_numpy(real), torch.from_numpy(real)).item() == pytest.approx(0, abs=1e-6)


def test_precision_and_recall_by_counting() -> None:
    """Fake features cover one of two clusters, and half of them lie nowhere near."""
    left, right, nowhere = (torch.randn(60, 2) * 0.1 + shift for shift in (-5, 5, 50))
    precision, recall = precision_and_recall(torch.cat([left, right]), torch.cat([left + 0.01, nowhere]))
    assert precision.item() == pytest.approx(0.5, abs=0.05)
    assert recall.item() == pytest.approx(0.5, abs=0.05)
    assert [value.item() for value in precision_and_recall(left, left)] == [1, 1]


def test_a_class_is_present_from_a_tenth_of_its_frequency_on() -> None:
    real = torch.arange(4).repeat(50)
    fake = torch.cat([torch.zeros(190), torch.ones(5), torch.full((5,), 2)]).long()  # 1 and 2: a tenth of a quarter
    assert classes_present(real, fake).item() == 3
    assert classes_present(real, torch.full((9,), 7)).item() == 0


def test_a_text_agrees_with_the_best_of_its_captions() -> None:
    captions = torch.tensor([[[2, 3, 4, 0], [5, 3, 4, 6]]])
    for text, fraction in (([2, 3, 4], 1), ([5, 3, 4, 6], 1), ([5, 3, 4], 0.75), ([2, 3, 9, 9], 0.5), ([9], 0)):
        assert caption_agreement(torch.tensor([text]), captions).item() == pytest.approx(fraction)


def images(count: int, channels: int = 1) -> Tensor:
    return torch.randint(0, 256, (count, channels, 8, 8), dtype=torch.uint8)


@pytest.mark.parametrize("conditional", [True, False])
def test_a_classifier_sees_all_processes_at_once(conditional: bool) -> None:
    classifier = zoo.load("cnn.digits")
    condition = Label(classifier.spec.output.names) if conditional else Seed()
    whole, *parts = (generation_metrics(classifier, condition) for _ in range(3))
    with torch.inference_mode():
        for part, count in zip(parts, (20, 13)):
            batch = images(count), images(count, 3), torch.randint(0, 10, (count,))
            part.update(*batch)
            whole.update(*batch)
        assert isinstance(whole, ClassifierMetrics)
        assert ("as_asked" in whole.compute()) is conditional
        parts[0].merge_state(parts[1])
        assert {name: value.item() for name, value in parts[0].compute().items()} == pytest.approx(
            {name: value.item() for name, value in whole.compute().items()}
        )


def test_a_captioner_reads_real_and_fake_images() -> None:
    """One that writes "cat" of bright images and "dog" of dark ones; an image may have two true captions."""

    class Captioner(nn.Module):
        def generate(self, x: Tensor) -> tuple[Tensor, None]:
            return torch.where(x.mean(dim=(1, 2, 3)) > 0, 2, 3)[:, None], None

    tokens = Tokens(WORDS, "words", 5)
    captioner = zoo.Artefact("lstm", {}, Spec(Image(1, 8, 8, (0.5,), (0.5,)), tokens), Captioner())
    metrics = generation_metrics(captioner, Text(WORDS, "words"))
    assert isinstance(metrics, CaptionerMetrics)
    bright, dark = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8), torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    captions = torch.tensor([[[2], [2]], [[2], [3]]])
    metrics.update(torch.cat([bright, dark]), torch.cat([dark, dark]), captions)
    assert metrics.compute() == {"exact": 0.5, "words": 0.5, "real_exact": 1.0, "real_words": 1.0}


def test_an_evaluator_that_cannot_evaluate_is_refused() -> None:
    with pytest.raises(ConfigError, match="evaluator"):
        generation_metrics(zoo.load("mlp.breast_cancer"), Seed())
    spec = Spec(Image(1, 8, 8, (0.5,), (0.5,)), Tokens(("emu",), "words", 5))
    with pytest.raises(ConfigError, match="vocabulary"):
        generation_metrics(zoo.Artefact("lstm", {}, spec, nn.Identity()), Text(WORDS, "words"))


def test_a_single_image_is_too_few() -> None:
    metrics = generation_metrics(zoo.load("cnn.digits"), Seed())
    metrics.update(images(1), images(1), None)
    with pytest.raises(ConfigError, match="one image is too few"):
        metrics.compute()
