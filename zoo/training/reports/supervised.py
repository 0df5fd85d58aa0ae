"""Reports of classification, regression and sentiment."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix, multilabel_f1_score

from zoo import plots
from zoo.metrics.importance import permutation_importance
from zoo.spec import Table
from zoo.tasks.supervised import Classification, MultiLabelClassification, Regression, Sentiment, Supervised
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
def _(task: Classification, evaluation: Evaluation) -> dict[str, float]:
    """The most frequent class of the training split, for each example."""
    train, test = (targets(evaluation, split) for split in ("train", "test"))
    return {"accuracy of the most frequent class": float((test == train.bincount().argmax()).float().mean())}


@report.notes.register
def _(task: Classification, evaluation: Evaluation) -> list[str]:
    """Whether the network is above always giving one answer."""
    train, test = (targets(evaluation, split) for split in ("train", "test"))
    frequent = int(train.bincount().argmax())
    answers = torch.cat(evaluation.predictions("test")).argmax(dim=1)
    accuracy, baseline = ((given == test).float().mean().item() for given in (answers, torch.tensor(frequent)))
    if accuracy > baseline:
        return []
    return [
        f"**The network is not above always answering '{task.names[frequent]}'**: its accuracy is {accuracy:.4g}, and "
        f"that answer's {baseline:.4g}."
    ]


@report.baselines.register
def _(task: MultiLabelClassification, evaluation: Evaluation) -> dict[str, float]:
    """The labels that most examples of the training split have, or else the most frequent one, for each example."""
    train, test = (targets(evaluation, split) for split in ("train", "test"))
    shares = train.mean(dim=0)
    given = (shares >= min(0.5, float(shares.max()))).long().expand(len(test), -1)
    return {
        "f1 of the most frequent labels": float(multilabel_f1_score(given, test.long(), len(shares), average="micro"))
    }


@report.baselines.register
def _(task: Regression, evaluation: Evaluation) -> dict[str, float]:
    """The mean of the training split, for each example."""
    train, test = (task.values.restore(targets(evaluation, split)) for split in ("train", "test"))
    return {"rmse of the mean": float((test - train.mean(dim=0)).square().mean().sqrt())}


@report.plots.register
def _(task: Classification, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    logits = torch.cat(evaluation.predictions("test"))
    captions = confusion_matrix(logits.argmax(dim=1), targets(evaluation, "test"), task.names, folder)
    return captions | importance(task, evaluation, folder)


@report.plots.register
def _(task: MultiLabelClassification, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    task.eval()
    return importance(task, evaluation, folder)


@report.plots.register
def _(task: Regression, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    predicted, true = (
        task.values.restore(values)
        for values in (torch.cat(evaluation.predictions("test")), targets(evaluation, "test"))
    )
    plots.predicted_against_true(predicted, true, task.values.names, folder / "predicted.png")
    captions = {"predicted.png": "Predicted against true values of the test split."}
    return captions | importance(task, evaluation, folder)


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


@report.baselines.register
def _(task: Sentiment, evaluation: Evaluation) -> dict[str, float]:
    """A bag of words: logistic regression on the TF-IDF of words and pairs of words, with sublinear frequencies."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True), LogisticRegression(C=10, max_iter=1_000)
    )
    texts = {split: codes_of(evaluation.splits[split].columns[0]) for split in ("train", "test")}
    model.fit(texts["train"], targets(evaluation, "train").numpy())
    return {"accuracy of a bag of words": model.score(texts["test"], targets(evaluation, "test").numpy())}


def codes_of(column: Any) -> list[list[int]]:
    """The codes of each text of a ragged column."""
    return [part.tolist() for part in column.values.split(column.lengths.tolist())]


def words_and_pairs(codes: list[int]) -> list[tuple[int, ...]]:
    """What a bag of words holds: each code alone, and each pair of neighbours."""
    return [*zip(codes), *pairwise(codes)]
