"""What a network has learned, laid out: points in the plane, and the words of topics.

Shape letters: N points, G topics, W words of each.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor

from zoo.plots.charts import READABLE_CLASSES, legend_beside

READABLE_TOPICS = 24


def scatter(points: Tensor, labels: Tensor, names: Sequence[str] | None, path: Path) -> None:
    """Draw points (N, 2), coloured by their labels (N,): classes, if they have names, and otherwise values.

    Labels of several numbers each, such as sentences, have no colour.
    """
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    if names is None or len(names) > READABLE_CLASSES:
        shade = labels.flatten() if labels.numel() == len(points) else None
        axes.scatter(points[:, 0], points[:, 1], c=shade, s=8, cmap=None if shade is None else "viridis")
    else:
        colours = colormaps["tab10" if len(names) <= 10 else "turbo"].resampled(len(names))
        for label, name in enumerate(names):
            own = points[labels == label]
            axes.scatter(own[:, 0], own[:, 1], s=8, color=colours(label), label=name)
        legend_beside(axes, markerscale=2)
    figure.savefig(path, dpi=120)


def labelled_scatter(points: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw points (N, 2) with their names beside them: each at a height of its own, in their order upwards, so that no
    name covers another."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    heights = points[:, 1].argsort().argsort()
    axes.scatter(points[:, 0], heights, s=8)
    axes.margins(x=0.2)
    for x, y, name in zip(points[:, 0].tolist(), heights.tolist(), names):
        short = textwrap.shorten(name, 34, placeholder="…")
        axes.annotate(short, (x, y), (3, 2), textcoords="offset points", fontsize=7, parse_math=False)
    figure.savefig(path, dpi=110)


def topic_words(topics: Sequence[Sequence[str]], weights: Tensor, path: Path, *, columns: int = 4) -> None:
    """Draw the words of each topic as bars as long as their weights (G, W); of many topics the first 24."""
    topics = topics[:READABLE_TOPICS]
    rows = ceil(len(topics) / columns)
    figure = Figure(figsize=(2.6 * columns, 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(topics) :]:
        axes.axis("off")
    for number, (axes, words, lengths) in enumerate(zip(panels, topics, weights.tolist())):
        axes.barh(range(len(words)), lengths, color="tab:blue")
        axes.set_yticks(range(len(words)), words, fontsize=7, parse_math=False)
        axes.set_title(f"topic {number}", fontsize=8)
        axes.tick_params(axis="x", labelsize=6)
        axes.invert_yaxis()
    figure.supxlabel("nats", fontsize=8)
    figure.savefig(path, dpi=110)
