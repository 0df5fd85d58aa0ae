"""Two processes train one network (gloo, on the CPU)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch.distributed.run

import zoo


@pytest.mark.parametrize(
    ("model", "task", "tested", "started_by"),
    [
        ("cnn", "classification", 270, "Lightning"),
        ("gan", "inpainting", 270, "the test"),
        ("rbm", "features", 270, "the test"),
        pytest.param("gan", "super_resolution", 48, "the test", marks=pytest.mark.slow),
        pytest.param("gan", "colourisation", 48, "the test", marks=pytest.mark.slow),
        pytest.param("gan", "generation", 270, "the test", marks=pytest.mark.slow),
        pytest.param("gan", "text_to_image", 50, "the test", marks=pytest.mark.slow),
        pytest.param("lstm", "sentiment", 1, "the test", marks=pytest.mark.slow),  # of which the second has none
    ],
)
def test_two_processes_train_one_network(
    root: Path, tmp_path: Path, forks: Any, model: str, task: str, tested: int, started_by: str
) -> None:
    """They see different examples, and end with the same weights, one folder, every example tested once and no ties.

    Where they end while still connected, one of ten or so aborts: `std::terminate` in a thread of gloo's.

    Args:
        started_by: who starts the second process; a fork spares its imports, and Lightning starts none.
    """
    script, run, told = root / "tests" / "end_to_end" / "fit_on_two_processes.py", tmp_path / "run", tmp_path / "told"
    told.mkdir()
    common: dict[str, str] = {}
    if started_by == "the test":  # and tell it what Lightning would
        common = {
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(forks.free_port()),
            "WORLD_SIZE": "2",
            "NODE_RANK": "0",
        }
        common["ZOO_RUN_FOLDER"] = str(run)
    processes = [
        forks.start(
            script, root / "conf", run, model, task, cwd=tmp_path, out=told / f"out{rank}", err=told / f"err{rank}",
            drawn=False, **({**common, "LOCAL_RANK": str(rank)} if common else {}),
        )
        for rank in range(2 if common else 1)
    ]  # fmt: skip
    for process in processes:
        process.join(2400)
    complaints = "".join(file.read_text() for file in sorted(told.glob("err*")))
    assert [process.exitcode for process in processes] == [0] * len(processes), complaints[-3000:]
    assert "recommended" not in complaints  # Lightning's advice on figures that are alike on all processes
    seen = json.loads((told / "out0").read_text().strip().splitlines()[-1])
    assert seen["connected"] is False
    assert seen["weights"] == 0
    assert seen["losses"] < 1e-5  # between the checkpoint and the log: they are of both
    assert seen["tested"] == tested
    assert {folder.name for folder in tmp_path.iterdir()} == {"run", "told"}
    artefact = zoo.load(tmp_path / "run" / "model.safetensors")
    assert artefact.metrics == {name: value for name, value in seen.items() if "/" in name}


MACHINES = [
    "model=cnn", "data=digits", "epochs=1", "model.widths=[4,8]", "data.batch_size=128",
    "trainer=ddp", "trainer.accelerator=cpu", "trainer.num_nodes=2", "trainer.devices=1",
]  # fmt: skip


@pytest.fixture
def machines(root: Path, tmp_path: Path) -> list[Any]:
    """The script of a run on two machines, both of them this one, and its arguments."""
    for name in ("seen", "shared"):
        (tmp_path / name).mkdir()
    return [root / "tests" / "end_to_end" / "fit_on_two_machines.py", tmp_path / "seen", *MACHINES]


def check_that_they_saw_one_run(tmp_path: Path, codes: list[int]) -> None:
    assert codes == [0, 0], [(tmp_path / f"{number}.txt").read_text()[-2000:] for number in range(2)]
    seen, shared = tmp_path / "seen", tmp_path / "shared"
    first, second = (json.loads((seen / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["weights"] == second["weights"]
    assert (first["prepared"], second["prepared"]) == (True, False)
    assert (first["waited"], second["waited"]) == (True, True)
    files = [path for path in shared.rglob("*") if path.is_file()]
    (run,) = {path.relative_to(shared).parts[:3] for path in files}
    assert shared.joinpath(*run, "model.safetensors") in files


@pytest.mark.slow
def test_two_machines_by_torchrun(machines: list[Any], tmp_path: Path, forks: Any) -> None:
    """By the command of docs/machines.md, which runs the script in a fork of its own and so spares the imports."""
    command = [Path(torch.distributed.run.__file__), "--run-path", "--start-method=fork"]
    command += ["--nnodes=2", "--nproc-per-node=1", "--rdzv-id=test"]
    command += ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{forks.free_port()}"]
    started = []
    for number in range(2):
        said = tmp_path / f"{number}.txt"
        started.append(
            forks.start(*command, *machines, cwd=tmp_path / "shared", out=said, err=said, daemon=False, drawn=False)
        )
        time.sleep(1.1)  # so that a folder named by the second would be another one
    for process in started:
        process.join(1200)
        process.kill()
    check_that_they_saw_one_run(tmp_path, [process.exitcode for process in started])


def test_two_machines_by_slurm(machines: list[Any], tmp_path: Path, forks: Any) -> None:
    """By what srun tells each process of a job of two machines."""
    codes = forks.two_machines(*machines, cwd=tmp_path / "shared", said=tmp_path)
    check_that_they_saw_one_run(tmp_path, codes)
