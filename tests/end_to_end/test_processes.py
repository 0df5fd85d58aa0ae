"""Two processes train one network (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
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


def test_two_machines_train_one_network(root: Path, tmp_path: Path) -> None:
    """By the command of docs/training.md, with one process a machine: torchrun knows them apart by their addresses."""
    (tmp_path / "seen").mkdir()
    (tmp_path / "shared").mkdir()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    machines = []
    for number in range(2):
        command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--rdzv-id=test"]
        command += [f"--node-rank={number}", "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"]
        command += [str(root / "tests" / "end_to_end" / "fit_on_two_machines.py"), str(tmp_path / "seen")]
        command += ["model=cnn", "data=digits", "epochs=1", "model.widths=[4,8]", "data.batch_size=128"]
        command += ["trainer=ddp", "trainer.accelerator=cpu", "trainer.num_nodes=2", "trainer.devices=1"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        machines.append(
            subprocess.Popen(
                command, cwd=tmp_path / "shared", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
        time.sleep(1.1)  # so that a folder named by the second would be another one
    try:
        said = [machine.communicate(timeout=1200)[0].decode() for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert [machine.returncode for machine in machines] == [0, 0], said
    seen = [json.loads((tmp_path / "seen" / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]
    assert seen[0]["weights"] == seen[1]["weights"]
    assert [len(one["prepared"]) >= 1 for one in seen] == [True, False]
    folders = [path.parent for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    runs = {path.relative_to(tmp_path / "shared").parts[:3] for path in folders}
    assert len(runs) == 1, runs
    assert (tmp_path / "shared").joinpath(*runs.pop(), "model.safetensors").is_file()
