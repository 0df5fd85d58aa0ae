"""The report of forecasting: metrics, simpler forecasts, errors by lead time, and a backtest over rolling origins.

Shape letters: N windows, T steps of the context, H steps of the horizon, F columns, V values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.data.core.examples import Examples
from zoo.metrics.bootstrap import bootstrap_mean
from zoo.metrics.quantiles import QuantileLoss
from zoo.models.rnn import Forecaster
from zoo.tasks.sequence import Forecasting
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import forecast_intervals as forecast_intervals
from zoo.training.reports.comparison import HEADING, table
from zoo.training.reports.forecast_windows import FITTED, Test, errors, part_of, some, tested
from zoo.training.reports.simpler_forecasts import simpler_forecasts, smoothed

DRAWN = 3  # windows that are drawn
COMPARED = 6  # windows that do not overlap, at least, for an interval
ORIGINS = 8  # of the backtest that the card shows


# Before the training


@report.initialise.register
def _(task: Forecasting, splits: Mapping[str, Examples]) -> None:
    """The linear part of the forecast."""
    task.fit_linear(*(some(splits.get(split, splits["train"]), FITTED) for split in ("train", "val")))


# Metrics


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
    test = tested(task, evaluation)
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
    test = tested(task, evaluation)
    apart = slice(None, None, task.forecast.horizon)
    true, predicted = test.true[apart].flatten(1), test.value[apart].flatten(1)
    whole = ~true.isnan().any(dim=1)
    return {"true": true[whole], "answers": predicted[whole]}


@report.baselines.register
def _(task: Forecasting, evaluation: Evaluation) -> dict[str, float]:
    """The last value and the last season, repeated; ridge regression on lags; and exponential smoothing."""
    test = tested(task, evaluation)
    found: dict[str, float] = {}
    for method, predicted in simpler_forecasts(task, evaluation).items():
        its = errors(predicted, test)
        found |= named(task, {name: its[name] for name in ("rmse", "mae", "mase")}, f" of {method}")
    if (fitted := smoothed(task, evaluation)) is not None:
        rows, predicted = fitted
        its = errors(predicted, part_of(test, rows))
        network = errors(test.value[rows], part_of(test, rows))
        found |= named(task, {"mase": its["mase"]}, f" of ETS on {len(rows)} windows")
        found |= named(task, {"mase": network["mase"]}, f" of the network on the same {len(rows)} windows")
    return found


# The card


@report.notes.register
def _(task: Forecasting, evaluation: Evaluation) -> list[str]:
    """How far the network is from simpler forecasts, what its linear part does, its intervals, and a backtest."""
    test, simpler = tested(task, evaluation), simpler_forecasts(task, evaluation)
    scores = {"the network": errors(test.value, test), **{name: errors(its, test) for name, its in simpler.items()}}
    shown = {method: named(task, its) for method, its in scores.items()}
    lines = [HEADING, table(shown), _sentence(test, simpler)]
    if (smooth := smoothed(task, evaluation)) is not None:
        rows, predicted = smooth
        its, own = (float(errors(one, part_of(test, rows))["mase"].mean()) for one in (predicted, test.value[rows]))
        lines.append(f"On {len(rows)} windows the MASE of ETS is {its:.4g}, and there that of the network {own:.4g}.")
    if (said := _linear_note(task)) is not None:
        lines.append(said)
    if evaluation.calibration.coverage is not None:
        held = _interval_metrics(test, evaluation.calibration.coverage)["interval_coverage"].mean()
        kind = "the quantiles of the network" if task.forecast.quantiles else "its errors"
        added = evaluation.kept.get("cross-fitted")
        more = f" and {added} of training, each predicted by a linear part that was fitted to others" if added else ""
        if added and bool(task.trained_network.gate):
            more += " (with errors made as much smaller as the network's are on validation)"
        lines += [
            "## Intervals",
            f"An interval is made to hold {evaluation.calibration.coverage:.0%} of the true values, by conformal "
            f"prediction from {kind} on {len(evaluation.splits['val'])} windows of validation{more}. On test it holds "
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
        few = f"test windows that do not overlap are too few ({count}) to tell which is better"
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


def _linear_note(task: Forecasting) -> str | None:
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
        one = part_of(test, torch.tensor([row]))
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
    test = tested(task, evaluation)
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
