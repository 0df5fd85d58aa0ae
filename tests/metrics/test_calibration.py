"""What a calibration is chosen by: temperatures, thresholds, and intervals that hold what they are made to hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as theirs
from torch import Tensor

from zoo.metrics.calibration import (
    check_criterion,
    choose_threshold,
    choose_thresholds,
    conformal_quantile,
    coverage_of,
    fit_intervals,
    fit_label_temperature,
    fit_reading_temperature,
    fit_temperature,
)
from zoo.spec import Forecast, Values


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_logits_were_multiplied_by_is_found(temperature: float) -> None:
    logits = 2 * torch.randn(20_000, 4, generator=generator(0))
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator(1))[:, 0]
    assert fit_temperature(temperature * logits, labels) == pytest.approx(temperature, rel=0.05)


def test_a_small_split_without_an_error_makes_nobody_certain() -> None:
    logits = torch.eye(3).repeat(9, 1) * 6
    labels = torch.arange(3).repeat(9)
    probability = (logits / fit_temperature(logits, labels)).softmax(dim=1).max()
    assert 0.9 < probability < 0.99  # 27 of 27 are right, as if of 29 one were wrong


def scored(count: int = 500) -> tuple[Tensor, Tensor]:
    positive = torch.rand(count, generator=generator(0)) < 0.2
    logits = torch.randn(count, generator=generator(1)) + 1.5 * positive - 1
    return logits.sigmoid(), positive


def costs(probabilities: Tensor, positive: Tensor, threshold: float, cost: float) -> float:
    taken = probabilities >= threshold
    return float((taken & ~positive).sum() + cost * (~taken & positive).sum())


def test_a_threshold_is_the_best_of_all_by_its_criterion() -> None:
    probabilities, positive = scored(80)
    tried = [0.0, *probabilities.tolist()]

    def rates(threshold: float) -> dict[str, float]:
        taken = (probabilities >= threshold).numpy()
        return {
            "f1": theirs.f1_score(positive, taken),
            "balanced_accuracy": theirs.balanced_accuracy_score(positive, taken),
            "recall": theirs.recall_score(positive, taken),
            "precision": theirs.precision_score(positive, taken, zero_division=1),
            "false_positive_rate": float(taken[~positive].mean()),
        }

    every = [rates(threshold) for threshold in tried]
    for name in ("f1", "balanced_accuracy"):
        found = rates(choose_threshold(name, probabilities, positive))
        assert found[name] == pytest.approx(max(one[name] for one in every))
    for cost in (1.0, 5.0):
        found_cost = costs(probabilities, positive, choose_threshold({"cost": cost}, probabilities, positive), cost)
        assert found_cost == min(costs(probabilities, positive, threshold, cost) for threshold in tried)
    found = rates(choose_threshold({"recall": 0.9}, probabilities, positive))
    assert found["recall"] >= 0.9
    assert found["precision"] == pytest.approx(max(one["precision"] for one in every if one["recall"] >= 0.9))
    found = rates(choose_threshold({"precision": 0.7}, probabilities, positive))
    assert found["precision"] >= 0.7
    assert found["recall"] == pytest.approx(max(one["recall"] for one in every if one["precision"] >= 0.7))
    found = rates(choose_threshold({"false_positive_rate": 0.05}, probabilities, positive))
    assert found["false_positive_rate"] <= 0.05
    assert found["recall"] == pytest.approx(max(o["recall"] for o in every if o["false_positive_rate"] <= 0.05))
    assert choose_threshold(0.3, probabilities, positive) == 0.3


def test_a_criterion_out_of_reach_is_come_near() -> None:
    probabilities = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    positive = torch.tensor([False, True, True, False, False, False])  # precision 0, 1/2, 2/3, 1/2, 2/5, 1/3
    assert choose_threshold({"precision": 0.9}, probabilities, positive) == pytest.approx(0.65)
    assert choose_threshold({"false_positive_rate": 0.1}, probabilities, positive) == pytest.approx(0.65)


def test_each_label_gets_the_threshold_that_it_would_get_by_itself() -> None:
    probabilities = torch.rand(200, 3, generator=generator(0))
    labels = (torch.rand(200, 3, generator=generator(1)) < probabilities).float()
    labels[:, 2] = 0  # nothing to choose by
    found = choose_thresholds("f1", probabilities, labels)
    alone = [choose_threshold("f1", probabilities[:, place], labels[:, place].bool()) for place in range(2)]
    assert found == (*alone, 0.5)
    assert choose_thresholds(0.3, probabilities, labels) == (0.3, 0.3, 0.3)


def test_the_temperature_of_labels_is_that_by_which_their_logits_are_too_large() -> None:
    true = torch.randn(4000, 3, generator=generator(0)) * 2
    labels = (torch.rand(4000, 3, generator=generator(1)) < true.sigmoid()).float()
    assert fit_label_temperature(true * 3, labels) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    "criterion", ["accuracy", {"recal": 0.9}, {"recall": 1.5}, {"cost": 0}, {"recall": 0.9, "cost": 1}, {}, 1.0]
)
def test_a_criterion_that_is_none_is_refused(criterion: Any) -> None:
    with pytest.raises(ValueError, match="threshold"):
        check_criterion(criterion)


def test_a_conformal_quantile_has_the_rank_of_the_paper() -> None:
    scores = torch.arange(1.0, 100.0)  # 99 of them
    assert conformal_quantile(scores, 0.9) == 90  # ceil(100 * 0.9)
    assert conformal_quantile(scores[:5], 0.9) == 5  # too few for it


def predicted(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Predictions (N, 2) whose errors grow with the value of the first, and the truth; standardised."""
    output = torch.rand(count, 2, generator=generator(seed)) * 4 - 2
    noise = torch.randn(count, 2, generator=generator(seed + 1_000))
    return output, output + noise * torch.stack([0.1 + (output[:, 0] + 2) / 2, torch.full((count,), 0.5)], dim=1)


