"""Recurrent networks with three cells: plain (RNN), gated (GRU) and long short-term memory (LSTM).

The arrangement follows from the spec:

- many to one: text → classes, and an image, read row by row, → classes or values;
- one to one: a table's row → classes or values.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from zoo.errors import SpecError
from zoo.models.rnn.recurrent import GRU, LSTM, RNN, Recurrent, Stack
from zoo.models.rnn.text import TextClassifier
from zoo.models.rnn.vectors import ImageReader, RowReader
from zoo.spec import Classes, Image, Spec, Table, Text, Values

__all__ = ["GRU", "LSTM", "RNN", "TASKS", "ImageReader", "Recurrent", "RowReader", "Stack", "TextClassifier", "build"]

NETWORKS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
TASKS = ("sentiment", "classification", "regression")


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
    """The recurrent network for a spec: text → classes, or image or table → classes or values.

    Args:
        cell: rnn, gru or lstm.
        hidden, layers, bidirectional, pool, dropout, recurrent_dropout: as in `Recurrent`.
        embedding, token_dropout: of text, as in `TextClassifier`.
        rows: read an image row by row, and not in one step.

    Raises:
        SpecError: the spec asks for something else.
        ValueError: an option is out of range.
    """
    given, wanted = spec.input, spec.output
    if isinstance(given, Text) and isinstance(wanted, Classes):
        return TextClassifier(
            cell,
            given.codes,
            len(wanted.names),
            embedding=embedding,
            hidden=hidden,
            layers=layers,
            bidirectional=bidirectional,
            pool=pool,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            token_dropout=token_dropout,
        )
    network = partial(
        NETWORKS[cell],
        hidden=hidden,
        layers=layers,
        bidirectional=bidirectional,
        pool=pool,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
    )
    if isinstance(wanted, (Classes, Values)) and type(given) is Image:
        height, width = given.size
        features = given.channels * width * (1 if rows else height)
        return ImageReader(network(features, len(wanted.names)), rows)
    if isinstance(wanted, (Classes, Values)) and isinstance(given, Table):
        features = given.numbers + sum(given.categories)
        return RowReader(network(features, len(wanted.names)), given.numbers, given.categories)
    raise SpecError(f"{cell} goes from text to classes, or from image or table to classes or values, not {spec}")
