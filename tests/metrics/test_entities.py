"""The F1 of entities, against figures of seqeval 1.2.2 (its default, which is conlleval's)."""

from __future__ import annotations

import pytest
import torch

from zoo.metrics.entities import EntityF1, are_entities, entities


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O B-LOC", {("PER", 0, 1), ("LOC", 3, 3)}),
        ("I-PER I-PER I-LOC", {("PER", 0, 1), ("LOC", 2, 2)}),  # IOB1
        ("B-PER B-PER I-LOC", {("PER", 0, 0), ("PER", 1, 1), ("LOC", 2, 2)}),
        ("S-PER B-LOC I-LOC E-LOC S-LOC", {("PER", 0, 0), ("LOC", 1, 3), ("LOC", 4, 4)}),
        ("O O", set()),
    ],
)
def test_entities(tags: str, expected: set[tuple[str, int, int]]) -> None:
    assert entities(tags.split()) == expected


def test_f1_with_padding() -> None:
    """Two of three true entities are found, among four: seqeval's f1_score is 4 / 7."""
    names = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    true = ["B-PER I-PER O B-LOC", "O B-PER"]
    found = ["B-PER I-PER B-LOC B-LOC", "B-LOC I-PER"]
    metric = EntityF1(names)
    for right, answer in zip(true, found):
        codes = [[names.index(tag) for tag in tags.split()] for tags in (answer, right)]
        pad = 6 - len(codes[0])
        metric.update(torch.tensor([codes[0] + [1] * pad]), torch.tensor([codes[1] + [-100] * pad]))
    # "I-PER" after "B-LOC" begins an entity of its own, which is the true one
    assert metric.compute().item() == pytest.approx(2 * 3 / (3 + 5))


def test_which_labels_mark_entities() -> None:
    assert are_entities(("B-PER", "I-PER", "O"))
    assert not are_entities(("NN", "O"))
    assert not are_entities(("digit", "nothing"))
