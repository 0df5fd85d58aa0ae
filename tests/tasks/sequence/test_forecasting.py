"""Forecasting: the seasonal-naive forecast, the season that is found, and a run that beats it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.core.columns import Examples
from zoo.data.images import Digits
from zoo.data.series import Waves
from zoo.errors import SpecError
from zoo.models.rnn import Forecaster
from zoo.spec import Forecast, Series, Spec
from zoo.tasks.sequence import Forecasting
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.tasks.sequence.seasons import repeat

BUILD = partial(models.build, "lstm", hidden_size=16)
ADAM = partial(torch.optim.AdamW, lr=1e-2)
SPEC = Spec(Series(("a", "b"), (1.0, 2.0), (2.0, 3.0)), Forecast(("b",), (2.0,), (3.0,), 4))


def test_the_last_season_is_repeated() -> None:
    past = torch.arange(6.0)[None, :, None]
    assert repeat(past, 3, 5)[0, :, 0].tolist() == [3, 4, 5, 3, 4]
    assert repeat(past, 1, 2)[0, :, 0].tolist() == [5, 5]


def test_the_season_that_fits_is_found() -> None:
    wave = (torch.arange(400.0) * 2 * math.pi / 7).sin() * 3 + 2
    starts = torch.arange(0, 380)[:, None]
    contexts = wave[starts + torch.arange(16)]
    contexts = torch.stack([torch.zeros_like(contexts), contexts], dim=2)
    futures = SPEC.output.standardise(wave[starts + 16 + torch.arange(4)][:, :, None].double())
    task = Forecasting(SPEC, BUILD, ADAM)
    examples = Examples(contexts, futures)
    found = report.baselines(task, Evaluation(task, {"train": examples, "test": examples}, 64))
    (season,) = [name for name in found if name.startswith("mae seasonal")]
    assert season in ("mae seasonal naive (7)", "mae seasonal naive (14)")
    assert found[season] < 1e-4
    assert found["mae naive"] > 1
    assert found["rmse naive"] >= found["mae naive"]


def test_the_season_is_found_beside_a_trend() -> None:
    steps = torch.arange(240.0)
    series = 10 * steps + 60 * (steps * 2 * math.pi / 12).sin()
    starts = torch.arange(0, 204)[:, None]
    contexts = series[starts + torch.arange(24)]
    contexts = torch.stack([torch.zeros_like(contexts), contexts], dim=2)
    spec = Spec(SPEC.input, Forecast(("b",), (2.0,), (3.0,), 12))
    futures = spec.output.standardise(series[starts + 24 + torch.arange(12)][:, :, None].double())  # type: ignore[union-attr]
    task = Forecasting(spec, BUILD, ADAM)
    examples = Examples(contexts, futures)
    found = report.baselines(task, Evaluation(task, {"train": examples, "test": examples}, 64))
    assert found["rmse seasonal naive (12)"] == pytest.approx(120, abs=0.01)
    (note,) = report.notes(task, Evaluation(task, {"train": examples, "test": examples}, 64))
    assert "not below" in note


def test_a_level_that_was_never_seen_is_only_added() -> None:
    torch.manual_seed(0)
    network = BUILD(SPEC).eval()
    assert isinstance(network, Forecaster)
    x, lengths = torch.randn(3, 8, 2), torch.tensor([8, 5, 2])
    raised = network(x + torch.tensor([5.0, 7.0]), lengths)
    torch.testing.assert_close(raised, network(x, lengths) + 7.0, atol=1e-4, rtol=1e-4)
    for row, length in enumerate(lengths):  # padding changes nothing
        torch.testing.assert_close(network(x, lengths)[row : row + 1], network(x[row : row + 1, :length]))


def test_a_short_run_beats_both_naive_forecasts(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    data = Waves(length=1_200, context_length=48, horizon=12)
    data.setup()
    task = Forecasting(data.spec, BUILD, ADAM)
    run = trainer(max_epochs=6)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    evaluation = Evaluation(task, data.splits, 64)
    baselines = report.baselines(task, evaluation)
    assert run.callback_metrics["test/mae"] < 0.9 * min(v for name, v in baselines.items() if name.startswith("mae"))
    assert set(report.plots(task, evaluation, tmp_path)) == {"forecast.png"}
    assert (tmp_path / "forecast.png").stat().st_size > 5_000


def test_data_that_does_not_fit_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="forecasting needs"):
        Forecasting(digits.spec, BUILD, ADAM)
