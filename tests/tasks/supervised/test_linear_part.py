"""A network for values of tables that adds to a linear regression: how it starts, and how much of it is kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, TensorDataset

from zoo import models
from zoo.data.core.examples import Examples
from zoo.models import MLP
from zoo.spec import Classes, Spec, Table, Values
from zoo.spec.columns import Category, Number
from zoo.tasks.supervised import Regression
from zoo.tasks.supervised.regression import Gain
from zoo.training import report

COLUMNS = Table((Number("size", 0.0, 1.0, False), Category("city", ("Bergen", "Oslo"))))
SPEC = Spec(COLUMNS, Values(("price",), (100.0,), (20.0,)))
BUILD = partial(models.build, "mlp", hidden_sizes=[8], ensemble_size=2, linear=True)
ADAM = partial(torch.optim.Adam, lr=0.01)


def linear_rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Prices that are linear in the size and the city, and noise."""
    random = torch.Generator().manual_seed(seed)
    rows = [
        {"size": float(size), "city": city} for size, city in zip(torch.randn(count, generator=random), "BO" * count)
    ]
    x = COLUMNS.encode([{**row, "city": {"B": "Bergen", "O": "Oslo"}[row["city"]]} for row in rows])
    y = torch.tensor([[2 * row["size"] + (row["city"] == "O")] for row in rows])
    return x, y + 0.5 * torch.randn(count, 1, generator=random)


def test_it_starts_from_ridge_regression_whatever_the_member_and_quantile() -> None:
    x, y = linear_rows(80, 0)
    for quantiles in (False, True):
        task = Regression(SPEC, BUILD, ADAM, quantiles=quantiles)
        report.initialise(task, {"train": Examples(x, y)})
        prepared: Any = COLUMNS.prepare(x)
        described = torch.cat([prepared[:, :1], torch.nn.functional.one_hot(prepared[:, 1].long(), 4)], dim=1).numpy()
        theirs = RidgeCV(alphas=80 * np.logspace(-6, 2, 17)).fit(described, y.numpy().ravel()).predict(described)
        for mode in (True, False):
            outputs = task.network.train(mode)(prepared).detach().flatten(1).numpy()
            assert outputs.shape[1] == (3 if quantiles else 1) * (2 if mode else 1)
            np.testing.assert_allclose(outputs, np.repeat(theirs[:, None], outputs.shape[1], axis=1), atol=0.02)


def test_a_share_is_that_of_least_squares_less_half_a_standard_error() -> None:
    random = torch.Generator().manual_seed(0)
    correction = torch.randn(50, 3, generator=random, dtype=torch.float64)
    left = torch.tensor([0.5, 2.0, -1.0]) * correction + torch.randn(50, 3, generator=random)
    gain = Gain(3)
    for part in range(0, 50, 20):
        gain.update(left[part : part + 20], correction[part : part + 20])
    share = (left[:, 0] @ correction[:, 0]) / correction[:, 0].square().sum()
    error = (left[:, 0] - share * correction[:, 0]).square().sum() / 49 / correction[:, 0].square().sum()
    assert gain.compute().tolist() == pytest.approx([float(share - 0.5 * error.sqrt()), 1.0, 0.0])


def test_validation_says_how_much_is_kept_and_metrics_are_of_that() -> None:
    (x, y), (x_val, y_val) = linear_rows(80, 0), linear_rows(60, 1)
    task = Regression(SPEC, BUILD, ADAM)
    splits = {"train": Examples(x, y), "val": Examples(x_val, y_val)}
    report.initialise(task, splits)
    network = task.network
    assert isinstance(network, MLP)
    with torch.no_grad():
        network.output.bias.fill_(1.0)  # type: ignore[union-attr, operator]  # what validation shows to be wrong
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    trainer = L.Trainer(accelerator="cpu", **quiet)  # type: ignore[arg-type]
    loader = DataLoader(list(zip(x_val.split(25), y_val.split(25))), batch_size=None)
    (metrics,) = trainer.validate(task, loader, verbose=False)
    wrong = (y_val - network.parts(COLUMNS.prepare(x_val))[0]).detach()  # the correction is 1 everywhere
    expected = wrong.mean() - 0.5 * wrong.std() / len(wrong) ** 0.5  # as the test above has it
    assert network.gate.item() == pytest.approx(max(0.0, float(expected)), abs=1e-3)
    assert network.gate.item() < 0.5
    outputs = network.eval()(COLUMNS.prepare(x_val)).detach()
    assert metrics["val/loss"] == pytest.approx(float((outputs - y_val).square().mean()), rel=1e-5)
    assert metrics["val/rmse"] == pytest.approx(20 * float((outputs - y_val).square().mean().sqrt()), rel=1e-5)
    _says_nothing_of_a_stand_in(task, trainer, x_val, y_val)


def _says_nothing_of_a_stand_in(task: Regression, trainer: L.Trainer, x: Tensor, y: Tensor) -> None:
    rows = BatchSampler(SequentialSampler(range(1)), 1, drop_last=False)
    rows.stands_in = True  # type: ignore[attr-defined]
    trainer.validate(task, DataLoader(TensorDataset(x, y), batch_sampler=rows), verbose=False)
    assert not task.gain.sums.any()
    assert not task.rmse.sum_squared_error.any()
    assert task.network.gate.item() == 0  # type: ignore[operator]  # but for what other processes say


def test_it_is_for_values_of_tables() -> None:
    assert models.defaults("mlp", SPEC)["linear"]
    assert not models.defaults("mlp", Spec(COLUMNS, Classes(("a", "b"))))["linear"]
    with pytest.raises(ValueError, match="values of tables"):
        models.build("mlp", Spec(COLUMNS, Classes(("a", "b"))), linear=True)
    with pytest.raises(ValueError, match="linear=false"):
        models.build("mlp", SPEC, linear=True, output_activation="tanh")
