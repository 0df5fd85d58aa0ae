"""Ridge regression in closed form against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from zoo.tasks import ridge as module
from zoo.tasks.ridge import cross_validation, ridge, weighted_ridge


def test_ridge_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENALTIES", torch.tensor([0.1], dtype=torch.float64))
    x, y = torch.randn(80, 5, dtype=torch.float64) + 3, torch.randn(80, 4, dtype=torch.float64)
    known = torch.randn(80, 4, 2, dtype=torch.float64)
    scale = (x - x.mean(dim=0)).square().mean().sqrt()
    weights, bias = ridge(x, known, y)
    for step in range(4):
        both = torch.cat([x / scale, known[:, step]], dim=1).numpy()
        theirs = Ridge(alpha=0.1 * 80).fit(both, y[:, step].numpy())
        ours = torch.cat([x, known[:, step]], dim=1) @ weights[step] + bias[step]
        np.testing.assert_allclose(ours.numpy(), theirs.predict(both), atol=1e-8)
    alone, its_bias = ridge(x, known[:, :, :0], y)
    theirs = Ridge(alpha=0.1 * 80).fit((x / scale).numpy(), y.numpy())
    np.testing.assert_allclose((x @ alone.T + its_bias).numpy(), theirs.predict((x / scale).numpy()), atol=1e-8)


def test_the_penalty_is_chosen_by_generalisedcross_validation() -> None:
    x, y = torch.randn(40, 6, dtype=torch.float64), torch.randn(40, 2, dtype=torch.float64)
    x, y = x - x.mean(dim=0), y - y.mean(dim=0)
    penalties = torch.tensor([0.5, 5.0, 50.0], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(x.T @ x)
    found = cross_validation(values, vectors.T @ x.T @ y, y.square().sum(), penalties, 40)
    for penalty, score in zip(penalties, found):
        hat = x @ torch.linalg.inv(x.T @ x + penalty * torch.eye(6)) @ x.T
        expected = (y - hat @ y).square().sum() / (1 - (hat.trace() + 1) / 40) ** 2
        assert score == pytest.approx(float(expected))


def test_weights_of_examples_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PENALTIES", torch.tensor([0.1], dtype=torch.float64))
    x, y = torch.randn(60, 3, dtype=torch.float64) + 2, torch.randn(60, 2, dtype=torch.float64)
    importance = torch.rand(60, dtype=torch.float64)
    importance = importance / importance.mean()
    weights, bias = weighted_ridge(x, y, importance)
    mean = (x * importance[:, None]).mean(dim=0)
    scale = ((x - mean).square() * importance[:, None]).mean().sqrt()
    theirs = Ridge(alpha=0.1 * 60).fit((x / scale).numpy(), y.numpy(), sample_weight=importance.numpy())
    np.testing.assert_allclose((x @ weights.T + bias).numpy(), theirs.predict((x / scale).numpy()), atol=1e-8)
