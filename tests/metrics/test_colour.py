"""Colourfulness, beside its formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.metrics.colour import ColourMetrics, colourfulness


def by_formula(image: np.ndarray) -> float:
    """Hasler and Süsstrunk's M of an image (H, W, 3) in 0..255."""
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    first, second = red - green, 0.5 * (red + green) - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def test_colourfulness_is_that_of_the_paper() -> None:
    images = np.random.default_rng(0).random((4, 9, 7, 3)) * [[[255, 120, 60]]]
    found = colourfulness(torch.tensor(images / 255).permute(0, 3, 1, 2))
    assert found.tolist() == pytest.approx([by_formula(image) for image in images])


def test_grey_has_none() -> None:
    assert colourfulness(torch.rand(2, 1, 5, 5).expand(-1, 3, -1, -1)).tolist() == pytest.approx([0, 0], abs=1e-4)


def test_both_are_measured() -> None:
    quality = ColourMetrics()
    true = torch.rand(2, 3, 16, 16)
    grey = true.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    quality.update(grey, true, torch.ones(2, 1, 16, 16))
    found = quality.compute()
    assert found["colourfulness"] == pytest.approx(0, abs=1e-4)
    assert found["true_colourfulness"] == pytest.approx(colourfulness(true).mean().item())
    assert set(found) == {"l1", "psnr", "ssim", "colourfulness", "true_colourfulness"}
