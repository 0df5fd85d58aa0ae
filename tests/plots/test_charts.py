"""Charts: they are drawn, and show what they were given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import plots
from zoo.plots import charts

Read = Callable[[Path], np.ndarray]


@pytest.mark.parametrize(
    "names",
    [
        ["no", "yes"],
        ["tabby cat", "golden retriever", "emu"],
        [f"class {k}" for k in range(100)],
    ],
    ids=len,
)
def test_a_confusion_matrix(tmp_path: Path, names: list[str], read: Read) -> None:
    counts = torch.eye(len(names), dtype=torch.int64) * 95 + 1
    plots.confusion_matrix(counts, names, tmp_path / "matrix.png")
    read(tmp_path / "matrix.png")


def test_a_confusion_matrix_is_dark_where_answers_are(
    tmp_path: Path, read: Read, fraction: Callable[..., float]
) -> None:
    dark = (8, 48, 107)  # the deep end of the colours
    fractions = []
    for counts in (torch.eye(4, dtype=torch.int64) * 50, torch.ones(4, 4, dtype=torch.int64)):
        plots.confusion_matrix(counts, list("abcd"), tmp_path / "matrix.png")
        fractions.append(fraction(read(tmp_path / "matrix.png"), dark))
    assert fractions[0] > 0.05
    assert fractions[1] < 0.001


def test_a_class_without_examples(tmp_path: Path, read: Read) -> None:
    plots.confusion_matrix(torch.tensor([[5, 1], [0, 0]]), ["a", "b"], tmp_path / "matrix.png")
    read(tmp_path / "matrix.png")


METRICS = """epoch,step,train/loss,train/lr,val/accuracy,val/loss
0,10,,,0.5,1.0
0,10,0.9,0.01,,
1,20,,,0.75,0.5
1,20,0.4,0.005,,
,20,,,,
"""


@pytest.mark.parametrize(
    "text",
    [METRICS, "epoch,train/loss\n0,2.5\n", "epoch,train/loss\n0,nan\n1,inf\n2,1\n"],
    ids=["usual", "one epoch", "not finite"],
)
def test_learning_curves(tmp_path: Path, text: str, read: Read) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    plots.learning_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    read(tmp_path / "curves.png")


def test_learning_curves_have_a_panel_for_each_metric_with_its_splits_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    drawn = {}

    def remember(axes: object, name: str, splits: dict[str, list[tuple[float, float]]]) -> None:
        drawn[name] = {split: list(points) for split, points in splits.items()}

    monkeypatch.setattr(charts, "_curves", remember)
    plots.learning_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert drawn == {
        "loss": {"val": [(1, 1.0), (2, 0.5)], "train": [(1, 0.9), (2, 0.4)]},
        "lr": {"train": [(1, 0.01), (2, 0.005)]},
        "accuracy": {"val": [(1, 0.5), (2, 0.75)]},
    }


def test_values_of_each_kind(tmp_path: Path, read: Read) -> None:
    file = tmp_path / "chart.png"
    plots.predicted_against_true(torch.randn(30, 2), torch.randn(30, 2), ["a", "b"], file)
    read(file)
    plots.importance({f"column {k}": [0.1 * k, 0.2 * k] for k in range(40)}, "error", file)
    read(file)
    plots.histograms({"normal": torch.randn(50), "anomalies": torch.randn(0)}, 1.0, "energy", file)
    read(file)
    plots.forecasts(torch.randn(3, 30, 2), torch.randn(3, 5, 2), torch.randn(3, 5, 2), ["x", "y"], file)
    read(file)
    plots.line_chart({"lstm": {20: 0.5, 10: 0.2}, "rnn": {10: 0.3}}, "length", "rmse", file)
    read(file)
