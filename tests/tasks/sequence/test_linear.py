"""The linear part of a forecaster against scikit-learn, and on series that it must predict exactly."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from zoo import models
from zoo.models.rnn import Forecaster
from zoo.spec import Forecast, Series, Spec
from zoo.spec.clock import Clock
from zoo.tasks.sequence import linear as module
from zoo.tasks.sequence.linear import cross_fitted, fit_linear
from zoo.tasks.sequence.seasons import repeat, season_of

BUILD = partial(models.build, "gru", hidden_size=4)


def windows(series: Tensor, context: int, horizon: int, first: int, end: int) -> tuple[Tensor, Tensor]:
    """Contexts (N, T, F) and the next values (N, H, F) of a series (L, F)."""
    starts = torch.arange(first, end - context - horizon + 1)[:, None]
    return series[starts + torch.arange(context)], series[starts + context + torch.arange(horizon)]


def spec(context: int, horizon: int, **options: object) -> Spec:
    return Spec(
        Series(("a",), (0.0,), (1.0,), context_length=context, **options),  # type: ignore[arg-type]
        Forecast(("a",), (0.0,), (1.0,), horizon),
    )


def fitted(described: Spec, train: tuple[Tensor, Tensor], val: tuple[Tensor, Tensor]) -> Forecaster:
    network = BUILD(described).eval()
    assert isinstance(network, Forecaster)
    assert isinstance(described.input, Series)
    fit_linear(network, described.input, train, val)
    return network


def test_a_linear_series_is_predicted_exactly() -> None:
    steps = torch.arange(400, dtype=torch.float64)
    series = (0.5 * (2 * math.pi * steps / 12).sin() + 0.2 * (2 * math.pi * steps / 7).cos())[:, None].float()
    described = spec(24, 6)
    network = fitted(described, windows(series, 24, 6, 0, 250), windows(series, 24, 6, 226, 320))
    context, true = windows(series, 24, 6, 320, 400)
    torch.testing.assert_close(network(context), true, atol=2e-3, rtol=0)
    torch.testing.assert_close(network.base(context), network(context))  # the network has learned nothing yet


def test_cross_fitted_windows_are_those_of_fits_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_errors", lambda candidates, *_: torch.ones(len(candidates)))  # all count the same
    series = torch.randn(160, 1, generator=torch.Generator().manual_seed(0)).cumsum(dim=0)
    described = spec(8, 3)
    train, val = windows(series, 8, 3, 0, 110), windows(series, 8, 3, 102, 160)
    network = fitted(described, train, val)
    rows, found = cross_fitted(network, described.input, train, val)  # type: ignore[arg-type]
    assert torch.equal(rows, torch.arange(100))
    others = torch.cat([torch.arange(18), torch.arange(42, 100)])  # of the windows 20 to 39, those beside them apart
    again = fitted(described, (train[0][others], train[1][others]), val)
    torch.testing.assert_close(found[20:40], again.base(train[0][20:40]))
    assert (found - train[1]).square().mean() > (network.base(train[0]) - train[1]).square().mean()


def test_a_short_validation_split_does_not_outvote_the_training_split(monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    walk, noise = torch.randn(160, 1, generator=random).cumsum(dim=0), torch.randn(40, 1, generator=random)
    train, val = windows(walk, 24, 12, 0, 160), windows(noise, 24, 12, 0, 40)
    distances = []
    for enough in (module.ENOUGH, 0):  # with what parts that are left out say, and by validation alone
        monkeypatch.setattr(module, "ENOUGH", enough)
        naive = train[0][:, -1:]
        distances.append(float((fitted(spec(24, 12), train, val).base(train[0]) - naive).square().mean()))
    assert distances[0] < distances[1]  # of a random walk, the last value is the best forecast


def test_what_is_known_of_the_steps_to_come_is_used() -> None:
    random = torch.Generator().manual_seed(0)
    promotion = torch.randint(2, (400,), generator=random).float()
    series = torch.stack([2 * promotion + 0.05 * torch.randn(400, generator=random), promotion], dim=1)
    described = Spec(
        Series(("a", "b"), (0.0, 0.0), (1.0, 1.0), context_length=8, horizon=4, future=("b",)),
        Forecast(("a",), (0.0,), (1.0,), 4),
    )

    def rows(first: int, end: int) -> tuple[Tensor, Tensor]:
        context, future = windows(series, 8, 4, first, end)
        return torch.cat([context, future], dim=1), future[:, :, :1]

    network = fitted(described, rows(0, 250), rows(250, 320))
    context, true = rows(320, 400)
    assert isinstance(described.input, Series)
    assert (network(*described.input.prepare(context)) - true).std() < 0.1
    assert network.linear is not None
    assert network.linear.spread.mean() < 0.1


def test_several_series_of_different_scales_are_one_to_it() -> None:
    steps = torch.arange(300, dtype=torch.float64)
    wave = ((2 * math.pi * steps / 12).sin() + 2).float()
    described = spec(24, 6, id="shop")
    parts = [windows(wave[:, None] * scale, 24, 6, 0, 200) for scale in (1.0, 100.0)]
    train = torch.cat([context for context, _ in parts]), torch.cat([future for _, future in parts])
    network = fitted(described, train, train)
    context, true = windows(wave[:, None] * 1000, 24, 6, 200, 300)  # one never seen
    torch.testing.assert_close(network(context) / 1000, true / 1000, atol=2e-3, rtol=0)


def test_missing_values_are_passed_over() -> None:
    series = (2 * math.pi * torch.arange(300.0) / 12).sin()[:, None]
    described = spec(24, 6, masked=True)
    context, future = windows(series, 24, 6, 0, 200)
    context[::5, 3], future[::7, 2] = math.nan, math.nan
    network = fitted(described, (context, future), (context, future))
    assert all(part.isfinite().all() for part in network.state_dict().values())
    assert isinstance(described.input, Series)
    held, true = windows(series, 24, 6, 200, 300)
    assert (network(described.input.prepare(held)) - true).abs().mean() < 0.2


def test_the_last_season_is_repeated() -> None:
    past = torch.arange(6.0)[None, :, None]
    assert repeat(past, 3, 5)[0, :, 0].tolist() == [3, 4, 5, 3, 4]
    assert repeat(past, 1, 2)[0, :, 0].tolist() == [5, 5]


@pytest.mark.parametrize(("season", "trend"), [(7, 0.0), (12, 0.0), (12, 1.0)])
def test_the_season_is_found_beside_a_trend(season: int, trend: float) -> None:
    steps = torch.arange(240.0)
    series = (trend * steps + 6 * (2 * math.pi * steps / season).sin())[:, None]
    context, future = (part[..., 0] for part in windows(series, 30, 12, 0, 240))
    assert season_of(context, future) == season
    context[::3, 5], future[::4, 2] = math.nan, math.nan
    assert season_of(context, future) == season


def test_a_clock_adds_what_is_known() -> None:
    clock = Clock("t", "day", 1 / 24, calendar=("hour",))
    given = Series(("a",), (0.0,), (1.0,), context_length=8, horizon=4, clock=clock)
    described = Spec(given, Forecast(("a",), (0.0,), (1.0,), 4))
    assert described.input.known == clock.width
    network = BUILD(described)
    past, known = given.prepare(torch.zeros(2, 12, 1 + clock.width))
    assert network(past, known).shape == (2, 4, 1)


def test_a_random_walk_is_predicted_nearly_as_by_its_last_value() -> None:
    """Which nothing betters; ridge regressions on few windows, far ahead, are off by much more."""
    ours, naive = [], []
    for seed in range(8):
        walk = torch.randn(400, generator=torch.Generator().manual_seed(seed)).cumsum(dim=0)[:, None] / 5
        network = fitted(spec(16, 12), windows(walk, 16, 12, 0, 110), windows(walk, 16, 12, 94, 160))
        context, true = windows(walk, 16, 12, 144, 400)
        ours.append((network.base(context) - true).square().mean())
        naive.append((context[:, -1:] - true).square().mean())
    assert sum(ours) < 1.6 * sum(naive)
