"""Simpler forecasts, fitted to the training split: the last value, the last season, ridge regression on lags, and
exponential smoothing.

Shape letters: N windows, M some of them, T steps of the context, H steps of the horizon, V values.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from zoo.spec.series import forward_filled
from zoo.tasks.sequence import Forecasting
from zoo.tasks.sequence.seasons import repeat, season_of
from zoo.training.report import Evaluation
from zoo.training.reports.forecast_windows import tested, values_of

SHORTEST = 10  # steps of a context that exponential smoothing is fitted to
SMOOTHED = 40  # windows that exponential smoothing is fitted to, one by one
PENALTIES = [10.0**power for power in range(-4, 6)]


def simpler_forecasts(task: Forecasting, evaluation: Evaluation) -> dict[str, Tensor]:
    """The next values (N, H, V) of the test windows by simpler methods, fitted to the training split."""

    def find() -> dict[str, Tensor]:
        test = tested(task, evaluation)
        horizon = task.forecast.horizon
        found = {"the naive forecast": repeat(_filled(test.context), 1, horizon)}
        if any(season > 1 for season in test.seasons):
            told = ", ".join(map(str, dict.fromkeys(test.seasons)))
            found[f"the seasonal naive forecast ({told})"] = _by_season(_filled(test.context), test.seasons, horizon)
        return found | {"ridge on lags": _ridge(task, evaluation)}

    return evaluation.once("simpler", find)


def _filled(context: Tensor) -> Tensor:
    return forward_filled(context) if context.isnan().any() else context


def _by_season(context: Tensor, seasons: list[int], horizon: int) -> Tensor:
    return torch.cat([repeat(context[..., v : v + 1], season, horizon) for v, season in enumerate(seasons)], dim=2)


def _ridge(task: Forecasting, evaluation: Evaluation) -> Tensor:
    """Ridge regression on the lags of the values, by scikit-learn, whose penalty is chosen by leaving one out."""
    from sklearn.linear_model import RidgeCV

    (train, following), (context, _) = values_of(task, evaluation, "train"), values_of(task, evaluation, "test")
    whole = ~following.isnan().flatten(1).any(dim=1)
    if whole.sum() < 2:
        return repeat(_filled(context), 1, task.forecast.horizon)
    train, following, context = _filled(train[whole]), following[whole], _filled(context)
    (train, level, spread), (context, its_level, its_spread) = _scaled(task, train), _scaled(task, context)
    x, y = train.flatten(1), ((following - level) / spread).flatten(1)
    mean, std = x.mean(dim=0), x.std(dim=0).clamp(min=1e-9)
    centre, deviation = y.mean(dim=0), y.std(dim=0).clamp(min=1e-9)
    model = RidgeCV(alphas=PENALTIES).fit(((x - mean) / std).numpy(), ((y - centre) / deviation).numpy())
    found = torch.from_numpy(model.predict(((context.flatten(1) - mean) / std).numpy())).view(len(context), -1)
    return (found * deviation + centre).unflatten(1, (task.forecast.horizon, -1)) * its_spread + its_level


def _scaled(task: Forecasting, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Contexts (N, T, V) of several series by their level and spread (N, 1, V); those of one series as they are."""
    if not task.series.id:
        return context, context.new_zeros(1), context.new_ones(1)
    level, spread = context.mean(dim=1, keepdim=True), context.std(dim=1, keepdim=True).clamp(min=1e-9)
    return (context - level) / spread, level, spread


def smoothed(task: Forecasting, evaluation: Evaluation) -> tuple[Tensor, Tensor] | None:
    """Test windows (M,), and what exponential smoothing (ETS, Holt and Winters) predicts for them (M, H, V), each
    fitted to its context; None without statsmodels."""
    return evaluation.once("smoothed", lambda: _smoothed(task, evaluation))


def _smoothed(task: Forecasting, evaluation: Evaluation) -> tuple[Tensor, Tensor] | None:
    try:
        from statsmodels.tsa.holtwinters import ExponentialSmoothing
    except ImportError:
        return None
    test = tested(task, evaluation)
    if test.context.shape[1] < SHORTEST:
        return None
    rows = torch.linspace(0, len(test.true) - 1, min(len(test.true), SMOOTHED)).long()
    context = _filled(test.context[rows])
    half = context.shape[1] // 2  # two seasons at least
    seasons = [season_of(context[:, :half, v], context[:, half:, v]) for v in range(context.shape[2])]
    found = torch.zeros(len(rows), task.forecast.horizon, context.shape[2], dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged: good enough for a baseline
        for place, window in enumerate(context.numpy()):
            for value, season in enumerate(seasons):
                cycles = {"seasonal": "add", "seasonal_periods": season} if season > 1 else {}
                model = ExponentialSmoothing(window[:, value], trend="add", damped_trend=True, **cycles)
                found[place, :, value] = torch.from_numpy(model.fit().forecast(task.forecast.horizon))
    return rows, found
