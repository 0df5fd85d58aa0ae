"""The season of a series: after how many steps it repeats itself.

Shape letters: N windows, T steps, H steps of the horizon.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOWS = 500  # at most, by which the season is chosen


def repeat(context: Tensor, season: int, horizon: int) -> Tensor:
    """The seasonal-naive forecast (N, H, …) after a context (N, T, …): the last `season` steps over and over."""
    steps = context.shape[1] - season + torch.arange(horizon) % season
    return context[:, steps].double()


def season_of(context: Tensor, future: Tensor) -> int:
    """The steps after which windows (N, T) and what follows (N, H) repeat themselves best; 1 where they never do.

    A trend is left apart: the errors at each step of the horizon differ least from window to window.
    """
    rows = torch.linspace(0, len(context) - 1, min(len(context), WINDOWS)).long()
    context, future = context[rows], future[rows]
    lags = range(1, context.shape[1] + 1)
    unlike = [_spread(repeat(context, lag, future.shape[1]) - future) for lag in lags]
    limit = 1.02 * min(unlike) + 1e-4 * _spread(future - future.nanmean())  # twice a season is no better, but by noise
    return next(lag for lag, value in zip(lags, unlike) if value <= limit)


def _spread(errors: Tensor) -> float:
    """The mean over steps of the standard deviation of errors (N, H), those that are missing apart."""
    known = ~errors.isnan()
    mean = errors.nanmean(dim=0).nan_to_num()
    squares = torch.where(known, errors - mean, 0).square().sum(dim=0) / known.sum(dim=0).clamp(min=1)
    return float(squares.sqrt().mean())
