"""Drawings of what goes on inside a network, from plain arrays.

Shape letters: N images, texts or points, C channels, H height, W width, K maps or classes, T words, U units, G grid
points each way.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from zoo.plots.charts import legend_beside
from zoo.plots.images import show_image

LINE = 92  # characters of a line of text
WIDTH = 8.6 * 0.602 / 72  # inches of a character of DejaVu Sans Mono
LEAST = 16  # pixels of a map, each way
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BLUE, RED = (0.14, 0.39, 0.66), (0.70, 0.21, 0.17)
POINTS = ("#1f5fa8", "#d1782a", "#2f8f5b", "#b3352b", "#7d5ba6", "#7a5c45", "#c46a9b", "#6b6b6b", "#9a9a2c", "#2b93a3")


def first_filters(weights: Tensor, path: Path) -> None:
    """Draw filters (N, C, H, W): in colour those of three channels, each scaled to its largest weight around grey, and
    otherwise the mean over channels, blue above 0 and red below."""
    weights = weights.float() / weights.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)
    weights = weights.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)  # so that gaps are thin
    columns = min(8, len(weights))
    rows = ceil(len(weights) / columns)
    figure = Figure(figsize=(0.75 * columns, 0.75 * rows), layout="constrained")
    axes = figure.add_subplot()
    if weights.shape[1] == 3:
        axes.imshow(_tiles(0.5 + 0.5 * weights.permute(0, 2, 3, 1), columns, gap=1.0).numpy())
    else:
        axes.imshow(_tiles(weights.mean(dim=1), columns).numpy(), cmap="RdBu", vmin=-1, vmax=1)
    axes.set_axis_off()
    figure.savefig(path, dpi=120)


def feature_maps(images: Tensor, stages: Sequence[Tensor], path: Path) -> None:
    """Draw images (N, C, H, W), a row each, and beside each the maps (N, K, H', W') of each stage, the brighter the
    larger."""
    figure = Figure(figsize=(1.7 * (1 + len(stages)), 1.85 * len(images)), layout="constrained")
    panels = figure.subplots(len(images), 1 + len(stages), squeeze=False)
    for number, row in enumerate(panels):
        _show(row[0], images[number])
        for axes, maps in zip(row[1:], stages):
            own = _magnified(maps[number].float())
            tiles = _tiles(own / own.abs().max().clamp(min=1e-12), ceil(len(own) ** 0.5))
            axes.imshow(tiles.numpy(), cmap="magma", vmin=0, vmax=1, interpolation="nearest")
            axes.set_axis_off()
    panels[0, 0].set_title("image", fontsize=8)
    for number, (axes, maps) in enumerate(zip(panels[0, 1:], stages), start=1):
        axes.set_title(f"stage {number}: {maps.shape[2]} × {maps.shape[3]}", fontsize=8)
    figure.savefig(path, dpi=110)


def attributions(images: Tensor, maps: Mapping[str, Tensor], names: Sequence[str], path: Path) -> None:
    """Draw images (N, C, H, W), a row each beside its name, and over each what maps (N, H', W') say.

    Args:
        images: uint8.
        maps: by the title of their column. One with values below 0 is blue above 0 and red below, over white; another
            is red over the image, the more opaque the larger. Each is scaled to its largest value.
        names: of the rows.
        path: of the file.
    """
    width = 1 + len(maps)
    figure = Figure(figsize=(1.6 + 1.35 * width, 1.4 * len(images) + 0.3), layout="constrained")
    panels = figure.subplots(len(images), width, squeeze=False)
    height, length = images.shape[-2:]
    for number, (row, name) in enumerate(zip(panels, names)):
        _show(row[0], images[number])
        row[0].text(-0.08, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=8, parse_math=False)
        for axes, values in zip(row[1:], maps.values()):
            own = values[number].float() / values[number].abs().max().clamp(min=1e-12)
            box = (-0.5, length - 0.5, height - 0.5, -0.5)
            if (values < 0).any():
                axes.imshow(own.numpy(), cmap="RdBu", vmin=-1, vmax=1, extent=box, interpolation="nearest")
                axes.set_axis_off()
            else:
                _show(axes, images[number])
                veil = torch.zeros(*own.shape, 4)
                veil[..., 0], veil[..., 3] = 1, 0.75 * own
                axes.imshow(veil.numpy(), extent=box, interpolation="bilinear")
    for axes, title in zip(panels[0], ("image", *maps)):
        axes.set_title(title, fontsize=8)
    figure.savefig(path, dpi=110)


@dataclass(frozen=True)
class MarkedText:
    """A text whose words are marked: a heading in black or red, and (word, influence) pairs."""

    heading: str
    is_right: bool
    words: Sequence[tuple[str, float]]


def marked_texts(texts: Sequence[MarkedText], path: Path) -> None:
    """Draw texts below each other, each word blue if its influence is above 0 and red below, scaled to the largest of
    its text."""
    blocks = [_lines([word for word, _ in text.words]) for text in texts]
    count = sum(len(lines) + 2 for lines in blocks)
    figure = Figure(figsize=(LINE * WIDTH / 0.97, 0.22 * count))
    axes = figure.add_axes((0.02, 0, 0.97, 1), xlim=(0, LINE), ylim=(count, 0))
    axes.set_axis_off()
    style: dict[str, Any] = {"family": "monospace", "fontsize": 8.6, "va": "center", "parse_math": False}
    row = 0.8
    for text, lines in zip(texts, blocks):
        axes.text(0, row, text.heading, color="black" if text.is_right else "firebrick", **{**style, "weight": "bold"})
        largest = max((abs(value) for _, value in text.words), default=0) or 1.0
        words = iter(text.words)
        for line in lines:
            row += 1
            for start in line:
                word, value = next(words)
                colour = (*(BLUE if value > 0 else RED), 0.65 * abs(value) / largest)
                box = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
                axes.text(start, row, word, bbox=box, **style)
        row += 2
    _save(figure, path, dpi=110)


def unit_maps(parts: Mapping[str, Tensor], steps: Sequence[str], path: Path) -> None:
    """Draw what U units do over T steps, a panel for each part (T, U): red to blue where it has values below 0, and
    otherwise from 0, dark, to 1, bright."""
    units = next(iter(parts.values())).shape[1]
    height = 0.4 + 0.055 * units
    figure = Figure(figsize=(max(5.0, 1.6 + 0.27 * len(steps)), height * len(parts) + 0.8), layout="constrained")
    panels = figure.subplots(len(parts), 1, squeeze=False, sharex=True)[:, 0]
    for axes, (name, values) in zip(panels, parts.items()):
        if (values < 0).any():
            most = float(values.abs().max())
            drawn = axes.imshow(values.t().numpy(), cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
        else:
            drawn = axes.imshow(values.t().numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        figure.colorbar(drawn, ax=axes, pad=0.01, aspect=12).ax.tick_params(labelsize=7)
        axes.set_ylabel(name, fontsize=9)
        axes.set_yticks([])
    panels[-1].set_xticks(range(len(steps)), [_plain(step) for step in steps], rotation=90, fontsize=8)
    _save(figure, path, dpi=110)


def layer_bands(layers: Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]], path: Path) -> None:
    """Draw distributions over epochs, a row for each layer and a column for each quantity: the median, and bands that
    hold the middle half and the middle nine tenths.

    Args:
        layers: by layer, quantity and epoch (from 1) the `QUANTILES` of its distribution. A quantity whose name begins
            with "size of" is on a logarithmic scale.
        path: of the file.
    """
    quantities = list(next(iter(layers.values())))
    height = 1.3 * len(layers) + 0.6
    figure = Figure(figsize=(4.2 * len(quantities), height))
    edges = {"left": 0.06, "right": 0.99, "top": 1 - 0.25 / height, "bottom": 0.45 / height, "wspace": 0.12}
    panels = figure.subplots(
        len(layers), len(quantities), squeeze=False, sharex=True, gridspec_kw={**edges, "hspace": 0.4}
    )
    for row, (name, its) in zip(panels, layers.items()):
        row[0].set_title(name, fontsize=8, loc="left", parse_math=False)
        for axes, quantity in zip(row, quantities):
            epochs = sorted(its.get(quantity, {}))
            if not epochs:
                axes.set_axis_off()
                continue
            bands = torch.tensor([list(its[quantity][epoch]) for epoch in epochs]).t()
            if quantity.startswith("size of"):
                bands = bands.clamp(min=1e-12).log10()  # a logarithmic axis takes several times as long to draw
                axes.yaxis.set_major_formatter(lambda power, place: f"{10**power:.0e}".replace("e-0", "e-"))
                axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            for low, high, shade in ((0, 4, 0.2), (1, 3, 0.35)):
                axes.fill_between(epochs, bands[low], bands[high], color="tab:blue", alpha=shade, linewidth=0)
            axes.plot(epochs, bands[2], color="tab:blue", marker="." if len(epochs) < 25 else None)
            axes.tick_params(labelsize=7)
            axes.grid(alpha=0.3)
    for axes, quantity in zip(panels[0], quantities):
        axes.set_title(quantity, fontsize=8, loc="right")
    for axes in panels[-1]:
        axes.set_xlabel("epoch", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.savefig(path, dpi=110)


def decision_border(
    probabilities: Tensor, ranges: Sequence[tuple[float, float]], points: Tensor, labels: Tensor,
    names: Sequence[str], axes_names: Sequence[str], path: Path, threshold: float = 0.5,
) -> None:  # fmt: skip
    """Draw which class is answered over a plane: in its colour, the paler the less certain, with points over it.

    Args:
        probabilities: of the K classes on a grid, (G, G, K): the first direction is up, the second to the right.
        ranges: of the plane, to the right and up.
        points: (N, 2), to the right and up.
        labels: the true classes of the points (N,).
        names: of the classes.
        axes_names: of the two directions.
        path: of the file.
        threshold: of two classes, the probability from which on the second is answered.
    """
    figure, axes = _plane(ranges, axes_names)
    if len(names) == 2:
        ahead = probabilities[..., 1] - threshold
        leads, answer = [ahead], (ahead >= 0).long()
        sure = torch.where(ahead >= 0, ahead / max(1 - threshold, 1e-9), -ahead / max(threshold, 1e-9))
    else:
        leads = [probabilities[..., place] - _others(probabilities, place) for place in range(len(names))]
        likeliest, answer = probabilities.max(dim=2)
        sure = (likeliest - 1 / len(names)) / (1 - 1 / len(names))
    colours = torch.tensor([_rgb(place) for place in range(len(names))])
    strength = sure.clamp(0, 1)[..., None] * 0.6
    picture = 1 - strength * (1 - colours[answer])
    (left, right), (low, high) = ranges
    axes.imshow(
        picture.numpy(), extent=(left, right, low, high), origin="lower", aspect="auto", interpolation="bilinear"
    )
    grid = [torch.linspace(*ends, steps) for ends, steps in zip(ranges, (answer.shape[1], answer.shape[0]))]
    for ahead in leads:
        if (ahead > 0).any() and (ahead < 0).any():
            axes.contour(*grid, ahead, levels=[0.0], colors="black", linewidths=1.2)
    for place, name in enumerate(names):
        own = points[labels == place]
        if len(own):
            axes.scatter(own[:, 0], own[:, 1], s=20, color=_rgb(place), edgecolor="white", linewidth=0.6, label=name)
    legend_beside(axes, fontsize=8, title="true class", title_fontsize=8)
    figure.savefig(path, dpi=110)


def value_surface(
    values: Tensor, ranges: Sequence[tuple[float, float]], points: Tensor, true: Tensor, name: str,
    axes_names: Sequence[str], path: Path,
) -> None:  # fmt: skip
    """Draw the value that is answered over a plane, (G, G) as in `decision_border`, and points coloured by theirs."""
    figure, axes = _plane(ranges, axes_names)
    low, high = float(min(values.min(), true.min())), float(max(values.max(), true.max()))
    (left, right), (bottom, top) = ranges
    shown = axes.imshow(
        values.numpy(), extent=(left, right, bottom, top), origin="lower", aspect="auto", vmin=low, vmax=high
    )
    axes.scatter(points[:, 0], points[:, 1], c=true, s=20, vmin=low, vmax=high, edgecolor="white", linewidth=0.6)
    figure.colorbar(shown, ax=axes).set_label(name, parse_math=False)
    figure.savefig(path, dpi=110)


def _plane(ranges: Sequence[tuple[float, float]], names: Sequence[str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.add_subplot(xlim=ranges[0], ylim=ranges[1])
    axes.set_xlabel(names[0], parse_math=False)
    axes.set_ylabel(names[1], parse_math=False)
    return figure, axes


def _others(probabilities: Tensor, place: int) -> Tensor:
    """The largest probability of the other classes."""
    others = probabilities.clone()
    others[..., place] = 0
    return others.amax(dim=-1)


def _rgb(place: int) -> tuple[float, float, float]:
    if place < len(POINTS):
        return tuple(int(POINTS[place][part : part + 2], 16) / 255 for part in (1, 3, 5))  # type: ignore[return-value]
    return colormaps["turbo"]((place * 0.618) % 1)[:3]


def _tiles(parts: Tensor, columns: int, gap: float = float("nan")) -> Tensor:
    """Parts (N, H, W, …) side by side in rows of so many, with a gap of one pixel that has a value of its own."""
    count, height, width = parts.shape[:3]
    rows = ceil(count / columns)
    sheet = parts.new_full((rows * (height + 1) - 1, columns * (width + 1) - 1, *parts.shape[3:]), gap)
    for number, part in enumerate(parts):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        sheet[top : top + height, left : left + width] = part
    return sheet


def _magnified(maps: Tensor) -> Tensor:
    """Small maps (K, H, W) with each cell as so many pixels that the gaps between maps are thin."""
    factor = max(1, -(-LEAST // max(maps.shape[1:])))
    return maps.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def _show(axes: Axes, image: Tensor) -> None:
    show_image(axes, image)
    axes.set_axis_off()


def _lines(words: Sequence[str]) -> list[list[int]]:
    """Where words begin in lines of `LINE` characters."""
    lines: list[list[int]] = [[]]
    place = 0
    for word in words:
        if place and place + len(word) > LINE:
            lines.append([])
            place = 0
        lines[-1].append(place)
        place += len(word) + 1
    return lines


def _plain(text: str) -> str:
    """A text of which matplotlib takes nothing for mathematics."""
    return text.replace("$", r"\$")


def _save(figure: Figure, path: Path, dpi: int) -> None:
    """Save a figure whose words may be in a script that the font lacks, which is drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(path, dpi=dpi)
