"""Labels of a restricted Boltzmann machine, learned from their conditional or from the joint distribution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import lightning as L
import pytest
import torch
from sklearn.linear_model import Ridge

from zoo import models
from zoo.data.images import Digits
from zoo.data.tables import Diabetes
from zoo.errors import SpecError
from zoo.spec import Image, Spec
from zoo.tasks.rbm import Hybrid
from zoo.tasks.supervised import Classification
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.report import Evaluation

TrainerBuilder = Callable[..., L.Trainer]


def hybrid(spec: Spec, **options: object) -> Hybrid:
    torch.manual_seed(0)
    network = partial(models.build, "rbm", num_hidden=32)
    return Hybrid(spec, network, partial(torch.optim.Adam, lr=0.02), **options)


@pytest.mark.parametrize(
    ("discriminative", "generative", "least"), [(1.0, 0.0, 0.8), (1.0, 0.01, 0.8), (0.0, 1.0, 0.7)]
)
def test_it_learns_digits(
    trainer: TrainerBuilder, digits: Digits, discriminative: float, generative: float, least: float
) -> None:
    task = hybrid(digits.spec, discriminative=discriminative, generative=generative)
    fitted = trainer(max_epochs=6, limit_val_batches=0)
    fitted.fit(task, digits)
    metrics = fitted.test(task, digits, verbose=False)[0]
    assert metrics["test/accuracy"] > least


def test_the_objective_is_the_sum_of_both(digits: Digits) -> None:
    task = hybrid(digits.spec, discriminative=2.0, generative=0.5)
    batch = digits.splits["train"].__getitems__(range(20))
    x = task.spec.input.prepare(batch[0])
    torch.manual_seed(3)
    both = task.training_step(batch, 0)
    torch.manual_seed(3)
    divergence = task.divergence_loss(task.network.joint(x, batch[1]))
    torch.testing.assert_close(both, 2 * task.network.conditional_loss(x, batch[1]) + 0.5 * divergence)


@pytest.mark.parametrize("learner", [partial(Hybrid, generative=0.0), Classification])
def test_every_parameter_that_learns_has_a_gradient(digits: Digits, learner: Callable[..., Task]) -> None:
    """Or processes that train one network would wait for it."""
    task = learner(digits.spec, partial(models.build, "rbm", num_hidden=32), partial(torch.optim.Adam, lr=0.02))
    task.training_step(digits.splits["train"].__getitems__(range(20)), 0).backward()
    assert all((p.grad is not None) == p.requires_grad for p in task.network.parameters())


def test_it_learns_values(trainer: TrainerBuilder) -> None:
    data = Diabetes()
    data.setup()
    task = hybrid(data.spec)
    task.r2.update(torch.ones(1, 1), torch.ones(1, 1))
    assert task.r2.compute().isnan()  # of one row, as before training, with a batch of one
    task.r2.reset()
    fitted = trainer(max_epochs=12, limit_val_batches=0)
    fitted.fit(task, data)
    assert fitted.test(task, data, verbose=False)[0]["test/r2"] > 0.25
    table = {split: data.spec.input.prepare(examples.columns[0]) for split, examples in data.splits.items()}
    targets = {split: examples.columns[1][:, 0] for split, examples in data.splits.items()}
    expected = Ridge().fit(table["train"], targets["train"]).score(table["test"], targets["test"])
    assert report.baselines(task, Evaluation(task, data.splits, 64)) == {"r2_ridge": pytest.approx(expected, abs=1e-5)}


def test_what_cannot_be_is_refused(digits: Digits) -> None:
    with pytest.raises(ValueError, match="discriminative and generative"):
        hybrid(digits.spec, discriminative=0.0, generative=0.0)
    with pytest.raises(SpecError, match="hybrid learning needs data with classes or values"):
        hybrid(Spec(digits.spec.input, Image(1, 4, 4, (0.5,), (0.5,))))
