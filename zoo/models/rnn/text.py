"""Networks that read text: its class (many to one), and what comes next in it.

Shape letters: B batch, T tokens, V codes, E embedding, H units, D directions, K classes, M members.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo.errors import unknown
from zoo.models.rnn.recurrent import POOLS, SequenceDropout, Stack, check_shares, check_sizes
from zoo.models.rnn.writing import write
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
        with torch.no_grad():
            self.vectors.weight.mul_(0.1)  # a word that training hardly meets should say little
        self.token_dropout = token_dropout
        self.dropout = SequenceDropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.vectors(codes)
        if self.training and self.token_dropout:
            kept = torch.rand(codes.shape, device=codes.device) >= self.token_dropout
            x = x * kept[:, :, None]
        return self.dropout(x)


class TextReader(nn.Module):
    """A text as one vector: its tokens are embedded, read by recurrent layers, and the states summed up.

    Args:
        cell: rnn, gru or lstm.
        codes: V.
        embedding, hidden, layers, bidirectional, pool, recurrent_dropout: as in `TextClassifier`.
        dropout: between layers.
        token_dropout, embedding_dropout: of `Embedding`.
    """

    def __init__(
        self,
        cell: str,
        codes: int,
        *,
        embedding: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        pool: str,
        dropout: float,
        recurrent_dropout: float,
        token_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(codes, embedding, token_dropout=token_dropout, dropout=embedding_dropout)
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

    def forward(self, codes: Tensor, lengths: Tensor | None) -> Tensor:
        return self.stack.pool(self.stack(self.embedding(codes), lengths), lengths, self.pool)


class TextClassifier(nn.Module):
    """A text's class.

    Args:
        cell: rnn, gru or lstm.
        codes: V, how many codes there are; 0 is padding.
        num_classes: K.
        embedding: E.
        hidden, layers, bidirectional, recurrent_dropout: as in `Stack`.
        pool: what of the states is seen: `last`, `mean`, `max` of each unit, or `mean_max`, both.
        dropout: probability of zeroing a feature between layers and before the output.
        token_dropout: probability of hiding a token in training.
        embedding_dropout: probability of zeroing a feature of all tokens of a text.
        members: M networks in one, of which each learns by itself; their probabilities are averaged.

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
        embedding_dropout: float = 0.0,
        members: int = 1,
    ) -> None:
        super().__init__()
        if pool not in POOLS:
            raise ValueError(unknown("pool", pool, POOLS))
        check_sizes(num_classes=num_classes, members=members)
        self.readers = nn.ModuleList(
            TextReader(
                cell,
                codes,
                embedding=embedding,
                hidden=hidden,
                layers=layers,
                bidirectional=bidirectional,
                pool=pool,
                dropout=dropout,
                recurrent_dropout=recurrent_dropout,
                token_dropout=token_dropout,
                embedding_dropout=embedding_dropout,
            )
            for _ in range(members)
        )
        features = hidden * (1 + bidirectional) * (2 if pool == "mean_max" else 1)
        self.dropout = nn.Dropout(dropout)
        self.outputs = nn.ModuleList(nn.Linear(features, num_classes) for _ in range(members))

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, K).

        With members, training gives the logits of each, (B, M, K), so that each has its own loss; evaluation gives
        the logarithm of their mean probabilities, (B, K).
        """
        features = self.forward_features(codes, lengths).chunk(len(self.outputs), dim=1)
        members = [output(self.dropout(part)) for output, part in zip(self.outputs, features)]
        if len(members) == 1:
            return members[0]
        logits = torch.stack(members, dim=1)  # B, M, K
        return logits if self.training else logits.log_softmax(dim=2).logsumexp(dim=1) - math.log(len(members))

    def forward_features(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """What `forward` takes, to each text as the vector that the output layers see, of all members together."""
        return torch.cat([reader(codes, lengths) for reader in self.readers], dim=1)


class LanguageModel(nn.Module):
    """What comes next in a text, token by token.

    Args:
        cell: rnn, gru or lstm.
        codes: V.
        embedding: E.
        hidden, layers, recurrent_dropout: as in `Stack`.
        dropout: probability of zeroing a feature: of embeddings, between layers, and before the output.
        token_dropout: probability of hiding a token in training.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        cell: str,
        codes: int,
        *,
        embedding: int = 64,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(codes, embedding, token_dropout=token_dropout, dropout=dropout)
        self.stack = Stack(cell, embedding, hidden, layers=layers, dropout=dropout, recurrent_dropout=recurrent_dropout)
        self.dropout = SequenceDropout(dropout)
        self.output = nn.Linear(hidden, codes)

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, T, V) of the token after each."""
        return self.output(self.dropout(self.stack(self.embedding(codes), lengths)))

    def generate(
        self, codes: Tensor, lengths: Tensor, *, length: int = 200, beams: int = 1, temperature: float = 0.8
    ) -> tuple[Tensor, Tensor]:
        """Go on with texts: new codes (B, at most length), and their log-probabilities (B,).

        Args:
            codes: what the texts begin with (B, T), padded after their lengths (B,).
            lengths: at least 1 each.
            length: how many tokens to write.
            beams: how many texts are followed at once, with a temperature of 0.
            temperature: 0 writes the likeliest; above 0 tokens are drawn, the more freely the higher.

        Raises:
            SpecError: one of them is out of range, or beams and a temperature are both asked for.
        """

        def step(last: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
            outputs, states = self.stack.step(self.embedding(last[:, None]), states)
            return self.output(outputs)[:, 0], states

        written = codes.new_zeros(len(codes), length)
        likelihoods = torch.zeros(len(codes), device=codes.device)
        for size in lengths.unique().tolist():  # those of one length go through the fused kernel together
            rows = (lengths == size).nonzero()[:, 0]
            begin = codes[rows, :size]
            states = self.stack.start(len(rows))
            if size > 1:
                states = self.stack.step(self.embedding(begin[:, :-1]), states)[1]
            new, found = write(step, states, begin[:, -1], length=length, beams=beams, temperature=temperature)
            written[rows, : new.shape[1]] = new.to(written.dtype)
            likelihoods[rows] = found
        return written, likelihoods
