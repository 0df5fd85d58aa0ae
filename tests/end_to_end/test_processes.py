"""Two processes train one network (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo


@pytest.mark.parametrize(
    ("model", "task", "tested"),
    [
        ("cnn", "classification", 270),
        ("gan", "inpainting", 270),
        ("rbm", "features", 270),
        pytest.param("gan", "super_resolution", 48, marks=pytest.mark.slow),
        pytest.param("gan", "colourisation", 48, marks=pytest.mark.slow),
        pytest.param("gan", "generation", 270, marks=pytest.mark.slow),
        pytest.param("gan", "text_to_image", 50, marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_one_network(root: Path, tmp_path: Path, model: str, task: str, tested: int) -> None:
    """They see different examples, and end with the same weights, one folder, every example tested once and no ties.

    Where they end while still connected, one of ten or so aborts: `std::terminate` in a thread of gloo's.
    """
    script = root / "tests" / "end_to_end" / "fit_on_two_processes.py"
    command = [sys.executable, str(script), str(root / "conf"), str(tmp_path / "run"), model, task]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=2400, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "recommended" not in done.stderr  # Lightning's advice on figures that are alike on all processes
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    assert seen["connected"] is False
    assert seen["weights"] == 0
    assert seen["losses"] < 1e-5  # between the checkpoint and the log: they are of both
    assert seen["tested"] == tested
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]
    artefact = zoo.load(tmp_path / "run" / "model.safetensors")
    assert artefact.metrics == {name: value for name, value in seen.items() if "/" in name}
