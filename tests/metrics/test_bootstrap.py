"""Intervals over test examples."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from zoo.metrics.bootstrap import bootstrap, bootstrap_mean


def test_percentiles_are_those_of_scipy() -> None:
    values = torch.randn(80, generator=torch.Generator().manual_seed(0)).double()
    found = bootstrap_mean(values, draws=4000)
    theirs = scipy.stats.bootstrap(
        (values.numpy(),), lambda x, axis: x.mean(axis=axis), method="percentile", n_resamples=4000, rng=0
    ).confidence_interval
    assert found.value == pytest.approx(values.mean().item())
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_scores_that_are_none_are_left_out() -> None:
    values = torch.tensor([1.0, 2.0])
    found = bootstrap(lambda rows: float(values[rows].mean()) if len(rows.unique()) > 1 else float("nan"), 2)
    assert (found.low, found.value, found.high) == (1.5, 1.5, 1.5)
    assert found.excludes_zero


def test_a_real_difference_excludes_zero_and_none_does_not() -> None:
    noise = torch.randn(200, generator=torch.Generator().manual_seed(0))
    assert bootstrap_mean(noise + 1).excludes_zero
    assert not bootstrap_mean(noise - noise.mean()).excludes_zero
