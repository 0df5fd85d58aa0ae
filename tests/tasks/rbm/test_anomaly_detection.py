"""Anomalies by free energy: what is learned from, the threshold that is kept, and that it finds them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo import models
from zoo.data.images import Digits
from zoo.data.tables import BreastCancer
from zoo.errors import ConfigError, SpecError
from zoo.spec import Classes, Image, Spec
from zoo.tasks.rbm import AnomalyDetection, DivergenceOptions
from zoo.training.run import train

ADAM = partial(torch.optim.Adam, lr=1e-3)
NETWORK = partial(models.build, "rbm", num_hidden=8)


@pytest.fixture(scope="module")
def masses() -> BreastCancer:
    data = BreastCancer()
    data.setup()
    return data


def test_it_learns_from_normal_examples_alone(trainer: Callable[..., L.Trainer], masses: BreastCancer) -> None:
    """Anomalies that lie anywhere else leave the weights as they are, bit for bit."""
    weights = []
    images, labels = masses.splits["train"].columns
    for shift in (0.0, 100.0):
        data = BreastCancer()
        data.spec = masses.spec
        moved = images + shift * (labels != 0)[:, None]
        data.splits = {**masses.splits, "train": type(masses.splits["train"])(moved, labels)}
        torch.manual_seed(0)
        task = AnomalyDetection(data.spec, NETWORK, ADAM, divergence=DivergenceOptions(particles=20))
        L.seed_everything(0, verbose=False)
        trainer(max_epochs=2, limit_val_batches=0).fit(task, data)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in task.network.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("particles", [0, 20])
def test_nothing_is_learned_from_a_batch_without_a_normal_example(particles: int) -> None:
    spec = Spec(Image(1, 2, 3, (0.5,), (0.5,)), Classes(("fine", "odd")))
    task = AnomalyDetection(spec, NETWORK, ADAM, divergence=DivergenceOptions(particles=particles))
    loss = task.training_step((torch.zeros(4, 1, 2, 3, dtype=torch.uint8), torch.ones(4, dtype=torch.int64)), 0)
    loss.backward()
    assert loss.item() == 0
    assert not any(parameter.grad.any() for parameter in task.network.parameters())
    assert task._seen is not None
    assert task._seen[2] == 0  # nor do the means that centre the gradient move


@pytest.mark.usefixtures("blank_plots")
def test_a_run_keeps_a_threshold_that_so_many_normal_examples_exceed(
    compose: Callable[..., DictConfig], tmp_path: Path, masses: BreastCancer
) -> None:
    overrides = [
        "model=rbm",
        "task=anomaly_detection",
        "epochs=30",
        "task.false_positive_rate=0.1",
        f"folder={tmp_path}",
    ]
    metrics = train(compose("train", *overrides)).metrics
    assert metrics["test/auroc"] > 0.85
    assert metrics["baseline/auroc_isolation_forest"] > 0.9
    assert (tmp_path / "scores.png").exists()
    assert "Normal is `benign`" in (tmp_path / "card.md").read_text(encoding="utf-8")
    model = zoo.load(tmp_path / "model.safetensors")
    assert model.spec.output.false_positive_rate == 0.1
    frame = masses.read()
    normal = masses.splits["val"].columns[0][masses.splits["val"].columns[1] == 0]
    scores = model.network(model.spec.input.prepare(normal))
    assert (scores > model.calibration.threshold).float().mean().item() == pytest.approx(0.1, abs=0.02)
    answers = model(frame)
    assert set(answers[0]) == {"score", "anomaly"}
    assert all(answer["anomaly"] == (answer["score"] > model.calibration.threshold) for answer in answers)
    flagged = torch.tensor([answer["anomaly"] for answer in answers]).float()
    malignant = torch.tensor((frame["diagnosis"] == "malignant").to_numpy())
    assert flagged[malignant].mean() > 4 * flagged[~malignant].mean()


def test_a_class_may_be_named_by_a_number(digits: Digits) -> None:
    for normal, classes in ((3, [3]), ([0, "1"], [0, 1])):
        task = AnomalyDetection(digits.spec, NETWORK, ADAM, normal_classes=normal)
        assert task.is_normal.nonzero().flatten().tolist() == classes


def test_what_cannot_be_is_refused(masses: BreastCancer) -> None:
    with pytest.raises(ConfigError, match="unknown normal class 'bening'; did you mean 'benign'"):
        AnomalyDetection(masses.spec, NETWORK, ADAM, normal_classes="bening")
    with pytest.raises(ConfigError, match="leaves no others"):
        AnomalyDetection(masses.spec, NETWORK, ADAM, normal_classes=["benign", "malignant"])
    with pytest.raises(ValueError, match=r"false_positive_rate .* 1"):
        AnomalyDetection(masses.spec, NETWORK, ADAM, false_positive_rate=1)
    with pytest.raises(SpecError, match="anomaly detection needs data with classes"):
        AnomalyDetection(Spec(masses.spec.input, Image(1, 4, 4, (0.5,), (0.5,))), NETWORK, ADAM)
