"""The linear part of a forecaster, fitted in closed form: a mean of ridge regressions on lags.

Each regression predicts how far the next values are from a centre: zero (the mean of the training split), the mean of
the window, its last value, or the season before. The regressions, and the last value and the season before as they are,
are weighted by how well they predict the validation split: by the inverse of their mean squared error (Bates and
Granger, "The combination of forecasts", 1969). Where the training split is short, and validation shorter, that takes
chance for skill, so that parts of the training split that are left out in turn have as much to say.

Shape letters: N windows, T steps, L lags, F numbers, H steps of the horizon, V values, G numbers known of each step, D
regressors.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.models.rnn import Forecaster
from zoo.spec import Series
from zoo.tasks.ridge import ridge
from zoo.tasks.sequence.seasons import season_of

Windows = tuple[Any, Tensor]  # as a batch holds them: the encoded context, and the next values, standardised
Parts = tuple[Tensor, Tensor, Tensor]  # as a regression reads them: (N, L, F), what is known (N, H, G), next values
Weights = tuple[Tensor, Tensor, Tensor]  # of the lags (H, L, F), of what is known (H, G), and the bias (H,)

LAST = 2  # the place among centres of the last value, after which there may be the season before
FOLDS = 5
ENOUGH = 100  # training windows that do not overlap, from which on validation alone weights the regressions
STEPS = 6  # of the horizon, at most, by which parts that are left out do


@torch.no_grad()
def fit_linear(network: Forecaster, series: Series, train: Windows, val: Windows) -> None:
    """Fit the linear part of a forecaster on windows of the training split, given those of validation, both on the
    CPU."""
    seen, held_out = (_regressors(network, series, *windows) for windows in (train, val))
    for value, mixture in enumerate(_mixtures(network, seen, held_out)):
        _set(network, value, mixture.weights, seen, held_out)


@torch.no_grad()
def cross_fitted(network: Forecaster, series: Series, train: Windows, val: Windows) -> tuple[Tensor, Tensor]:
    """What the linear part gives for windows of training that it was not fitted to.

    The windows, which are in the order of time, are divided into five parts. Each is predicted by a linear part that is
    fitted to the others, without windows that share a step to predict with it. A part that leaves too little to fit is
    left out. The regressions count in each as much as they do in the whole.

    Returns:
        Which windows are predicted (M,), and what the linear part gives for them (M, H, V), as the network does.
    """
    context, future = train
    fitted = copy.deepcopy(network)
    rows, found = [torch.zeros(0, dtype=torch.long)], [future.new_zeros(0, *future.shape[1:])]
    seen, held_out = (_regressors(network, series, *windows) for windows in (train, val))
    mixtures = _mixtures(network, seen, held_out)
    for part, others in _parts(*future.shape[:2]):
        some = _regressors(network, series, context[others], future[others])
        for value, mixture in enumerate(mixtures):
            candidates = _candidates(*_of(some, value), mixture.centres)
            _set(fitted, value, _weighted(candidates, mixture.shares), some, held_out)
        prepared = series.prepare(context[part])
        found.append(fitted.base(*(prepared if isinstance(prepared, tuple) else (prepared,))))
        rows.append(part)
    return torch.cat(rows), torch.cat(found)


class Mixture(NamedTuple):
    """The linear forecast of a value.

    Args:
        centres: of its regressions, each (H, L, F).
        shares: what each of its candidates counts.
        weights: of their mean.
    """

    centres: list[Tensor]
    shares: Tensor
    weights: Weights


def _mixtures(network: Forecaster, seen: Parts, held_out: Parts) -> list[Mixture]:
    """The linear forecast of each value, by windows of training and of validation."""
    mixtures = []
    for value, column in enumerate(network.targets.tolist()):
        x, known, y = _of(seen, value)
        centres = _centres(x, column, y.shape[1], season_of(x[..., column], y))
        candidates = _candidates(x, known, y, centres)
        errors = _errors(candidates, *_of(held_out, value))
        left_out = _left_out(x, known, y, centres) if len(x) < ENOUGH * y.shape[1] else None
        shares = 1 / (errors if left_out is None else errors * left_out)
        shares = shares / shares.sum()
        mixtures.append(Mixture(centres, shares, _weighted(candidates, shares)))
    return mixtures


def _left_out(x: Tensor, known: Tensor, y: Tensor, centres: list[Tensor]) -> Tensor | None:
    """The mean squared error of each candidate on parts of the training split, each predicted by a fit to the others;
    None where these are too few to fit."""
    horizon = y.shape[1]
    steps = torch.linspace(0, horizon - 1, min(horizon, STEPS)).round().long()
    known, y, centres = known[:, steps], y[:, steps], [centre[steps] for centre in centres]
    errors = [
        len(part) * _errors(_candidates(x[others], known[others], y[others], centres), x[part], known[part], y[part])
        for part, others in _parts(len(x), horizon)
    ]
    return sum(errors) if errors else None  # type: ignore[return-value]


def _candidates(x: Tensor, known: Tensor, y: Tensor, centres: list[Tensor]) -> list[Weights]:
    """A regression on differences from each centre, and the last value and the season before as they are."""
    candidates = [_regression(x, known, y, centre) for centre in centres]
    for centre in centres[LAST:]:
        candidates.append((centre, torch.zeros_like(candidates[0][1]), torch.zeros_like(candidates[0][2])))
    return candidates


def _errors(candidates: list[Weights], x: Tensor, known: Tensor, y: Tensor) -> Tensor:
    """The mean squared error of each candidate."""
    wrong = [_predict(x, known, *one) - y for one in candidates]
    return torch.stack([errors.square().mean().clamp(min=1e-12) for errors in wrong])


def _weighted(candidates: list[Weights], shares: Tensor) -> Weights:
    weight, known_weight, bias = (sum(share * part for share, part in zip(shares, parts)) for parts in zip(*candidates))
    return weight, known_weight, bias


def _set(network: Forecaster, value: int, weights: Weights, seen: Parts, held_out: Parts) -> None:
    """Have the linear part predict a value by these weights."""
    linear = network.linear
    assert linear is not None
    weight, known_weight, bias = weights
    left = [_predict(x, known, *weights) - y for x, known, y in (_of(seen, value), _of(held_out, value))]
    linear.weight[:, value] = weight.flatten(1).to(linear.weight)
    linear.known_weight[:, value] = known_weight.to(linear.weight)
    linear.bias[:, value] = bias.to(linear.weight)
    linear.spread[:, value] = torch.cat(left).square().mean(dim=0).sqrt().clamp(min=1e-3).to(linear.weight)


def _parts(count: int, horizon: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Fifths of so many windows in the order of time, each with those that share no step to predict with it; where
    these are too few to fit, the fifth is left out."""
    for part in torch.arange(count).chunk(FOLDS):
        before, after = int(part[0]) - horizon + 1, int(part[-1]) + horizon
        others = torch.cat([torch.arange(max(0, before)), torch.arange(min(count, after), count)])
        if len(others) >= count / FOLDS:
            yield part, others


