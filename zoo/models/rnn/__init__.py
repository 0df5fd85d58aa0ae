"""Recurrent networks with three cells: plain (RNN), gated (GRU) and long short-term memory (LSTM).

The spec decides how the network is used:

- many to one: text → classes; strokes → classes; a series, or an image read row by row → classes or values;
- one to one: a table's row → classes or values;
- one to many: an image → text, and a text → its continuation;
- many to many, unequally long: a text → handwriting, and a sentence → its translation;
- many to many: a video, a series or a sentence → labels, and a series → its forecast.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.models.rnn.captioning import Captioner
from zoo.models.rnn.forecasting import Forecaster, forecaster
from zoo.models.rnn.handwriting import Handwriter
from zoo.models.rnn.recurrent import GRU, LSTM, RNN, Recurrent, Stack
from zoo.models.rnn.steps import FrameReader, Tagger, VideoReader
from zoo.models.rnn.text import LanguageModel, TextClassifier
from zoo.models.rnn.translation import Translator
from zoo.models.rnn.vectors import ImageReader, RowReader
from zoo.models.rnn.words import WordReader
from zoo.spec import (
    Classes,
    Forecast,
    Image,
    Ink,
    Labels,
    MultiLabel,
    Sentence,
    Series,
    SourceText,
    Spec,
    Strokes,
    Table,
    TargetText,
    Text,
    Tokens,
    Values,
    Video,
)

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Captioner",
    "Forecaster",
    "FrameReader",
    "Handwriter",
    "ImageReader",
    "LanguageModel",
    "Recurrent",
    "RowReader",
    "Stack",
    "Tagger",
    "TextClassifier",
    "Translator",
    "VideoReader",
    "WordReader",
    "build",
]

NETWORKS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def defaults(spec: Spec) -> dict[str, Any]:
    """The options that suit a spec in a training, where they are not given."""
    chosen = {"hidden_size": 128, "bidirectional": False, "dropout": 0.2}
    if isinstance(spec.input, Video | Strokes):  # what comes later tells of what was
        return {"hidden_size": 64, "bidirectional": True, "dropout": 0.3}
    if isinstance(spec.input, Sentence):
        return {**chosen, "bidirectional": True, "dropout": 0.4}
    if isinstance(spec.input, SourceText):
        few = spec.input.level == "characters"
        return {**chosen, "hidden_size": 96 if few else 256, "bidirectional": True, "dropout": 0.1 if few else 0.3}
    if isinstance(spec.output, Forecast):
        return {**chosen, "hidden_size": 64}
    if isinstance(spec.input, Series):  # tests of memory
        return {**chosen, "hidden_size": 64, "dropout": 0.0}
    if isinstance(spec.input, Text) and isinstance(spec.output, Tokens | Ink):
        return {**chosen, "dropout": 0.0}
    return chosen


def build(
    cell: str,
    spec: Spec,
    *,
    hidden_size: int = 128,
    num_layers: int = 1,
    bidirectional: bool = False,
    pool: str = "last",
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    embedding_dim: int = 64,
    token_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    ensemble_size: int = 1,
    by_rows: bool = True,
    memory_span: int | None = None,
    num_components: int = 20,
    conditional: bool = True,
    attend: bool = True,
) -> nn.Module:
    """The recurrent network for a spec.

    Args:
        cell: rnn, gru or lstm.
        hidden_size, num_layers, bidirectional, pool, dropout, recurrent_dropout: as in `Recurrent`.
        embedding_dim, token_dropout, embedding_dropout, ensemble_size: of text, as in `TextClassifier`.
        by_rows: read an image row by row, not in one step.
        memory_span: of an LSTM over series, strokes, images or rows, as in `Recurrent`.
        num_components, conditional: of handwriting, as in `Handwriter`.
        attend: of translation, as in `Translator`.

    Raises:
        SpecError: no recurrent network goes from that input to that output.
        ValueError: an option is out of range.
    """
    given, wanted = spec.input, spec.output
    stack: dict[str, Any] = {
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
    }
    network: Callable[..., Recurrent] = partial(
        NETWORKS[cell], **stack, bidirectional=bidirectional, memory_span=memory_span
    )
    if isinstance(given, Text) and isinstance(wanted, Classes | MultiLabel | Values):
        if ensemble_size > 1 and not isinstance(wanted, Classes):
            raise ValueError(
                "an ensemble averages the probabilities of classes; of labels or values set ensemble_size=1"
            )
        return TextClassifier(
            cell,
            given.codes,
            wanted.outputs,
            embedding_dim=embedding_dim,
            bidirectional=bidirectional,
            pool=pool,
            token_dropout=token_dropout,
            embedding_dropout=embedding_dropout,
            ensemble_size=ensemble_size,
            **stack,
        )
    if isinstance(given, SourceText) and isinstance(wanted, TargetText):
        return Translator(
            cell,
            given.codes,
            wanted.codes,
            wanted.max_length,
            attend=attend,
            embedding_dim=embedding_dim,
            bidirectional=bidirectional,
            token_dropout=token_dropout,
            **stack,
        )
    if isinstance(given, Text) and isinstance(wanted, Tokens):
        if wanted.as_input != given:
            raise SpecError(f"{cell} continues a text in the vocabulary that it reads; these are two vocabularies")
        return LanguageModel(cell, given.codes, embedding_dim=embedding_dim, token_dropout=token_dropout, **stack)
    if isinstance(given, Text) and isinstance(wanted, Ink):
        return Handwriter(
            cell,
            given.codes,
            wanted.std,
            hidden_size=hidden_size,
            num_components=num_components,
            conditional=conditional,
            dropout=dropout,
        )
    if type(given) is Image and isinstance(wanted, Tokens):
        return Captioner(cell, given.channels, wanted.codes, wanted.max_length, embedding_dim=embedding_dim, **stack)
    if isinstance(given, Video) and isinstance(wanted, Labels):
        frames = FrameReader(given.channels, embedding_dim)
        return Tagger(network(embedding_dim, len(wanted.names), pool="none"), frames)
    if isinstance(given, Sentence) and isinstance(wanted, Labels):
        words = WordReader(*given.codes, embedding_dim, token_dropout=token_dropout, dropout=dropout)
        return Tagger(network(words.num_features, len(wanted.names), pool="none"), words)
    if isinstance(given, Series) and isinstance(wanted, Labels):
        return Tagger(network(len(given.names), len(wanted.names), pool="none"))
    if isinstance(given, Series) and isinstance(wanted, Forecast):
        return forecaster(given, wanted, partial(network, pool=pool))
    if isinstance(wanted, Classes | MultiLabel | Values) and not isinstance(wanted, Forecast):
        outputs = wanted.outputs
        if type(given) is Image:
            height, width = given.size
            features = given.channels * width * (1 if by_rows else height)
            return ImageReader(network(features, outputs, pool=pool), by_rows)
        if isinstance(given, Table):
            features = given.numbers + sum(given.categories)
            return RowReader(network(features, outputs, pool=pool), given.numbers, given.categories)
        if isinstance(given, Series):
            return network(len(given.names), outputs, pool=pool)
        if isinstance(given, Video):
            return VideoReader(network(embedding_dim, outputs, pool=pool), FrameReader(given.channels, embedding_dim))
        if isinstance(given, Strokes):
            return network(given.num_features, outputs, pool=pool)
    raise SpecError(
        f"{cell} goes from text to text or ink, from source text to translation, from image to text, from video, "
        "series or sentence to labels of their steps, from series to forecast, or from text, image, video, strokes, "
        f"table or series to classes, labels or values, not {spec}"
    )
