"""What an image is generated from, a class or a text, as numbers.

A sentence is read by a recurrent network (Reed et al., "Generative adversarial text to image synthesis", 2016).

Shape letters: B batch, T tokens, S numbers of a word, E numbers of a condition, M features of an image.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from zoo.models.rnn.recurrent import Stack

WORD = 64  # numbers of a word of a text
MAPPED = 256  # numbers after the mapping network


class Labels(nn.Embedding):
    """Labels (B,) of classes to conditions (B, E)."""

    def __init__(self, classes: int, embedding_dim: int) -> None:
        super().__init__(classes, embedding_dim)

    def forward(self, labels: Tensor, lengths: None = None) -> Tensor:
        return super().forward(labels)


@dataclass(frozen=True)
class Read:
    """What a reader gave for texts: their conditions (B, E), their words (B, T, S) and how many those are (B,)."""

    features: Tensor
    words: Tensor
    lengths: Tensor

    def detach(self) -> Read:
        return Read(self.features.detach(), self.words.detach(), self.lengths)

    def __getitem__(self, rows: slice) -> Read:
        return Read(self.features[rows], self.words[rows], self.lengths[rows])


class Sentences(nn.Module):
    """Codes (B, T) of texts, padded after their lengths (B,), to conditions (B, E) of mean 0 and variance 1."""

    def __init__(self, codes: int, embedding_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, WORD)
        self.stack = Stack("gru", WORD, WORD, bidirectional=True)
        self.out = nn.Linear(self.stack.out_features, embedding_dim)

    def forward(self, codes: Tensor, lengths: Tensor) -> Tensor:
        return self.read(codes, lengths).features

    def read(self, codes: Tensor, lengths: Tensor) -> Read:
        words = self.embedding(codes)
        condition: Tensor = self.out(self.stack.pool(self.stack(words, lengths), lengths, "max"))
        return Read(functional.layer_norm(condition, (self.out.out_features,)), words, lengths)


def condition_encoder(classes: int, codes: int, embedding_dim: int) -> Labels | Sentences | None:
    """The encoder of a condition, a label or the codes of a text; None without either."""
    if classes and codes:
        raise ValueError(f"a condition is a class or a text, not both; got {classes} classes and {codes} codes")
    if classes:
        return Labels(classes, embedding_dim)
    return Sentences(codes, embedding_dim) if codes else None


def mapping(in_features: int) -> nn.Sequential:
    """What is given (B, in_features) to a code (B, M)."""
    return nn.Sequential(nn.Linear(in_features, MAPPED), nn.SiLU(), nn.Linear(MAPPED, MAPPED), nn.SiLU())
