"""What was read from lines of text, beside what they say: drawn, aligned and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from zoo.spec.ctc import BLANK

SHOWN = 12  # lines in a picture
ALIGNED = 5
CONFUSIONS = 25  # pairs of characters
NONE = "∅"  # stands for no character


@dataclass(frozen=True)
class Reading:
    """A line that was read.

    Args:
        pixels: uint8 (H, W).
        path: the likeliest symbol at each step (T,); 0 is the blank.
        stride: pixels from one step to the next.
        read, true: the texts.
    """

    pixels: Tensor
    path: Tensor
    stride: float
    read: str
    true: str

    @property
    def edits(self) -> list[tuple[str, str]]:
        """Pairs of a true character and the one that was read, where they differ; "" where there is none."""
        return [pair for pair in align(self.true, self.read) if pair[0] != pair[1]]


def draw(readings: Sequence[Reading], folder: Path) -> dict[str, str]:
    """Draw lines with what was read, where each character was seen, the worst mistakes and the commonest.

    Returns:
        A caption for each file that was written into the folder.
    """
    captions = {
        "read.png": "Lines of the test split, and what was read; in red with the truth below, where that differs.",
        "alignment.png": "Where along a line each character was seen.",
    }
    _lines(readings[:SHOWN], folder / "read.png")
    _alignment(
        [reading for reading in readings if len(reading.read) > 3][:ALIGNED] or readings[:1], folder / "alignment.png"
    )
    edits = Counter(pair for reading in readings for pair in reading.edits)
    if edits:
        worst = sorted(readings, key=lambda reading: -len(reading.edits) / len(reading.true))
        _lines([reading for reading in worst if reading.edits][:SHOWN], folder / "worst.png")
        captions["worst.png"] = "The lines with the largest share of errors."
        _confusions(edits, folder / "confusions.png")
        captions["confusions.png"] = f"The commonest confusions: true → read, {NONE} for no character."
    return captions


def align(true: str, read: str) -> list[tuple[str, str]]:
    """Pair the characters of two texts with the fewest edits (Levenshtein, 1966); "" stands for a missing one."""
    costs = [list(range(len(read) + 1))]  # costs[i][j]: of the first i characters against the first j
    for i, a in enumerate(true, start=1):
        row = [i]
        for j, b in enumerate(read, start=1):
            row.append(min(costs[-1][j - 1] + (a != b), costs[-1][j] + 1, row[-1] + 1))
        costs.append(row)
    pairs = []
    i, j = len(true), len(read)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (true[i - 1] != read[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((true[i], read[j]))
        elif i and costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((true[i], ""))
        else:
            j -= 1
            pairs.append(("", read[j]))
    return pairs[::-1]


def _lines(readings: Sequence[Reading], path: Path) -> None:
    """A row for each line: its picture, what was read, and the truth where that differs."""
    widest, width = _widths(readings, 0.42)
    figure = Figure(figsize=(width, 0.62 * len(readings) + 0.1))
    for axes, reading in zip(figure.subplots(len(readings), 1, squeeze=False)[:, 0], readings):
        _show(axes, reading.pixels, widest)
        right = reading.read == reading.true
        below = {"family": "monospace", "fontsize": 8, "va": "top", "parse_math": False, "transform": axes.transAxes}
        axes.text(0, -0.05, reading.read or NONE, color="black" if right else "firebrick", **below)
        if not right:
            axes.text(0.5, -0.05, reading.true, color="dimgrey", **below)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.995, bottom=0.03, hspace=0.6)
    figure.savefig(path, dpi=90)


def _alignment(readings: Sequence[Reading], path: Path) -> None:
    """Each line with its characters above the places where they were seen."""
    widest, width = _widths(readings, 0.6)
    figure = Figure(figsize=(width, 1.0 * len(readings)))
    for axes, reading in zip(figure.subplots(len(readings), 1, squeeze=False)[:, 0], readings):
        _show(axes, reading.pixels, widest)
        seen, step = [], 0
        for symbol, run in groupby(reading.path.tolist()):
            length = len(list(run))
            if symbol != BLANK:
                seen.append((step + length / 2) * reading.stride)
            step += length
        for character, place in zip(reading.read, seen):
            axes.axvline(place, color="tab:red", linewidth=0.6, alpha=0.7)
            axes.text(place, -2, character, color="tab:red", ha="center", fontsize=9, parse_math=False)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.93, bottom=0.02, hspace=0.5)
    figure.savefig(path, dpi=90)


def _widths(readings: Sequence[Reading], inches: float) -> tuple[int, float]:
    """The width of the widest line in pixels, and of the figure where lines are so many inches high."""
    height, widest = readings[0].pixels.shape[0], max(reading.pixels.shape[1] for reading in readings)
    return widest, min(max(widest / height * inches, 4.0), 10.0)


def _show(axes: Axes, pixels: Tensor, widest: int) -> None:
    """A line at the left of its axes, as large as if it were `widest` pixels wide."""
    axes.imshow(pixels.numpy(), cmap="gray", vmin=0, vmax=255, aspect="equal")
    axes.set(xlim=(0, widest), anchor="W")
    axes.axis("off")


def _confusions(edits: Counter[tuple[str, str]], path: Path) -> None:
    """A bar for each of the commonest pairs."""
    commonest = edits.most_common(CONFUSIONS)[::-1]
    figure = Figure(figsize=(5, 0.8 + 0.22 * len(commonest)), layout="constrained")
    axes = figure.add_subplot(xlabel="times")
    places = range(len(commonest))
    axes.barh(places, [count for _, count in commonest])
    names = [f"{_named(true)} → {_named(read)}" for (true, read), _ in commonest]
    axes.set_yticks(places, names, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3, axis="x")
    figure.savefig(path, dpi=90)


def _named(character: str) -> str:
    return {"": NONE, " ": "space"}.get(character, character)
