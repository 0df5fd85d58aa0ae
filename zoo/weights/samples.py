"""Random raw inputs that fit a spec, to run a network on; they say nothing of its quality."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from zoo.spec import Image, MaskedImage, Series, Table, Text, TextLine, Video
from zoo.spec.table import Boolean, Category, Column, Number


def random_inputs(kind: Any, count: int, extent: int = 12, seed: int = 0) -> list[tuple[Any, ...]]:
    """Raw inputs, each a tuple of what `kind.encode` is given.

    Args:
        kind: the input of a spec.
        count: how many.
        extent: pixels, tokens or steps, about, where an input may be of any size; all images are of one size, and
            of texts, lines and series the first has the most.
        seed: of the noise.
    """
    random = np.random.default_rng(seed)
    return [_input(kind, random, extent, index) for index in range(count)]


def _input(kind: Any, random: np.random.Generator, extent: int, index: int) -> tuple[Any, ...]:
    length = max(1, extent - index)
    if isinstance(kind, Table):
        return ({column.name: _cell(column, random) for column in kind.columns},)
    if isinstance(kind, Image):
        height, width = kind.height or extent, kind.width or extent + 4
        image = _pixels(random, height, width, kind.channels)
        return (image, random.random((height, width)) < 0.3) if isinstance(kind, MaskedImage) else (image,)
    if isinstance(kind, TextLine):
        return (_pixels(random, kind.height, 4 * length, 1),)
    if isinstance(kind, Video):
        return (_pixels(random, length, kind.height, kind.width, kind.channels),)
    if isinstance(kind, Series):
        return (random.normal(kind.mean, kind.std, (length, len(kind.names))),)
    if isinstance(kind, Text):
        tokens = random.choice(kind.vocabulary, length)
        return ("".join(tokens) if kind.level == "characters" else " ".join(tokens),)
    return ast.literal_eval(f"({kind.example},)")


def _pixels(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.integers(0, 256, shape, dtype=np.uint8)


def _cell(column: Column, random: np.random.Generator) -> Any:
    if isinstance(column, Number):
        return random.normal(column.mean, column.std)
    if isinstance(column, Category):
        return random.choice(column.values)
    return bool(random.integers(2)) if isinstance(column, Boolean) else "2024-12-31"
