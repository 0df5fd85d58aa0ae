"""The intervals of forecasts: conformal prediction from the errors on windows that the forecast was not fitted to.

Windows that follow each other share most of their steps, so a validation split holds few errors that are independent of
each other: 577 windows of 24 steps are 24. The linear part is fitted in seconds, so the training split adds its errors
by cross-fitting: each fifth is predicted by a fit to the others (as in cross-conformal prediction: Vovk,
"Cross-conformal predictors", 2015). Where the network adds to the linear part, these are made as much smaller as its
errors are on validation (a ratio estimate: Cochran, "Sampling techniques", 1977). What is left of small numbers is met
as in an interval for the next of n normal values: by the ratio of Student's quantile to the normal one.

Shape letters: N windows, H steps of the horizon, V values, Q quantiles.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from zoo.metrics.calibration import conformal_quantile, rows_by_step
from zoo.models import apply
from zoo.models.rnn import Forecaster
from zoo.spec import Calibration
from zoo.spec.values import expected_error
from zoo.tasks.sequence import Forecasting
from zoo.tasks.sequence.linear import cross_fitted
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.forecast_windows import FITTED, some

BY_STEP = 50  # errors, from which on each step of the horizon has a width of its own
ENOUGH = 100  # windows of validation that do not overlap, from which on training adds none
LEVELS = 5  # of a value, at which its error is expected, where several series differ in scale


@report.calibrate.register
def _(task: Forecasting, evaluation: Evaluation) -> Calibration | None:
    if task.coverage is None:
        return None
    kind = task.forecast
    outputs = torch.cat(evaluation.predictions("val"))
    future = some(evaluation.splits["val"], len(outputs))[1]
    added = _cross_fitted(task, evaluation) if len(outputs) < ENOUGH * kind.horizon else None
    if added is not None:
        outputs, future = torch.cat([outputs, added[0]]), torch.cat([future, added[1]])
    evaluation.kept["cross-fitted"] = 0 if added is None else len(added[0])
    true, value, ends = kind.unscale(future), kind.unscale(kind.central(outputs)), kind.by_quantile(outputs)
    low, high = (kind.unscale(ends[..., end]) for end in (0, -1))
    scales = _scales(value, high - low) if task.series.id and kind.quantiles else Calibration()
    expected = expected_error(value, scales)
    scores = torch.maximum(low - true, true - high) / expected  # N, H, V
    if (~scores.isnan()).sum(dim=0).min() < BY_STEP:
        scores = scores.flatten(0, 1)[:, None].expand(-1, kind.horizon, -1)
    widths = torch.stack(
        [
            torch.stack([conformal_quantile(one[~one.isnan()], task.coverage) for one in step])
            for step in scores.permute(1, 2, 0)
        ]
    )  # H, V
    half = ((high - low) / 2 / expected).mean(dim=0)
    widths = (widths + half) * _small_number(len(outputs) / kind.horizon, task.coverage) - half
    return Calibration(coverage=task.coverage, widths=rows_by_step(widths), knots=scales.knots, scales=scales.scales)


@torch.no_grad()
def _cross_fitted(task: Forecasting, evaluation: Evaluation) -> tuple[Tensor, Tensor] | None:
    """The outputs (M, H, V Q) for windows of training whose values the linear part gives without having seen them, as
    near the true values as the network would be; and these (M, H, V). None without a linear part, or of a short split.

    The ends are as far from the values as they are on average on validation: the network has learned those of its
    training windows from the errors themselves.
    """
    network = task.trained_network
    if not isinstance(network, Forecaster) or network.linear is None:
        return None
    train, val = some(evaluation.splits["train"], FITTED), some(evaluation.splits["val"], len(evaluation.splits["val"]))
    device = task.device
    task.cpu()
    rows, values = cross_fitted(network, task.series, train, val)
    prepared = task.series.prepare(val[0])
    linear = apply(network.base, prepared)
    spread, its_spread = task.spread(task.series.prepare(train[0][rows])), task.spread(prepared)
    task.to(device)
    if not len(rows):
        return None
    ends = task.forecast.by_quantile(torch.cat(evaluation.predictions("val")))  # N, H, V, Q
    central = ends[..., ends.shape[-1] // 2]
    share = (_size((central - val[1]) / its_spread) / _size((linear - val[1]) / its_spread)).nan_to_num(1.0)
    future = train[1][rows]
    values = torch.where(future.isnan(), values, future + share * (values - future))
    reach = ((ends - central[..., None]) / its_spread[..., None]).mean(dim=0)
    return (values[..., None] + reach * spread[..., None]).flatten(2), future


def _size(errors: Tensor) -> Tensor:
    """The root of the mean square (H, V) of errors (N, H, V), those that are missing apart."""
    return errors.square().nanmean(dim=0).sqrt().clamp(min=1e-9)


def _small_number(count: float, coverage: float) -> float:
    """How many times as wide an interval is that is known from so many independent errors."""
    from scipy import stats

    level = (1 + coverage) / 2
    return float(stats.t.ppf(level, max(count - 1, 1)) / stats.norm.ppf(level))


def _scales(value: Tensor, width: Tensor) -> Calibration:
    """How wide the network makes an interval (N, H, V) at which level of the value: series may differ in scale."""
    knots, scales = [], []
    for its, widths in zip(value.flatten(0, 1).T, width.flatten(0, 1).T):
        parts = its.argsort().chunk(LEVELS)
        knots.append([float(its[part].mean()) for part in parts])
        scales.append([max(float(widths[part].mean()), 1e-3 * float(widths.mean()), 1e-12) for part in parts])
    if any(low >= high for row in knots for low, high in pairwise(row)):  # many equal predictions
        return Calibration()
    ones = ((1.0,) * len(knots),)
    return Calibration(coverage=0.5, widths=ones, knots=tuple(map(tuple, knots)), scales=tuple(map(tuple, scales)))
