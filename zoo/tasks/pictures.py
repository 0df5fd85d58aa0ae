"""Pictures that people look at, drawn with Matplotlib (without its global state, so that training can call them)."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

READABLE_CLASSES = 40  # more than that, and names and counts would run into each other
READABLE_COLUMNS = 30


def confusion_matrix(counts: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw counts (K, K), a row for each true class and a column for each answer, shaded by the share of the row."""
    counts = counts.cpu()
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    size = 2 + 0.45 * min(len(names), READABLE_CLASSES)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot(xlabel="answer", ylabel="true class")
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    if len(names) <= READABLE_CLASSES:
        axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(len(names)), names)
        for row, column in counts.nonzero().tolist():
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=120)


def predicted_against_true(predicted: Tensor, true: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw values (N, V) against the true ones, a panel for each of the V, with the diagonal where they agree."""
    figure = Figure(figsize=(4 * len(names), 4), layout="constrained")
    for column, (axes, name) in enumerate(zip(figure.subplots(1, len(names), squeeze=False)[0], names)):
        x, y = true[:, column].cpu(), predicted[:, column].cpu()
        ends = [min(x.min(), y.min()), max(x.max(), y.max())]
        axes.plot(ends, ends, color="grey", linewidth=1)
        axes.scatter(x, y, s=12, alpha=0.6)
        axes.set(title=name, xlabel="true", ylabel="predicted")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def importance(rises: Mapping[str, Sequence[float]], measure: str, path: Path) -> None:
    """Draw how much the measure rises with each column shuffled: a bar for the mean, a line for the range."""
    means = {name: sum(values) / len(values) for name, values in rises.items()}
    shown = sorted(means, key=means.__getitem__)[-READABLE_COLUMNS:]
    figure = Figure(figsize=(6, 1 + 0.28 * len(shown)), layout="constrained")
    axes = figure.add_subplot(xlabel=f"rise of the {measure}")
    axes.barh(shown, [means[name] for name in shown])
    axes.hlines(shown, [min(rises[name]) for name in shown], [max(rises[name]) for name in shown], color="black")
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=120)


def rows(batches: Mapping[str, Tensor], path: Path) -> None:
    """Draw uint8 pictures (N, C, H, W), a labelled row for each batch, with its pictures in columns."""
    count = min(len(batch) for batch in batches.values())
    figure = Figure(figsize=(1 + 0.9 * count, 0.95 * len(batches)), layout="constrained")
    grid = figure.subplots(len(batches), count, squeeze=False)
    for row, (name, batch) in zip(grid, batches.items()):
        for axes, picture in zip(row, batch.cpu()):
            axes.imshow(picture.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    figure.savefig(path, dpi=120)


def curves(metrics: Path, path: Path) -> None:
    """Draw the curves of a `metrics.csv` over epochs: a panel for each figure, its splits together."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with metrics.open(newline="") as file:
        for line in csv.DictReader(file):
            for name, value in line.items():
                if value and name.startswith(("train/", "val/")):
                    split, figure_name = name.split("/", 1)
                    panels[figure_name][split].append((float(line["epoch"]) + 1, float(value)))
    figure = Figure(figsize=(4 * max(len(panels), 1), 3.2), layout="constrained")
    if panels:
        for axes, (name, splits) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items()):
            _panel(axes, name, splits)
    figure.savefig(path, dpi=120)


def _panel(axes: Axes, name: str, splits: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for split, points in splits.items():
        axes.plot(*zip(*points), label=split, marker="." if len(points) < 40 else None)
    axes.set(title=name, xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.legend()