@pytest.mark.parametrize("count", [60, 1000])
@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_intervals_hold_what_they_are_made_to_hold(count: int, coverage: float) -> None:
    kind = Values(("a", "b"), (3.0, -1.0), (2.0, 10.0))
    held = []
    for seed in range(20):
        calibration = fit_intervals(kind, *predicted(count, seed), coverage)
        output, true = predicted(2000, seed + 500)
        found = kind.interval(output, calibration)
        assert found is not None
        held.append(coverage_of(found[1], found[2], kind.restore(true)))
    assert np.mean(held) == pytest.approx(coverage, abs=0.02)


def test_normalised_intervals_are_as_wide_as_the_noise() -> None:
    kind = Values(("a", "b"), (0.0, 0.0), (1.0, 1.0))
    calibration = fit_intervals(kind, *predicted(4000, 0), 0.9)
    output, true = predicted(20_000, 1)
    found = kind.interval(output, calibration)
    assert found is not None
    _, low, high = found
    for side in (output[:, 0] < -1, output[:, 0] > 1):  # where there is little noise, and where there is much
        assert coverage_of(low[side, :1], high[side, :1], true[side, :1].double()) == pytest.approx(0.9, abs=0.04)


def test_quantiles_are_corrected() -> None:
    """Ends that are far too near are moved apart, and those that are too far together."""
    true = torch.randn(2000, 1, generator=generator(0))
    for end in (0.2, 4.0):
        kind = Values(("a",), (0.0,), (1.0,), quantiles=(0.05, 0.5, 0.95))
        output = torch.tensor([[-end, 0.0, end]]).expand(2000, 3)
        calibration = fit_intervals(kind, output, true, 0.9)
        assert calibration.widths is not None
        assert end + calibration.widths[0][0] == pytest.approx(1.645, abs=0.08)  # of the normal distribution


def test_a_forecast_has_a_width_for_each_step() -> None:
    kind = Forecast(("a",), (0.0,), (1.0,), 3)
    noise = torch.randn(3000, 3, 1, generator=generator(0)) * torch.tensor([1.0, 2.0, 4.0])[:, None]
    calibration = fit_intervals(kind, torch.zeros(3000, 3, 1), noise, 0.9)
    assert calibration.widths is not None
    assert [row[0] for row in calibration.widths] == pytest.approx([1.645, 3.29, 6.58], rel=0.08)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_readings_are_right_as_often_as_their_confidence_says(temperature: float) -> None:
    """Lines of one step, of margins between "a" and none, of which as many are right as that temperature expects."""
    logits, texts = [], []
    for margin in (0.3, 1.0, 2.0, 3.0):
        right = round(400 / (1 + math.exp(-margin / temperature)))
        logits.append(torch.tensor([0.0, margin]).expand(400, 1, 2))
        texts += [[1]] * right + [[]] * (400 - right)
    assert fit_reading_temperature(logits, texts) == pytest.approx(temperature)
