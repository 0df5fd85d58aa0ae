"""Sentence polarity in 10-fold cross-validation: `experiment=rt_polarity` beside a bag of words on the same folds.

Finished runs are kept in `runs/rt_polarity_folds`, and an interrupted suite goes on after them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

import zoo
from zoo.benchmarks import Row

FOLDS = range(10)
OURS, BAG = "test/accuracy", "baseline/accuracy of a bag of words"


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows."""
    folds = [_fold(root, fold) for fold in FOLDS]
    print("| fold | ours | bag of words |", "|---|---|---|", sep="\n")
    for fold, metrics in zip(FOLDS, folds):
        print(f"| {fold} | {metrics[OURS]:.2%} | {metrics[BAG]:.2%} |")
    columns = [[metrics[name] for metrics in folds] for name in (OURS, BAG)]
    means = " | ".join(f"{statistics.mean(column):.2%} ± {statistics.stdev(column):.2%}" for column in columns)
    print(f"| mean ± standard deviation | {means} |")
    return [Row("test accuracy over folds", *columns)]


def _fold(root: Path, fold: int) -> dict[str, float]:
    """The metrics of a fold, trained if it has not been."""
    folder = Path("runs", "rt_polarity_folds", str(fold)).resolve()
    if not (folder / "model.safetensors").exists():
        settings = ["experiment=rt_polarity", f"data.fold={fold}", f"data.root={root.resolve()}", f"folder={folder}"]
        subprocess.run([sys.executable, "-m", "zoo", "train", *settings], check=True, stdout=subprocess.DEVNULL)
    return zoo.load(folder / "model.safetensors").metrics
