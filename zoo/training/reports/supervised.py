"""What the reports of classification and regression share."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from zoo import plots
from zoo.data.core.examples import in_memory
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
    shown = "rows are true classes, columns answers; the darker, the more of its row"
    return {"confusion_matrix.png": f"Confusion matrix of the test split: {shown}."}


def temperature_notes(temperature: float, error: float, uncalibrated: float) -> list[str]:
    """What the card says of a temperature: the calibration error on test with it, and without."""
    return [
        "## Answers",
        f"Probabilities are at a temperature of {temperature:.4g}, chosen on validation: the calibration error on test "
        f"is {error:.4g}, and without it {uncalibrated:.4g}.",
    ]


def importance(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw how much each column of a table matters; of other inputs nothing."""
    if not isinstance(task.spec.input, Table):
        return {}
    plots.importance(importance_of(task, evaluation), task.error_name, folder / "importance.png")
    return {"importance.png": f"Rise of the {task.error_name} on the test split once a column is shuffled."}


def importance_of(task: Supervised, evaluation: Evaluation) -> dict[str, list[float]]:
    """By how much the error on the test split rises once each column of a table is shuffled, several times."""

    def find() -> dict[str, list[float]]:
        table, rows = task.spec.input, in_memory(evaluation.splits["test"].columns[0])
        assert isinstance(table, Table)
        network = task.trained_network.cpu()
        return permutation_importance(network, table, rows, targets(evaluation, "test"), task.error)

    return evaluation.once("importance", find)
