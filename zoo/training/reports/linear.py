"""Linear models of the same inputs, by scikit-learn: what a network is to be above.

Shape letters: N examples, F numbers of an input, K classes, V values.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo.data.core.examples import MappedRows, in_memory
from zoo.spec import Image, Table
from zoo.training.report import Evaluation
from zoo.training.runtime import seeded

MAX_NUMBERS = 3_000_000  # of the training examples together: more would take minutes, and gain little
ROUNDS = 200  # of the solver


def design(evaluation: Evaluation, split: str, rows: Tensor | None = None) -> Tensor | None:
    """The inputs of a split as a linear model takes them (N, F): pixels, or numbers and categories one-hot; None for
    inputs of other kinds."""
    described, column = evaluation.task.spec.input, evaluation.splits[split].columns[0]
    if not (isinstance(described, Table) or type(described) is Image) or not isinstance(column, Tensor | MappedRows):
        return None
    x: Any = described.prepare(in_memory(column, rows))
    if not isinstance(described, Table) or not described.categories:
        return x.flatten(1)
    codes = x[:, described.numbers :].long()
    parts = [functional.one_hot(codes[:, place], size) for place, size in enumerate(described.categories)]
    return torch.cat([x[:, : described.numbers], *(part.float() for part in parts)], dim=1)


def training_rows(evaluation: Evaluation) -> Tensor:
    """The training examples that a linear model learns from: all of a small split, some at random of a large one."""
    count = len(evaluation.splits["train"])
    first = design(evaluation, "train", torch.arange(1))
    most = max(200, MAX_NUMBERS // max(1, 0 if first is None else first.shape[1]))
    with seeded(0):
        return torch.randperm(count)[:most].sort().values


def logistic_regression(evaluation: Evaluation, labels: Tensor, classes: int) -> Tensor | None:
    """The probabilities (N, K) of the test examples by logistic regression; None where it does not fit the inputs."""
    from sklearn.linear_model import LogisticRegression

    rows = training_rows(evaluation)
    train, test = design(evaluation, "train", rows), design(evaluation, "test")
    labels = labels[rows]
    if train is None or test is None or len(labels.unique()) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged: good enough for a baseline
        model = LogisticRegression(max_iter=ROUNDS).fit(train.numpy(), labels.numpy())
    probabilities = torch.zeros(len(test), classes, dtype=torch.float64)
    probabilities[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(test.numpy())).double()
    return probabilities


def ridge(evaluation: Evaluation, targets: Tensor) -> Tensor | None:
    """The standardised values (N, V) of the test examples by ridge regression, whose penalty is chosen by leaving one
    out; None where it does not fit the inputs."""
    from sklearn.linear_model import RidgeCV

    rows = training_rows(evaluation)
    train, test = design(evaluation, "train", rows), design(evaluation, "test")
    if train is None or test is None:
        return None
    model = RidgeCV(alphas=(0.1, 1.0, 10.0, 100.0)).fit(train.double().numpy(), targets[rows].double().numpy())
    return torch.from_numpy(model.predict(test.double().numpy())).view(len(test), -1)
