"""A weight decay that is meant for a run of some length."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from zoo import models
from zoo.optim import TrainingOptions
from zoo.spec import Spec, Table, Values
from zoo.spec.columns import Number
from zoo.tasks.supervised import Regression

SPEC = Spec(Table((Number("x", 0.0, 1.0, False),)), Values(("y",), (0.0,), (1.0,)))


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize(("epochs", "expected"), [(1, 0.5), (2, 0.5), (8, 0.125)])
def test_it_is_less_in_a_longer_run(trainer: Callable[..., L.Trainer], epochs: int, expected: float) -> None:
    options = TrainingOptions(partial(torch.optim.AdamW, lr=0.1, weight_decay=0.5), decay_steps=8)
    task = Regression(SPEC, partial(models.build, "mlp"), options)
    running = trainer(max_epochs=epochs)
    loader = DataLoader(TensorDataset(torch.randn(16, 1), torch.randn(16, 1)), batch_size=4)
    running.fit(task, loader, loader)
    assert [group["weight_decay"] for group in running.optimizers[0].param_groups] == [expected, 0.0]
