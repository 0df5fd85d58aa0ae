"""Raw input as tensors, as an exported program takes it: pixels, numbers, codes; and how that becomes a batch.

Parsing (files, words, dates) stays outside of a program; all that is computed afterwards is inside. `encoded` turns raw
tensors into what `spec.input.prepare` takes, and `raw_of` undoes it.

Shape letters: B batch, C channels, H height, W width, T steps, N columns of numbers, K of categories.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import singledispatch
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

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
    Strokes,
    Table,
    Text,
    TextLine,
    Video,
)
from zoo.spec.columns import Boolean, Category, Column, Date, Number, Time
from zoo.spec.framing import framed
from zoo.spec.sentence import LETTERS

Encoded = Any  # a tensor, or a tuple of them


@dataclass(frozen=True)
class Port:
    """An input or an output of a program: its name, its type, its axes, and what its numbers mean."""

    name: str
    type: str
    axes: tuple[int | str, ...]
    meaning: str
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        described = asdict(self)
        return {**{name: described[name] for name in ("name", "type", "axes", "meaning")}, **self.details}


LENGTHS = Port("lengths", "int64", ("batch",), "how many of the steps along the padded axis are real, at least 1 each")


@singledispatch
def inputs_of(kind: InputKind) -> list[Port]:
    """The raw inputs of a program for a kind of input."""
    raise NotImplementedError(type(kind).__name__)


@singledispatch
def encoded(kind: InputKind, *raw: Tensor) -> Encoded:
    """Raw tensors as a batch that `kind.prepare` takes; they are one already, unless a kind says otherwise."""
    return raw[0] if len(raw) == 1 else raw


@singledispatch
def raw_of(kind: InputKind, batch: Encoded) -> tuple[Tensor, ...]:
    """Undo `encoded`."""
    return batch if isinstance(batch, tuple) else (batch,)


@singledispatch
def unprepared(kind: InputKind, *prepared: Tensor) -> Encoded:
    """Undo `kind.prepare`, which changes nothing unless a kind says otherwise.

    It cannot be undone for lines of text and for strokes, each of which is scaled in its own way.
    """
    return prepared[0] if len(prepared) == 1 else prepared


@unprepared.register(Image)
def _(kind: Image, x: Tensor) -> Tensor:
    mask = x[:, kind.channels :].to(torch.uint8)  # of a masked image
    return torch.cat([kind.restore(x[:, : kind.channels]), mask], dim=1)


@unprepared.register(Table)
def _(kind: Table, x: Tensor) -> Tensor:
    return kind.restore(x)


@unprepared.register(Series)
def _(kind: Series, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    return kind.restore(x).float(), lengths  # those with a context are taken from the batch


@unprepared.register(Video)
def _(kind: Video, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    return kind.image.restore(x.flatten(0, 1)).reshape(x.shape), lengths


@unprepared.register(Ratings)
def _(kind: Ratings, x: Tensor) -> Tensor:
    groups = x.unflatten(1, (len(kind.titles), -1))
    return (groups.argmax(dim=2) + 1).mul(groups.sum(dim=2) > 0).to(torch.uint8)


def _image(kind: Image | Video, *before: str) -> Port:
    axes = ("batch", *before, kind.channels, kind.height or "height", kind.width or "width")
    return Port("image", "uint8", axes, "pixels from 0 to 255, in this size")


@inputs_of.register(Image)
def _(kind: Image) -> list[Port]:
    if kind.ink is None:
        return [_image(kind)]
    return [Port("image", "uint8", ("batch", 1, "height", "width"), "pixels from 0 to 255, of any size")]


@encoded.register(Image)
def _(kind: Image, image: Tensor) -> Tensor:
    return image if kind.ink is None else framed(image, *kind.size, kind.ink)


@inputs_of.register(MaskedImage)
def _(kind: MaskedImage) -> list[Port]:
    axes = ("batch", 1, *_image(kind).axes[2:])
    return [_image(kind), Port("mask", "uint8", axes, "from 0 to 255: above 127 in the hole")]


@encoded.register(MaskedImage)
def _(kind: MaskedImage, image: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([image, (mask > 127).to(torch.uint8)], dim=1)


@raw_of.register(MaskedImage)
def _(kind: MaskedImage, batch: Tensor) -> tuple[Tensor, Tensor]:
    return batch[:, :-1], batch[:, -1:] * 255


@inputs_of.register(TextLine)
def _(kind: TextLine) -> list[Port]:
    axes = ("batch", 1, kind.height, "width")
    return [Port("image", "uint8", axes, "grey pixels from 0 to 255, padded on the right with 0"), LENGTHS]


@encoded.register(TextLine)
def _(kind: TextLine, image: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    return image[:, 0].transpose(1, 2), lengths  # B, W, H


@raw_of.register(TextLine)
def _(kind: TextLine, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    lines, lengths = batch
    return lines.transpose(1, 2)[:, None].contiguous(), lengths


@inputs_of.register(Video)
def _(kind: Video) -> list[Port]:
    port = _image(kind, "steps")
    return [Port("video", port.type, port.axes, port.meaning), LENGTHS]


@inputs_of.register(Series)
def _(kind: Series) -> list[Port]:
    if not kind.context_length:
        axes: tuple[int | str, ...] = ("batch", "steps", len(kind.names))
        return [Port("series", "float32", axes, "numbers in their own units", {"names": list(kind.names)}), LENGTHS]
    calendar = kind.clock.columns if kind.clock else []
    axes = ("batch", kind.context_length + kind.horizon, len(kind.names) + len(calendar))
    meaning = f"the last {kind.context_length} steps, numbers in their own units"
    if kind.horizon:
        meaning += f", and {kind.horizon} steps to come, of which {', '.join([*kind.future, *calendar[:1]])} … is read"
    if kind.masked:
        meaning += "; NaN where one is missing"
    return [Port("series", "float32", axes, meaning, {"names": [*kind.names, *calendar]})]


@inputs_of.register(Strokes)
def _(kind: Strokes) -> list[Port]:
    meaning = "x, y downwards, and 1 where the pen leaves the paper after a point; any unit, the first point near 0"
    return [Port("strokes", "float32", ("batch", "steps", 3), meaning), LENGTHS]


@inputs_of.register(Text)
def _(kind: Text) -> list[Port]:
    meaning = "numbers of tokens: 0 pads, 1 is an unknown token, 2 is the first of the vocabulary"
    details = {"vocabulary": list(kind.vocabulary), "level": kind.level}
    if kind.tokenizer:
        details["tokenizer"] = kind.tokenizer
    return [Port("codes", "int64", ("batch", "tokens"), meaning, details), LENGTHS]


@inputs_of.register(Sentence)
def _(kind: Sentence) -> list[Port]:
    meaning = "a word's number, then those of its letters: 0 pads, 1 is unknown, 2 is the first of its list"
    details = {"vocabulary": list(kind.vocabulary), "alphabet": list(kind.alphabet)}
    return [Port("codes", "int32", ("batch", "words", 1 + LETTERS), meaning, details), LENGTHS]


@inputs_of.register(Counts)
def _(kind: Counts) -> list[Port]:
    details = {"vocabulary": list(kind.vocabulary)}
    axes = ("batch", len(kind.vocabulary))
    return [Port("counts", "int32", axes, "how often each word of the vocabulary occurs", details)]


@inputs_of.register(Ratings)
def _(kind: Ratings) -> list[Port]:
    details = {"titles": list(kind.titles), "scale": list(kind.scale)}
    return [Port("ratings", "uint8", ("batch", len(kind.titles)), "0 for no rating, 1 for the scale's first", details)]


@inputs_of.register(Label)
def _(kind: Label) -> list[Port]:
    return [Port("label", "int64", ("batch",), "numbers of classes, from 0", {"labels": list(kind.names)})]


@inputs_of.register(Seed)
def _(kind: Seed) -> list[Port]:
    return []  # a program takes noise itself


# Tables: an array of numbers, and one of codes


@inputs_of.register(Table)
def _(kind: Table) -> list[Port]:
    numbers, categories = _columns(kind)
    ports = []
    if numbers:
        details = {"columns": [{"name": column.name, "holds": _unit(column)} for column in numbers]}
        ports += [Port("numbers", "float64", ("batch", len(numbers)), "a number a column, NaN if missing", details)]
    if categories:
        names = [{"name": column.name, "values": list(column.values)} for column in categories]
        meaning = "a code a column: 0 is missing, 1 a name that is not among the values, 2 the first of the values"
        ports += [Port("categories", "int64", ("batch", len(categories)), meaning, {"columns": names})]
    return ports


@encoded.register(Table)
def _(kind: Table, *raw: Tensor) -> Tensor:
    numbers, categories = _columns(kind)
    arrays = dict(zip(("numbers",) * bool(numbers) + ("categories",) * bool(categories), raw))
    parts = []
    for column_type, group in groupby(kind.columns, type):
        name, columns = ("categories", categories) if column_type is Category else ("numbers", numbers)
        beside: list[Any] = list(group)
        first = columns.index(beside[0])
        given = arrays[name][:, first : first + len(beside)]
        if column_type is Category:
            parts.append(given.float())
        elif column_type is Number:  # together, since each operator of an exported graph takes time
            mean, std = (given.new_tensor([getattr(column, part) for column in beside]) for part in ("mean", "std"))
            parts.append(((given - mean) / std).float())
        else:
            parts += [column.scaled(values).float() for column, values in zip(beside, given.unbind(1))]
    return torch.cat(parts, dim=1)


@raw_of.register(Table)
def _(kind: Table, batch: Tensor) -> tuple[Tensor, ...]:
    parts = {column.name: batch[:, kind.slices[column.name]] for column in kind.columns}
    numbers, categories = _columns(kind)
    arrays = [torch.stack([column.unscaled(parts[column.name].double()) for column in numbers], 1)] if numbers else []
    if categories:
        arrays += [torch.stack([parts[column.name][:, 0].long() for column in categories], 1)]
    return tuple(arrays)


def _columns(table: Table) -> tuple[list[Any], list[Category]]:
    """The columns of numbers, booleans and dates, and those of categories."""
    categories = [column for column in table.columns if isinstance(column, Category)]
    return [column for column in table.columns if not isinstance(column, Category)], categories


def _unit(column: Column) -> str:
    units = {Boolean: "0 for false, 1 for true", Date: "days since 1970-01-01 UTC", Time: "minutes since midnight"}
    return units.get(type(column), "numbers as in the training data")
