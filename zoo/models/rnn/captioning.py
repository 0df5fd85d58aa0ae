"""A caption for an image: one to many, with attention.

Vinyals et al., "Show and tell", 2015; Xu et al., "Show, attend and tell", 2015. Where we deviate: attention is queried
by the state after a token, not before it (Luong et al., 2015), so that a known caption, as in training, passes the
recurrent layers in one call.

Shape letters: B batch, C channels, P x P cells, T tokens, V codes, E embedding, H units.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.models.convolution import Convolution, averaged_down
from zoo.models.rnn.beam_search import write
from zoo.models.rnn.recurrent import Stack
from zoo.models.rnn.text import Embedding
from zoo.spec.text import PAD

GRID = 8  # cells a side that attention can choose from
fx.wrap("averaged_down")  # one node of a traced graph


class Captioner(nn.Module):
    """Describes an image in words.

    Args:
        cell: rnn, gru or lstm.
        in_channels: C.
        codes: V, the number of codes; 0 begins and ends a caption.
        max_length: the most tokens of a caption.
        width: channels of the first convolution; the last has four times as many.
        embedding_dim: E.
        hidden_size: H.
        num_layers, recurrent_dropout: as in `Stack`.
        dropout: probability of zeroing a feature: of embeddings, between layers, and before the output.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        cell: str,
        in_channels: int,
        codes: int,
        max_length: int,
        *,
        width: int = 32,
        embedding_dim: int = 64,
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("in_channels", in_channels)
        check.whole("max_length", max_length)
        check.whole("width", width)
        self.max_length = max_length
        self.convolutions = nn.Sequential(
            Convolution(in_channels, width, kernel_size=5, stride=2),
            Convolution(width, 2 * width, kernel_size=3, stride=2),
            Convolution(2 * width, 4 * width, kernel_size=3),
            Convolution(4 * width, 4 * width, kernel_size=3),
        )
        self.places = nn.Parameter(torch.randn(1, 4 * width, GRID, GRID) * 0.1)
        self.embedding = Embedding(codes, embedding_dim, dropout=dropout)
        self.stack = Stack(
            cell,
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
        )
        self.start = nn.Linear(4 * width, num_layers * self.stack.parts * hidden_size)
        self.query = nn.Linear(hidden_size, 4 * width)
        self.mix = nn.Linear(hidden_size + 4 * width, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, codes)

    def forward(self, x: Tensor, captions: Tensor) -> Tensor:
        """Logits (B, T + 1, V) of each token of captions (B, T) and of the end, given the tokens before it.

        Args:
            x: normalised images (B, C, height, width) of any size from 4 pixels a side.
            captions: codes, padded with 0.
        """
        cells = self.encode_image(x)
        states = self._states(cells, captions)
        return self._logits(states, self._attention(states, cells), cells)

    def attention(self, x: Tensor, captions: Tensor) -> Tensor:
        """Attention to each cell for each token and the end: (B, T + 1, P, P), which adds up to 1 over the cells."""
        cells = self.encode_image(x)
        return self._attention(self._states(cells, captions), cells).unflatten(2, (GRID, GRID))

    def generate(self, x: Tensor, *, num_beams: int = 1, temperature: float = 0.0) -> tuple[Tensor, Tensor]:
        """Captions of images (B, C, height, width), as codes (B, T), and their log-probabilities (B,).

        Args:
            x: as in `forward`.
            num_beams: captions that are followed at once; 1 takes the likeliest token each time.
            temperature: 0 writes the likeliest caption; above 0 tokens are drawn, the more freely the higher.

        Raises:
            SpecError: one of them is out of range, or both are given.
        """

        def step(last: Tensor, memory: tuple[Tensor, list[Tensor]]) -> tuple[Tensor, tuple[Tensor, list[Tensor]]]:
            cells, states = memory
            outputs, states = self.stack.step(self.embedding(last[:, None]), states)
            return self._logits(outputs, self._attention(outputs, cells), cells)[:, 0], (cells, states)

        cells = self.encode_image(x)
        begin = torch.full((len(x),), PAD, device=x.device)
        memory = (cells, self._first(cells))
        return write(step, memory, begin, length=self.max_length, num_beams=num_beams, temperature=temperature)

    def encode_image(self, x: Tensor) -> Tensor:
        """Images (B, C, height, width) to the features of each cell, (B, P * P, 4 * width)."""
        cells = averaged_down(self.convolutions(x), GRID) + self.places
        return cells.flatten(2).transpose(1, 2)

    def _first(self, cells: Tensor) -> list[Tensor]:
        """The state of each layer before the first token."""
        return self.stack.states_from(torch.tanh(self.start(cells.mean(dim=1))))

    def _states(self, cells: Tensor, captions: Tensor) -> Tensor:
        """The states (B, T + 1, H) before each token of captions (B, T) and before the end."""
        before = functional.pad(captions, (1, 0), value=PAD)
        return self.stack.step(self.embedding(before), self._first(cells))[0]

    def _attention(self, states: Tensor, cells: Tensor) -> Tensor:
        """States (B, T, H) and cells (B, P * P, F) to the weights of the cells (B, T, P * P)."""
        scores = self.query(states) @ cells.transpose(1, 2) / cells.shape[2] ** 0.5
        return scores.softmax(dim=2)

    def _logits(self, states: Tensor, attention: Tensor, cells: Tensor) -> Tensor:
        seen = torch.cat([states, attention @ cells], dim=2)  # B, T, H + F
        return self.output(self.dropout(torch.tanh(self.mix(seen))))
