"""Quality on small tables: the default run of model=mlp beside scikit-learn's usual models.

5-fold cross-validation, shuffled with seed 42 (stratified for classes), of accuracy or R2, with the standard
deviation over the folds. All see the same standardized columns, and train on all rows of the other four folds.
Ours is what conf/ says, without the choice of an epoch by validation, as no rows are held out for it here. Its
settings, the same for all tables, were chosen by cross-validation with other seeds.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import hydra
import lightning as L
import numpy as np
import pandas as pd
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import DictConfig
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import Tensor

from zoo import models
from zoo.benchmarks import Row
from zoo.data.core.examples import Examples
from zoo.data.core.table_spec import examples, learn
from zoo.data.tables import BreastCancer, Diabetes, TableData, Wine
from zoo.settings import config_folder, folded
from zoo.spec import Classes, Spec, Table
from zoo.training import run_length
from zoo.training.recipe import plain

SEED = 42
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
        cfg = _config(f"data={name}")
        scores: dict[str, list[float]] = {}
        for data in _folds(source, cfg.data.batch_size):
            for model, score in _scores(data, cfg).items():
                scores.setdefault(model, []).append(score)
        metric = "accuracy" if isinstance(source.spec.output, Classes) else "R2"
        for model, values in scores.items():
            print(f"| {name} | {model} | {metric} {np.mean(values):.4f} | ± {np.std(values):.4f} |", flush=True)
        ours = scores.pop("ours")
        rows += [Row(f"{name}: {model}", ours, theirs) for model, theirs in scores.items()]
    return rows


def _config(*overrides: str) -> DictConfig:
    """The config of a run of model=mlp."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
        return hydra.compose("train", ["model=mlp", *overrides])


def _folds(source: TableData, batch_size: int) -> list[Fold]:
    frame = source.read()
    source.setup()
    classes = isinstance(source.spec.output, Classes)
    divide = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=SEED)
    folds = []
    for train, test in divide.split(frame, frame[source.targets[0]]):
        spec = learn(frame.iloc[train], source.targets, classes=classes)
        rows_of = {"train": train, "test": test}
        splits = {split: examples(frame.iloc[rows], spec, source.targets) for split, rows in rows_of.items()}
        folds.append(Fold(spec, splits, source.targets[0], batch_size))
    return folds


def _scores(data: Fold, cfg: DictConfig) -> dict[str, float]:
    """The score of each model on a fold."""
    rows, targets = {}, {}
    for split in ("train", "test"):
        x, y = _tensors(data, split)
        rows[split], targets[split] = x.numpy(), y.numpy().ravel()
    classes = isinstance(data.spec.output, Classes)
    score = accuracy_score if classes else r2_score
    scores = {"ours": float(score(targets["test"], _ours(data, cfg)))}
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


def _ours(data: Fold, cfg: DictConfig) -> np.ndarray:
    L.seed_everything(cfg.seed, verbose=False)
    given = {name: value for name, value in plain(cfg.model).items() if name[0] != "_" and value is not None}
    options = {**models.defaults(given.pop("name"), data.spec), **given}
    described = instantiate(cfg.task, _partial_=True, _convert_="all")
    settings = folded(described.func, described.keywords)
    task = described.func(**settings, spec=data.spec, build=partial(models.build, "mlp", **options))
    run_length.choose(cfg, task)
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=run_length.epochs(cfg, len(data.train_dataloader())),
            limit_val_batches=0,
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(task, data)
    with torch.inference_mode():
        outputs = task.eval()(_tensors(data, "test")[0])
    return (outputs.argmax(dim=1) if isinstance(data.spec.output, Classes) else outputs[:, 0]).numpy()
