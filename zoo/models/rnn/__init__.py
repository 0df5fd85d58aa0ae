"""Recurrent networks with three cells: plain (RNN), gated (GRU) and long short-term memory (LSTM).

The arrangement follows from the spec:

- many to one: text → classes; a series, or an image read row by row → classes or values;
- one to one: a table's row → classes or values;
- one to many: an image → text;
- many to many: a video or a series → labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.models.rnn.captioning import Captioner
from zoo.models.rnn.recurrent import GRU, LSTM, RNN, Recurrent, Stack
from zoo.models.rnn.steps import FrameReader, Tagger
from zoo.models.rnn.text import TextClassifier
from zoo.models.rnn.vectors import ImageReader, RowReader
from zoo.spec import Classes, Image, Labels, Series, Spec, Table, Text, Tokens, Values, Video

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "TASKS",
    "Captioner",
    "FrameReader",
    "ImageReader",
    "Recurrent",
    "RowReader",
    "Stack",
    "Tagger",
    "TextClassifier",
    "build",
]

NETWORKS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
TASKS = ("sentiment", "classification", "regression", "captioning", "tagging", "memory")


def build(
    cell: str,
    spec: Spec,
    *,
    hidden: int = 128,
    layers: int = 1,
    bidirectional: bool = False,
    pool: str = "last",
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    embedding: int = 64,
    token_dropout: float = 0.0,
    rows: bool = True,
) -> nn.Module:
    """The recurrent network for a spec.

    Args:
        cell: rnn, gru or lstm.
        hidden, layers, bidirectional, pool, dropout, recurrent_dropout: as in `Recurrent`.
        embedding, token_dropout: of text, as in `TextClassifier`.
        rows: read an image row by row, and not in one step.

    Raises:
        SpecError: it does not go from the one to the other.
        ValueError: an option is out of range.
    """
    given, wanted = spec.input, spec.output
    stack: dict[str, Any] = {
        "hidden": hidden,
        "layers": layers,
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
    }
    network: Callable[..., Recurrent] = partial(NETWORKS[cell], **stack, bidirectional=bidirectional)
    if isinstance(given, Text) and isinstance(wanted, Classes):
        return TextClassifier(
            cell,
            given.codes,
            len(wanted.names),
            embedding=embedding,
            bidirectional=bidirectional,
            pool=pool,
            token_dropout=token_dropout,
            **stack,
        )
    if type(given) is Image and isinstance(wanted, Tokens):
        return Captioner(cell, given.channels, wanted.codes, wanted.max_length, embedding=embedding, **stack)
    if isinstance(given, Video) and isinstance(wanted, Labels):
        frames = FrameReader(given.channels, embedding)
        return Tagger(network(embedding, len(wanted.names), pool="none"), frames)
    if isinstance(given, Series) and isinstance(wanted, Labels):
        return Tagger(network(len(given.names), len(wanted.names), pool="none"))
    if isinstance(wanted, (Classes, Values)):
        outputs = len(wanted.names)
        if type(given) is Image:
            height, width = given.size
            features = given.channels * width * (1 if rows else height)
            return ImageReader(network(features, outputs, pool=pool), rows)
        if isinstance(given, Table):
            features = given.numbers + sum(given.categories)
            return RowReader(network(features, outputs, pool=pool), given.numbers, given.categories)
        if isinstance(given, Series):
            return network(len(given.names), outputs, pool=pool)
    raise SpecError(
        f"{cell} goes from text to classes, from image to text, from video or series to labels, "
        f"or from image, table or series to classes or values, not {spec}"
    )
