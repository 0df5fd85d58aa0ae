"""The campaigns of `pytest -m fuzz`: how many cases, and which first; tests/conftest.py prints what they came to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .campaign import ANSWERED, Make, campaign

BY_DEFAULT = {"csv": 50, "overrides": 50, "kills": 8}  # those that train or compose; 300 of those that load


@pytest.fixture
def fuzz(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str, Make], None]:
    """Runs a campaign, and fails if an outcome is wrong, or too few of the sound inputs are answered."""

    def run(kind: str, make: Make) -> None:
        count = request.config.getoption("fuzz_cases") or BY_DEFAULT.get(kind, 300)
        start = request.config.getoption("fuzz_start")
        log = Path(request.config.getoption("fuzz_log") or tmp_path / "fuzz.jsonl")
        tally = campaign(kind, make, range(start, start + count), tmp_path, log)
        request.node.user_properties.append(("fuzz", str(tally)))
        assert not tally.wrong, "\n".join([f"log: {log}", *tally.wrong[:20]])
        assert tally.answered >= ANSWERED * tally.sound, "\n".join(tally.refused[:20])

    return run