def _of(windows: Parts, value: int) -> Parts:
    """The next values (N, H) of one value alone."""
    x, known, y = windows
    return x, known, y[..., value]


def _regressors(network: Forecaster, series: Series, context: Any, future: Tensor) -> Parts:
    """Windows as the linear part reads them: lags (N, L, F), what is known (N, H, G), and the next values (N, H, V)."""
    prepared = series.prepare(context)
    x, known = prepared if isinstance(prepared, tuple) else (prepared, future.new_zeros(*future.shape[:2], 0))
    x, level, spread = network.normalise(x)
    targets = network.targets.cpu()
    future = (future - level[:, :, targets]) / spread[:, :, targets]
    lags = x[:, -network.linear.lags :, : network.numbers]  # type: ignore[union-attr]
    whole = ~future.isnan().flatten(1).any(dim=1)
    if whole.sum() < min(len(future), 2):
        future, whole = torch.where(future.isnan(), lags[:, -1:, targets], future), torch.ones_like(whole)
    return lags[whole].double(), known[whole].double(), future[whole].double()


def _centres(x: Tensor, column: int, horizon: int, season: int) -> list[Tensor]:
    """What the differences are taken from, as weights of the lags, each (H, L, F): the first is zero."""
    lags, numbers = x.shape[1:]
    centres = [x.new_zeros(horizon, lags, numbers)]
    for steps in [torch.arange(lags), torch.tensor([lags - 1])]:  # the mean, and the last value
        centre = x.new_zeros(horizon, lags, numbers)
        centre[:, steps, column] = 1 / len(steps)
        centres.append(centre)
    if 1 < season <= lags:
        centre = x.new_zeros(horizon, lags, numbers)
        centre[torch.arange(horizon), lags - season + torch.arange(horizon) % season, column] = 1
        centres.append(centre)
    return centres


def _regression(x: Tensor, known: Tensor, y: Tensor, centre: Tensor) -> Weights:
    """The weights of lags (H, L, F) and of what is known (H, G), and the bias (H,), for the next values y (N, H)."""
    lags, numbers = x.shape[1:]
    wanted = y - torch.einsum("nlf,hlf->nh", x, centre)
    level = x.mean(dim=1, keepdim=True) if centre.any() else 0.0
    regressors = (x - level).flatten(1)
    weights, bias = ridge(regressors, known, wanted)
    weight = weights[:, : lags * numbers].unflatten(1, (lags, numbers))
    if centre.any():
        weight = weight - weight.mean(dim=1, keepdim=True)
    return weight + centre, weights[:, lags * numbers :], bias


def _predict(x: Tensor, known: Tensor, weight: Tensor, known_weight: Tensor, bias: Tensor) -> Tensor:
    return torch.einsum("nlf,hlf->nh", x, weight) + torch.einsum("nhg,hg->nh", known, known_weight) + bias
