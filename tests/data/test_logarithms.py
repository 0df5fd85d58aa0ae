"""Logarithms of series: chosen where swings grow with the level, and undone in all answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from zoo.data.logarithms import grows_with_level
from zoo.data.windows import Sequences, SeriesData
from zoo.errors import DataError, SpecError
from zoo.spec import Calibration, Forecast, Series, Spec

STEPS = torch.arange(144, dtype=torch.float64)
SWINGS = 1 + 0.3 * (2 * torch.pi * STEPS / 12).sin()
RISING = 100 * (0.01 * STEPS).exp()
STRAIGHT = 100 + 2 * STEPS + 100 * SWINGS


class Given(SeriesData):
    def __init__(self, values: torch.Tensor, names: Sequence[str] = ("sales",), **options: object) -> None:
        super().__init__(24, 12, **options)  # type: ignore[arg-type]
        self.values, self.names = values.view(len(values), -1), names

    def read(self) -> Sequences:
        return Sequences(self.names, self.names, self.values)


def test_swings_that_grow_with_the_level_are_told_from_those_that_do_not() -> None:
    assert grows_with_level(RISING * SWINGS, 12)
    assert not grows_with_level(STRAIGHT, 12)  # it rises, and its swings stay
    assert not grows_with_level(100 * SWINGS, 12)  # it stays
    assert not grows_with_level((RISING * SWINGS)[:40], 12)  # too few to tell
    with_gap = torch.where(STEPS == 30, torch.nan, RISING * SWINGS)
    assert grows_with_level(with_gap, 12)


def test_logarithms_are_standardised_and_undone() -> None:
    data = Given(torch.stack([RISING * SWINGS, STRAIGHT], dim=1), ("sales", "visits"), log="auto")
    data.setup()
    spec = data.spec
    assert isinstance(spec.input, Series)
    assert isinstance(spec.output, Forecast)
    assert spec.input.log == spec.output.log == ("sales",)
    context, future = data.splits["train"].__getitems__(torch.arange(20))
    logs = torch.from_numpy(np.log(context[..., 0].double().numpy()))  # type: ignore[call-overload]
    expected = (logs - spec.input.mean[0]) / spec.input.std[0]
    torch.testing.assert_close(spec.input.prepare(context)[..., 0], expected.float())
    restored = spec.output.restore(future)  # type: ignore[arg-type]
    torch.testing.assert_close(restored[:, 0], data.values[24:44], rtol=1e-5, atol=0)
    assert Spec.from_json(spec.to_json()) == spec


def test_intervals_of_logarithms_are_factors() -> None:
    kind = Forecast(("a",), (2.0,), (0.5,), 1, log=("a",))
    calibration = Calibration(coverage=0.9, widths=((float(np.log(2)),),))
    found = kind.interval(torch.zeros(1, 1, 1), calibration)
    assert found is not None
    value, low, high = (float(part) for part in found)
    assert value == pytest.approx(np.exp(2.0))
    assert low == pytest.approx(value / 2)
    assert high == pytest.approx(value * 2)


def test_what_has_no_logarithm() -> None:
    values = RISING * SWINGS - 100
    data = Given(values, log="auto")
    data.setup()
    assert data.spec.output.log == ()  # type: ignore[union-attr]
    with pytest.raises(DataError, match=r"at or below 0.*data\.log=false"):
        Given(values, log=True).setup()
    with pytest.raises(ValueError, match="log"):
        Given(values, log="maybe")
    with pytest.raises(SpecError, match="logarithms"):
        Forecast(("a",), (2.0,), (0.5,), 1, log=("b",))
    with pytest.raises(SpecError, match=r"step 2 .*at or below 0"):
        Series(("a",), (2.0,), (0.5,), context_length=3, log=("a",)).encode([1.0, 0.0, 2.0])
