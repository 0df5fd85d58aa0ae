"""The coefficient of determination, and of too little data."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import r2_score

from zoo.metrics.r2 import R2


def test_it_is_that_of_scikit_learn_and_nan_of_one_example() -> None:
    metric, predicted, true = R2(), torch.randn(20), torch.randn(20)
    metric.update(predicted[:1], true[:1])
    assert metric.compute().isnan()
    metric.update(predicted[1:], true[1:])
    assert metric.compute().item() == pytest.approx(r2_score(true, predicted), rel=1e-4)
