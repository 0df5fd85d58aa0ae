"""Runs that are killed at any moment and go on: their weights, rows and files are those of a run that was not.

`pytest -m fuzz tests/fuzz/test_kills.py -n 0 --fuzz-cases 200`; each case is one kill or two of a run of three epochs.
"""

from __future__ import annotations

import csv
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zoo

from .campaign import Case

pytestmark = pytest.mark.fuzz

RUNS = {
    "cnn": ["model.widths=[4,8]", "model.blocks=1"],
    "gan": ["data=digits", "model.width=8", "model.depth=1"],
    "lstm": ["task=classification", "data=digits", "model.hidden_size=8"],
    "mlp": ["data=digits", "model.hidden_sizes=[64,64]"],
    "rbm": ["data=digits", "model.num_hidden=32", "task.ais_temperatures=50"],
}
COMMON = ["trainer=cpu", "threads=1", "callbacks.progress=null", "epochs=3", "data.batch_size=128"]
SECONDS = 300  # that a run may take on a busy machine


class Kills:
    """Makes cases."""

    def __init__(self, program: Path, forks: Any) -> None:
        self.program, self.forks = program, forks
        self.whole: dict[str, tuple[Path, float]] = {}  # the run that is not killed, and its seconds

    def __call__(self, draw: random.Random, folder: Path) -> Case:
        model = draw.choice(list(RUNS))
        kills = [(draw.choice(list(MOMENTS)), draw.random()) for _ in range(draw.choice([1, 1, 1, 2]))]
        run = folder / f"{model}_{draw.randrange(10**9)}"
        what = f"{model} killed {' and '.join(f'{name} ({share:.3f})' for name, share in kills)}"
        return Case(
            True, what, lambda: self.killed(model, run, kills), lambda given: self.fault(model, run), 4 * SECONDS
        )

    def killed(self, model: str, run: Path, kills: list[tuple[str, float]]) -> Path:
        whole, seconds = self.reference(model, run.parent)
        for moment, share in kills:
            process = self.start(model, run)
            wait(process, run, moment, share, seconds, whole)
            process.kill()
            process.join()
        self.finished(self.start(model, run), run)
        return run

    def reference(self, model: str, folder: Path) -> tuple[Path, float]:
        if model not in self.whole:
            run = folder / model
            began = time.monotonic()
            self.finished(self.start(model, run), run)
            self.whole[model] = run, time.monotonic() - began
        return self.whole[model]

    def start(self, model: str, run: Path) -> Any:
        """The command, which goes on from the last checkpoint where there is one."""
        resume = [f"resume={run / 'last.ckpt'}"] if (run / "last.ckpt").exists() else [f"folder={run}"]
        command = [self.program, f"model={model}", *COMMON, *RUNS[model], *resume]
        told = run.with_suffix(".txt")
        return self.forks.start(*command, cwd=run.parent, out=told, err=told)

    def finished(self, process: Any, run: Path) -> None:
        process.join(SECONDS)
        if process.exitcode != 0:
            process.kill()
            raise RuntimeError(f"exit code {process.exitcode}: {run.with_suffix('.txt').read_text()[-1000:]}")

    def fault(self, model: str, run: Path) -> str:
        """What a run that was killed lacks of the one that was not."""
        whole, _ = self.whole[model]
        zoo.load(run / "model.safetensors")
        expected, got = load_file(whole / "model.safetensors"), load_file(run / "model.safetensors")
        if expected.keys() != got.keys() or any(not torch.equal(expected[name], got[name]) for name in expected):
            return "its weights are others"
        if rows(run) != rows(whole):
            return f"its rows are others: {rows(run)}"
        if (names := files(run)) != files(whole):
            return f"its files are others: {sorted(names ^ files(whole))}"
        return ""


def wait(process: Any, run: Path, moment: str, share: float, seconds: float, whole: Path) -> None:
    """Wait for the moment of a kill, or the end of the run."""
    if moment == "at any time":
        process.join(share * seconds)
        return
    came, until = MOMENTS[moment](run, whole), time.monotonic() + SECONDS
    while process.is_alive() and time.monotonic() < until and not came():
        time.sleep(0.001)
    # Then a part of a second later: nothing for a quarter of them, in the midst of what is being done
    process.join(0 if share < 0.25 else 0.2 * share**3 if moment == "as a file is written" else share * seconds / 3)


def trained(run: Path, whole: Path) -> Callable[[], bool]:
    """Once the weights are kept, before or in the test, calibration, plots and card."""
    return (run / "model.safetensors").exists


def written(run: Path, whole: Path) -> Callable[[], bool]:
    """Once some file begins to be written, chosen by the names that a whole run leaves."""
    seen: dict[str, float] = {}
    left = random.Random(run.name).randrange(1, 60)

    def changed() -> bool:
        nonlocal left
        for entry in os.scandir(run) if run.exists() else ():
            try:
                stat = entry.stat()
            except FileNotFoundError:  # renamed meanwhile
                continue
            if seen.get(entry.name) != (now := stat.st_mtime_ns + stat.st_size):
                seen[entry.name] = now
                left -= 1
        return left <= 0

    return changed


MOMENTS: dict[str, Any] = {"at any time": None, "once it is trained": trained, "as a file is written": written}


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def files(run: Path) -> set[str]:
    """What a run leaves, but for TensorBoard's files, of which there is one a start."""
    return {str(path.relative_to(run)) for path in run.rglob("*") if "tensorboard" not in path.parts}


def test_a_killed_run_goes_on(fuzz: Callable[[str, Kills], None], root: Path, forks: Any) -> None:
    fuzz("kills", Kills(root / "scripts" / "train.py", forks))
