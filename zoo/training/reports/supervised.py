"""What the reports of classification and regression share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from zoo import plots
from zoo.metrics.importance import permutation_importance
from zoo.spec import Table
from zoo.tasks.supervised import Supervised
from zoo.training.report import Evaluation


def targets(evaluation: Evaluation, split: str) -> Tensor:
    """The second column of a split, on the CPU."""
    column = evaluation.splits[split].columns[1]
    assert isinstance(column, Tensor)
    return column


def confusion_matrix(answers: Tensor, labels: Tensor, names: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Draw answers (N,) against labels (N,)."""
    counts = multiclass_confusion_matrix(answers, labels, len(names))
    plots.confusion_matrix(counts, names, folder / "confusion_matrix.png")
    return {"confusion_matrix.png": "Confusion matrix of the test split: rows are true classes, columns answers."}


def importance(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw how much each column of a table matters; of other inputs nothing."""
    table = task.spec.input
    if not isinstance(table, Table):
        return {}
    rows: Any = evaluation.splits["test"].columns[0]
    network = task.trained_network.cpu()
    rises = permutation_importance(network, table, rows, targets(evaluation, "test"), task.error)
    plots.importance(rises, task.error_name, folder / "importance.png")
    return {"importance.png": f"Rise of the {task.error_name} on the test split once a column is shuffled."}
