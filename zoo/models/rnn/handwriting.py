"""Handwriting for a text: an attention window over its characters, and a mixture density network.

Graves, "Generating sequences with recurrent neural networks", 2013, sections 4 and 5, and his names for its numbers.
Where we deviate: the pen goes on, leaves or ends, as in Ha and Eck, "A neural representation of sketch drawings", 2018,
so that the network itself says where it ends, for which the window sees an end after the last character; there are two
recurrent layers, of which only the first one, whose input depends on the window, is stepped through in Python; and
standard deviations have a floor, since the coordinates of recordings are whole numbers.

Shape letters: B batch, T steps, U characters, V codes, H units, K windows, M components.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from zoo import check
from zoo.errors import SpecError
from zoo.models.precision import in_float32
from zoo.models.rnn.recurrent import Stack
from zoo.spec.strokes import encode_strokes, steps_of

CELLS: dict[str, Callable[..., Any]] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
WINDOWS = 5  # K
PENS = 3  # the pen goes on, leaves the paper, or ends
LEAVES, ENDS = 1, 2
FLOOR = 0.02  # the least standard deviation, where the mean square of a coordinate is 1
PACE = 40  # points of a character, about, by which an untrained window moves on
MAX_STEPS = 100  # of a character, and as many again of a text
MAX_TEXT = 64  # characters that are written at once


class Pens(NamedTuple):
    """What may come next at each of (…) steps: a mixture of Gaussians for the way, and what the pen does.

    Args:
        weights: logits of the M components (…, M).
        means: (…, M, 2), to the right and down.
        deviations: (…, M, 2), above 0.
        correlations: (…, M), within -1..1.
        pen: logits (…, 3): it goes on, leaves the paper, ends.
    """

    weights: Tensor
    means: Tensor
    deviations: Tensor
    correlations: Tensor
    pen: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> Pens:
        """What a network's numbers (…, 6 * M + 3) say."""
        mixture, pen = numbers[..., :-PENS], numbers[..., -PENS:]
        count = mixture.shape[-1] // 6
        weights, correlations, means, deviations = mixture.split([count, count, 2 * count, 2 * count], dim=-1)
        deviations = deviations.unflatten(-1, (count, 2)).clamp(max=5.0).exp() + FLOOR
        return cls(weights, means.unflatten(-1, (count, 2)), deviations, 0.95 * correlations.tanh(), pen)

    def log_density(self, ways: Tensor) -> Tensor:
        """The log-density (…) of ways (…, 2), by equations 23 to 25 of Graves."""
        z = (ways[..., None, :] - self.means) / self.deviations
        rest = 1 - self.correlations.square()
        square = z.square().sum(dim=-1) - 2 * self.correlations * z.prod(dim=-1)
        each = -square / (2 * rest) - self.deviations.log().sum(dim=-1) - rest.log() / 2 - math.log(2 * math.pi)
        return torch.logsumexp(self.weights.log_softmax(dim=-1) + each, dim=-1)

    def draw(self, noise: Tensor, bias: float) -> tuple[Tensor, Tensor]:
        """Ways (B, 2) and what the pen does (B,), at one step, by noise (B, 4): two uniform and two normal numbers.

        Args:
            noise: of each of B.
            bias: neatness: 0 draws from the mixture, more draws nearer to its likeliest parts (Graves, section 5.4).
        """
        chosen = _chosen(self.weights * (1 + bias), noise[:, 0])
        rows = torch.arange(len(chosen), device=chosen.device)
        means, deviations = self.means[rows, chosen], self.deviations[rows, chosen] * math.exp(-bias)
        across, own = noise[:, 2], noise[:, 3]
        correlation = self.correlations[rows, chosen]
        down = correlation * across + (1 - correlation.square()).sqrt() * own
        return means + deviations * torch.stack([across, down], dim=1), _chosen(self.pen * (1 + bias), noise[:, 1])


