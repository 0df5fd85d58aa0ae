"""Quality on small tables: the default run of model=mlp beside scikit-learn's usual models.

5-fold cross-validation, shuffled with seed 42 (stratified for classes), of accuracy or R2, with the standard
deviation over the folds. All see the same standardized columns, and train on the rows of the other four folds. Ours is
what conf/ says; of these rows, which the others all learn from, 15 % choose the epoch, as in a run. The settings of
conf/ were chosen on tables that are marked as seen. The others were named before any was tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits, load_iris, make_friedman1, make_friedman2, make_friedman3
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.svm import SVC, SVR
from torch import Tensor

from zoo.benchmarks import Row
from zoo.data.core.examples import Examples
from zoo.data.core.table_data import TableData
from zoo.data.core.table_spec import examples, learn
from zoo.data.tables import BreastCancer, Diabetes, Wine
from zoo.estimators.estimator import held_out
from zoo.estimators.fitting import fit
from zoo.spec import Classes, Spec, Table

SEED = 42
VALIDATION = 0.15  # of the rows, as in a run
BATCH_SIZE = 64
MOST = 2000  # rows of a table; of a longer one so many are drawn
CLASSIFIERS = {
    "logistic regression": partial(LogisticRegression, max_iter=1000),
    "gradient boosting": partial(HistGradientBoostingClassifier, random_state=0),
    "SVM": partial(SVC, C=10),
}
REGRESSORS = {
    "ridge": Ridge,
    "gradient boosting": partial(HistGradientBoostingRegressor, random_state=0),
    "SVM": partial(SVR, C=10),
}


@dataclass(frozen=True)
class Source:
    """A table.

    Args:
        name: of it.
        frame: its rows.
        target: the column to predict.
        classes: whether the target is a class.
        seen: whether settings were chosen on it.
    """

    name: str
    frame: pd.DataFrame
    target: str
    classes: bool
    seen: bool = False


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
    print("| table | rows | seen | model | score | over folds |", "|---|---|---|---|---|---|", sep="\n", flush=True)
    for source in sources():
        scores: dict[str, list[float]] = {}
        for data in _folds(source):
            for model, score in _scores(data).items():
                scores.setdefault(model, []).append(score)
        about = f"{source.name} | {len(source.frame):,} | {'yes' if source.seen else 'no'}"
        metric = "accuracy" if source.classes else "R2"
        for model, values in scores.items():
            print(f"| {about} | {model} | {metric} {np.mean(values):.4f} | ± {np.std(values):.4f} |", flush=True)
        ours = scores.pop("ours")
        rows += [Row(f"{source.name}: {model}", ours, theirs) for model, theirs in scores.items()]
    return rows


def sources() -> Iterator[Source]:
    """The tables that scikit-learn generates or ships, and those of statsmodels, where it is installed."""
    yield _generated("friedman2", make_friedman2(500, noise=125.0, random_state=SEED))
    yield _generated("friedman3", make_friedman3(500, noise=0.1, random_state=SEED))
    yield Source("iris", load_iris(as_frame=True).frame, "target", classes=True)
    yield from _of_statsmodels()
    yield Source("digits", load_digits(as_frame=True).frame, "target", classes=True)
    yield _generated("friedman1", make_friedman1(500, noise=1.0, random_state=SEED), seen=True)
    for name, data in {"diabetes": Diabetes(), "breast_cancer": BreastCancer(), "wine": Wine()}.items():
        yield Source(name, data.read(), data.targets[0], classes=name != "diabetes", seen=True)


def _of_statsmodels() -> Iterator[Source]:
    try:
        import statsmodels.datasets as shipped
    except ImportError:
        print("statsmodels is not installed, and its tables are left out", flush=True)
        return
    yield _shipped("engel", shipped.engel, "foodexp")
    yield _shipped("ccard", shipped.ccard, "AVGEXP")
    yield _shipped("grunfeld", shipped.grunfeld, "invest", category="firm")
    yield _shipped("anes96", shipped.anes96, "vote", classes=True)
    yield _shipped("modechoice", shipped.modechoice, "choice", category="mode", ignored="individual", classes=True)
    yield _shipped("randhie", shipped.randhie, "mdvis")
    affairs = shipped.fair.load_pandas().data
    yield Source("fair", _drawn(affairs.assign(affairs=affairs["affairs"] > 0)), "affairs", classes=True)
    star98 = shipped.star98.load_pandas()
    share = star98.endog.iloc[:, 0] / star98.endog.sum(axis=1)
    yield Source("star98", star98.exog.assign(share=share), "share", classes=False, seen=True)


def _generated(name: str, made: tuple[np.ndarray, np.ndarray], *, seen: bool = False) -> Source:
    inputs, targets = made
    frame = pd.DataFrame(inputs, columns=[f"x{place}" for place in range(inputs.shape[1])])
    return Source(name, frame.assign(y=targets), "y", classes=False, seen=seen)


def _shipped(
    name: str, module: Any, target: str, *, category: str = "", ignored: str = "", classes: bool = False
) -> Source:
    """A table of statsmodels; the values of a category become columns of 0 and 1, which all models take alike."""
    frame = module.load_pandas().data.drop(columns=[ignored] if ignored else [])
    return Source(name, _drawn(pd.get_dummies(frame, columns=[category]) if category else frame), target, classes)


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame if len(frame) <= MOST else frame.sample(MOST, random_state=SEED)
    return frame.reset_index(drop=True)


def _folds(source: Source) -> list[Fold]:
    frame, target = source.frame, source.target
    divide = (StratifiedKFold if source.classes else KFold)(5, shuffle=True, random_state=SEED)
    folds = []
    for train, test in divide.split(frame, frame[target]):
        spec = learn(frame.iloc[train], target, classes=source.classes)
        rows_of = {"train": train, "test": test}
        splits = {split: examples(frame.iloc[rows], spec, [target]) for split, rows in rows_of.items()}
        folds.append(Fold(spec, splits, target, BATCH_SIZE))
    return folds


def _scores(data: Fold) -> dict[str, float]:
    """The score of each model on a fold."""
    rows, targets = {}, {}
    for split in ("train", "test"):
        x, y = _tensors(data, split)
        rows[split], targets[split] = x.numpy(), y.numpy().ravel()
    classes = isinstance(data.spec.output, Classes)
    score = accuracy_score if classes else r2_score
    scores = {"ours": float(score(targets["test"], _ours(data)))}
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


def _ours(data: Fold) -> np.ndarray:
    network = fit(("model=mlp",), data.spec, _with_validation(data), data.batch_size, seed=SEED).network
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
