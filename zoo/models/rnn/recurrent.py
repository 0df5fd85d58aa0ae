"""Recurrent layers with three kinds of cell, on batches of sequences whose lengths differ.

Elman, "Finding structure in time", 1990 (RNN); Hochreiter and Schmidhuber, "Long short-term memory", 1997 (LSTM); Cho
et al., "Learning phrase representations using RNN encoder-decoder", 2014 (GRU). Recurrent weights start orthogonal
(Saxe et al., 2014) and forget gates open (Gers et al., 2000). Dropout is one mask for all steps of a sequence (Gal and
Ghahramani, 2016), and recurrent dropout drops weights (Merity et al., 2018), so that torch's fused kernels run either
way. Padding is masked, not packed: packing reads the lengths back from the device in each step.

Shape letters: B batch, T time, F features, H units, D directions (1 or 2), K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.models.precision import in_float32

CELLS: dict[str, Callable[..., Any]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
KERNELS: dict[str, Callable[..., Any]] = {"rnn": torch.rnn_tanh, "gru": torch.gru, "lstm": torch.lstm}
POOLS = ("last", "mean", "max", "mean_max")
State = Tensor | tuple[Tensor, Tensor]  # of one layer: (1, B, H); of an LSTM also its cells, (1, B, H)


class Layer(nn.Module):
    """One recurrent layer in one direction.

    Args:
        cell: rnn, gru or lstm.
        in_features: F.
        hidden_size: H.
        recurrent_dropout: probability of zeroing a weight from state to state, for all steps of a batch.
        memory_span: as in `Stack`.
    """

    def __init__(
        self,
        cell: str,
        in_features: int,
        hidden_size: int,
        recurrent_dropout: float = 0.0,
        memory_span: int | None = None,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.recurrent_dropout = recurrent_dropout
        self.rnn: Any = CELLS[cell](in_features, hidden_size, batch_first=True)
        with torch.no_grad():
            nn.init.xavier_uniform_(self.rnn.weight_ih_l0)
            for gate in self.rnn.weight_hh_l0.split(hidden_size):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(self.rnn.bias_ih_l0)
            nn.init.zeros_(self.rnn.bias_hh_l0)
            if cell == "lstm":
                self.rnn.bias_ih_l0[hidden_size : 2 * hidden_size] = 1.0  # of the forget gate
            if memory_span is not None:
                span = torch.empty(hidden_size).uniform_(1, memory_span - 1).log()
                self.rnn.bias_ih_l0[:hidden_size], self.rnn.bias_ih_l0[hidden_size : 2 * hidden_size] = -span, span

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Sequences (B, T, F) to states (B, T, H), and the state after the last step."""
        return in_float32(self._read, x, state)

    def _read(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        if not (self.training and self.recurrent_dropout):
            return self.rnn(x, state)
        if state is None:
            zeros = x.new_zeros(1, len(x), self.rnn.hidden_size)
            state = (zeros, zeros) if self.cell == "lstm" else zeros
        through = functional.dropout(self.rnn.weight_hh_l0, self.recurrent_dropout)
        weights = [self.rnn.weight_ih_l0, through, self.rnn.bias_ih_l0, self.rnn.bias_hh_l0]
        outputs, *last = KERNELS[self.cell](x, state, weights, True, 1, 0.0, True, False, True)
        return outputs, tuple(last) if self.cell == "lstm" else last[0]


class Stack(nn.Module):
    """Recurrent layers on top of each other, in one direction or in both.

    Args:
        cell: rnn, gru or lstm.
        in_features: F.
        hidden_size: H, units of each layer and direction.
        num_layers: number of layers.
        bidirectional: each layer also reads from the end (Schuster and Paliwal, 1997).
        dropout: probability of zeroing a feature between layers, for all steps of a sequence.
        recurrent_dropout: probability of zeroing a weight from state to state.
        memory_span: the longest memory, in steps, of the units of an untrained LSTM; theirs are spread from 1 up to it
            (Tallec and Ollivier, "Can recurrent neural networks warp time?", 2018). None gives forget gates a bias
            of 1.

    Raises:
        ValueError: a number is out of range, or the cell unknown.
    """

    def __init__(
        self,
        cell: str,
        in_features: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        memory_span: int | None = None,
    ) -> None:
        super().__init__()
        check.one_of("cell", cell, CELLS)
        check.whole("in_features", in_features)
        check.whole("hidden_size", hidden_size)
        check.whole("num_layers", num_layers)
        check.fraction("dropout", dropout, one=False)
        check.fraction("recurrent_dropout", recurrent_dropout, one=False)
        if memory_span is not None:
            check.whole("memory_span", memory_span, 3)
            if cell != "lstm":
                raise ValueError(f"memory_span is an option of lstm, not of {cell}")
        self.hidden_size = hidden_size
        self.out_features = hidden_size * (1 + bidirectional)
        self.bidirectional = bidirectional
        self.parts = 2 if cell == "lstm" else 1  # of a state: the output and, of an LSTM, its cells
        widths = [in_features] + [self.out_features] * (num_layers - 1)
        self.forwards = nn.ModuleList(
            Layer(cell, width, hidden_size, recurrent_dropout, memory_span) for width in widths
        )
        self.backwards = nn.ModuleList(
            Layer(cell, width, hidden_size, recurrent_dropout, memory_span) for width in widths if bidirectional
        )
        self.dropout = SequenceDropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sequences (B, T, F), padded after their lengths (B,), to states (B, T, D * H); those of padding are 0."""
        for index, forwards in enumerate(self.forwards):
            x = self.dropout(x) if index else x
            states = forwards(x)[0]
            if self.bidirectional:
                back = reverse(self.backwards[index](reverse(x, lengths))[0], lengths)
                states = torch.cat([states, back], dim=2)
            x = states
        return x if lengths is None else x.masked_fill(~real_steps(x, lengths), 0)

    def step(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Continue from the states after earlier steps: (B, T, F) to (B, T, H), and the states after these.

        For one direction only; all T steps are real.

        Args:
            x: the next T steps.
            states: of each layer, (B, 1, H), or (B, 2, H) with the cells of an LSTM; `start` gives the first ones.
        """
        after = []
        for index, (layer, state) in enumerate(zip(self.forwards, states)):
            parts = state.transpose(0, 1).contiguous().unsqueeze(1).unbind(0)  # each 1, B, H
            x, last = layer(self.dropout(x) if index else x, parts if self.parts > 1 else parts[0])
            after.append((torch.cat([last[0], last[1]]) if self.parts > 1 else last).transpose(0, 1))
        return x, after

    def start(self, count: int) -> list[Tensor]:
        """The states of `count` sequences before their first step."""
        weight: Any = next(self.parameters())
        return [weight.new_zeros(count, self.parts, self.hidden_size) for _ in self.forwards]

    def states_from(self, vectors: Tensor) -> list[Tensor]:
        """Vectors (B, layers * parts * H), such as a linear layer gives, as the states before the first step."""
        states = vectors.view(-1, len(self.forwards), self.parts, self.hidden_size)
        return [states[:, layer] for layer in range(len(self.forwards))]

    def pool(self, states: Tensor, lengths: Tensor | None, how: str) -> Tensor:
        """Pool the states (B, T, D * H) of each sequence into one vector, (B, D * H).

        Args:
            states: as `forward` gives them.
            lengths: (B,), or None if all are T.
            how: `last` (each direction's state after it has read everything), `mean`, `max` of each unit, or
                `mean_max`, both of them, (B, 2 * D * H).
        """
        found = pooled(states, lengths, how)
        if how == "last" and self.bidirectional:
            half = self.out_features // 2
            return torch.cat([found[:, :half], states[:, 0, half:]], dim=1)
        return found


class SequenceDropout(nn.Module):
    """Dropout of sequences (B, T, F) with one mask for all steps of a sequence."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and self.p):
            return x
        return x * functional.dropout(x.new_ones(len(x), 1, x.shape[2]), self.p)


class Recurrent(nn.Module):
    """A recurrent network: sequences of vectors in, numbers out, once a sequence or once a step.

    Args:
        in_features: F, numbers in each step.
        num_outputs: K, numbers of an output; with 0 there is no output layer, and the network gives the features.
        hidden_size: H, units of each layer and direction.
        num_layers: recurrent layers on top of each other.
        bidirectional: each layer reads from both ends.
        pool: how the output layer sees the states: `last`, `mean`, `max` or `mean_max` give one output a sequence
            (many to one), `none` gives one for each step (many to many).
        dropout: probability of zeroing a feature between layers and before the output, 0 <= dropout < 1.
        recurrent_dropout: probability of zeroing a weight from state to state.
        memory_span: of an LSTM, the longest memory of its untrained units, in steps; as in `Stack`.

    Raises:
        ValueError: a number is out of range, or a name unknown.
    """

    cell: str

    def __init__(
        self,
        in_features: int = 28,
        num_outputs: int = 10,
        *,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        pool: str = "last",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        memory_span: int | None = None,
    ) -> None:
        super().__init__()
        check.one_of("pool", pool, (*POOLS, "none"))
        check.whole("num_outputs", num_outputs, 0)
        self.stack = Stack(
            self.cell,
            in_features,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            memory_span=memory_span,
        )
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.num_features = self.stack.out_features * (2 if pool == "mean_max" else 1)
        self.output = nn.Linear(self.num_features, num_outputs) if num_outputs else nn.Identity()

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Sequences (B, T, F) to outputs (B, K), or (B, T, K) with pool `none`.

        Args:
            x: padded after their lengths; the values of padding do not matter.
            lengths: int64 (B,), each from 1 to T, on the same device; None if all are T. Padding changes no output.
        """
        return self.output(self.dropout(self.forward_features(x, lengths)))

    def forward_features(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The input of the output layer for the input of `forward`: (B, D * H), or (B, T, D * H) with pool `none`."""
        states = self.stack(x, lengths)  # B, T, D * H
        return states if self.pool == "none" else self.stack.pool(states, lengths, self.pool)

    def remove_head(self) -> None:
        """Leave the output layer out, as `num_outputs=0` does: the network then gives the features."""
        self.output = nn.Identity()


class RNN(Recurrent):
    """A network of tanh units (Elman, 1990); arguments and shapes as in `Recurrent`."""

    cell = "rnn"


class GRU(Recurrent):
    """A network of gated recurrent units (Cho et al., 2014); arguments and shapes as in `Recurrent`."""

    cell = "gru"


class LSTM(Recurrent):
    """A network of long short-term memory (Hochreiter, Schmidhuber, 1997); arguments and shapes as in `Recurrent`."""

    cell = "lstm"


def pooled(states: Tensor, lengths: Tensor | None, how: str) -> Tensor:
    """The `last` step of sequences (B, T, F), their `mean` or `max` (B, F), or the latter two (B, 2 F) for `mean_max`.

    `lengths` is (B,), or None if all are T; sequences are 0 beyond them.
    """
    if how == "mean_max":
        return torch.cat([pooled(states, lengths, part) for part in ("mean", "max")], dim=1)
    if how == "last":
        if lengths is None:
            return states[:, -1]
        return states.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2]))[:, 0]
    if how == "mean":
        return states.mean(dim=1) if lengths is None else states.sum(dim=1) / lengths[:, None]
    if lengths is not None:
        states = states.masked_fill(~real_steps(states, lengths), float("-inf"))
    return states.amax(dim=1)


@fx.wrap  # what depends on the size of an input is one node of a traced graph
def real_steps(x: Tensor, lengths: Tensor) -> Tensor:
    """Which steps of (B, T, …) are not padding: bool (B, T, 1)."""
    return (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[:, :, None]


@fx.wrap
def reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Sequences (B, T, F), each reversed within its length; padding stays in place."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    places = lengths[:, None] - 1 - steps  # B, T
    places = torch.where(places < 0, steps, places)
    return x.gather(1, places[:, :, None].expand_as(x))
