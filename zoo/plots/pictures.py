"""Pictures that people look at, drawn with Matplotlib (without its global state, so that training can call them)."""

from __future__ import annotations

import csv
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import PIL.Image
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

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


def rows(batches: Mapping[str, Sequence[Tensor] | Tensor], path: Path) -> None:
    """Draw uint8 pictures (C, H, W), a labelled row for each batch, with its pictures in columns."""
    count = min(len(batch) for batch in batches.values())
    figure = Figure(figsize=(1 + 0.9 * count, 0.95 * len(batches)), layout="constrained")
    grid = figure.subplots(len(batches), count, squeeze=False)
    for row, (name, batch) in zip(grid, batches.items()):
        for axes, picture in zip(row, batch):
            axes.imshow(picture.cpu().permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=255)
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    figure.savefig(path, dpi=120)


def grid(batch: Tensor, path: Path, *, columns: int = 12, side: int = 48) -> None:
    """Write uint8 pictures (N, C, H, W) side by side, each magnified to at least `side` pixels, with no smoothing."""
    batch = batch.cpu()
    batch = batch.repeat_interleave(factor := -(-side // max(batch.shape[-2:])), dim=-2).repeat_interleave(factor, -1)
    pixels = make_grid(batch, nrow=min(columns, len(batch)), padding=2, pad_value=255)  # 3, H, W
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


def titled(groups: Tensor, titles: Sequence[str], path: Path) -> None:
    """Draw groups of uint8 pictures (G, N, C, H, W), each in a row beside its title."""
    figure = Figure(figsize=(3.2 + 0.8 * groups.shape[1], 0.85 * len(groups)), layout="constrained")
    columns = figure.subplots(len(groups), groups.shape[1] + 1, squeeze=False, width_ratios=[3] + [1] * groups.shape[1])
    for (first, *others), title, group in zip(columns, titles, groups):
        first.text(1, 0.5, textwrap.fill(title, 32), ha="right", va="center", fontsize=9)
        first.axis("off")
        for axes, picture in zip(others, group.cpu()):
            axes.imshow(picture.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=255)
            axes.axis("off")
    figure.savefig(path, dpi=110)


def strip(files: Sequence[Path], path: Path, *, most: int = 8) -> None:
    """Lay pictures of one size below each other: the first, the last, and some evenly between, at most `most`."""
    frames = [PIL.Image.open(file) for file in _evenly(files, most)]
    whole = PIL.Image.new("RGB", (frames[0].width, sum(frame.height for frame in frames)))
    for row, frame in enumerate(frames):
        whole.paste(frame, (0, row * frame.height))
    whole.save(path)


def animation(files: Sequence[Path], path: Path, *, most: int = 60, milliseconds: int = 120) -> None:
    """Write pictures of one size as the frames of a GIF, whose last one stays for a while."""
    first, *others = [PIL.Image.open(file).convert("RGB") for file in _evenly(files, most)]
    durations = [milliseconds] * len(others) + [10 * milliseconds]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def filters(weights: Tensor, path: Path) -> None:
    """Draw weights (N, H, W), each scaled to its largest, blue above 0 and red below, in rows of 16."""
    weights = weights.cpu() / weights.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12).cpu()
    lines = ceil(len(weights) / 16)
    figure = Figure(figsize=(10, 0.65 * lines), layout="constrained")
    grid = figure.subplots(lines, 16, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, weight in zip(grid, weights):
        axes.imshow(weight.numpy(), cmap="RdBu", vmin=-1, vmax=1)
    figure.savefig(path, dpi=120)


def plane(points: Tensor, labels: Tensor, names: Sequence[str] | None, path: Path) -> None:
    """Draw points (N, 2), coloured by their labels (N,): classes, if they have names, and otherwise values."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    if names is None or len(names) > READABLE_CLASSES:
        axes.scatter(points[:, 0], points[:, 1], c=labels.flatten(), s=8, cmap="viridis")
    else:
        colours = colormaps["tab10" if len(names) <= 10 else "turbo"].resampled(len(names))
        for label, name in enumerate(names):
            mine = points[labels == label]
            axes.scatter(mine[:, 0], mine[:, 1], s=8, color=colours(label), label=name)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    figure.savefig(path, dpi=120)


def named(points: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw points (N, 2) with their names beside them."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.add_subplot(xticks=[], yticks=[])
    axes.scatter(points[:, 0], points[:, 1], s=8)
    axes.margins(x=0.2)
    for (x, y), name in zip(points.tolist(), names):
        axes.annotate(
            textwrap.shorten(name, 34, placeholder="…"), (x, y), (3, 2), textcoords="offset points", fontsize=7
        )
    figure.savefig(path, dpi=110)


def words(groups: Sequence[Sequence[str]], weights: Tensor, path: Path, *, columns: int = 4) -> None:
    """Draw groups of words as bars as long as their weights (G, N), the first on top; of many groups the first 24."""
    groups = groups[:24]
    lines = ceil(len(groups) / columns)
    figure = Figure(figsize=(2.6 * columns, 2.1 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(groups) :]:
        axes.axis("off")
    for number, (axes, group, row) in enumerate(zip(grid, groups, weights.tolist())):
        axes.barh(range(len(group)), row, color="tab:blue")
        axes.set_yticks(range(len(group)), group, fontsize=7)
        axes.set_title(f"topic {number}", fontsize=8)
        axes.tick_params(axis="x", labelsize=6)
        axes.invert_yaxis()
    figure.savefig(path, dpi=110)


def histograms(groups: Mapping[str, Tensor], threshold: float, measure: str, path: Path) -> None:
    """Draw how the values (N,) of each group are distributed, as shares of the group, and a threshold among them."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel=measure, ylabel="share of the group")
    every = torch.cat(list(groups.values())).cpu()
    low, high = every.quantile(0.0).item(), every.quantile(0.98).item()  # a few far ones would squeeze the rest
    bins = torch.linspace(low, high, 41).tolist()
    for name, values in groups.items():
        shown = values.cpu().clamp(max=high).tolist()
        axes.hist(shown, bins=bins, weights=[1 / max(len(shown), 1)] * len(shown), alpha=0.6, label=name)
    axes.axvline(threshold, color="black", linewidth=1, label="threshold")
    axes.legend()
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


def _evenly(files: Sequence[Path], most: int) -> list[Path]:
    if len(files) <= most:
        return list(files)
    return [files[round(place * (len(files) - 1) / (most - 1))] for place in range(most)]


def _panel(axes: Axes, name: str, splits: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for split, points in splits.items():
        axes.plot(*zip(*points), label=split, marker="." if len(points) < 40 else None)
    axes.set(title=name, xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.legend()


def attention(images: Tensor, words: Sequence[Sequence[str]], maps: Tensor, path: Path) -> None:
    """Draw uint8 pictures (N, C, H, W), a row for each, and where on it the network looked for each of its words.

    Args:
        images: the pictures.
        words: what was written of each, at most T words.
        maps: shares (N, T, P, P) of attention.
        path: of the file.
    """
    columns = 1 + max(map(len, words))
    figure = Figure(figsize=(1.1 * columns, 1.3 * len(images)), layout="constrained")
    grid = figure.subplots(len(images), columns, squeeze=False)
    height, width = images.shape[2:]
    for row, image, text, shares in zip(grid, images.cpu(), words, maps.cpu()):
        picture = image.permute(1, 2, 0).squeeze(-1).numpy()
        for axes in row:
            axes.set_axis_off()
        row[0].imshow(picture, cmap="gray", vmin=0, vmax=255)
        for axes, word, share in zip(row[1:], text, shares):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
            veil = torch.zeros(*share.shape, 4)  # red, the more so the longer it looked
            veil[:, :, 0], veil[:, :, 3] = 1, 0.8 * share / share.max()
            ends = (-0.5, width - 0.5, height - 0.5, -0.5)
            axes.imshow(veil.numpy(), extent=ends, interpolation="bilinear")
            axes.set_title(word, fontsize=9)
    figure.savefig(path, dpi=90)
    with PIL.Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(128)  # soft shades take four times the room otherwise
    small.save(path, optimize=True)


def tagged(video: Tensor, told: Sequence[str], true: Sequence[str], path: Path) -> None:
    """Draw the uint8 pictures of a video (T, C, H, W) with what was told of each, and the truth where that differs."""
    columns = min(len(video), 10)
    rows = -(-len(video) // columns)
    figure = Figure(figsize=(1.0 * columns, 1.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels:
        axes.set_axis_off()
    for axes, picture, answer, truth in zip(panels, video.cpu(), told, true):
        axes.imshow(picture.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=255)
        right = answer == truth
        axes.set_title(answer if right else f"{answer} ({truth})", fontsize=8, color="black" if right else "red")
    figure.savefig(path, dpi=90)


def forecasts(pasts: Tensor, answers: Tensor, truths: Tensor, names: Sequence[str], path: Path) -> None:
    """Draw the past (N, T, V) of N windows, what was foretold (N, H, V) and what came (N, H, V), a column a value."""
    rows, columns = len(pasts), len(names)
    horizon, shown = answers.shape[1], min(pasts.shape[1], 4 * answers.shape[1])
    figure = Figure(figsize=(6 * columns, 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for row, past, answer, truth in zip(grid, pasts, answers, truths):
        for axes, name, column in zip(row, names, range(columns)):
            axes.plot(range(1 - shown, 1), past[-shown:, column], color="grey", label="past")
            axes.plot(range(1, horizon + 1), truth[:, column], color="black", label="what came")
            axes.plot(range(1, horizon + 1), answer[:, column], color="tab:red", label="foretold")
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
    grid[0, 0].legend(fontsize=8, loc="upper left")
    for axes in grid[-1]:
        axes.set_xlabel("steps from now")
    figure.savefig(path, dpi=100)


def lines(points: Mapping[str, Mapping[float, float]], x: str, y: str, path: Path) -> None:
    """Draw a line for each name, through its points (x: y)."""
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    for name, values in points.items():
        axes.plot(*zip(*sorted(values.items())), marker="o", label=name)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
