"""Lines of text and what a network read in them.

Images are uint8 (H, W), all of one height.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

READABLE_PAIRS = 25
NOTHING = "∅"  # stands for no character


def text_lines(images: Sequence[Tensor], predicted: Sequence[str], true: Sequence[str], path: Path) -> None:
    """Draw a row for each line: its image, the text read, and below it the true one where that differs, with a legend
    above."""
    widest, width = _widths(images, 0.42)
    height = 0.74 * len(images) + 0.35
    figure = Figure(figsize=(width, height))
    for place, (name, color) in enumerate({"read": "black", "read wrongly": "firebrick", "true": "dimgrey"}.items()):
        figure.text(0.01 + 0.2 * place, 1 - 0.05 / height, name, color=color, fontsize=8, va="top")
    panels = figure.subplots(len(images), 1, squeeze=False)[:, 0]
    for axes, image, text, truth in zip(panels, images, predicted, true):
        _show(axes, image, widest)
        below = {"family": "monospace", "fontsize": 8, "va": "top", "parse_math": False, "transform": axes.transAxes}
        axes.text(0, -0.05, text or NOTHING, color="black" if text == truth else "firebrick", **below)
        if text != truth:
            axes.text(0, -0.05, f"\n{truth}", color="dimgrey", **below)
    figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.25 / height, bottom=0.35 / height, hspace=0.9)
    figure.savefig(path, dpi=90)


def character_positions(
    images: Sequence[Tensor], predicted: Sequence[str], positions: Sequence[Sequence[float]], path: Path
) -> None:
    """Draw each line with its characters above their positions, in pixels from the left."""
    widest, width = _widths(images, 0.6)
    figure = Figure(figsize=(width, 1.0 * len(images)))
    panels = figure.subplots(len(images), 1, squeeze=False)[:, 0]
    for axes, image, text, places in zip(panels, images, predicted, positions):
        _show(axes, image, widest)
        for character, place in zip(text, places):
            axes.axvline(place, color="tab:red", linewidth=0.6, alpha=0.7)
            axes.text(place, -2, character, color="tab:red", ha="center", fontsize=9, parse_math=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.02, hspace=0.5)
    figure.savefig(path, dpi=90)


def character_confusions(edits: Sequence[tuple[str, str]], path: Path) -> None:
    """Draw a bar for each of the commonest pairs of a true character and the one read; "" is none."""
    commonest = Counter(edits).most_common(READABLE_PAIRS)[::-1]
    figure = Figure(figsize=(5, 0.8 + 0.22 * len(commonest)), layout="constrained")
    axes = figure.add_subplot(xlabel="times")
    places = range(len(commonest))
    axes.barh(places, [count for _, count in commonest])
    names = [f"{_visible(true)} → {_visible(predicted)}" for (true, predicted), _ in commonest]
    axes.set_yticks(places, names, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=90)


def _widths(images: Sequence[Tensor], inches: float) -> tuple[int, float]:
    """The width of the widest line in pixels, and that of the figure where lines are so many inches high."""
    height, widest = images[0].shape[0], max(image.shape[1] for image in images)
    return widest, min(max(widest / height * inches, 4.0), 10.0)


def _show(axes: Axes, image: Tensor, widest: int) -> None:
    """A line at the left of its axes, at the scale at which `widest` pixels fill them."""
    axes.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255, aspect="equal")
    axes.set(xlim=(0, widest), anchor="W")
    axes.axis("off")


def _visible(character: str) -> str:
    return {"": NOTHING, " ": "space"}.get(character, character)
