"""Synthetic scenes of two coloured shapes, with captions in varied wording.

The shapes, colours, sizes and relation of each scene are known, and each scene comes with all wordings of its caption.

Shape letters: N scenes, S = 2 objects, R wordings, T words, P = 32 pixels a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.splits import split_sizes
from zoo.spec import Image, Spec
from zoo.spec.text import FIRST, PAD, Tokens

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "ring")
COLOURS = {
    "red": (205, 35, 35),
    "orange": (240, 140, 20),
    "yellow": (235, 220, 40),
    "green": (40, 150, 60),
    "blue": (40, 80, 200),
    "purple": (130, 50, 160),
    "black": (25, 25, 25),
}
SIZES = {"small": ("small", "little"), "large": ("large", "big")}  # with their words
RELATIONS = {  # of the first object to the second, and of the second to the first
    "left": ("to the left of", "to the right of"),
    "above": ("above", "below"),
    "in front": ("in front of", "behind"),
}
SYNONYMS = {  # what people say, by what the captions say for it; the longest phrase counts, and stands for itself too
    "small": ("little", "tiny", "mini"),
    "large": ("big", "huge", "giant", "enormous"),
    "purple": ("violet",),
    "red": ("crimson", "scarlet"),
    "circle": ("disc", "disk", "dot", "ball"),
    "square": ("box",),
    "diamond": ("rhombus", "lozenge"),
    "cross": ("plus", "plus sign"),
    "ring": ("donut", "doughnut", "annulus"),
    "a": ("an", "the", "one"),
    "there is": ("there is", "there's"),
    "to the left of": (
        "to the left of", "on the left of", "at the left of", "on the left side of", "to left of", "left of",
    ),
    "to the right of": (
        "to the right of", "on the right of", "at the right of", "on the right side of", "to right of", "right of",
    ),
    "above": ("over", "higher than"),
    "below": ("under", "underneath", "beneath", "lower than"),
    "in front of": ("before",),
    "": ("is", "that is", "which is", "please", "draw", "show", "draw me", "show me", "a picture of", "an image of"),
}  # fmt: skip
PIXELS = 32
RADII = (3.8, 6.6)  # pixels, of small and large shapes
FRAMES = ("a {} {} a {}", "there is a {} {} a {}", "{} {} {}")  # of a sentence; the last has no articles


@dataclass(frozen=True)
class Scenes:
    """The contents of N scenes, as indices into `SHAPES`, `COLOURS`, `SIZES` and `RELATIONS`.

    Args:
        shapes, colours, sizes: int64 (N, 2), of the first object and the second.
        relations: int64 (N,), of the first object to the second.
    """

    shapes: Tensor
    colours: Tensor
    sizes: Tensor
    relations: Tensor

    def __len__(self) -> int:
        return len(self.relations)

    @property
    def attributes(self) -> Tensor:
        """int64 (N, 7): shape, colour and size of the first object, those of the second, and the relation."""
        objects = torch.stack([self.shapes, self.colours, self.sizes], dim=2)  # N, S, 3
        return torch.cat([objects.flatten(1), self.relations[:, None]], dim=1)


class Shapes(DataModule):
    """Generated scenes of two coloured shapes, 32 x 32 pixels, with captions in varied wording.

    There are six shapes, seven colours and two sizes; one object is to the left of the other, above it, or in front of
    it. No scene is in more than one split. A batch is (images, captions, attributes): uint8 (B, 3, 32, 32), codes
    (B, R, T) of all R correct wordings, padded with 0, and int64 (B, 7) as in `Scenes.attributes`.

    Args:
        train_size, val_size, test_size: scenes in each split.
        batch_size: scenes a batch.
        data_seed: seed of the scenes.
        balanced: whether all three relations are equally frequent in training. Scenes with one object in front of the
            other are a tenth of all possible ones; those of the training split are then drawn several times, with
            other shades and places.
        partial: whether each wording of the training split comes a second time, without some of its sizes and colours;
            where one object is in front of the other, without some of its colours.

    Raises:
        ValueError: a size is below 1, there are not that many different scenes, or the seed is out of range.
    """

    def __init__(
        self,
        train_size: int = 8_000,
        val_size: int = 1_000,
        test_size: int = 1_000,
        batch_size: int = 64,
        data_seed: int = 0,
        *,
        balanced: bool = False,
        partial: bool = False,
    ) -> None:
        super().__init__(batch_size)
        self.sizes = split_sizes(train_size, val_size, test_size)
        if sum(self.sizes.values()) > (most := len(all_scenes())):
            raise ValueError(f"there are {most} different scenes, got {sum(self.sizes.values())} in all splits")
        self.data_seed = check.seed("data_seed", data_seed)
        self.balanced = balanced
        self.partial = partial

    def expected_specs(self) -> Sequence[Spec]:
        half = (0.5,) * 3
        return [Spec(Image(3, PIXELS, PIXELS, half, half), Tokens(("one", "two"), "words", 2))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = torch.Generator().manual_seed(self.data_seed)
        attributes = all_scenes()
        attributes = attributes[torch.randperm(len(attributes), generator=random)[: sum(self.sizes.values())]]
        scenes = scenes_of(attributes)
        images = draw(scenes, random)
        vocabulary, texts = caption_codes(scenes)
        columns = (images, texts, attributes)
        parts = zip(*(column.split(list(self.sizes.values())) for column in columns))
        splits = {split: Examples(*part) for split, part in zip(self.sizes, parts)}
        train = [column[: self.sizes["train"]] for column in columns]
        if self.balanced:
            rows = _again(scenes.relations[: self.sizes["train"]])
            again = draw(scenes_of(attributes[rows]), random), texts[rows], attributes[rows]
            train = [torch.cat(both) for both in zip(train, again)]
        if self.partial:
            in_front = train[2][:, 6] == list(RELATIONS).index("in front")
            train[1] = torch.cat([train[1], partly(train[1], vocabulary, in_front, random)], dim=1)
        splits["train"] = Examples(*train)
        pixels = images[: self.sizes["train"]].float() / 255
        mean, std = tuple(pixels.mean(dim=(0, 2, 3)).tolist()), tuple(pixels.std(dim=(0, 2, 3)).tolist())
        tokens = Tokens(vocabulary, "words", texts.shape[2], synonyms(vocabulary))
        return Spec(Image(3, PIXELS, PIXELS, mean, std), tokens), splits


def _again(relations: Tensor) -> Tensor:
    """The rows, of scenes with these relations, that make all relations equally frequent if they are drawn again."""
    places = [(relations == relation).nonzero()[:, 0] for relation in relations.unique()]
    most = max(map(len, places))
    return torch.cat([rows.repeat(most // len(rows) + 1)[: most - len(rows)] for rows in places])


def all_scenes() -> Tensor:
    """The attributes (N, 7) of all possible scenes; an object in front of another is small, and the other is large."""
    counts = (len(SHAPES), len(COLOURS), len(SIZES))
    attributes = torch.cartesian_prod(*(torch.arange(count) for count in (*counts, *counts, len(RELATIONS))))
    first, second, relation = attributes[:, :3], attributes[:, 3:6], attributes[:, 6]
    in_front = relation == list(RELATIONS).index("in front")
    visible = (first[:, 2] == 0) & (second[:, 2] == 1) & (first[:, 1] != second[:, 1])
    return attributes[(first != second).any(dim=1) & (~in_front | visible)]


def scenes_of(attributes: Tensor) -> Scenes:
    """Scenes from their attributes, int64 (N, 7)."""
    objects = attributes[:, :6].view(-1, 2, 3)  # N, S, 3
    return Scenes(objects[:, :, 0], objects[:, :, 1], objects[:, :, 2], attributes[:, 6])


def captions(scene: Sequence[int]) -> list[str]:
    """All wordings for a scene with these 7 attributes: either object first, each frame, each word for the size."""
    names, colours, sizes = SHAPES, list(COLOURS), list(SIZES.values())
    forward, backward = list(RELATIONS.values())[scene[6]]
    texts = []
    for wording in (0, 1):  # small or little, large or big
        first, second = (
            f"{sizes[size][wording]} {colours[colour]} {names[shape]}"
            for shape, colour, size in (scene[:3], scene[3:6])
        )
        for frame in FRAMES:
            texts += [frame.format(first, forward, second), frame.format(second, backward, first)]
    return texts


def caption_codes(scenes: Scenes) -> tuple[tuple[str, ...], Tensor]:
    """The vocabulary of all captions, and the captions of the scenes as codes (N, R, T), padded with 0."""
    texts = [[text.split() for text in captions(row)] for row in scenes.attributes.tolist()]
    words = sorted({word for wordings in texts for text in wordings for word in text})
    codes = {word: code for code, word in enumerate(words, start=FIRST)}
    length = max(len(text) for wordings in texts for text in wordings)
    padded = [[[codes[w] for w in text] + [PAD] * (length - len(text)) for text in wordings] for wordings in texts]
    return tuple(words), torch.tensor(padded)


def partly(texts: Tensor, vocabulary: Sequence[str], in_front: Tensor, random: torch.Generator) -> Tensor:
    """Texts as codes (N, R, T) without some of their sizes and colours, each left out as often as not.

    Sizes stay in the scenes where one object is in front of the other (N,): there they are not chosen one by one.
    """
    sizes = {word for each in SIZES.values() for word in each}
    is_size, is_colour = (
        torch.tensor([False] * FIRST + [word in words for word in vocabulary])[texts] for words in (sizes, COLOURS)
    )
    can_go = is_colour | (is_size & ~in_front[:, None, None])
    left = texts.masked_fill(can_go & (torch.rand(texts.shape, generator=random) < 0.5), PAD)
    return left.gather(2, (left == PAD).int().argsort(dim=2, stable=True))


def synonyms(vocabulary: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of a phrase and what it stands for, of `SYNONYMS`, where that is in the vocabulary."""
    known = {meant: phrases for meant, phrases in SYNONYMS.items() if set(meant.split()) <= set(vocabulary)}
    return tuple((phrase, meant) for meant, phrases in known.items() for phrase in phrases)


