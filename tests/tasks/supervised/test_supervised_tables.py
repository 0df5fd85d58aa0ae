"""Classification and regression of tables: losses, metrics, and the classic network against its hand-written form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from sklearn.metrics import mean_absolute_error, r2_score
from torch import Tensor, nn
from torch.nn import functional

from zoo import SpecError, models
from zoo.data.tables import Admissions, Diabetes, Wine
from zoo.metrics.importance import permutation_importance
from zoo.settings import folded
from zoo.spec import Classes, Spec, Table, Values
from zoo.spec.columns import Number
from zoo.tasks.supervised import Classification, Regression, Supervised, supervised_task
from zoo.training import report
from zoo.training.report import Evaluation

pytestmark = pytest.mark.filterwarnings("ignore:.*It will use the implementation from `LightningModule`")

Compose = Callable[..., DictConfig]
TWO_COLUMNS = Table((Number("signal", 0.0, 1.0, False), Number("noise", 0.0, 1.0, False)))
CLASSES = Spec(TWO_COLUMNS, Classes(("a", "b", "c")))
VALUES = Spec(TWO_COLUMNS, Values(("price",), (100.0,), (20.0,)))


def network(spec: Spec, **options: Any) -> nn.Module:
    return models.build("mlp", spec, **{"hidden_sizes": [8], **options})


def task(spec: Spec, **options: Any) -> Supervised:
    return supervised_task(spec, network, partial(torch.optim.SGD, lr=0.1), **options)


def composed(cfg: DictConfig, spec: Spec, build: Callable[[Spec], nn.Module]) -> Supervised:
    described = instantiate(cfg.task, _partial_=True)
    return described.func(spec, build, **folded(described.func, described.keywords))


def trainer(**options: Any) -> L.Trainer:
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", **quiet, **options)


def by_hand(x: np.ndarray, y: np.ndarray, weights: dict[str, np.ndarray], lr: float, steps: int) -> dict[str, Any]:
    """Two layers of sigmoid units and the sum of squared errors, by full-batch gradient descent in float64."""

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    w1, b1, w2, b2 = (weights[name].copy() for name in ("w1", "b1", "w2", "b2"))
    for _ in range(steps):
        hidden = sigmoid(x @ w1.T + b1)  # N, H
        output = sigmoid(hidden @ w2.T + b2)  # N, 1
        # The error is summed over both classes, whose units mirror each other: 2 (output - y)²
        d_output = 4 * (output - y) * output * (1 - output)  # N, 1
        d_hidden = d_output @ w2 * hidden * (1 - hidden)  # N, H
        w2 -= lr * d_output.T @ hidden
        b2 -= lr * d_output.sum(axis=0)
        w1 -= lr * d_hidden.T @ x
        b1 -= lr * d_hidden.sum(axis=0)
    return {"w1": w1, "b1": b1, "w2": w2, "b2": b2}


def test_the_classic_network_learns_as_by_hand(compose: Compose, tmp_path: Path) -> None:
    cfg = compose("train", "experiment=student_admissions")
    data = Admissions(batch_size=cfg.data.batch_size)
    data.setup()
    options = {name: value for name, value in cfg.model.items() if name not in ("name", "_target_")}
    torch.manual_seed(0)
    ours = composed(cfg, data.spec, partial(models.build, "mlp", **options))

    def weights() -> dict[str, np.ndarray]:
        first, last = (module for module in ours.network.modules() if isinstance(module, nn.Linear))
        tensors = {"w1": first.weight, "b1": first.bias, "w2": last.weight, "b2": last.bias}
        return {name: tensor.detach().double().numpy().copy() for name, tensor in tensors.items()}

    x, y = (tensor.double().numpy() for tensor in data.splits["train"].columns)
    expected = by_hand(x, y[:, None], weights(), lr=cfg.task.optimizer.lr, steps=100)
    before = weights()
    trainer(precision="64-true", max_epochs=100, limit_val_batches=0).fit(ours, data)
    for name, tensor in weights().items():
        assert np.abs(tensor - before[name]).max() > 1e-3
        np.testing.assert_allclose(tensor, expected[name], rtol=0, atol=1e-10)


def test_losses_of_classes() -> None:
    logits, labels = torch.randn(7, 3), torch.randint(3, (7,))
    errors = (logits.softmax(dim=1) - functional.one_hot(labels, 3)) ** 2
    expected = {
        None: functional.cross_entropy(logits, labels),
        nn.CrossEntropyLoss(label_smoothing=0.1): functional.cross_entropy(logits, labels, label_smoothing=0.1),
        nn.MSELoss(): errors.mean(),
        nn.MSELoss(reduction="sum"): errors.sum(),
        nn.HuberLoss(): errors.mean() / 2,
    }
    for loss, value in expected.items():
        torch.testing.assert_close(task(CLASSES, loss=loss).training_loss(logits, labels), value)


def test_losses_of_values() -> None:
    outputs, targets = torch.randn(7, 1), torch.randn(7, 1) * 3
    errors = outputs - targets
    huber = torch.where(errors.abs() < 1, errors**2 / 2, errors.abs() - 0.5)
    expected = {
        None: (errors**2).mean(),
        nn.MSELoss(reduction="sum"): (errors**2).sum(),
        nn.HuberLoss(): huber.mean(),
    }
    for loss, value in expected.items():
        torch.testing.assert_close(task(VALUES, loss=loss).training_loss(outputs, targets), value)


def test_each_member_has_a_loss_of_its_own() -> None:
    learner = supervised_task(VALUES, partial(network, ensemble_size=4), partial(torch.optim.SGD, lr=0.1))
    x, targets = torch.randn(5, 2), torch.randn(5, 1)
    each = learner.network(x)
    expected = torch.stack([functional.mse_loss(each[:, member], targets) for member in range(4)]).mean()
    torch.testing.assert_close(learner.training_step((x, targets), 0), expected)


def test_the_target_decides_and_the_wrong_task_says_so() -> None:
    assert isinstance(task(CLASSES), Classification)
    assert isinstance(task(VALUES), Regression)
    optimizer = partial(torch.optim.SGD, lr=0.1)
    with pytest.raises(
        SpecError, match=r"classification needs data with classes, and this is table → values; .* task=regression"
    ):
        Classification(VALUES, network, optimizer)
    with pytest.raises(
        SpecError, match=r"regression needs data with values, and this is table → classes; .* task=classification"
    ):
        Regression(CLASSES, network, optimizer)
    with pytest.raises(ValueError, match="cross-entropy is a loss of classes"):
        task(VALUES, loss=nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match="label_smoothing"):
        task(CLASSES, loss=nn.CrossEntropyLoss(label_smoothing=1.5))


def test_metrics_of_values_are_in_their_own_units() -> None:
    data = Diabetes()
    data.setup()
    torch.manual_seed(0)
    learner = task(data.spec)
    (metrics,) = trainer().test(learner, data, verbose=False)
    rows, targets = data.splits["test"].columns
    with torch.no_grad():
        answers = data.spec.output.restore(learner.network.eval()(data.spec.input.prepare(rows))).numpy()
    truths = data.spec.output.restore(targets).numpy()
    assert truths.max() > 200
    assert metrics["test/rmse"] == pytest.approx(np.sqrt(((answers - truths) ** 2).mean()), rel=1e-5)
    assert metrics["test/mae"] == pytest.approx(mean_absolute_error(truths, answers), rel=1e-5)
    assert metrics["test/r2"] == pytest.approx(r2_score(truths, answers), rel=1e-4)


@pytest.mark.usefixtures("blank_plots")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Wine, {"confusion_matrix.png", "importance.png"}),
        (Diabetes, {"predicted.png", "residuals.png", "importance.png"}),
    ],
)
def test_plots(source: type[Any], expected: set[str], tmp_path: Path) -> None:
    data = source()
    data.setup()
    learner = task(data.spec)
    assert set(report.plots(learner, Evaluation(learner, data.splits, 64), tmp_path)) == expected
    assert {file.name for file in tmp_path.iterdir()} == expected


def test_importance_is_of_the_column_that_matters() -> None:
    class Signal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1]

    rows = torch.randn(500, 2)
    rises = permutation_importance(Signal(), TWO_COLUMNS, rows, rows[:, :1], functional.mse_loss)
    assert rises["noise"] == [0.0] * 5
    # Of a standard normal x and an independent copy, the mean squared difference is 2
    assert np.mean(rises["signal"]) == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "adam", "adamw", "rprop", "manhattan", "sgd", "adamw_tables"])
def test_every_optimizer_learns(optimizer: str, compose: Compose) -> None:
    cfg = compose("train", "model=mlp", "data=wine", f"optimizer={optimizer}")
    data = Wine(batch_size=1000)
    data.setup()
    torch.manual_seed(0)
    learner = composed(cfg, data.spec, partial(network, hidden_sizes=[64]))
    fit = trainer(max_epochs=60, limit_val_batches=0)
    fit.fit(learner, data)
    assert fit.callback_metrics["train/loss"] < 0.9  # ln 3 = 1.1 is chance


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "sse", "huber"])
def test_every_loss_has_a_config(loss: str, compose: Compose) -> None:
    cfg = compose("train", "model=mlp", "data=wine", f"loss={loss}")
    assert isinstance(instantiate(cfg.task.loss), nn.Module)
    assert compose("train", "model=mlp", "data=wine").task.get("loss") is None


@pytest.mark.parametrize("activation", sorted(models.mlp.ACTIVATIONS))
def test_every_activation_has_a_config(activation: str, compose: Compose) -> None:
    cfg = compose("train", "model=mlp", f"activation={activation}")
    assert cfg.model.activation == activation
