"""The windows of a forecaster's splits, in the values' own units, and the errors of what is predicted for them.

Shape letters: N windows, T steps of the context, H steps of the horizon, V values.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from zoo.data.core.examples import Examples
from zoo.tasks.sequence import Forecasting
from zoo.tasks.sequence.linear import Windows
from zoo.tasks.sequence.seasons import season_of
from zoo.training.report import Evaluation

FITTED = 20_000  # training windows, at most, to which a closed form is fitted


def some(examples: Examples, most: int) -> Windows:
    """Windows of a split, evenly chosen."""
    rows = torch.linspace(0, len(examples) - 1, min(len(examples), most)).long()
    context, future = examples.__getitems__(rows)
    return context, future  # type: ignore[return-value]


class Test(NamedTuple):
    """The windows of the test split, in the values' own units.

    Args:
        context: (N, T, V).
        true: (N, H, V), NaN where a value is missing.
        value, low, high: of the network (N, H, V); without intervals, the ends are the value.
        scale: by which absolute errors are divided to be scaled (N, 1, V): the mean absolute error of the seasonal
            naive forecast, one step ahead, in the training split; of several series, in each window's context, or of
            the naive forecast where that holds no two seasons.
        seasons: after how many steps each of the values repeats itself.
    """

    context: Tensor
    true: Tensor
    value: Tensor
    low: Tensor
    high: Tensor
    scale: Tensor
    seasons: list[int]


def tested(task: Forecasting, evaluation: Evaluation) -> Test:
    """The windows of the test split, with what the network predicts for them."""

    def find() -> Test:
        kind, outputs = task.forecast, torch.cat(evaluation.predictions("test"))
        train, following = values_of(task, evaluation, "train")
        context, future = values_of(task, evaluation, "test")
        seasons = [season_of(train[..., v], following[..., v]) for v in range(train.shape[2])]
        value = kind.restore(kind.central(outputs))
        found = kind.interval(outputs, evaluation.calibration) or (value, value, value)
        scale = _one_step(context, seasons) if task.series.id else _one_step(train.flatten(0, 1)[None], seasons, train)
        return Test(context, future, *found, scale, seasons)

    return evaluation.once("test", find)


def values_of(task: Forecasting, evaluation: Evaluation, split: str) -> tuple[Tensor, Tensor]:
    """The context (N, T, V) of the values that are predicted, and the next ones (N, H, V), in their own units."""
    context, future = some(evaluation.splits[split], FITTED if split == "train" else len(evaluation.splits[split]))
    length = task.series.context_length or context.shape[1]
    return context[:, :length, task.columns].double(), task.forecast.restore(future)


def _one_step(context: Tensor, seasons: list[int], train: Tensor | None = None) -> Tensor:
    """The mean absolute error of the seasonal naive forecast one step ahead, of each window or of all together."""
    windows = context if train is None else train
    parts = []
    for value, season in enumerate(seasons):
        season = min(season, windows.shape[1] - 1) or 1
        if train is None and 2 * season > windows.shape[1]:  # one window would have but a few differences
            season = 1
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


def part_of(test: Test, rows: Tensor) -> Test:
    """Some windows."""
    scale = test.scale if len(test.scale) == 1 else test.scale[rows]
    context, true, value, low, high = (part[rows] for part in test[:5])
    return Test(context, true, value, low, high, scale, test.seasons)
