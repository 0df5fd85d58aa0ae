"""Reports of classification and regression: what the card says, and that it is so."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from zoo import models
from zoo.data.core.examples import Examples
from zoo.errors import DataError
from zoo.spec import Classes, Spec, Table, Values
from zoo.spec.columns import Number
from zoo.tasks.supervised import Classification, Regression
from zoo.training import report
from zoo.training.outcomes import Outcomes
from zoo.training.report import Evaluation
from zoo.training.reports.comparison import HEADING, verdicts

ADAM = partial(torch.optim.Adam, lr=0.01)
NETWORK = partial(models.build, "mlp", hidden_sizes=[])
COLUMNS = Table((Number("signal", 0.0, 1.0, False), Number("noise", 0.0, 1.0, False)))
CLASSES = Spec(COLUMNS, Classes(("no", "yes")))
VALUES = Spec(COLUMNS, Values(("price",), (100.0,), (20.0,)))


def rows(count: int, seed: int) -> Tensor:
    return torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))


def labelled(count: int, seed: int) -> Examples:
    x = rows(count, seed)
    noise = torch.randn(count, generator=torch.Generator().manual_seed(seed + 100))
    return Examples(x, (x[:, 0] + noise > 1).long())


def valued(count: int, seed: int) -> Examples:
    x = rows(count, seed)
    return Examples(x, x[:, :1] + 0.5 * torch.randn(count, 1, generator=torch.Generator().manual_seed(seed + 100)))


def evaluation(task: Any, make: Any, weight: float) -> Evaluation:
    """Of a linear network with that weight on the signal."""
    with torch.no_grad():
        task.network.output.weight.zero_()
        task.network.output.bias.zero_()
        task.network.output.weight[-1, 0] = weight
    splits = {
        split: make(count, seed) for seed, (split, count) in enumerate([("train", 400), ("val", 400), ("test", 300)])
    }
    found = Evaluation(task, splits, 64)
    report.check_splits(task, splits)
    found.calibration = report.calibrate(task, found) or found.calibration
    return found


def test_the_card_tells_of_a_network_that_is_worse_or_better() -> None:
    blind = Classification(CLASSES, NETWORK, ADAM)
    notes = report.notes(blind, evaluation(blind, labelled, -2.0))
    assert notes[0] == HEADING
    assert any(note.startswith("**The network is worse than ") for note in notes)
    by_loss = Classification(CLASSES, NETWORK, ADAM, monitor="auroc")
    notes = report.notes(by_loss, evaluation(by_loss, labelled, 2.0))
    assert sum("auroc" in note and "95 % interval" in note for note in notes) == 1


def test_the_linear_baseline_is_that_of_scikit_learn() -> None:
    task = Classification(CLASSES, NETWORK, ADAM)
    found = evaluation(task, labelled, 1.0)
    (x, y), (test, truth) = (found.splits[split].columns for split in ("train", "test"))
    expected = LogisticRegression().fit(x.numpy(), y.numpy()).score(test.numpy(), truth.numpy())
    baselines = report.baselines(task, found)
    assert baselines["accuracy of logistic regression"] == pytest.approx(expected)
    assert baselines["accuracy of the most frequent class"] == pytest.approx(float((truth == 0).float().mean()))


def test_a_threshold_chosen_on_validation_is_used_in_answers_and_metrics() -> None:
    task = Classification(CLASSES, NETWORK, ADAM, threshold={"recall": 0.95})
    found = evaluation(task, labelled, 2.0)
    threshold = found.calibration.threshold
    assert threshold is not None
    logits = torch.cat(found.predictions("test"))
    answers = task.spec.output.decode(logits, found.calibration)  # type: ignore[union-attr, call-arg]
    labels = found.splits["test"].columns[1]
    right = [answer["label"] == task.names[label] for answer, label in zip(answers, labels.tolist())]  # type: ignore[union-attr]
    assert report.split_metrics(task, found)["accuracy"] == pytest.approx(np.mean(right))
    val = torch.cat(found.predictions("val")).div(found.calibration.temperature or 1).softmax(dim=1)[:, 1]
    assert (val >= threshold)[found.splits["val"].columns[1] == 1].float().mean() >= 0.95  # type: ignore[index, operator]
    other = Classification(CLASSES, NETWORK, ADAM, threshold={"recall": 0.95}, positive="no")
    of_first = evaluation(other, labelled, 2.0).calibration.threshold
    assert of_first is not None
    assert of_first > threshold  # 'no' is answered more often


def test_a_class_that_is_missing_in_a_split(caplog: pytest.LogCaptureFixture) -> None:
    task = Classification(CLASSES, NETWORK, ADAM)
    whole, without = labelled(50, 0), Examples(rows(50, 0), torch.zeros(50, dtype=torch.long))
    with pytest.raises(DataError, match="training split has no example of 'yes'"):
        report.check_splits(task, {"train": without, "val": whole, "test": whole})
    report.check_splits(task, {"train": whole, "val": whole, "test": without})
    assert [record.message.partition(";")[0] for record in caplog.records] == ["The test split has no example of 'yes'"]


def test_balanced_weights_make_each_class_count_the_same() -> None:
    task = Classification(CLASSES, NETWORK, ADAM, class_weight="balanced")
    examples = labelled(200, 0)
    report.check_splits(task, {"train": examples})
    labels: Any = examples.columns[1]
    weights = task.example_weights(labels)
    assert weights is not None
    assert weights.mean().item() == pytest.approx(1)
    assert weights[labels == 1].sum().item() == pytest.approx(weights[labels == 0].sum().item())
    named = Classification(CLASSES, NETWORK, ADAM, class_weight={"yes": 3})
    assert named.example_weights(torch.tensor([0, 1, 1])).tolist() == [1, 3, 3]  # type: ignore[union-attr]


@pytest.mark.parametrize("quantiles", [False, True])
def test_intervals_are_in_answers_and_hold_what_they_say(quantiles: bool) -> None:
    task = Regression(VALUES, NETWORK, ADAM, quantiles=quantiles, coverage=0.8)
    found = evaluation(task, lambda count, seed: valued(10 * count, seed), 1.0)
    if quantiles:  # the median in the middle, and two ends that are too near
        with torch.no_grad():
            task.network.output.weight[:, 0] = 1.0  # type: ignore[union-attr, index, operator]
            task.network.output.bias.copy_(torch.tensor([-0.1, 0.0, 0.1]))  # type: ignore[union-attr, operator]
        found = Evaluation(task, found.splits, 64)
        found.calibration = report.calibrate(task, found) or found.calibration
    metrics = report.split_metrics(task, found)
    assert metrics["interval_coverage"] == pytest.approx(0.8, abs=0.05)  # five standard errors
    answers = task.values.decode(torch.cat(found.predictions("test")), found.calibration)
    true = task.values.restore(found.splits["test"].columns[1])[:, 0].tolist()  # type: ignore[arg-type]
    held = [answer["low"] <= value <= answer["high"] for answer, value in zip(answers, true)]
    assert metrics["interval_coverage"] == pytest.approx(np.mean(held))
    assert any("On test it holds" in note for note in report.notes(task, found))


def test_each_metric_is_put_beside_the_best_of_the_simpler_methods() -> None:
    lines = verdicts({"test/perplexity": 11.2, "baseline/perplexity_lda": 7.0, "test/log_z": 3.0})
    assert lines[0] == "The network's perplexity, 11.2, is **not better than** that of lda, 7."
    assert "nothing is said of chance" in lines[1]
    lines = verdicts({"test/psnr": 30.0, "baseline/bicubic_psnr": 28.0, "baseline/grey_psnr": 29.0})
    assert lines[0] == "The network's psnr, 30, is better than that of grey, 29."


@pytest.mark.parametrize(("theirs", "said"), [(0.79, "not shown to be better"), (0.6, "better"), (0.95, "not better")])
def test_a_verdict_knows_of_chance(theirs: float, said: str) -> None:
    """Of 200 examples, 80 % of them right, the standard error is 0.028."""
    hits = torch.arange(200) % 5 < 4
    outcomes = Outcomes("ratios", {"accuracy": torch.stack([hits, torch.ones(200)], dim=1)}, "")
    (line,) = verdicts({"test/accuracy": 0.8, "baseline/accuracy of the most frequent label": theirs}, outcomes)
    low, high = map(float, re.findall(r"examples: (\S+) to (\S+)\)", line)[0])
    assert (low, high) == pytest.approx((0.8 - 1.96 * 0.0283, 0.8 + 1.96 * 0.0283), abs=0.015)
    assert f"is {said} than" in line.replace("*", "")
