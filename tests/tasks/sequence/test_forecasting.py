"""Forecasting: metrics and simpler forecasts by their definitions, intervals, missing values, and a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.data.series import Waves
from zoo.errors import SpecError
from zoo.models.rnn import Forecaster
from zoo.spec import Calibration, Forecast, Series, Spec
from zoo.tasks.sequence import Forecasting
from zoo.tasks.sequence.linear import cross_fitted
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import forecast_windows, forecasting
from zoo.training.reports.comparison import HEADING
from zoo.training.reports.forecast_intervals import _cross_fitted
from zoo.training.reports.simpler_forecasts import PENALTIES, simpler_forecasts

BUILD = partial(models.build, "lstm", hidden_size=16)
ADAM = partial(torch.optim.AdamW, lr=1e-2)
SPEC = Spec(Series(("a", "b"), (1.0, 2.0), (2.0, 3.0)), Forecast(("b",), (2.0,), (3.0,), 4))
CONTEXT = Spec(Series(("b",), (2.0,), (3.0,), context_length=7), Forecast(("b",), (2.0,), (3.0,), 4))


class Perfect(torch.nn.Module):
    """Gives what it is told."""

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self.answers = answers
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.answers[: len(x)] * self.scale


def windows(series: Tensor, context: int = 7, horizon: int = 4) -> Examples:
    starts = torch.arange(len(series) - context - horizon + 1)[:, None]
    contexts = series[starts + torch.arange(context)][..., None]
    futures = series[starts + context + torch.arange(horizon)][..., None]
    assert isinstance(CONTEXT.output, Forecast)
    return Examples(contexts, CONTEXT.output.standardise(futures.double()))


def evaluated(answers: Tensor, examples: Examples, **options: object) -> tuple[Forecasting, Evaluation]:
    """A task whose network gives these answers, and its evaluation."""
    task = Forecasting(CONTEXT, lambda spec: Perfect(answers), ADAM, **options)  # type: ignore[arg-type]
    evaluation = Evaluation(task, dict.fromkeys(("train", "val", "test"), examples), 1_000)
    if (found := report.calibrate(task, evaluation)) is not None:
        evaluation.calibration = found
    return task, evaluation


def test_metrics_are_as_defined() -> None:
    random = torch.Generator().manual_seed(0)
    series = (2 * math.pi * torch.arange(300.0) / 4).sin() * 3 + 5 + torch.randn(300, generator=random)
    examples = windows(series)
    answers = examples.columns[1] + 0.1 * torch.randn(len(examples), 4, 1, generator=random)  # type: ignore[operator]
    task, evaluation = evaluated(answers, examples, quantiles=False, coverage=None)
    found = report.split_metrics(task, evaluation)
    true, predicted = (task.forecast.restore(part)[..., 0].numpy() for part in (examples.columns[1], answers))  # type: ignore[arg-type]
    wrong = np.abs(true - predicted)
    contexts = examples.columns[0][..., 0].double().numpy()  # type: ignore[index]
    assert found["mase"] == pytest.approx(wrong.mean() / np.abs(contexts[:, 4:] - contexts[:, :-4]).mean(), rel=1e-6)
    assert found["smape"] == pytest.approx((2 * wrong / (np.abs(true) + np.abs(predicted))).mean(), rel=1e-6)
    assert set(found) == {"mase", "smape"}


def test_windows_without_two_seasons_are_scaled_by_their_steps() -> None:
    """Of several series each window has its own scale, and one difference of a season may be next to nothing."""
    random = torch.Generator().manual_seed(0)
    series = (2 * math.pi * torch.arange(300.0) / 5).sin() * 3 + 5 + 0.1 * torch.randn(300, generator=random)
    examples, spec = windows(series), replace(CONTEXT, input=replace(CONTEXT.input, id="shop"))  # type: ignore[type-var]
    answers = torch.zeros(len(examples), 4, 1)
    task = Forecasting(spec, lambda spec: Perfect(answers), ADAM, quantiles=False, coverage=None)
    evaluation = Evaluation(task, dict.fromkeys(("train", "val", "test"), examples), 1_000)
    assert forecast_windows.tested(task, evaluation).seasons == [5]
    contexts, true = examples.columns[0][..., 0].double(), task.forecast.restore(examples.columns[1])  # type: ignore
    wrong = (true - task.forecast.restore(answers))[..., 0].abs()
    steps = contexts.diff(dim=1).abs().mean(dim=1, keepdim=True)
    assert report.split_metrics(task, evaluation)["mase"] == pytest.approx(float((wrong / steps).mean()))


def test_smoothing_stands_beside_the_network_on_the_same_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    examples, rows = windows(torch.randn(60, generator=torch.Generator().manual_seed(0))), torch.arange(5)
    task, evaluation = evaluated(examples.columns[1], examples, quantiles=False)  # type: ignore[arg-type]
    test = forecast_windows.tested(task, evaluation)
    monkeypatch.setattr(forecasting, "smoothed", lambda task, evaluation: (rows, test.true[rows] + test.scale))
    notes = report.notes(task, evaluation)
    assert any(note.startswith("On 5 windows the MASE of ETS is 1, and there that of the network") for note in notes)


def test_simpler_forecasts_are_as_defined() -> None:
    random = torch.Generator().manual_seed(0)
    series = (2 * math.pi * torch.arange(300.0) / 4).sin() * 3 + 5 + torch.randn(300, generator=random)
    examples = windows(series)
    task, evaluation = evaluated(torch.zeros(len(examples), 4, 1), examples, quantiles=False)
    found = simpler_forecasts(task, evaluation)
    assert list(found) == ["the naive forecast", "the seasonal naive forecast (4)", "ridge on lags"]
    contexts = examples.columns[0][..., 0].double()  # type: ignore[index]
    assert torch.equal(found["the naive forecast"][..., 0], contexts[:, -1:].expand(-1, 4))
    assert torch.equal(found["the seasonal naive forecast (4)"][..., 0], contexts[:, -4:])
    true = task.forecast.restore(examples.columns[1])[..., 0]  # type: ignore[arg-type]
    x = ((contexts - contexts.mean(dim=0)) / contexts.std(dim=0)).numpy()
    y = (true - true.mean(dim=0)) / true.std(dim=0)
    theirs = RidgeCV(alphas=PENALTIES).fit(x, y.numpy()).predict(x)
    expected = torch.from_numpy(theirs) * true.std(dim=0) + true.mean(dim=0)
    torch.testing.assert_close(found["ridge on lags"][..., 0], expected)
    metrics = report.baselines(task, evaluation)
    errors = found["the naive forecast"][..., 0] - true
    assert metrics["rmse of the naive forecast"] == pytest.approx(float(errors.square().mean().sqrt()))
    assert metrics["mae of the naive forecast"] == pytest.approx(float(errors.abs().mean()))


@pytest.mark.parametrize("quantiles", [False, True])
def test_intervals_hold_what_they_are_made_to_hold(quantiles: bool) -> None:
    """On windows that are exchangeable, the coverage of new ones is the chosen one."""
    random = torch.Generator().manual_seed(0)
    contexts = torch.zeros(3_000, 7, 1)
    futures = torch.randn(3_000, 4, 1, generator=random) * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None]
    val, test = Examples(contexts[:1_500], futures[:1_500]), Examples(contexts[1_500:], futures[1_500:])
    ends = torch.tensor([-1.0, 0.0, 0.5])  # of no meaning until they are calibrated
    answers = ends.expand(1_500, 4, 3) if quantiles else torch.zeros(1_500, 4, 1)
    task = Forecasting(CONTEXT, lambda spec: Perfect(answers), ADAM, quantiles=quantiles, coverage=0.8)
    evaluation = Evaluation(task, {"train": val, "val": val, "test": test}, 2_000)
    calibration = report.calibrate(task, evaluation)
    assert calibration is not None
    assert calibration.widths is not None
    assert len(calibration.widths) == 4
    evaluation.calibration = calibration
    found = report.split_metrics(task, evaluation)
    assert found["interval_coverage"] == pytest.approx(0.8, abs=0.03)  # three standard errors of 1500 windows each
    if not quantiles:
        widths = torch.tensor(calibration.widths)[:, 0]
        assert (widths / 3 / torch.tensor([1.0, 2, 3, 4])).tolist() == pytest.approx([1.2816] * 4, rel=0.1)


def test_few_windows_have_one_width_for_all_steps() -> None:
    examples = windows(torch.randn(40, generator=torch.Generator().manual_seed(0)))
    _, evaluation = evaluated(torch.zeros(len(examples), 4, 3), examples)
    widths = evaluation.calibration.widths
    assert widths is not None
    assert len(set(widths)) == 1


def test_intervals_of_few_windows_are_wider_and_hold_what_they_are_made_to_hold() -> None:
    """On short random walks, whose validation windows nearly are one, over draws."""
    held = []
    for seed in range(12):
        walk = torch.randn(150, generator=torch.Generator().manual_seed(seed)).cumsum(dim=0)
        parts = [windows(part) for part in (walk[:100], walk[89:125], walk[114:])]
        task = Forecasting(CONTEXT, BUILD, ADAM)
        evaluation = Evaluation(task, dict(zip(("train", "val", "test"), parts)), 64)
        report.initialise(task, evaluation.splits)
        task.network.gate.fill_(0)  # as validation says
        evaluation.calibration = report.calibrate(task, evaluation) or Calibration()
        assert evaluation.kept["cross-fitted"] > 50
        held.append(report.split_metrics(task, evaluation)["interval_coverage"])
    assert 0.85 < sum(held) / len(held) <= 1


def test_errors_on_training_shrink_as_those_on_validation_do() -> None:
    """Where the network adds to the linear part."""
    random = torch.Generator().manual_seed(0)
    train, val = (windows(torch.randn(count, generator=random)) for count in (200, 60))
    task = Forecasting(CONTEXT, BUILD, ADAM)
    evaluation = Evaluation(task, {"train": train, "val": val, "test": val}, 64)
    report.initialise(task, evaluation.splits)
    context, future = val.__getitems__(torch.arange(len(val)))
    linear = task.network.base(task.series.prepare(context))
    central = future + 0.25 * (linear - future)
    evaluation.known["val"] = [central.repeat_interleave(3, dim=2)]
    found = _cross_fitted(task, evaluation)
    rows, values = cross_fitted(
        task.network, task.series, *(forecast_windows.some(part, 1_000) for part in (train, val))
    )
    assert found is not None
    torch.testing.assert_close(found[1], train.__getitems__(rows)[1])
    torch.testing.assert_close(task.forecast.central(found[0]) - found[1], 0.25 * (values - found[1]))


@pytest.mark.parametrize("loss", [None, torch.nn.HuberLoss(delta=0.5), torch.nn.MSELoss(reduction="sum")])
def test_the_loss_of_values_here_and_there_is_that_of_those_alone(loss: torch.nn.Module | None) -> None:
    """In no order, on scaled windows, with its gradient."""
    random = torch.Generator().manual_seed(0)
    spec = replace(CONTEXT, input=replace(CONTEXT.input, masked=True))  # type: ignore[type-var]
    task = Forecasting(spec, BUILD, ADAM, loss=loss)
    outputs = torch.randn(5, 4, 3, generator=random).sort().values.requires_grad_()  # the ends, and the median
    futures = torch.randn(5, 4, 1, generator=random)
    spread = torch.rand(5, 1, 1, generator=random) + 0.5
    missing = torch.rand(5, 4, 1, generator=random) < 0.4
    kept = ~missing[..., 0]
    found = task.loss_of(outputs, futures.masked_fill(missing, math.nan), spread)
    scaled = (outputs / spread)[kept]
    central, ends = scaled[:, 1], scaled[:, ::2]
    true = (futures / spread)[kept]
    errors = true - ends
    levels = torch.tensor([0.05, 0.95])
    expected = task.criterion(central, true[:, 0]) + torch.maximum(levels * errors, (levels - 1) * errors).mean()
    torch.testing.assert_close(found, expected)
    (slope,), (expected_slope,) = torch.autograd.grad(found, outputs), torch.autograd.grad(expected, outputs)
    torch.testing.assert_close(slope, expected_slope)


def test_missing_values_count_for_nothing() -> None:
    examples = windows(torch.randn(100, generator=torch.Generator().manual_seed(0)))
    contexts, futures = (column.clone() for column in examples.columns)  # type: ignore[union-attr]
    spec = replace(CONTEXT, input=replace(CONTEXT.input, masked=True))  # type: ignore[type-var]
    task = Forecasting(spec, BUILD, ADAM)
    outputs = task.network(spec.input.prepare(contexts)).detach()
    ones = torch.ones(len(futures), 1, 1)
    futures[:, 2:] = math.nan
    torch.testing.assert_close(task.loss_of(outputs, futures, ones), task.loss_of(outputs[:, :2], futures[:, :2], ones))
    evaluation = Evaluation(task, dict.fromkeys(("train", "val", "test"), Examples(contexts, futures)), 64)
    report.initialise(task, evaluation.splits)
    evaluation.calibration = report.calibrate(task, evaluation) or Calibration()
    found = {**report.split_metrics(task, evaluation), **report.baselines(task, evaluation)}
    assert all(map(math.isfinite, found.values()))
    assert report.notes(task, evaluation)


def test_a_level_that_was_never_seen_is_only_added() -> None:
    torch.manual_seed(0)
    network = BUILD(SPEC).eval()
    assert isinstance(network, Forecaster)
    x, lengths = torch.randn(3, 8, 2), torch.tensor([8, 5, 2])
    raised = network(x + torch.tensor([5.0, 7.0]), lengths)
    torch.testing.assert_close(raised, network(x, lengths) + 7.0, atol=1e-4, rtol=1e-4)
    for row, length in enumerate(lengths):  # padding changes nothing
        torch.testing.assert_close(network(x, lengths)[row : row + 1], network(x[row : row + 1, :length]))


@pytest.mark.usefixtures("blank_plots")
def test_a_short_run_beats_simpler_forecasts(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    data = Waves(length=1_200, context_length=48, horizon=12)
    data.setup()
    task = Forecasting(data.spec, BUILD, ADAM)
    report.initialise(task, data.splits)
    run = trainer(max_epochs=6)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    evaluation = Evaluation(task, data.splits, 64)
    evaluation.calibration = report.calibrate(task, evaluation) or Calibration()
    baselines = report.baselines(task, evaluation)
    ridge, mae = baselines["mae of ridge on lags"], float(run.callback_metrics["test/mae"])
    assert mae < 1.02 * ridge
    assert mae < 0.8 * min(value for name, value in baselines.items() if name.startswith("mae") and "naive" in name)
    assert 0.8 < report.split_metrics(task, evaluation)["interval_coverage"] < 0.97
    assert set(report.plots(task, evaluation, tmp_path)) == {"forecast.png", "lead_times.png"}
    assert (tmp_path / "forecast.png").exists()
    notes = report.notes(task, evaluation)
    assert HEADING in notes  # so that nothing else is said of them
    card = "\n".join(notes)
    assert "linear forecast" in card
    assert "## Backtest" in card


def test_noise_is_left_to_the_linear_forecast(trainer: Callable[..., L.Trainer]) -> None:
    """Where a network can only memorise, its forecast is the linear one, and its validation metrics are those of it."""
    L.seed_everything(0, verbose=False)
    examples, other = (windows(torch.randn(60, generator=torch.Generator().manual_seed(seed))) for seed in (1, 2))
    task = Forecasting(CONTEXT, BUILD, partial(torch.optim.AdamW, lr=3e-2))
    report.initialise(task, {"train": other, "val": other})
    run = trainer(max_epochs=20)
    run.fit(task, *(DataLoader(TensorDataset(*one.columns), batch_size=64) for one in (other, examples)))  # type: ignore[arg-type]
    assert isinstance(task.network, Forecaster)
    assert float(task.network.gate) == 0
    context, future = examples.columns
    past = CONTEXT.input.prepare(context)
    output = task.network.eval()(past)
    medians = output[..., len(task.forecast.quantiles) // 2, None]
    torch.testing.assert_close(medians, task.network.base(past))
    expected = (task.forecast.central(output) - future).detach().square().mean().sqrt() * 3  # of quantiles in order
    assert float(run.callback_metrics["val/rmse"]) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90])
def test_an_impossible_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        Forecasting(CONTEXT, BUILD, ADAM, coverage=coverage)


def test_data_that_does_not_fit_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="forecasting needs"):
        Forecasting(digits.spec, BUILD, ADAM)
