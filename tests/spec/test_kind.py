"""Inputs say what they are: each kind's example and sample fit, and those of published weights are answered."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo.spec import (
    Counts,
    Image,
    InputKind,
    Label,
    MaskedImage,
    Ratings,
    Seed,
    Sentence,
    Series,
    SmallImage,
    SourceText,
    Strokes,
    Table,
    Text,
    TextLine,
    Video,
)
from zoo.spec.columns import Boolean, Category, Date, Number

RGB = ((0.4, 0.5, 0.6), (0.2, 0.3, 0.25))
COLUMNS = (
    Number("age", 41.2345678, 9.0, missing=True),
    Boolean("insured", missing=False),
    Date("since", 12_000.3, 900.0, missing=False),
    Category("it's", ("'a'", "b")),
)
KINDS: dict[str, InputKind] = {
    "image": Image(3, 6, 5, *RGB),
    "image of any size": Image(3, None, None, *RGB),
    "masked image": MaskedImage(1, 16, 15, (0.5,), (0.5,)),
    "small image": SmallImage(3, None, None, *RGB, scale=2),
    "text line": TextLine(16),
    "video": Video(1, 6, 5, (0.5,), (0.5,)),
    "series": Series(("load",), (50.0,), (7.0,)),
    "series of two": Series(("load", "it's hot"), (50.0, 1e-9), (7.0, 1e12)),
    "table": Table(COLUMNS),
    "text": Text(("the", ".", ",", "can't"), "words"),
    "sentence": Sentence(("the", "it's"), ("t", "h")),
    "source text": SourceText(("the", "it's", ".", "well-known"), "words"),
    "source characters": SourceText((" ", "\t", "e"), "characters", closed=True, such_as="e e"),
    "closed text": Text(("red", "circle"), "words", closed=True),
    "characters": Text((" ", "\n", "e", "'"), "characters", closed=True),
    "counts": Counts(("moon", "star"), 9),
    "label": Label(("cat", "dog's")),
    "seed": Seed(),
    "strokes": Strokes(16),
    "ratings": Ratings(("Alien (1979)", "It's"), (1, 2.5)),
}
WEIGHTS = [weights.name for weights in zoo.list_weights()]


def arguments(kind: InputKind) -> tuple[Any, ...]:
    """The arguments that the example stands for."""
    return ast.literal_eval(f"({kind.example()},)")


@pytest.mark.parametrize("name", KINDS)
def test_its_example_fits(name: str) -> None:
    kind: Any = KINDS[name]
    example = arguments(kind)
    assert len(example) == len(kind.takes)
    if kind.reads_files:
        assert all(isinstance(file, str) and "." in file for file in example)
    else:
        kind.collate([kind.encode(*example)])
    assert not kind.is_text or isinstance(example[0], str)


@pytest.mark.parametrize("name", KINDS)
def test_its_samples_fit_and_stack_if_it_says_so(name: str) -> None:
    kind: Any = KINDS[name]
    random = np.random.default_rng(0)
    samples = [kind.sample(random, length=3, side=side) for side in (8, 9)]
    encoded = [kind.encode(*sample) for sample in samples]
    if kind.stacks:
        batch = kind.prepare(torch.cat(encoded) if isinstance(kind, Table) else kind.collate(encoded))
        assert len(batch[0] if isinstance(batch, tuple) else batch) == 2
    else:
        with pytest.raises(RuntimeError, match="size"):
            kind.collate(encoded)


@pytest.mark.parametrize("name", WEIGHTS)
def test_the_example_of_a_published_weight_is_answered(name: str) -> None:
    artefact = zoo.load(name)
    if artefact.spec.input.reads_files:
        pytest.skip("its example names files")
    assert artefact(*arguments(artefact.spec.input)) is not None


def test_a_series_is_columns_by_name() -> None:
    series = Series(("load", "heat"), (0.0, 0.0), (1.0, 1.0))
    assert series.encode({"heat": [3, 4], "load": [1, 2], "other": ["a"]}).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(ValueError, match="no column heat"):
        series.encode({"load": [1, 2]})
    with pytest.raises(ValueError, match="array of numbers"):
        series.encode({"load": [1, 2], "heat": [1]})
