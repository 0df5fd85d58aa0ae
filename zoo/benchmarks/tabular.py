"""Quality on small tables: the default run of model=mlp beside scikit-learn's usual models.

5-fold cross-validation, shuffled with seed 42 (stratified for classes), of accuracy or R2, with the standard
deviation over the folds. All see the same standardized columns, and train on the rows of the other four folds. Ours is
what conf/ says; of these rows, which the others all learn from, 15 % choose the epoch, as in a run.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import Tensor

from zoo.benchmarks import Row
from zoo.data.core.examples import Examples
from zoo.data.core.table_spec import examples, learn
from zoo.data.tables import BreastCancer, Diabetes, TableData, Wine
from zoo.estimators.estimator import held_out
from zoo.estimators.fitting import fit
from zoo.spec import Classes, Spec, Table

SEED = 42
VALIDATION = 0.15  # of the rows, as in a run
CLASSIFIERS = {
    "logistic regression": partial(LogisticRegression, max_iter=1000),
    "MLPClassifier": partial(MLPClassifier, max_iter=1000, random_state=0),
    "gradient boosting": partial(HistGradientBoostingClassifier, random_state=0),
}
REGRESSORS = {
    "ridge": Ridge,
    "MLPRegressor": partial(MLPRegressor, max_iter=1000, random_state=0),
    "gradient boosting": partial(HistGradientBoostingRegressor, random_state=0),
}


class Fold(TableData):
    """One fold: rows to train on, and rows to test on."""

    def __init__(self, spec: Spec, splits: dict[str, Examples], target: str, batch_size: int) -> None:
        super().__init__(target, batch_size=batch_size)
        self.spec, self.splits = spec, splits

    def read(self) -> pd.DataFrame:
        raise NotImplementedError("its rows are given")


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: ours beside each of the others, in scores over folds."""
    rows = []
    print("| table | model | score | over folds |", "|---|---|---|---|", sep="\n", flush=True)
    for name, source in {"breast_cancer": BreastCancer(), "wine": Wine(), "diabetes": Diabetes()}.items():
        scores: dict[str, list[float]] = {}
        for data in _folds(source):
            for model, score in _scores(data, name).items():
                scores.setdefault(model, []).append(score)
        metric = "accuracy" if isinstance(source.spec.output, Classes) else "R2"
        for model, values in scores.items():
            print(f"| {name} | {model} | {metric} {np.mean(values):.4f} | ± {np.std(values):.4f} |", flush=True)
        ours = scores.pop("ours")
        rows += [Row(f"{name}: {model}", ours, theirs) for model, theirs in scores.items()]
    return rows


def _folds(source: TableData) -> list[Fold]:
    frame = source.read()
    source.setup()
    classes = isinstance(source.spec.output, Classes)
    divide = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=SEED)
    folds = []
    for train, test in divide.split(frame, frame[source.targets[0]]):
        spec = learn(frame.iloc[train], source.targets, classes=classes)
        rows_of = {"train": train, "test": test}
        splits = {split: examples(frame.iloc[rows], spec, source.targets) for split, rows in rows_of.items()}
        folds.append(Fold(spec, splits, source.targets[0], source.batch_size))
    return folds


def _scores(data: Fold, name: str) -> dict[str, float]:
    """The score of each model on a fold."""
    rows, targets = {}, {}
    for split in ("train", "test"):
        x, y = _tensors(data, split)
        rows[split], targets[split] = x.numpy(), y.numpy().ravel()
    classes = isinstance(data.spec.output, Classes)
    score = accuracy_score if classes else r2_score
    scores = {"ours": float(score(targets["test"], _ours(data, ("model=mlp", f"data={name}"))))}
    for name, model in (CLASSIFIERS if classes else REGRESSORS).items():
        answers = model().fit(rows["train"], targets["train"]).predict(rows["test"])
        scores[name] = float(score(targets["test"], answers))
    return scores


def _tensors(data: Fold, split: str) -> tuple[Tensor, Tensor]:
    """The columns of a split as the network takes them (N, F), and its targets."""
    rows, targets = data.splits[split].columns
    assert isinstance(data.spec.input, Table)
    assert isinstance(rows, Tensor)
    assert isinstance(targets, Tensor)
    return data.spec.input.prepare(rows), targets


def _ours(data: Fold, overrides: tuple[str, ...]) -> np.ndarray:
    network = fit(overrides, data.spec, _with_validation(data), data.batch_size, seed=SEED).network
    with torch.inference_mode():
        outputs = network(_tensors(data, "test")[0])
    return (outputs.argmax(dim=1) if isinstance(data.spec.output, Classes) else outputs[:, 0]).numpy()


def _with_validation(data: Fold) -> dict[str, Examples]:
    """The rows to train on, and the share of them that chooses the epoch, of each class its own."""
    train: Any = data.splits["train"].columns
    classes = isinstance(data.spec.output, Classes)
    groups = train[1].numpy() if classes else np.zeros(len(train[0]), dtype=int)
    rows = held_out(groups, VALIDATION, SEED)
    return {split: Examples(*(column[its] for column in train)) for split, its in rows.items()}
