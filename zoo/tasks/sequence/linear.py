"""The linear part of a forecaster, fitted in closed form: a mean of ridge regressions on lags.

Each regression predicts how far the next values are from a centre: zero (the mean of the training split), the mean of
the window, its last value, or the season before. The regressions, and the last value and the season before as they are,
are weighted by how well they predict the validation split: by the inverse of their squared errors.

Shape letters: N windows, T steps, L lags, F numbers, H steps of the horizon, V values, G numbers known of each step, D
regressors.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from zoo.models.rnn import Forecaster
from zoo.spec import Series
from zoo.tasks.ridge import ridge
from zoo.tasks.sequence.seasons import season_of

Windows = tuple[Any, Tensor]  # as a batch holds them: the encoded context, and the next values, standardised

LAST = 2  # the place among centres of the last value, after which there may be the season before
FOLDS = 5


@torch.no_grad()
def fit_linear(network: Forecaster, series: Series, train: Windows, val: Windows) -> None:
    """Fit the linear part of a forecaster on windows of the training split, given those of validation, both on the
    CPU."""
    linear = network.linear
    assert linear is not None
    x, known, y = _regressors(network, series, *train)
    x_val, known_val, y_val = _regressors(network, series, *val)
    for value, column in enumerate(network.targets.tolist()):
        season = season_of(x[..., column], y[..., value])
        centres = _centres(x, column, y.shape[1], season)
        candidates = [_regression(x, known, y[..., value], centre) for centre in centres]
        for centre in centres[LAST:]:  # as it is
            candidates.append((centre, torch.zeros_like(candidates[0][1]), torch.zeros_like(candidates[0][2])))
        wrong = [_predict(x_val, known_val, *one) - y_val[..., value] for one in candidates]
        shares = 1 / torch.stack([errors.square().mean().clamp(min=1e-12) for errors in wrong])
        shares = shares / shares.sum()
        weight, known_weight, bias = (
            sum(share * part for share, part in zip(shares, parts)) for parts in zip(*candidates)
        )
        left = [
            _predict(inputs, ahead, weight, known_weight, bias) - true[..., value]
            for inputs, ahead, true in ((x, known, y), (x_val, known_val, y_val))
        ]
        linear.weight[:, value] = weight.flatten(1).to(linear.weight)
        linear.known_weight[:, value] = known_weight.to(linear.weight)
        linear.bias[:, value] = bias.to(linear.weight)
        linear.spread[:, value] = torch.cat(left).square().mean(dim=0).sqrt().clamp(min=1e-3).to(linear.weight)


@torch.no_grad()
def cross_fitted(network: Forecaster, series: Series, train: Windows, val: Windows) -> tuple[Tensor, Tensor]:
    """What the linear part gives for windows of training that it was not fitted to.

    The windows, which are in the order of time, are divided into five parts. Each is predicted by a linear part that is
    fitted to the others, without windows that share a step to predict with it. A part that leaves too little to fit is
    left out.

    Returns:
        Which windows are predicted (M,), and what the linear part gives for them (M, H, V), as the network does.
    """
    context, future = train
    count, horizon = future.shape[:2]
    fitted = copy.deepcopy(network)
    rows, found = [torch.zeros(0, dtype=torch.long)], [future.new_zeros(0, *future.shape[1:])]
    for part in torch.arange(count).chunk(FOLDS):
        before, after = int(part[0]) - horizon + 1, int(part[-1]) + horizon
        others = torch.cat([torch.arange(max(0, before)), torch.arange(min(count, after), count)])
        if len(others) < count / FOLDS:
            continue
        fit_linear(fitted, series, (context[others], future[others]), val)
        prepared = series.prepare(context[part])
        found.append(fitted.base(*(prepared if isinstance(prepared, tuple) else (prepared,))))
        rows.append(part)
    return torch.cat(rows), torch.cat(found)


def _regressors(network: Forecaster, series: Series, context: Any, future: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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


def _regression(x: Tensor, known: Tensor, y: Tensor, centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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
