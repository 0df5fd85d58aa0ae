"""Charts of metrics: curves, confusion matrices, and distributions.

Shape letters: N examples, K classes, V values, T past steps, H steps of the horizon.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

READABLE_CLASSES = 40  # more than that, and names and counts would run into each other
READABLE_COLUMNS = 30
READABLE_POINTS = 2000
SPLITS = {"val": "C0", "train": "C1"}  # the colour of each, in all panels
PANELS = 3  # in a row
FEW_TICKS = 4  # intervals between numbers of six figures, so that they do not run into each other


def learning_curves(metrics: Path, path: Path, title: Callable[[str], str] = str) -> None:
    """Draw a `metrics.csv` over epochs: a panel for each metric, its splits together.

    Args:
        metrics: the file.
        path: of the plot.
        title: of the panel of a metric, by its name without the split.
    """
    panels: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    with metrics.open(newline="") as file:
        for line in csv.DictReader(file):
            for name, value in line.items():
                if value and name.startswith(("train/", "val/")):
                    split, metric = name.split("/", 1)
                    panels[metric][split].append((float(line["epoch"]) + 1, float(value)))
    figure, grid = _panels(max(len(panels), 1), height=3.2)
    for axes, (metric, splits) in zip(
        grid, sorted(panels.items(), key=lambda panel: ("val" not in panel[1], panel[0]))
    ):
        _curves(axes, title(metric), splits)
    figure.savefig(path, dpi=100)


def line_chart(lines: Mapping[str, Mapping[float, float]], xlabel: str, ylabel: str, path: Path) -> None:
    """Draw a line for each name, through its points (x: y)."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
    for name, points in lines.items():
        axes.plot(*zip(*sorted(points.items())), marker="o", label=name)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def confusion_matrix(counts: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw counts (K, K), a row for each true class and a column for each answer, shaded by the fraction of the row."""
    counts = counts.cpu()
    fractions = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    size = 2 + 0.45 * min(len(names), READABLE_CLASSES)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot(xlabel="answer", ylabel="true class")
    axes.imshow(fractions.numpy(), cmap="Blues", vmin=0, vmax=1)
    if len(names) <= READABLE_CLASSES:
        axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        for row, column in counts.nonzero().tolist():
            colour = "white" if fractions[row, column] > 0.5 else "black"
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=120)


def predicted_against_true(
    predicted: Tensor, true: Tensor, names: Sequence[str], path: Path, ends: tuple[Tensor, Tensor] | None = None
) -> None:
    """Draw values (N, V) against the true ones, a panel for each of the V, with the diagonal where they agree.

    Args:
        predicted, true: (N, V); of more than 2,000 the first.
        names: of the V values.
        path: of the file.
        ends: of the intervals of the predicted ones, each (N, V), drawn as lines.
    """
    predicted, true = predicted[:READABLE_POINTS].cpu(), true[:READABLE_POINTS].cpu()
    figure, panels = _panels(len(names))
    for column, (axes, name) in enumerate(zip(panels, names)):
        x, y = true[:, column], predicted[:, column]
        extremes = [min(x.min(), y.min()), max(x.max(), y.max())]
        if ends is not None:
            low, high = (end[:READABLE_POINTS, column].cpu() for end in ends)
            axes.vlines(x, low, high, color="tab:blue", alpha=0.25, linewidth=1)
        axes.plot(extremes, extremes, color="grey", linewidth=1)
        axes.scatter(x, y, s=12, alpha=0.6)
        axes.set_title(name, parse_math=False)
        axes.set(xlabel="true", ylabel="predicted")
        axes.locator_params(axis="x", nbins=FEW_TICKS)
    figure.savefig(path, dpi=120)


def residuals(predicted: Tensor, true: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw true minus predicted values (N, V) against the predicted ones, a panel for each of the V."""
    predicted, true = predicted[:READABLE_POINTS].cpu(), true[:READABLE_POINTS].cpu()
    figure, panels = _panels(len(names))
    for column, (axes, name) in enumerate(zip(panels, names)):
        axes.axhline(0, color="grey", linewidth=1)
        axes.scatter(predicted[:, column], true[:, column] - predicted[:, column], s=12, alpha=0.6)
        axes.set_title(name, parse_math=False)
        axes.set(xlabel="predicted", ylabel="true - predicted")
        axes.locator_params(axis="x", nbins=FEW_TICKS)
    figure.savefig(path, dpi=120)


def _panels(count: int, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, `PANELS` at most in a row, each four inches wide."""
    columns = min(count, PANELS)
    rows = -(-count // columns)
    figure = Figure(figsize=(4 * columns, height * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_axis_off()
    for axes in panels[:count]:
        axes.grid(alpha=0.3)
    return figure, panels[:count]


def legend_beside(axes: Axes, **style: Any) -> None:
    """A legend to the right of the axes; names stand in it as they are."""
    for text in axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **style).get_texts():
        text.set_parse_math(False)


def intervals(panels: Mapping[str, Mapping[str, tuple[float, float, float]]], path: Path) -> None:
    """Draw values with the ends of their intervals, a panel for each metric and a row in it for each run, named at the
    left.

    Args:
        panels: by metric and run the value, the lower and the upper end; NaN for ends that are not known.
        path: of the plot.
    """
    rows = max(map(len, panels.values()))
    figure, grid = _panels(len(panels), height=1.1 + 0.3 * rows)
    for number, (axes, (metric, runs)) in enumerate(zip(grid, panels.items())):
        for place, (value, low, high) in enumerate(runs.values()):
            axes.hlines(place, low, high, color="tab:blue")
            axes.plot(value, place, marker="o", color="tab:blue")
        names = [""] * len(runs) if number % PANELS else list(runs)
        axes.set_yticks(range(len(runs)), names, fontsize=7, parse_math=False)
        axes.set_title(metric, fontsize=9)
        axes.margins(y=0.3)
        axes.invert_yaxis()
    figure.savefig(path, dpi=110)


def importance(increases: Mapping[str, Sequence[float]], error: str, path: Path) -> None:
    """Draw by how much an error increases with each column shuffled: a bar for the mean, a line for the range."""
    means = {name: sum(values) / len(values) for name, values in increases.items()}
    shown = sorted(means, key=means.__getitem__)[-READABLE_COLUMNS:]
    figure = Figure(figsize=(6, 1 + 0.28 * len(shown)), layout="constrained")
    axes = figure.add_subplot(xlabel=f"rise of the {error}")
    axes.barh(range(len(shown)), [means[name] for name in shown])
    ranges = [(min(increases[name]), max(increases[name])) for name in shown]
    axes.hlines(range(len(shown)), *zip(*ranges), color="black")
    axes.set_yticks(range(len(shown)), shown, parse_math=False)
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=120)


def histograms(groups: Mapping[str, Tensor], threshold: float, xlabel: str, path: Path) -> None:
    """Draw how the values (N,) of each group are distributed, as fractions of the group, and a threshold among them."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel="share of the group")
    pooled = torch.cat(list(groups.values())).cpu()
    low, high = pooled.quantile(0.0).item(), pooled.quantile(0.98).item()  # a few far ones would squeeze the rest
    bins = torch.linspace(low, high, 41).tolist()
    for name, values in groups.items():
        shown = values.cpu().clamp(max=high).tolist()
        axes.hist(shown, bins=bins, weights=[1 / max(len(shown), 1)] * len(shown), alpha=0.6, label=name)
    axes.axvline(threshold, color="black", linewidth=1, label="threshold")
    axes.legend()
    figure.savefig(path, dpi=120)


def _curves(axes: Axes, title: str, splits: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for split, points in splits.items():
        axes.plot(*zip(*points), label=split, color=SPLITS.get(split), marker="." if len(points) < 40 else None)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    axes.grid(alpha=0.3)
    axes.legend()


def sweep(
    numbers: Sequence[int], scores: Sequence[float], values: Mapping[str, Sequence[str]], metric: str, path: Path
) -> None:
    """Draw the metric of N runs by their number, and by each setting: numbers as such, other values as names."""
    figure = Figure(figsize=(3.6 * (1 + len(values)), 3.4), layout="constrained")
    panels = figure.subplots(1, 1 + len(values), squeeze=False, sharey=True)[0]
    panels[0].scatter(numbers, scores, s=16)
    panels[0].set(xlabel="run", ylabel=metric)
    for axes, (name, texts) in zip(panels[1:], values.items()):
        points, numeric = _numbers(texts)
        axes.scatter(points, scores, s=16)
        if numeric and min(points) > 0 and max(points) > 30 * min(points):
            axes.set_xscale("log")
        axes.set(xlabel=name)
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def _numbers(texts: Sequence[str]) -> tuple[list[Any], bool]:
    try:
        return [float(text) for text in texts], True
    except ValueError:
        return list(texts), False
