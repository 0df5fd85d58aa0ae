"""The report of several labels: metrics by scikit-learn, thresholds in answers, rows of labels, files of programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, f1_score

from zoo import models
from zoo.data.core.examples import Examples
from zoo.inference.program import Program
from zoo.spec import MultiLabel, Spec, Table
from zoo.spec.columns import Number
from zoo.tasks.supervised import supervised_task
from zoo.training import report
from zoo.training.outcomes import Outcomes
from zoo.training.report import Evaluation
from zoo.weights.artefact import Artefact, load, save

ADAM = partial(torch.optim.Adam, lr=0.01)
NETWORK = partial(models.build, "mlp", hidden_sizes=[])
COLUMNS = Table((Number("signal", 0.0, 1.0, False), Number("noise", 0.0, 1.0, False)))
SPEC = Spec(COLUMNS, MultiLabel(("common", "rare", "noise")))


def labelled(count: int, seed: int) -> Examples:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, generator=random)
    logits = torch.stack([2 * x[:, 0], 2 * x[:, 0] - 3, 0 * x[:, 0] - 1], dim=1)
    return Examples(x, (torch.rand(count, 3, generator=random) < logits.sigmoid()).float())


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """Of a linear network whose logits are three times too large, with thresholds by F1."""
    task: Any = supervised_task(SPEC, NETWORK, ADAM, threshold="f1")
    with torch.no_grad():
        task.network.output.weight.copy_(3 * torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 0.0]]))
        task.network.output.bias.copy_(3 * torch.tensor([0.0, -3.0, -1.0]))
    splits = {split: labelled(600, seed) for seed, split in enumerate(("train", "val", "test"))}
    evaluation = Evaluation(task, splits, 64)
    evaluation.calibration = report.calibrate(task, evaluation) or evaluation.calibration
    return evaluation


def test_temperature_and_thresholds_are_in_metrics_answers_and_programs(found: Evaluation, tmp_path: Path) -> None:
    task, calibration = found.task, found.calibration
    assert calibration.temperature == pytest.approx(3, rel=0.25)
    assert calibration.thresholds is not None
    assert calibration.thresholds[1] < 0.5  # F1 gives a rare label early
    save(Artefact("mlp", {"hidden_sizes": []}, SPEC, task.network, calibration=calibration), tmp_path / "m.safetensors")
    loaded = load(tmp_path / "m.safetensors")
    x, labels = found.splits["test"].columns
    answers = SPEC.output.decode(loaded.network(x), loaded.calibration)  # type: ignore[union-attr, call-arg]
    given = torch.tensor([[name in answer["labels"] for name in SPEC.output.names] for answer in answers])  # type: ignore[union-attr]
    metrics = report.split_metrics(task, found)
    for average, name in (("micro", "f1"), ("macro", "macro_f1")):
        assert metrics[name] == pytest.approx(f1_score(labels, given, average=average), abs=1e-6)
    assert metrics["exact"] == pytest.approx(float((given == labels.bool()).all(dim=1).float().mean()))  # type: ignore[union-attr]
    probabilities = torch.tensor([list(answer["probabilities"].values()) for answer in answers])
    assert metrics["brier"] == pytest.approx(brier_score_loss(labels.flatten(), probabilities.flatten()), abs=1e-6)  # type: ignore[union-attr]
    program = Program(loaded)
    told = program(*program.raw(x))
    assert [port.name for port in program.outputs] == ["probabilities", "given"]
    torch.testing.assert_close(told[0], probabilities, check_dtype=False)
    assert torch.equal(told[1], given)
    assert program.about(loaded)["thresholds"] == list(calibration.thresholds)


def test_a_run_can_be_compared_by_what_each_example_adds(found: Evaluation) -> None:
    kept = Outcomes("ratios", report.outcomes(found.task, found) or {}, "")
    metrics = report.split_metrics(found.task, found)
    assert kept.metrics() == pytest.approx({name: metrics[name] for name in ("f1", "exact")})


def test_the_card_has_simpler_methods_and_a_row_a_label(found: Evaluation) -> None:
    (x, y), (test, truth) = (found.splits[split].columns for split in ("train", "test"))
    given = [LogisticRegression(max_iter=200).fit(x, y[:, place]).predict(test) for place in range(3)]  # type: ignore[index]
    expected = f1_score(truth, np.stack(given, axis=1), average="micro")
    baselines = report.baselines(found.task, found)
    assert baselines["f1 of logistic regression"] == pytest.approx(expected)
    assert set(baselines) == {"f1 of the most frequent labels", "f1 of logistic regression"}
    notes = report.notes(found.task, found)
    assert any("95 % interval" in note for note in notes)
    table = notes[-1].splitlines()
    assert [line.split(" | ")[0] for line in table[2:]] == ["| common", "| rare", "| noise"]
    assert table[3].endswith(f"| {int(truth[:, 1].sum())} |")  # type: ignore[index]
