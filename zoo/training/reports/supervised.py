"""What the reports of classification and regression share."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix, multilabel_f1_score

from zoo import plots
from zoo.metrics.importance import permutation_importance
from zoo.spec import Table
from zoo.tasks.supervised import MultiLabelClassification, Supervised
from zoo.training import report
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


@report.baselines.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, float]:
    """The labels that most examples of the training split have, or else the most frequent one, for each example."""
    train, test = (targets(evaluation, split) for split in ("train", "test"))
    shares = train.mean(dim=0)
    given = (shares >= min(0.5, float(shares.max()))).long().expand(len(test), -1)
    return {
        "f1 of the most frequent labels": float(multilabel_f1_score(given, test.long(), len(shares), average="micro"))
    }


@report.plots.register
def _(task: MultiLabelClassification, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    task.eval()
    return importance(task, evaluation, folder)


def importance(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw how much each column of a table matters; of other inputs nothing."""
    if not isinstance(task.spec.input, Table):
        return {}
    plots.importance(importance_of(task, evaluation), task.error_name, folder / "importance.png")
    return {"importance.png": f"Rise of the {task.error_name} on the test split once a column is shuffled."}


def importance_of(task: Supervised, evaluation: Evaluation) -> dict[str, list[float]]:
    """By how much the error on the test split rises once each column of a table is shuffled, several times."""
    if "importance" not in evaluation.kept:
        table, rows = task.spec.input, evaluation.splits["test"].columns[0]
        assert isinstance(table, Table)
        assert isinstance(rows, Tensor)
        network = task.trained_network.cpu()
        found = permutation_importance(network, table, rows, targets(evaluation, "test"), task.error)
        evaluation.kept["importance"] = found
    kept: dict[str, list[float]] = evaluation.kept["importance"]
    return kept
