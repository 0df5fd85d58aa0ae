"""The next values of a series: the network reads the past and predicts the whole horizon at once.

A `Forecaster` adds what a recurrent network finds to a linear forecast: regressions on the steps of the past, fitted in
closed form. On a few hundred steps these are hard to beat (Zeng et al., "Are transformers effective for time series
forecasting?", 2023), and on more they leave to the network what is not linear.

Shape letters: B batch, T steps, F numbers, C numbers a step with calendar and masks, H steps of the horizon, G numbers
known of each of them, V values, Q quantiles, L lags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, fx, nn

from zoo.models.rnn.recurrent import real_steps
from zoo.spec import Forecast, Series

fx.wrap("real_steps")  # one node of a traced graph

MAX_LAGS = 512  # numbers of the past that a linear forecast reads, at most
LEAST_SPREAD = 1e-2  # of a window, in standard deviations of the training split, by which it is scaled


class LinearForecast(nn.Module):
    """A linear forecast; until it is fitted, the mean of the past.

    Args:
        lags: L, the last steps that it reads.
        numbers: F.
        horizon: H.
        targets: positions of the V values among the F numbers.
        known: G.
    """

    def __init__(self, lags: int, numbers: int, horizon: int, targets: Sequence[int], known: int) -> None:
        super().__init__()
        self.lags = lags
        values = len(targets)
        self.weight: Tensor
        self.known_weight: Tensor
        self.bias: Tensor
        self.spread: Tensor
        weight = torch.zeros(horizon, values, lags, numbers)
        for value, column in enumerate(targets):
            weight[:, value, :, column] = 1 / lags
        self.register_buffer("weight", weight.flatten(2))
        self.register_buffer("known_weight", torch.zeros(horizon, values, known))
        self.register_buffer("bias", torch.zeros(horizon, values))
        self.register_buffer("spread", torch.ones(horizon, values))  # standard deviation of its errors

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """The next values (B, H, V) after numbers (B, T, F), with what is known of the steps to come (B, H, G)."""
        products = x[:, -self.lags :].flatten(1) @ self.weight.flatten(0, 1).t()
        values = products.unflatten(1, self.bias.shape) + self.bias
        return values if known is None else values + (known[:, :, None] * self.known_weight).sum(dim=3)


class Forecaster(nn.Module):
    """Predicts the next values of a series.

    The mean of the past is subtracted from the input of the recurrent network, and added to what it gives (as Kim et
    al., "Reversible instance normalization", 2022, but without the scale), so that a level never seen in training does
    no harm. With `linear` it gives what is to be added to that, and starts from 0. `gate` says whether it is added in
    eval mode: 0 where validation shows no gain.

    Args:
        network: gives H * V * Q numbers for (B, T, C): a `Recurrent`, or a `SequenceCNN`.
        targets: positions of the V values among the F numbers.
        linear: for standardised numbers; None for none.
        numbers: F, the first of the C numbers of a step; None for all.
        quantiles: levels of the Q quantiles, with the median in the middle; none for the values themselves.
        known: G.
        scaled: whether each window is divided by its spread: for several series whose scales differ.
    """

    def __init__(
        self,
        network: Any,
        targets: Sequence[int],
        *,
        linear: LinearForecast | None = None,
        numbers: int | None = None,
        quantiles: Sequence[float] = (),
        known: int = 0,
        scaled: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.linear = linear
        self.numbers = numbers
        self.scaled = scaled
        self.targets: Tensor
        self.gate: Tensor
        self.reach: Tensor
        # On the CPU even where a network is built on the meta device, to be filled from a file: these are in none
        self.register_buffer("targets", torch.tensor(list(targets), device="cpu"), persistent=False)
        if linear is None:
            return
        reach = [NormalDist().inv_cdf(level) for level in quantiles] or [0.0]
        self.register_buffer("reach", torch.tensor(reach, device="cpu"), persistent=False)  # of normal errors
        self.register_buffer("gate", torch.ones(()))
        outputs = len(targets) * len(reach)
        nn.init.zeros_(network.output.weight)
        nn.init.zeros_(network.output.bias)
        self.ahead: nn.Module | None = None
        if known:
            width = network.num_features
            last = nn.Linear(width, outputs)
            self.ahead = nn.Sequential(nn.Linear(width + known, width), nn.ReLU(), last)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The next values (B, H, V), or their quantiles (B, H, V Q), after standardised series (B, T, C).

        Args:
            x: with `linear`, of T steps each; without, padded after their lengths.
            lengths: (B,), or None if all are T. With `linear`, what is known of the steps to come (B, H, G).
        """
        if self.linear is not None:
            return self._add(x, lengths)
        if lengths is None:
            level = x.mean(dim=1)  # B, F
        else:
            x = x.masked_fill(~real_steps(x, lengths), 0)
            level = x.sum(dim=1) / lengths[:, None]
        outputs = self.network(x - level[:, None], lengths).unflatten(1, (-1, len(self.targets)))  # B, H, V
        return outputs + level[:, None, self.targets]

    def _add(self, x: Tensor, known: Tensor | None) -> Tensor:
        assert self.linear is not None
        scaled, level, spread = self.normalise(x)
        base = self.linear(scaled[..., : self.numbers], known)  # B, H, V
        found = self._find(scaled, known).unflatten(2, (len(self.targets), -1))  # B, H, V, Q
        middle = found.shape[3] // 2
        centre = found[..., middle : middle + 1]
        gate = 1.0 if self.training else self.gate
        values = base[..., None] + self.linear.spread[..., None] * (found - centre + gate * centre + self.reach)
        values = values * spread[:, :, self.targets, None] + level[:, :, self.targets, None]
        return values.flatten(2)

    def base(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """The linear forecast alone (B, H, V)."""
        assert self.linear is not None
        scaled, level, spread = self.normalise(x)
        base: Tensor = self.linear(scaled[..., : self.numbers], known)
        return base * spread[:, :, self.targets] + level[:, :, self.targets]

    def normalise(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows (B, T, C) as the parts of the network read them, and the level and the spread of their F numbers
        (B, 1, F), which were taken away: 0 and 1, unless windows are scaled."""
        numbers = x[..., : self.numbers]
        if not self.scaled:
            return x, torch.zeros_like(numbers[:, :1]), torch.ones_like(numbers[:, :1])
        level = numbers.mean(dim=1, keepdim=True)
        spread = numbers.std(dim=1, keepdim=True, correction=0).clamp(min=LEAST_SPREAD)
        return torch.cat([(numbers - level) / spread, x[..., numbers.shape[2] :]], dim=2), level, spread

    def _find(self, x: Tensor, known: Tensor | None) -> Tensor:
        """What the recurrent network finds (B, H, V Q), in standard deviations of the errors of the linear forecast."""
        assert self.linear is not None
        numbers = x[..., : self.numbers]
        centred = torch.cat([numbers - numbers.mean(dim=1, keepdim=True), x[..., numbers.shape[2] :]], dim=2)
        features = self.network.dropout(self.network.forward_features(centred))
        horizon = self.linear.bias.shape[0]
        found = self.network.output(features).unflatten(1, (horizon, -1))
        if self.ahead is None or known is None:
            return found
        return found + self.ahead(torch.cat([features[:, None].repeat(1, horizon, 1), known], dim=2))


def forecaster(given: Series, wanted: Forecast, network: Callable[[int, int], nn.Module]) -> Forecaster:
    """The forecaster for a spec, with a linear part where the length of the context is known.

    Args:
        given, wanted: the series and the forecast of the spec.
        network: builds the network for so many numbers of a step, and so many outputs.
    """
    targets = [given.names.index(name) for name in wanted.names]
    numbers, horizon = len(given.names), wanted.horizon
    recurrent = network(given.features, horizon * wanted.outputs)
    if not given.context_length:
        return Forecaster(recurrent, targets)
    lags = min(given.context_length, max(1, MAX_LAGS // numbers))
    return Forecaster(
        recurrent,
        targets,
        linear=LinearForecast(lags, numbers, horizon, targets, given.known),
        numbers=numbers,
        quantiles=wanted.quantiles,
        known=given.known,
        scaled=bool(given.id),
    )
