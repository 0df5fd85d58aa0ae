"""Networks that read text: one classifies it (many to one), one predicts its next token.

Shape letters: B batch, T tokens, V codes, E embedding, H units, D directions, K classes, M members.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from zoo import check
from zoo.models.ensemble import mean_of_classes
from zoo.models.rnn.beam_search import write
from zoo.models.rnn.recurrent import POOLS, SequenceDropout, Stack
from zoo.spec.text import PAD


class Embedding(nn.Module):
    """Vectors of tokens: codes (B, T) to (B, T, E).

    Args:
        codes: V; code 0 is padding.
        embedding_dim: E.
        token_dropout: probability of zeroing the whole vector of a token in a text.
        dropout: probability of zeroing a feature, for all tokens of a text.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, codes: int, embedding_dim: int, *, token_dropout: float = 0.0, dropout: float = 0.0) -> None:
        super().__init__()
        check.whole("codes", codes)
        check.whole("embedding_dim", embedding_dim)
        check.fraction("token_dropout", token_dropout, one=False)
        check.fraction("dropout", dropout, one=False)
        self.vectors = nn.Embedding(codes, embedding_dim, padding_idx=PAD)
        with torch.no_grad():
            self.vectors.weight.mul_(0.1)  # a word that is rare in training should count little
        self.token_dropout = token_dropout
        self.dropout = SequenceDropout(dropout)

    def forward(self, codes: Tensor) -> Tensor:
        x = self.vectors(codes)
        if self.training and self.token_dropout:
            kept = torch.rand(codes.shape, device=codes.device) >= self.token_dropout
            x = x * kept[:, :, None]
        return self.dropout(x)


