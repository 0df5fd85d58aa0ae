"""The loss of quantiles."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from zoo.metrics.quantiles import QuantileLoss


def test_it_is_that_of_scikit_learn() -> None:
    outputs, targets = torch.randn(50, 6), torch.randn(50, 2)  # two values, of three quantiles each
    quantiles = (0.1, 0.5, 0.9)
    expected = [
        mean_pinball_loss(targets[:, value], outputs[:, 3 * value + place], alpha=quantile)
        for value in range(2)
        for place, quantile in enumerate(quantiles)
    ]
    assert QuantileLoss(quantiles)(outputs, targets).item() == pytest.approx(sum(expected) / 6, rel=1e-5)
    each = QuantileLoss(quantiles, reduction="none")(outputs, targets)
    assert each.mean(dim=0).tolist() == pytest.approx(expected, rel=1e-5)
    assert QuantileLoss(quantiles, reduction="sum")(outputs, targets).item() == pytest.approx(each.sum().item())
