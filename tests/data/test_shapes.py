"""Scenes: what is drawn is what the captions and the attributes say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from zoo.data.shapes import (
    COLOURS,
    PIXELS,
    RELATIONS,
    SHAPES,
    SIZES,
    Shapes,
    all_scenes,
    captions,
    draw,
    scenes_of,
    synonyms,
)
from zoo.errors import SpecError


@pytest.fixture(scope="module")
def data() -> Shapes:
    data = Shapes(train_size=300, val_size=100, test_size=100)
    data.setup()
    return data


def place_of(image: torch.Tensor, colour: str) -> tuple[float, float, int]:
    """Where the pixels of about that colour lie on average (x, y), and how many there are."""
    distance = (image.float() - torch.tensor(COLOURS[colour])[:, None, None]).norm(dim=0)
    y, x = (distance < 60).nonzero(as_tuple=True)
    return x.float().mean().item(), y.float().mean().item(), len(x)


def test_images_show_colours_sizes_and_relations(data: Shapes) -> None:
    """Found in the pixels alone, for pairs of colours that are easily told apart."""
    clear = {"red", "green", "blue", "black"}
    names = list(COLOURS)
    checked = 0
    for image, _, scene in zip(*data.splits["train"].columns):
        first, second = names[int(scene[1])], names[int(scene[4])]
        if first == second or not {first, second} <= clear:
            continue
        (x1, y1, n1), (x2, y2, n2) = place_of(image, first), place_of(image, second)
        relation = list(RELATIONS)[int(scene[6])]
        if relation == "left":
            assert x1 + 5 < x2
            assert abs(y1 - y2) < 9
        elif relation == "above":
            assert y1 + 5 < y2
        else:
            assert math.dist((x1, y1), (x2, y2)) < 9
            assert min(n1, n2) > 12  # neither hides the other
        if relation != "in front" and scene[0] == scene[3]:
            assert (n1 > 1.5 * n2) == (scene[2] > scene[5])
            assert (n2 > 1.5 * n1) == (scene[5] > scene[2])
        checked += 1
    assert checked > 40


def test_shapes_have_their_areas() -> None:
    """Each shape covers about as many pixels as the others, and what its geometry says."""
    scene = [[shape, 6, 1, 0, 0, 1, 0] for shape in range(len(SHAPES))]
    images = draw(scenes_of(torch.tensor(scene)), torch.Generator().manual_seed(0))
    for image, shape in zip(images, SHAPES):
        dark = int((image.amax(dim=0) < 110).sum())
        assert 60 < dark < 160, shape


def test_captions_say_what_the_scene_holds() -> None:
    scene = [SHAPES.index("ring"), 0, 1, SHAPES.index("cross"), 4, 0, list(RELATIONS).index("left")]
    texts = captions(scene)
    assert len(texts) == len(set(texts)) == 12
    assert "a large red ring to the left of a small blue cross" in texts
    assert "there is a little blue cross to the right of a big red ring" in texts
    for text in texts:
        assert all(word in text.split() for word in ("ring", "cross", "red", "blue"))
        first = "red" if text.index("red") < text.index("blue") else "blue"
        assert ("left" in text) == (first == "red")


def test_codes_of_captions_are_read_back(data: Shapes) -> None:
    _, codes, scenes = data.splits["val"].columns
    for wordings, scene in zip(codes[:20], scenes[:20].tolist()):
        assert data.spec.output.read(wordings) == captions(scene)


def test_every_attribute_occurs_and_no_scene_is_in_two_splits(data: Shapes) -> None:
    rows = [set(map(tuple, data.splits[split].columns[2].tolist())) for split in ("train", "val", "test")]
    assert [len(part) for part in rows] == [300, 100, 100]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]
    sizes = (len(SHAPES), len(COLOURS), len(SIZES))
    for column, size in enumerate((*sizes, *sizes, len(RELATIONS))):
        assert {row[column] for row in rows[0]} == set(range(size))


def test_all_scenes_are_visible() -> None:
    scenes = scenes_of(all_scenes())
    front = scenes.relations == list(RELATIONS).index("in front")
    assert (scenes.sizes[front] == torch.tensor([0, 1])).all()
    assert (scenes.colours[front][:, 0] != scenes.colours[front][:, 1]).all()
    assert len(all_scenes().unique(dim=0)) == len(all_scenes())


def test_the_seed_decides_everything() -> None:
    def load(seed: int) -> torch.Tensor:
        data = Shapes(20, 5, 5, data_seed=seed)
        data.setup()
        return data.splits["train"].columns[0]

    first = load(0)
    assert first.shape == (20, 3, PIXELS, PIXELS)
    assert first.dtype == torch.uint8
    assert torch.equal(first, load(0))
    assert not torch.equal(first, load(1))


def test_balanced_relations_are_equally_frequent_and_no_other_split_changes(data: Shapes) -> None:
    balanced = Shapes(train_size=300, val_size=100, test_size=100, balanced=True)
    balanced.setup()
    images, codes, scenes = balanced.splits["train"].columns
    counts = scenes[:, 6].bincount()
    assert counts.min() == counts.max() == data.splits["train"].columns[2][:, 6].bincount().max()
    assert {tuple(row) for row in scenes.tolist()} == {tuple(row) for row in data.splits["train"].columns[2].tolist()}
    for wordings, scene in zip(codes[-5:], scenes[-5:].tolist()):
        assert balanced.spec.output.read(wordings) == captions(scene)
    assert len(images.flatten(1).unique(dim=0)) == len(images)  # each time with other shades and places
    for split in ("val", "test"):
        for ours, theirs in zip(balanced.splits[split].columns, data.splits[split].columns):
            assert torch.equal(ours, theirs)


def test_partial_texts_leave_out_some_sizes_and_colours_of_training_sentences(data: Shapes) -> None:
    partial = Shapes(train_size=300, val_size=100, test_size=100, partial=True)
    partial.setup()
    _, codes, scenes = partial.splits["train"].columns
    left, all_of_them = 0, 0
    for row, scene in zip(codes, scenes.tolist()):
        whole, partly = captions(scene), partial.spec.output.read(row)[len(captions(scene)) :]
        assert partial.spec.output.read(row)[: len(whole)] == whole
        for text, part in zip(whole, partly):
            can_go = {*COLOURS, *(() if scene[6] == 2 else ("small", "little", "large", "big"))}
            kept = [word for word in text.split() if word not in can_go]
            assert [word for word in part.split() if word not in can_go] == kept
            words = iter(text.split())
            assert all(word in words for word in part.split())  # in their order
            left, all_of_them = left + len(part.split()) - len(kept), all_of_them + (2 if scene[6] == 2 else 4)
    assert 0.48 < left / all_of_them < 0.52
    for split in ("val", "test"):
        for ours, theirs in zip(partial.splits[split].columns, data.splits[split].columns):
            assert torch.equal(ours, theirs)


def test_sentences_are_read_as_people_write_them(data: Shapes) -> None:
    text = replace(data.spec.output.as_input, closed=True)
    for said, meant in {
        "A small red circle above a large blue square.": "a small red circle above a large blue square",
        "Draw a TINY violet donut on the left of the huge orange box, please!": (
            "a small purple ring to the left of a large orange square"
        ),
        "there's an enormous ring under a plus sign": "there is a large ring below a cross",
        "the big black disc is over a little green lozenge": "a large black circle above a small green diamond",
        "to the right of the": "to the right of a",
    }.items():
        assert text.encode(said).tolist() == text.encode(meant).tolist()
    for phrase, meant in text.synonyms:
        if meant:
            assert text.encode(phrase).tolist() == text.encode(meant).tolist()


def test_an_unknown_relation_is_told_with_those_that_there_are(data: Shapes) -> None:
    """ "next to" may be left or right, and so stands for neither."""
    text = replace(data.spec.output.as_input, closed=True)
    with pytest.raises(SpecError, match=r"unknown word 'next'; choices: a, above, .* to the left of, to the right of"):
        text.encode("a red circle next to a blue square")


def test_a_synonym_of_a_word_that_no_sentence_has_is_left_out() -> None:
    found = dict(synonyms(("a", "large")))
    assert set(found.values()) == {"a", "large", ""}
    assert found["huge"] == "large"


@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_impossible_sizes_are_refused(size: object) -> None:
    with pytest.raises(ValueError, match="val_size must be a whole number of at least 1"):
        Shapes(val_size=size)


def test_more_scenes_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="15456 different scenes, got 22000"):
        Shapes(train_size=20_000)
