"""How cost grows."""

from __future__ import annotations

import pytest

from zoo.benchmarks import growth, quiet


def test_an_exponent_is_that_of_a_power_of_the_size() -> None:
    for exponent in (0.0, 1.0, 2.0):
        costs = tuple(3.0 * times**exponent for times in growth.TIMES)
        assert growth._exponent(costs) == pytest.approx(exponent)
    assert growth._exponent((100.0, 2.0, 4.0, 8.0)) == pytest.approx(1)  # the first is that of what is fixed


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_a_point_is_a_run_of_seconds_and_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "ROWS", 128)
    with quiet():
        seconds, memory = growth.measure(name, {"hidden": 2})
    assert 0 < seconds < 60
    assert memory >= 0
    _, examples = growth.TECHNIQUES[name].data({"rows": 2, "pixels": 3, "steps": 3})
    assert len(examples) == 256
