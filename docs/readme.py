"""Draw the four pictures of the README with published weights: python docs/readme.py."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

import zoo

FOLDER = Path(__file__).with_name("readme")
SIZE = (2.4, 1.6)  # inches


def grid(rows: int, columns: int) -> tuple[Figure, Any]:
    """A figure of images without axes."""
    figure = Figure(SIZE, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    return figure, axes


def holes() -> Figure:
    """Digits with a hole, and as the inpainter fills them."""
    digits = [np.asarray(digit) for digit in zoo.load("gan.generation_mnist")(list("2368"), seed=3)]
    hole = np.zeros((28, 28), bool)
    hole[10:18, 6:22] = True
    filled = zoo.load("gan.inpainting_mnist")(digits, [hole] * len(digits))
    figure, axes = grid(2, len(digits))
    for (above, below), digit, restored in zip(axes.T, digits, filled):
        seen = np.repeat(digit[..., None], 3, axis=2)
        seen[hole] = (70, 110, 200)
        above.imshow(seen)
        below.imshow(restored, cmap="gray")
    return figure


def enlarged() -> Figure:
    """A part of a photograph, enlarged by the usual formula and by the network."""
    from sklearn.datasets import load_sample_image

    photo = Image.fromarray(load_sample_image("flower.jpg")).crop((240, 120, 400, 280))
    small = photo.resize((40, 40), Image.Resampling.BICUBIC)
    figure, axes = grid(1, 2)
    axes[0, 0].imshow(small)
    axes[0, 1].imshow(zoo.load("gan.super_resolution_x4")(small))
    axes[0, 0].set_title("40 x 40", fontsize=9)
    axes[0, 1].set_title("160 x 160", fontsize=9)
    return figure


def sentences() -> Figure:
    """Scenes that are drawn from sentences."""
    scenes = ["a small red circle above a large blue square", "a green ring to the left of a large yellow cross"]
    figure, axes = grid(1, len(scenes))
    for ax, scene, image in zip(axes[0], scenes, zoo.load("gan.text_to_image_shapes")(scenes, seed=1)):
        ax.imshow(image)
        ax.set_title(textwrap.fill(scene, 20), fontsize=7)
    return figure


def lines() -> Figure:
    """Lines of text, and what the network reads."""
    random = np.random.default_rng(0)
    texts = {"Serif": "Total: 1,284.50 €", "Sans": "read by a network,", "Sans Mono": "letter by letter"}
    ocr = zoo.load("cnn.ocr")
    figure, axes = grid(len(texts), 1)
    for ax, (family, text) in zip(axes.flat, texts.items()):
        font = ImageFont.truetype(font_manager.findfont(f"DejaVu {family}"), 28)
        image = Image.new("L", (330, 48), 235)
        ImageDraw.Draw(image).text((12, 6), text, fill=30, font=font)
        noisy = (np.asarray(image) + random.normal(0, 25, (48, 330))).clip(0, 255).astype("uint8")
        ax.imshow(noisy, cmap="gray", vmin=0, vmax=255)
        ax.set_title(ocr(noisy)["text"], fontsize=8, pad=2, family="monospace")
    return figure


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for drawing in (holes, enlarged, sentences, lines):
        drawing().savefig(FOLDER / f"{drawing.__name__}.png", dpi=180)
