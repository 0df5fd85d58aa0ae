"""Two processes train one network (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo


@pytest.mark.parametrize("model", ["cnn", "gan", "rbm"])
def test_two_processes_train_one_network(root: Path, tmp_path: Path, model: str) -> None:
    """They see different examples, and end with the same weights, one folder and every example tested once."""
    script = root / "tests" / "end_to_end" / "fit_on_two_processes.py"
    command = [sys.executable, str(script), str(root / "conf"), str(tmp_path / "run"), model]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    assert seen["weights"] == 0
    assert seen["tested"] == 270
    assert [folder.name for folder in tmp_path.iterdir()] == ["run"]
    artefact = zoo.load(tmp_path / "run" / "model.safetensors")
    assert artefact.metrics == {name: value for name, value in seen.items() if "/" in name}
