"""Networks that read text: many to one.

Shape letters: B batch, T tokens, V codes, E embedding, H units, D directions, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.errors import unknown
from zoo.models.rnn.recurrent import POOLS, SequenceDropout, Stack, check_shares, check_sizes
from zoo.spec.text import PAD


class Embedding(nn.Module):
    """Vectors of tokens: codes (B, T) to (B, T, E).

    Args:
        codes: V; code 0 is padding.
        size: E.
        token_dropout: probability of zeroing the whole vector of a token in a text.
        dropout: probability of zeroing a feature, for all tokens of a text.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, codes: int, size: int, *, token_dropout: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes(codes=codes, embedding=size)
        check_shares(token_dropout=token_dropout, dropout=dropout)
        self.vectors = nn.Embedding(codes, size, padding_idx=PAD)
        self.token_dropout = token_dropout
        self.dropout = SequenceDropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.vectors(codes)
        if self.training and self.token_dropout:
            kept = torch.rand(codes.shape, device=codes.device) >= self.token_dropout
            x = x * kept[:, :, None]
        return self.dropout(x)


class TextClassifier(nn.Module):
    """A text's class: its tokens are embedded, read by recurrent layers, and summed up in one vector.

    Args:
        cell: rnn, gru or lstm.
        codes: V, how many codes there are; 0 is padding.
        num_classes: K.
        embedding: E.
        hidden, layers, bidirectional, recurrent_dropout: as in `Stack`.
        pool: `last`, `mean` or `max` of the states.
        dropout: probability of zeroing a feature: of embeddings, between layers, and before the output.
        token_dropout: probability of hiding a token in training.

    Raises:
        ValueError: a number is out of range, or a name unknown.
    """

    def __init__(
        self,
        cell: str,
        codes: int,
        num_classes: int,
        *,
        embedding: int = 64,
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = False,
        pool: str = "last",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if pool not in POOLS:
            raise ValueError(unknown("pool", pool, POOLS))
        check_sizes(num_classes=num_classes)
        self.embedding = Embedding(codes, embedding, token_dropout=token_dropout, dropout=dropout)
        self.stack = Stack(
            cell,
            embedding,
            hidden,
            layers=layers,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(self.stack.out_features, num_classes)

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, K)."""
        return self.output(self.dropout(self.forward_features(codes, lengths)))

    def forward_features(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What `forward` takes, to the vector of each text that the output layer sees (B, D * H)."""
        states = self.stack(self.embedding(codes), lengths)  # B, T, D * H
        return self.stack.pool(states, lengths, self.pool)