class Handwriter(nn.Module):
    """Writes a text, and tells how likely writing is.

    `per_example` names the options of `generate` that count up from one example to the next.

    Args:
        cell: rnn, gru or lstm.
        codes: V of the texts; 0 is padding, the first of which is the end.
        std: root of the mean square of a step's coordinates, by which they are scaled.
        hidden_size: H, of each of the two layers.
        num_components: M, Gaussians in the mixture.
        conditional: whether it sees the text; otherwise it writes whatever is likely.
        dropout: probability of zeroing a feature before the output and between layers.

    Raises:
        ValueError: a number is out of range, or the cell unknown.
    """

    per_example: ClassVar[tuple[str, ...]] = ("seed",)

    def __init__(
        self,
        cell: str,
        codes: int,
        std: float,
        *,
        hidden_size: int = 128,
        num_components: int = 20,
        conditional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.one_of("cell", cell, CELLS)
        check.whole("codes", codes)
        check.positive("std", std)
        check.whole("hidden_size", hidden_size)
        check.whole("num_components", num_components)
        check.fraction("dropout", dropout, one=False)
        self.codes, self.std, self.conditional = codes, std, conditional
        self.first: Any = CELLS[cell](3 + codes, hidden_size)
        self.window = nn.Linear(hidden_size, 3 * WINDOWS)
        self.second = Stack(cell, 3 + codes + hidden_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden_size, 6 * num_components + PENS)
        with torch.no_grad():
            self.window.weight.mul_(0.1)
            self.window.bias.zero_()
            self.window.bias[2 * WINDOWS :] = -math.log(PACE)
            self.output.weight.mul_(0.5)

    def forward(self, codes: Tensor, lengths: Tensor, steps: Tensor) -> Tensor:
        """What may come after each step, given the steps up to it: (B, T, 6 * M + 3), which `Pens.of` reads.

        Args:
            codes: of the texts (B, U), padded after their lengths (B,).
            lengths: at least 1 each.
            steps: (B, T, 3): the way from the point before, to the right and down, in heights of a character, and 1
                where the pen leaves the paper. Padding follows what is real, and so changes none of it.
        """
        return in_float32(self._read, self._scaled(steps), *self._text(codes, lengths))

    def _read(self, x: Tensor, characters: Tensor, places: Tensor) -> Tensor:
        text = _Texts(characters, places)
        state, seen = self._start(len(x), x), []
        for step in x.unbind(dim=1):
            state = self._advance(step, text, state)
            seen.append(torch.cat([state.window, state.output], dim=1))
        windows = torch.stack(seen, dim=1)  # B, T, V + H
        outputs = self.second(torch.cat([x, self.dropout(windows)], dim=2))
        return self._numbers(torch.cat([windows[..., self.codes :], outputs], dim=2))

    @torch.no_grad()
    def generate(
        self, codes: Tensor, lengths: Tensor, *, seed: int | None = None, bias: float = 0.5, prime: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Write texts: steps (B, T, 3), as `forward` takes them, and their lengths (B,).

        Args:
            codes, lengths: of the texts, as in `forward`.
            seed: of the noise, a whole number; None for new noise in each call.
            bias: neatness, at least 0: 0 writes as unevenly as people do, 2 very evenly.
            prime: strokes of the text's beginning, by a hand that is to go on with the rest; only the rest is given.
                They are what `zoo.spec.Strokes.encode` takes; None begins on empty paper.

        Raises:
            SpecError: an option is out of range, a text is longer than can be written at once, or the strokes are none.
        """
        if seed is not None and type(seed) is not int:
            raise SpecError(f"seed must be a whole number, got {seed!r}")
        if isinstance(bias, bool) or not isinstance(bias, (int, float)) or not 0 <= bias <= 10:
            raise SpecError(f"bias must be a number from 0 to 10, got {bias!r}")
        if (longest := int(lengths.max())) > MAX_TEXT:
            raise SpecError(f"a text of {longest} characters is too long; the limit is {MAX_TEXT}; write it in parts")
        count, limits = len(codes), MAX_STEPS * (1 + lengths)
        seeds = range(seed, seed + count) if seed is not None else torch.randint(2**62, (count,)).tolist()
        noise = _noise(seeds, limits.tolist()).to(self.output.weight.device)
        text, state = self._text(codes, lengths), self._start(count, noise)
        last, state = self._begin(text, state, prime)
        steps, ended = [last], torch.zeros(count, dtype=torch.bool, device=last.device)
        ends = limits.to(last.device)
        for place in range(int(limits.max())):
            numbers, state = self._step(last, text, state)
            ways, pen = Pens.of(numbers).draw(noise[:, place], bias)
            last = torch.cat([ways * self.std, (pen >= LEAVES).to(ways.dtype)[:, None]], dim=1)
            steps.append(last)
            ends = torch.where(~ended & (pen == ENDS), place + 1, ends)
            ended = ended | (pen == ENDS) | (place + 1 >= limits)
            if ended.all():
                break
        if prime is None:  # the first point is where the pen begins
            return torch.stack(steps, dim=1), ends + 1
        return torch.stack(steps[1:], dim=1), ends

    def _begin(self, text: _Texts, state: _State, prime: Any) -> tuple[Tensor, _State]:
        """The last step (B, 3) before the first one that is written, and the state before it."""
        first = state.window.new_zeros(len(state.window), 3)
        if prime is None:
            return first, state
        points = encode_strokes(prime)[None].to(first.device)
        ways, leaves = steps_of(points, torch.tensor([points.shape[1]], device=first.device))
        known = torch.cat([ways[0, :, :2], leaves[0, :, None]], dim=1)  # T, 3
        for step in known[:-1]:
            _, state = self._step(step.expand_as(first), text, state)
        return known[-1].expand_as(first), state

    def _step(self, step: Tensor, text: _Texts, state: _State) -> tuple[Tensor, _State]:
        """What may come after a step (B, 3), and the state after it."""
        x = self._scaled(step)
        state = self._advance(x, text, state)
        outputs, deeper = self.second.step(torch.cat([x, state.window, state.output], dim=1)[:, None], state.deeper)
        numbers = self._numbers(torch.cat([state.output, outputs[:, 0]], dim=1))
        return numbers, state._replace(deeper=deeper)

    def _advance(self, x: Tensor, text: _Texts, state: _State) -> _State:
        """The state of the first layer, and the window, after a scaled step (B, 3)."""
        hidden = self.first(torch.cat([x, state.window], dim=1), state.hidden)
        output = hidden[0] if isinstance(hidden, tuple) else hidden
        height, width, pace = self.window(output).clamp(max=4.0).exp()[:, :, None].chunk(3, dim=1)  # B, K, 1
        position = state.position + pace
        weights = (height * torch.exp(-width * (position - text.places).square())).sum(dim=1)  # B, U
        window = torch.einsum("bu,buv->bv", weights, text.characters)
        return _State(hidden, output, position, window, state.deeper)

    def _text(self, codes: Tensor, lengths: Tensor) -> _Texts:
        places = torch.arange(codes.shape[1] + 1, device=codes.device)
        real = places <= lengths[:, None]
        characters = functional.one_hot(functional.pad(codes, (0, 1)), self.codes) * real[:, :, None]
        dtype = self.output.weight.dtype
        return _Texts(characters.to(dtype) * self.conditional, places.to(dtype))

    def _start(self, count: int, like: Tensor) -> _State:
        zeros = like.new_zeros(count, self.first.hidden_size)
        hidden = (zeros, zeros) if isinstance(self.first, nn.LSTMCell) else zeros
        position, window = like.new_zeros(count, WINDOWS, 1), like.new_zeros(count, self.codes)
        return _State(hidden, zeros, position, window, self.second.start(count))

    def _scaled(self, steps: Tensor) -> Tensor:
        return torch.cat([steps[..., :2] / self.std, steps[..., 2:]], dim=-1)

    def _numbers(self, states: Tensor) -> Tensor:
        numbers: Tensor = self.output(self.dropout(states))
        return numbers


class _Texts(NamedTuple):
    """The characters of B texts and the end of each, one-hot (B, U + 1, V), and their places (U + 1,)."""

    characters: Tensor
    places: Tensor


class _State(NamedTuple):
    """What is carried from step to step: of the first layer, of the window, and of the second layer."""

    hidden: Any
    output: Tensor
    position: Tensor
    window: Tensor
    deeper: list[Tensor]


def _chosen(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw an index from each row of logits (B, N) by a number from 0 to 1."""
    below = logits.softmax(dim=1).cumsum(dim=1) < uniform[:, None]
    return below.sum(dim=1).clamp(max=logits.shape[1] - 1)


def _noise(seeds: Iterable[int], counts: Iterable[int]) -> Tensor:
    """For each seed two uniform and two normal numbers for each of so many steps, (B, most steps, 4)."""
    rows = []
    for seed, count in zip(seeds, counts):
        random = torch.Generator().manual_seed(seed % 2**63)
        both = torch.rand(count, 2, generator=random), torch.randn(count, 2, generator=random)
        rows.append(torch.cat(both, dim=1))
    return pad_sequence(rows, batch_first=True)
