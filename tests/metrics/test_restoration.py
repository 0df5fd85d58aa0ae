"""Metrics of restored images against scikit-image, and where a mask lets pixels count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchmetrics import MeanMetric

from zoo.metrics.restoration import REACH, RestorationMetrics


def test_metrics_against_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.metrics")
    random = torch.Generator().manual_seed(0)
    true = torch.nn.functional.interpolate(torch.rand(3, 1, 6, 8, generator=random), size=(24, 30), mode="bilinear")
    restored = (true + torch.randn(3, 1, 24, 30, generator=random) * 0.1).clamp(0, 1)
    metrics = RestorationMetrics(REACH)
    metrics.update(restored, true, torch.ones(3, 1, 24, 30))
    pairs = [(a[0].double().numpy(), b[0].double().numpy()) for a, b in zip(restored, true)]
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    found = metrics.compute()
    psnr = np.mean([skimage.peak_signal_noise_ratio(b, a, data_range=1.0) for a, b in pairs])
    ssim = np.mean([skimage.structural_similarity(b, a, **options) for a, b in pairs])
    assert found["psnr"].item() == pytest.approx(psnr, rel=1e-4)
    assert found["ssim"].item() == pytest.approx(ssim, abs=1e-3)
    assert found["l1"].item() == pytest.approx(np.mean([np.abs(a - b).mean() for a, b in pairs]), rel=1e-4)


def test_what_lies_outside_the_mask_does_not_count() -> None:
    true, mask = torch.rand(2, 1, 20, 20), torch.zeros(2, 1, 20, 20)
    mask[..., :4, :4] = 1
    metrics = RestorationMetrics()
    metrics.update(torch.where(mask > 0, true, torch.zeros(())), true, mask)
    assert metrics.compute()["psnr"] == pytest.approx(100)
    metrics.reset()
    metrics.update(torch.where(mask > 0, true + 0.1, true), true, mask)
    assert metrics.compute()["l1"] == pytest.approx(0.1)
    assert metrics.compute()["psnr"] == pytest.approx(20, abs=0.01)


def test_several_processes_count_as_one() -> None:
    """Batches of different sizes and masks, as a sum over processes reduces them."""
    random = torch.Generator().manual_seed(0)
    batches = [(*torch.rand(2, n, 3, 12, 12, generator=random), torch.rand(n, 1, 12, 12).round()) for n in (4, 1, 3)]
    whole, *parts = (RestorationMetrics() for _ in range(4))
    for part, (restored, true, mask) in zip(parts, batches):
        part.update(restored, true, mask)
        whole.update(restored, true, mask)
    for name, metric in parts[0].items():
        assert isinstance(metric, MeanMetric)
        for other in parts[1:]:
            metric.merge_state(other[name])
        assert metric.compute() == pytest.approx(whole[name].compute())
