"""The benchmark of one's own data."""

from __future__ import annotations

import pytest

from zoo.benchmarks.data import _in_a_process


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_memory_is_that_of_a_step_alone() -> None:
    for megabytes in (50, 200):
        seconds, found = _in_a_process(bytearray, megabytes * 2**20)
        assert seconds > 0
        assert found == pytest.approx(megabytes, abs=10)
