"""Two processes train one network (gloo, on the CPU)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        pytest.param("lstm", "sentiment", 1, marks=pytest.mark.slow),  # of which the second process has none
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


def by_torchrun(number: int, port: int) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--rdzv-id=test"]
    return [*command, "--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{port}"], {}


def by_slurm(number: int, port: int) -> tuple[list[str], dict[str, str]]:
    """What srun tells each process of a job of two machines."""
    told = {"NTASKS": "2", "NNODES": "2", "NTASKS_PER_NODE": "1", "JOB_ID": "1", "JOB_NAME": "zoo"}
    told |= {"PROCID": str(number), "NODEID": str(number), "LOCALID": "0", "NODELIST": "localhost"}
    environment = {f"SLURM_{name}": value for name, value in told.items()}
    return [sys.executable], {**environment, "MASTER_PORT": str(port)}


@pytest.mark.parametrize("start", [by_torchrun, pytest.param(by_slurm, marks=pytest.mark.slow)])
def test_two_machines_train_one_network(root: Path, tmp_path: Path, start: Callable[..., Any]) -> None:
    """By the commands of docs/machines.md, with one process a machine, both of them this one."""
    seen, shared = tmp_path / "seen", tmp_path / "shared"
    seen.mkdir()
    shared.mkdir()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    arguments = [str(root / "tests" / "end_to_end" / "fit_on_two_machines.py"), str(seen)]
    arguments += ["model=cnn", "data=digits", "epochs=1", "model.widths=[4,8]", "data.batch_size=128"]
    arguments += ["trainer=ddp", "trainer.accelerator=cpu", "trainer.num_nodes=2", "trainer.devices=1"]
    machines = []
    for number in range(2):
        command, told = start(number, port)
        environment, output = {**os.environ, **told, "OMP_NUM_THREADS": "1"}, tmp_path / f"{number}.txt"
        with output.open("wb") as said:
            machines.append(
                subprocess.Popen([*command, *arguments], cwd=shared, env=environment, stdout=said, stderr=said)
            )
        time.sleep(1.1)  # so that a folder named by the second would be another one
    try:
        codes = [machine.wait(timeout=1200) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    assert codes == [0, 0], [(tmp_path / f"{number}.txt").read_text()[-2000:] for number in range(2)]
    first, second = (json.loads((seen / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["weights"] == second["weights"]
    assert (first["prepared"], second["prepared"]) == (True, False)
    assert (first["waited"], second["waited"]) == (True, True)
    files = [path for path in shared.rglob("*") if path.is_file()]
    (run,) = {path.relative_to(shared).parts[:3] for path in files}
    assert shared.joinpath(*run, "model.safetensors") in files