def draw(scenes: Scenes, random: torch.Generator) -> Tensor:
    """Images of scenes, uint8 (N, 3, P, P): anti-aliased, on pale paper, with random shades and places."""
    count = len(scenes)
    centres = _centres(scenes, random)  # N, S, 2
    radii = torch.tensor(RADII)[scenes.sizes] + torch.rand(count, 2, generator=random) * 0.8 - 0.4
    inks = torch.tensor(list(COLOURS.values())).float()[scenes.colours]  # N, S, 3
    inks = (inks + torch.randn(count, 2, 3, generator=random) * 8).clamp(0, 255)
    paper = 205 + 45 * torch.rand(count, 1, generator=random) + 4 * torch.randn(count, 3, generator=random)
    canvas = paper[:, :, None, None].expand(-1, -1, PIXELS, PIXELS)
    for place in (1, 0):  # the first object is in front
        cover = _coverage(scenes.shapes[:, place], centres[:, place], radii[:, place])[:, None]  # N, 1, P, P
        canvas = canvas + cover * (inks[:, place, :, None, None] - canvas)
    noise = torch.randn(canvas.shape, generator=random) * 3
    return (canvas + noise).round().clamp(0, 255).to(torch.uint8)


def _centres(scenes: Scenes, random: torch.Generator) -> Tensor:
    """The centres of the objects, (N, S, 2), as x and y in pixels."""
    count, middle = len(scenes), (PIXELS - 1) / 2
    relation = scenes.relations
    jitter = torch.rand(count, 2, 2, generator=random) * 2 - 1  # N, S, 2
    gap = 7.8 + 0.6 * torch.rand(count, generator=random)  # from the middle, along the relation
    along = torch.stack([-gap, gap], dim=1)  # N, S
    across = jitter[:, :, 0] * 3
    left = torch.stack([along, across], dim=2)
    above = torch.stack([across, along], dim=2)
    angle, distance = torch.pi * jitter[:, 1, 0], 4.5 + 0.7 * jitter[:, 1, 1]  # over the other's edge: both can be seen
    beside = distance[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    front = jitter[:, :1] * 5 + torch.stack([beside, torch.zeros_like(beside)], dim=1)
    placed = torch.where(
        (relation == 0)[:, None, None], left, torch.where((relation == 1)[:, None, None], above, front)
    )
    return placed + middle


def _coverage(shapes: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """The fraction of each pixel that a shape covers (N, P, P), from the pixel's distance to the shape's edge."""
    axis = torch.arange(PIXELS).float()
    x = axis[None, None, :] - centres[:, 0, None, None]  # N, 1, P
    y = axis[None, :, None] - centres[:, 1, None, None]  # N, P, 1
    x, y = torch.broadcast_tensors(x, y)
    r = radii[:, None, None]
    round_ = (x * x + y * y).sqrt()
    far_x, far_y = x.abs(), y.abs()
    distances = (  # below 0 inside; in the order of SHAPES, each of about the same area
        round_ - r,
        torch.maximum(far_x, far_y) - 0.88 * r,
        torch.maximum(0.87 * far_x - 0.5 * y - 0.55 * r, y - 0.8 * r),
        (far_x + far_y) * 0.7071 - 0.8 * r,
        torch.minimum(
            torch.maximum(far_x - 1.05 * r, far_y - 0.36 * r), torch.maximum(far_y - 1.05 * r, far_x - 0.36 * r)
        ),
        (round_ - 0.78 * r).abs() - 0.24 * r,
    )
    distance = torch.stack(distances).gather(0, shapes[None, :, None, None].expand(1, -1, PIXELS, PIXELS))[0]
    return (0.5 - distance).clamp(0, 1)
