"""The report of forecasting: intervals, simpler forecasts, errors by lead time, and a backtest over rolling origins.

Shape letters: N windows, T steps of the context, H steps of the horizon, F columns, V values.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo import plots
from zoo.data.core.columns import Examples
from zoo.metrics.bootstrap import bootstrap_mean
from zoo.metrics.calibration import conformal_quantile
from zoo.metrics.quantiles import QuantileLoss
from zoo.models.rnn import Forecaster
from zoo.spec import Calibration
from zoo.spec.series import forward_filled
from zoo.spec.values import expected_error
from zoo.tasks.sequence import Forecasting
from zoo.tasks.sequence.linear import Windows
from zoo.tasks.sequence.seasons import repeat, season_of
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.comparison import table

FITTED = 20_000  # training windows, at most, to which a closed form is fitted
BY_STEP = 100  # validation windows, from which on each step of the horizon has an interval of its own
LEVELS = 5  # of a value, at which its error is expected, where several series differ in scale
DRAWN = 3  # windows that are drawn
COMPARED = 6  # windows that do not overlap, at least, for an interval
ORIGINS = 8  # of the backtest that the card shows
SHORTEST = 10  # steps of a context that exponential smoothing is fitted to
SHORTEST = 10  # steps of a context that exponential smoothing is fitted to
SMOOTHED = 40  # windows that exponential smoothing is fitted to, one by one
PENALTIES = [10.0**power for power in range(-4, 6)]


# Before the training


@report.initialise.register
def _(task: Forecasting, splits: Mapping[str, Examples]) -> None:
    """The linear part of the forecast."""
    task.fit_linear(*(_some(splits.get(split, splits["train"]), FITTED) for split in ("train", "val")))


def _some(examples: Examples, most: int) -> Windows:
    """Windows of a split, evenly chosen."""
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), most)).long()
    context, future = examples.__getitems__(rows)
    return context, future  # type: ignore[return-value]


# Intervals


@report.calibrate.register
def _(task: Forecasting, evaluation: Evaluation) -> Calibration | None:
    """Conformal intervals: of few validation windows all steps have one width."""
    if task.coverage is None:
        return None
    kind, outputs = task.forecast, torch.cat(evaluation.predictions("val"))
    true, value = kind.restore(_some(evaluation.splits["val"], len(outputs))[1]), kind.restore(kind.central(outputs))
    ends = kind.by_quantile(outputs)
    low, high = (kind.restore(ends[..., end]) for end in (0, -1))
    scales = _scales(value, high - low) if task.series.id and kind.quantiles else Calibration()
    scores = torch.maximum(low - true, true - high) / expected_error(value, scales)  # N, H, V
    scores = scores if len(scores) >= BY_STEP else scores.flatten(0, 1)[:, None].expand(-1, kind.horizon, -1)
    widths = [
        [float(conformal_quantile(one[~one.isnan()], task.coverage)) for one in step]
        for step in scores.permute(1, 2, 0)
    ]
    return Calibration(coverage=task.coverage, widths=_rows(widths), knots=scales.knots, scales=scales.scales)


def _scales(value: Tensor, width: Tensor) -> Calibration:
    """How wide the network makes an interval (N, H, V) at which level of the value: series may differ in scale."""
    knots, scales = [], []
    for its, widths in zip(value.flatten(0, 1).T, width.flatten(0, 1).T):
        parts = its.argsort().chunk(LEVELS)
        knots.append([float(its[part].mean()) for part in parts])
        scales.append([max(float(widths[part].mean()), 1e-3 * float(widths.mean()), 1e-12) for part in parts])
    if any(low >= high for row in knots for low, high in pairwise(row)):  # many equal predictions
        return Calibration()
    return Calibration(coverage=0.5, widths=((1.0,) * len(knots),), knots=_rows(knots), scales=_rows(scales))


def _rows(table: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, table))


# What is compared


class Test(NamedTuple):
    """The windows of the test split, in the values' own units.

    Args:
        context: (N, T, V).
        true: (N, H, V), NaN where a value is missing.
        value, low, high: of the network (N, H, V); without intervals, the ends are the value.
        scale: by which absolute errors are divided to be scaled (N, 1, V): the mean absolute error of the seasonal
            naive forecast, one step ahead, in the training split; of several series, in each window's context.
        seasons: after how many steps each of the values repeats itself.
    """

    context: Tensor
    true: Tensor
    value: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor
    seasons: list[int]


def _test(task: Forecasting, evaluation: Evaluation) -> Test:
    if "test" not in evaluation.kept:
        kind, outputs = task.forecast, torch.cat(evaluation.predictions("test"))
        (train, following), (context, future) = _values(task, evaluation, "train"), _values(task, evaluation, "test")
        seasons = [season_of(train[..., v], following[..., v]) for v in range(train.shape[2])]
        value = kind.restore(kind.central(outputs))
        found = kind.interval(outputs, evaluation.calibration) or (value, value, value)
        scale = _one_step(context, seasons) if task.series.id else _one_step(train.flatten(0, 1)[None], seasons, train)
        evaluation.kept["test"] = Test(context, future, *found, scale, seasons)
    kept: Test = evaluation.kept["test"]
    return kept


def _values(task: Forecasting, evaluation: Evaluation, split: str) -> tuple[Tensor, Tensor]:
    """The context (N, T, V) of the values that are predicted, and the next ones (N, H, V), in their own units."""
    context, future = _some(evaluation.splits[split], FITTED if split == "train" else len(evaluation.splits[split]))
    length = task.series.context_length or context.shape[1]
    return context[:, :length, task.columns].double(), task.forecast.restore(future)


def _one_step(context: Tensor, seasons: list[int], train: Tensor | None = None) -> Tensor:
    """The mean absolute error of the seasonal naive forecast one step ahead, of each window or of all together."""
    windows = context if train is None else train
    parts = []
    for value, season in enumerate(seasons):
        season = min(season, windows.shape[1] - 1) or 1
        steps = (windows[:, season:, value] - windows[:, :-season, value]).abs()
        parts.append(steps.nanmean(dim=1) if train is None else steps.nanmean()[None])
    return torch.stack(parts, dim=1)[:, None].nan_to_num(1.0).clamp(min=1e-9)


def errors(predicted: Tensor, test: Test) -> dict[str, Tensor]:
    """The metrics of predicted values (N, H, V), by value (V,)."""
    wrong = predicted - test.true
    size = (predicted.abs() + test.true.abs()).clamp(min=1e-12)
    return {
        "rmse": wrong.square().nanmean(dim=(0, 1)).sqrt(),
        "mae": wrong.abs().nanmean(dim=(0, 1)),
        "mase": (wrong.abs() / test.scale).nanmean(dim=(0, 1)),
        "smape": (2 * wrong.abs() / size).nanmean(dim=(0, 1)),
    }


def named(task: Forecasting, metrics: Mapping[str, Tensor], of: str = "") -> dict[str, float]:
    """Metrics by value (V,), each with the name of its value where there are several."""
    names = task.forecast.names
    return {
        f"{metric}{f' of {name}' if len(names) > 1 else ''}{of}": float(one)
        for metric, column in metrics.items()
        for name, one in zip(names, column)
    }


@report.split_metrics.register
def _(task: Forecasting, evaluation: Evaluation) -> dict[str, float]:
    """Scaled and relative errors, and what the intervals hold."""
    test = _test(task, evaluation)
    found = errors(test.value, test)
    wanted = ("rmse", "mae", "mase", "smape") if len(task.forecast.names) > 1 else ("mase", "smape")
    metrics = {name: found[name] for name in wanted}
    if evaluation.calibration.coverage is not None:
        metrics |= _interval_metrics(test, evaluation.calibration.coverage)
    return named(task, metrics)


def _interval_metrics(test: Test, coverage: float) -> dict[str, Tensor]:
    known = ~test.true.isnan()
    held = ((test.low <= test.true) & (test.true <= test.high)).double()
    levels = (1 - coverage) / 2, 0.5, (1 + coverage) / 2
    quantiles = torch.stack([test.low, test.value, test.high], dim=-1).flatten(2)
    losses = QuantileLoss(levels, "none").double()(quantiles, test.true).unflatten(-1, (-1, 3)).mean(dim=-1)
    return {
        "interval_coverage": held.where(known, torch.nan).nanmean(dim=(0, 1)),
        "interval_width": (test.high - test.low).mean(dim=(0, 1)),
        "weighted_quantile_loss": 2 * losses.nanmean(dim=(0, 1)) / test.true.abs().nanmean(dim=(0, 1)).clamp(min=1e-12),
    }


@report.outcomes.register
def _(task: Forecasting, evaluation: Evaluation) -> dict[str, Tensor]:
    """The true and the predicted values of windows that do not overlap (N, H V)."""
    test = _test(task, evaluation)
    apart = slice(None, None, task.forecast.horizon)
    true, predicted = test.true[apart].flatten(1), test.value[apart].flatten(1)
    whole = ~true.isnan().any(dim=1)
    return {"true": true[whole], "answers": predicted[whole]}


# Simpler forecasts


def simpler_forecasts(task: Forecasting, evaluation: Evaluation) -> dict[str, Tensor]:
    """The next values (N, H, V) of the test windows by simpler methods, fitted to the training split."""
    if "simpler" not in evaluation.kept:
        test = _test(task, evaluation)
        horizon = task.forecast.horizon
        found = {"the naive forecast": repeat(_filled(test.context), 1, horizon)}
        if any(season > 1 for season in test.seasons):
            told = ", ".join(map(str, dict.fromkeys(test.seasons)))
            found[f"the seasonal naive forecast ({told})"] = _by_season(_filled(test.context), test.seasons, horizon)
        evaluation.kept["simpler"] = found | {"ridge on lags": _ridge(task, evaluation)}
    kept: dict[str, Tensor] = evaluation.kept["simpler"]
    return kept


def _filled(context: Tensor) -> Tensor:
    return forward_filled(context) if context.isnan().any() else context


def _by_season(context: Tensor, seasons: list[int], horizon: int) -> Tensor:
    return torch.cat([repeat(context[..., v : v + 1], season, horizon) for v, season in enumerate(seasons)], dim=2)


def _ridge(task: Forecasting, evaluation: Evaluation) -> Tensor:
    """Ridge regression on the lags of the values, by scikit-learn, whose penalty is chosen by leaving one out."""
    from sklearn.linear_model import RidgeCV

    (train, following), (context, _) = _values(task, evaluation, "train"), _values(task, evaluation, "test")
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


def _smoothed(task: Forecasting, evaluation: Evaluation) -> tuple[Tensor, Tensor] | None:
    """Test windows (M,), and what exponential smoothing (ETS, Holt and Winters) predicts for them (M, H, V), each
    fitted to its context; None without statsmodels."""
    try:
        from statsmodels.tsa.holtwinters import ExponentialSmoothing
    except ImportError:
        return None
    test = _test(task, evaluation)
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


@report.baselines.register
def _(task: Forecasting, evaluation: Evaluation) -> dict[str, float]:
    """The last value and the last season, repeated; ridge regression on lags; and exponential smoothing."""
    test = _test(task, evaluation)
    found: dict[str, float] = {}
    for method, predicted in simpler_forecasts(task, evaluation).items():
        its = errors(predicted, test)
        found |= named(task, {name: its[name] for name in ("rmse", "mae", "mase")}, f" of {method}")
    if (smoothed := _smoothed(task, evaluation)) is not None:
        rows, predicted = smoothed
        its = errors(predicted, _part(test, rows))
        network = errors(test.value[rows], _part(test, rows))
        found |= named(task, {"mase": its["mase"]}, f" of ETS on {len(rows)} windows")
        found |= named(task, {"mase": network["mase"]}, f" of the network on the same {len(rows)} windows")
    return found


def _part(test: Test, rows: Tensor) -> Test:
    """Some windows."""
    scale = test.scale if len(test.scale) == 1 else test.scale[rows]
    context, true, value, low, high = (part[rows] for part in test[:5])
    return Test(context, true, value, low, high, scale, test.seasons)


# The card


@report.notes.register
def _(task: Forecasting, evaluation: Evaluation) -> list[str]:
    """How far the network is from simpler forecasts, what its linear part does, its intervals, and a backtest."""
    test, simpler = _test(task, evaluation), simpler_forecasts(task, evaluation)
    scores = {"the network": errors(test.value, test), **{name: errors(its, test) for name, its in simpler.items()}}
    shown = {method: named(task, its) for method, its in scores.items()}
    lines = ["## Beside simpler forecasts", table(shown), _sentence(test, simpler)]
    if (said := _linear_part(task)) is not None:
        lines.append(said)
    if evaluation.calibration.coverage is not None:
        held = _interval_metrics(test, evaluation.calibration.coverage)["interval_coverage"].mean()
        count = len(evaluation.splits["val"])
        kind = "the quantiles of the network" if task.forecast.quantiles else "its errors"
        lines += [
            "## Intervals",
            f"An interval is made to hold {evaluation.calibration.coverage:.0%} of the true values, by conformal "
            f"prediction from {kind} on {count} validation windows"
            f"{'' if count >= BY_STEP else ', which are few: all steps have one correction'}. On test it holds "
            f"{float(held):.1%}.",
        ]
    return [*lines, "## Backtest", *_backtest(task, test, simpler)]


def _sentence(test: Test, simpler: Mapping[str, Tensor]) -> str:
    """How far the network is from the best of the simpler forecasts, and whether that is more than noise.

    Windows overlap; so the bootstrap draws from windows that do not.
    """
    mase = {method: float(errors(its, test)["mase"].mean()) for method, its in simpler.items()}
    best, own = min(mase, key=mase.__getitem__), float(errors(test.value, test)["mase"].mean())
    count = math.ceil(len(test.true) / test.true.shape[1])
    if count < COMPARED:
        few = f"{count} windows of the test split do not overlap, which are too few to tell which is better"
        return f"The MASE of the network is {own:.4g}, and that of {best} {mase[best]:.4g}: {few}."
    difference = ((simpler[best] - test.true).abs() - (test.value - test.true).abs()) / test.scale
    means = difference.nanmean(dim=(1, 2))[:: test.true.shape[1]]
    found = bootstrap_mean(means[~means.isnan()])
    words = f"its MASE is {own:.4g}, and that of {best} {mase[best]:.4g}"
    share = f"{abs(1 - own / max(mase[best], 1e-12)):.0%}"
    within = (
        f"95 % interval of the difference over {len(means)} windows that do not overlap: {found.low:.4g} to "
        f"{found.high:.4g}"
    )
    if found.low > 0 and own < mase[best]:
        return f"The network is better than {best}: {words}, {share} lower ({within})."
    if found.high < 0 and own > mase[best]:
        return f"**The network is worse than {best}**: {words}, {share} higher ({within})."
    return f"**The network is not shown to be better or worse than {best}**: {words} ({within})."


def _linear_part(task: Forecasting) -> str | None:
    network = task.trained_network
    if not isinstance(network, Forecaster) or network.linear is None:
        return None
    linear = "a linear forecast: the mean of ridge regressions on lags, each on differences from another centre"
    if bool(network.gate):
        return f"The network adds to {linear}. On validation that gains more than a standard error."
    return (
        f"The forecast is {linear}. What the recurrent part would add gains no more than a standard error on "
        "validation, and is left out of the values; it still says how wide their intervals are. This is usual for "
        "series that are short, or linear."
    )


def _backtest(task: Forecasting, test: Test, simpler: Mapping[str, Tensor]) -> list[str]:
    """The error at rolling origins, a horizon apart."""
    count, horizon = len(test.true), task.forecast.horizon
    rows = list(range(0, count, horizon))
    rows = [rows[round(place)] for place in torch.linspace(0, len(rows) - 1, min(ORIGINS, len(rows))).tolist()]
    methods = {"the network": test.value, **simpler}
    columns = [f"origin (window of {count})", *methods, "within intervals"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    held = ((test.low <= test.true) & (test.true <= test.high)).double().where(~test.true.isnan(), torch.nan)
    for row in rows:
        one = _part(test, torch.tensor([row]))
        mase = [float(errors(its[[row]], one)["mase"].nanmean()) for its in methods.values()]
        share = float(held[row].nanmean())
        lines.append(f"| {row + 1} | {' | '.join(f'{error:.3g}' for error in mase)} | {share:.0%} |")
    return [
        f"MASE from rolling origins of the test split, {horizon} steps or more apart. The network is the same at each; "
        "`data.until=0.7,0.8,0.9,1 -m` trains one anew at each.",
        "\n".join(lines),
    ]


@report.plots.register
def _(task: Forecasting, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    test = _test(task, evaluation)
    names = task.forecast.names
    rows = torch.linspace(0, len(test.true) - 1, min(len(test.true), DRAWN)).long()
    ends = None if evaluation.calibration.coverage is None else (test.low[rows], test.high[rows])
    plots.forecasts(test.context[rows], test.value[rows], test.true[rows], names, folder / "forecast.png", ends)
    methods: dict[str, Any] = {"the network": test.value, **simpler_forecasts(task, evaluation)}
    by_step = {method: (its - test.true).abs().nanmean(dim=0) for method, its in methods.items()}
    plots.lead_times(by_step, names, folder / "lead_times.png")
    return {
        "forecast.png": "Windows of the test split: context, forecast with its intervals, and true values.",
        "lead_times.png": "Mean absolute error on test, by how many steps ahead is predicted.",
    }