class TextReader(nn.Module):
    """A text as one vector: its tokens are embedded, read by recurrent layers, and the states pooled.

    Args:
        cell: rnn, gru or lstm.
        codes: V.
        embedding_dim, hidden_size, num_layers, bidirectional, pool, recurrent_dropout: as in `TextClassifier`.
        dropout: between layers.
        token_dropout, embedding_dropout: of `Embedding`.
    """

    def __init__(
        self,
        cell: str,
        codes: int,
        *,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        pool: str,
        dropout: float,
        recurrent_dropout: float,
        token_dropout: float,
        embedding_dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(codes, embedding_dim, token_dropout=token_dropout, dropout=embedding_dropout)
        self.stack = Stack(
            cell,
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.pool = pool

    def forward(self, codes: Tensor, lengths: Tensor | None) -> Tensor:
        return self.stack.pool(self.stack(self.embedding(codes), lengths), lengths, self.pool)


class TextClassifier(nn.Module):
    """Classifies a text.

    Args:
        cell: rnn, gru or lstm.
        codes: V, the number of codes; 0 is padding.
        num_classes: K; with 0 there is no output layer, and the network gives the features.
        embedding_dim: E.
        hidden_size, num_layers, bidirectional, recurrent_dropout: as in `Stack`.
        pool: how the states become one vector: `last`, `mean`, `max` of each unit, or `mean_max`, both.
        dropout: probability of zeroing a feature between layers and before the output.
        token_dropout: probability of hiding a token in training.
        embedding_dropout: probability of zeroing a feature of all tokens of a text.
        ensemble_size: M networks in one. Each learns by itself; their probabilities are averaged.

    Raises:
        ValueError: a number is out of range, or a name unknown.
    """

    def __init__(
        self,
        cell: str,
        codes: int,
        num_classes: int,
        *,
        embedding_dim: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        pool: str = "last",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        token_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        ensemble_size: int = 1,
    ) -> None:
        super().__init__()
        check.one_of("pool", pool, POOLS)
        check.whole("num_classes", num_classes, 0)
        check.whole("ensemble_size", ensemble_size)
        self.readers = nn.ModuleList(
            TextReader(
                cell,
                codes,
                embedding_dim=embedding_dim,
                hidden_size=hidden_size,
                num_layers=num_layers,
                bidirectional=bidirectional,
                pool=pool,
                dropout=dropout,
                recurrent_dropout=recurrent_dropout,
                token_dropout=token_dropout,
                embedding_dropout=embedding_dropout,
            )
            for _ in range(ensemble_size)
        )
        features = hidden_size * (1 + bidirectional) * (2 if pool == "mean_max" else 1)
        self.num_features = ensemble_size * features
        self.dropout = nn.Dropout(dropout)
        heads = ensemble_size if num_classes else 0
        self.outputs = nn.ModuleList(nn.Linear(features, num_classes) for _ in range(heads))

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, K).

        An ensemble gives the logits of each member in training, (B, M, K), so that each has its own loss, and the
        logarithm of their mean probabilities in evaluation, (B, K). Without output layers it gives the features.
        """
        features = self.forward_features(codes, lengths)
        if not self.outputs:
            return features
        parts = features.chunk(len(self.outputs), dim=1)
        members = [output(self.dropout(parts[place])) for place, output in enumerate(self.outputs)]
        if len(members) == 1:
            return members[0]
        logits = torch.stack(members, dim=1)  # B, M, K
        return logits if self.training else mean_of_classes(logits)

    def forward_features(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The vector that the output layers see of each text, of all members side by side."""
        return torch.cat([reader(codes, lengths) for reader in self.readers], dim=1)

    def remove_head(self) -> None:
        """Leave the output layers out, as `num_classes=0` does: the network then gives the features."""
        self.outputs = nn.ModuleList()


class LanguageModel(nn.Module):
    """Predicts the next token of a text.

    Args:
        cell: rnn, gru or lstm.
        codes: V.
        embedding_dim: E.
        hidden_size, num_layers, recurrent_dropout: as in `Stack`.
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
        embedding_dim: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        token_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(codes, embedding_dim, token_dropout=token_dropout, dropout=dropout)
        self.stack = Stack(
            cell,
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.dropout = SequenceDropout(dropout)
        self.output = nn.Linear(hidden_size, codes)

    def forward(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, T), padded after their lengths (B,), to logits (B, T, V) of the token after each."""
        return self.output(self.dropout(self.stack(self.embedding(codes), lengths)))

    def step(self, last: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, V) of the token after the last ones (B,), and the new states; `stack.start` gives the first."""
        outputs, states = self.stack.step(self.embedding(last[:, None]), states)
        return self.output(outputs)[:, 0], states

    def generate(
        self, codes: Tensor, lengths: Tensor, *, length: int = 200, num_beams: int = 1, temperature: float = 0.8
    ) -> tuple[Tensor, Tensor]:
        """Continue texts: new codes (B, at most length), and their log-probabilities (B,).

        Args:
            codes: the beginnings of the texts (B, T), padded after their lengths (B,).
            lengths: at least 1 each.
            length: the number of tokens to write.
            num_beams: texts that are followed at once, with a temperature of 0.
            temperature: 0 writes the likeliest text; above 0 tokens are drawn, the more freely the higher.

        Raises:
            SpecError: one of them is out of range, or both num_beams and a temperature are given.
        """
        written = codes.new_zeros(len(codes), length)
        likelihoods = torch.zeros(len(codes), device=codes.device)
        go_on = partial(write, self.step, length=length, num_beams=num_beams, temperature=temperature)
        for size in lengths.unique().tolist():  # texts of one length go through the fused kernel together
            rows = (lengths == size).nonzero()[:, 0]
            begin = codes[rows, :size]
            states = self.stack.start(len(rows))
            if size > 1:
                states = self.stack.step(self.embedding(begin[:, :-1]), states)[1]
            new, found = go_on(states, begin[:, -1])
            written[rows, : new.shape[1]] = new.to(written.dtype)
            likelihoods[rows] = found
        return written, likelihoods
