"""Images for people: grids, rows, animations, and what a network attends to in them.

Images are uint8 tensors, in grey or in colour. Shape letters: N images, C channels, H height, W width, G groups,
T words or frames, P patches each way.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

LABEL = 18  # pixels above a frame, for its name


def image_grid(images: Tensor, path: Path, *, columns: int = 12, side: int = 48) -> None:
    """Write images (N, C, H, W) side by side, each magnified to at least `side` pixels, without smoothing."""
    images = images.cpu()
    factor = -(-side // max(images.shape[-2:]))
    images = images.repeat_interleave(factor, dim=-2).repeat_interleave(factor, dim=-1)
    pixels = make_grid(images, nrow=min(columns, len(images)), padding=2, pad_value=255)  # 3, H, W
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(path)


def image_rows(rows: Mapping[str, Sequence[Tensor] | Tensor], path: Path) -> None:
    """Draw images (C, H, W), a labelled row for each name; the shortest row says how many columns there are."""
    columns = min(len(images) for images in rows.values())
    figure = Figure(figsize=(1 + 0.9 * columns, 0.95 * len(rows)), layout="constrained")
    for panels, (name, images) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items()):
        for axes, image in zip(panels, images):
            show_image(axes, image)
            axes.set(xticks=[], yticks=[])
        panels[0].set_ylabel(name, fontsize=8)
    figure.savefig(path, dpi=120)


def captioned_rows(groups: Tensor, captions: Sequence[str], path: Path) -> None:
    """Draw groups of images (G, N, C, H, W), each in a row beside its caption."""
    columns = groups.shape[1]
    figure = Figure(figsize=(3.2 + 0.8 * columns, 0.85 * len(groups)), layout="constrained")
    panels = figure.subplots(len(groups), columns + 1, squeeze=False, width_ratios=[3] + [1] * columns)
    for (first, *others), caption, images in zip(panels, captions, groups):
        first.text(1, 0.5, textwrap.fill(caption, 32), ha="right", va="center", fontsize=9, parse_math=False)
        first.axis("off")
        for axes, image in zip(others, images):
            show_image(axes, image)
            axes.axis("off")
    figure.savefig(path, dpi=110)


def captioned_frames(frames: Tensor, predicted: Sequence[str], true: Sequence[str], path: Path) -> None:
    """Draw the frames of a video (T, C, H, W), each under its label, with the true one where that differs."""
    columns = min(len(frames), 10)
    rows = ceil(len(frames) / columns)
    figure = Figure(figsize=(1.0 * columns, 1.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels:
        axes.set_axis_off()
    for axes, frame, label, truth in zip(panels, frames, predicted, true):
        show_image(axes, frame)
        right = label == truth
        colour = "black" if right else "red"
        axes.set_title(label if right else f"{label} ({truth})", fontsize=8, color=colour, parse_math=False)
    figure.savefig(path, dpi=90)


def filmstrip(files: Mapping[str, Path], path: Path, *, max_frames: int = 8) -> None:
    """Lay images of one size below each other, each under its name: the first, the last, and some evenly between."""
    frames = [_labelled(name, files[name]) for name in _evenly(list(files), max_frames)]
    strip = PIL.Image.new("RGB", (frames[0].width, sum(frame.height for frame in frames)))
    for row, frame in enumerate(frames):
        strip.paste(frame, (0, row * frame.height))
    strip.save(path)


def animation(files: Mapping[str, Path], path: Path, *, max_frames: int = 60, milliseconds: int = 120) -> None:
    """Write images of one size, under their names, as a GIF, whose last frame stays ten times as long."""
    first, *others = [_labelled(name, files[name]) for name in _evenly(list(files), max_frames)]
    durations = [milliseconds] * len(others) + [10 * milliseconds]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def filters(weights: Tensor, path: Path) -> None:
    """Draw weights (N, H, W), each scaled to its largest, blue above 0 and red below, in rows of 16."""
    weights = weights.cpu() / weights.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12).cpu()
    rows = ceil(len(weights) / 16)
    figure = Figure(figsize=(10, 0.65 * rows), layout="constrained")
    panels = figure.subplots(rows, 16, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, weight in zip(panels, weights):
        axes.imshow(weight.numpy(), cmap="RdBu", vmin=-1, vmax=1)
    figure.savefig(path, dpi=120)


def attention_maps(images: Tensor, words: Sequence[Sequence[str]], maps: Tensor, path: Path) -> None:
    """Draw images (N, C, H, W), a row for each: the image, then once more for each of its words, attention in red.

    Args:
        images: what the words are about.
        words: of each image, at most T.
        maps: attention weights (N, T, P, P).
        path: of the file.
    """
    columns = 1 + max(map(len, words))
    figure = Figure(figsize=(1.1 * columns, 1.3 * len(images)), layout="constrained")
    panels = figure.subplots(len(images), columns, squeeze=False)
    height, width = images.shape[2:]
    for row, image, text, weights in zip(panels, images, words, maps.cpu()):
        for axes in row:
            axes.set_axis_off()
        show_image(row[0], image)
        for axes, word, weight in zip(row[1:], text, weights):
            show_image(axes, image)
            veil = torch.zeros(*weight.shape, 4)  # red, the more opaque the larger the weight
            veil[:, :, 0], veil[:, :, 3] = 1, 0.8 * weight / weight.max()
            extent = (-0.5, width - 0.5, height - 0.5, -0.5)
            axes.imshow(veil.numpy(), extent=extent, interpolation="bilinear")
            axes.set_title(word, fontsize=9, parse_math=False)
    figure.savefig(path, dpi=90)
    with PIL.Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(128)  # soft shades take four times the room otherwise
    small.save(path, optimize=True)


def show_image(axes: Axes, image: Tensor) -> None:
    """Show an image (C, H, W) as it is: grey is not stretched to black and white."""
    axes.imshow(image.cpu().permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=255)


def _labelled(name: str, file: Path) -> PIL.Image.Image:
    """An image with its name above it."""
    with PIL.Image.open(file) as opened:
        image = opened.convert("RGB")
    framed = PIL.Image.new("RGB", (image.width, image.height + LABEL), "white")
    framed.paste(image, (0, LABEL))
    PIL.ImageDraw.Draw(framed).text((4, 2), name, fill="black", font_size=LABEL - 6)
    return framed


def _evenly(names: Sequence[str], count: int) -> list[str]:
    if len(names) <= count:
        return list(names)
    return [names[round(place * (len(names) - 1) / (count - 1))] for place in range(count)]
