"""What is kept of each test example gives the metrics of the test; and the line that looks most alike is read."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.lines import DigitLines
from zoo.data.sequences import MovingDigits
from zoo.tasks.sequence import OCR, Tagging
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.outcomes import Outcomes
from zoo.training.report import Evaluation

ADAM = partial(torch.optim.AdamW, lr=1e-3)
SHOWN = 20


def evaluation(task: Task, data: Any, train: str = "train") -> Evaluation:
    """Of some test examples; those of training may be the same."""
    data.setup()
    few = {name: _Few(data.splits[split]) for name, split in (("train", train), ("val", "val"), ("test", "test"))}
    return Evaluation(task, few, 8)


class _Few(Examples):
    def __init__(self, whole: Examples) -> None:
        self.whole, self.columns = whole, whole.columns

    def __len__(self) -> int:
        return SHOWN

    def __getitems__(self, rows: Any) -> Any:
        return self.whole.__getitems__(rows)


def ocr() -> tuple[Task, Any]:
    data = DigitLines(rounds=1)
    data.setup()
    return OCR(data.spec, partial(models.build, "cnn"), ADAM), data


def tagging() -> tuple[Task, Any]:
    data = MovingDigits(train_size=200, val_size=SHOWN, test_size=SHOWN)
    data.setup()
    return Tagging(data.spec, partial(models.build, "gru", hidden_size=8), ADAM), data


@pytest.mark.parametrize("kind", [ocr, tagging])
def test_outcomes_give_the_metrics_of_the_test(kind: Any) -> None:
    task, data = kind()
    found = evaluation(task.eval(), data)
    kept = report.outcomes(task, found)
    assert kept is not None
    outcomes = Outcomes("ratios", kept, "")
    assert len(outcomes) == SHOWN
    with torch.no_grad():
        for index, batch in enumerate(found.batches("test")):
            task.eval_step(batch, index, "test")
    metrics = task.eval_metrics("test")
    for name, value in outcomes.metrics().items():
        assert value == pytest.approx(float(metrics[name].compute()), abs=1e-6)


def test_the_line_that_looks_most_alike_is_read() -> None:
    task, data = ocr()
    found = report.baselines(task, evaluation(task, data, train="test"))  # each line is its own nearest
    assert set(found.values()) == {0.0}
    assert len(found) == 3
