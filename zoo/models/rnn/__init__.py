"""Recurrent networks with three cells, plain (RNN), gated (GRU) and long short-term memory (LSTM).

The arrangement follows from the spec: text → classes (many to one), an image or a row → classes (one to one).
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from zoo.errors import SpecError
from zoo.models.rnn.recurrent import GRU, LSTM, RNN, Recurrent, Stack
from zoo.models.rnn.text import TextClassifier
from zoo.spec import Classes, Image, Spec, Text

__all__ = ["GRU", "LSTM", "RNN", "Recurrent", "Stack", "TextClassifier", "build", "builders"]

NETWORKS: dict[str, type[Recurrent]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


class ImageReader(nn.Module):
    """A picture (B, C, H, W) as a sequence for a recurrent network.

    Args:
        network: takes (B, 1, C * H * W), or (B, H, C * W) with `rows`.
        rows: read the picture row by row, in H steps, and not at once.
    """

    def __init__(self, network: Recurrent, rows: bool) -> None:
        super().__init__()
        self.network = network
        self.rows = rows

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pictures (B, C, H, W) to logits (B, K)."""
        return self.network(x.transpose(1, 2).flatten(2) if self.rows else x.flatten(1)[:, None])


def build(
    cell: str,
    spec: Spec,
    *,
    hidden: int = 128,
    layers: int = 1,
    bidirectional: bool | None = None,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    embedding: int = 64,
    pool: str | None = None,
    token_dropout: float = 0.0,
    rows: bool = False,
) -> nn.Module:
    """The recurrent network for a spec: text → classes, or image → classes.

    Args:
        cell: rnn, gru or lstm.
        bidirectional: None for both directions where the whole of a text is read before anything is said.
        embedding, pool, token_dropout: of text, as in `TextClassifier`.
        rows: read an image row by row, and not in one step.
        hidden, layers, dropout, recurrent_dropout: as in `Recurrent`.

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
            bidirectional=bidirectional is not False,
            pool=pool or "max",
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            token_dropout=token_dropout,
        )
    if type(given) is Image and isinstance(wanted, Classes):
        network = NETWORKS[cell](
            given.channels * given.width * (1 if rows else given.height),
            len(wanted.names),
            hidden=hidden,
            layers=layers,
            bidirectional=bool(bidirectional),
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        return ImageReader(network, rows)
    raise SpecError(f"{cell} goes from text or image to classes, not {spec}")


builders = {cell: partial(build, cell) for cell in NETWORKS}
