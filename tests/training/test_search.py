"""zoo sweep: what it is over, what becomes of runs that fail, and how one goes on that was killed."""

from __future__ import annotations

import csv
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo.errors import ConfigError

pytest.importorskip("optuna")

from zoo.training import search, sweep_space
from zoo.training.sweep_table import Row, ranked, write

TINY = ["model=mlp", "data=wine", "task=supervised", "epochs=2", "logger=csv", "model.hidden_sizes=[4]"]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_ranges_are_read_in_short_words_and_in_hydras() -> None:
    space = sweep_space.read(
        ["model=mlp", "a=log(1e-4,1e-1)", "b=uniform(0,1)", "c=int(1,4)", "d=choice(x,[1,2])", "e=1,2", "f=range(1,4)"]
    )
    assert space.fixed == ["model=mlp"]
    a, b, c, d, e, f = space.ranges.values()
    assert (a.low, a.high, a.log) == (1e-4, 1e-1, True)
    assert (b.low, b.high, b.log) == (0.0, 1.0, False)
    assert (c.low, c.high) == (1, 4)
    assert [one.choices for one in (d, e, f)] == [("x", "[1,2]"), ("1", "2"), ("1", "2", "3")]
    assert sweep_space.read(["a=tag(log,interval(1e-4,1e-1))"]).ranges["a"] == a


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["model=mlp"], "a sweep is over a range"),
        (["model=mlp", "a=log(1e-4)"], "cannot read the range in 'a=log"),
        (["a=log(0,1)"], "begins above 0"),
        (["a=uniform(2,1)"], "smaller first"),
        (["a=1,2", "n=0"], "n must be a whole number of at least 1"),
        (["model=mpl", "a=1,2"], "did you mean 'mlp'"),
        (["resume=nowhere"], "not the folder of a sweep"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=fault) as caught:
        search.from_command(arguments)
    assert len(str(caught.value)) <= 300
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_without_optuna_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r'pip install "classic-zoo\[sweep\]"'):
        search.sweep(["model=mlp", "seed=1,2"], 1, Path("none"))


def test_a_failing_run_is_told_and_the_best_of_the_others_is_tested(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, no_plots: None
) -> None:
    threads, numbers = torch.get_num_threads(), torch.get_rng_state()
    with caplog.at_level(logging.INFO):
        rows = search.sweep([*TINY, "task.optimizer.lr=choice(0.01,-1)"], 4, tmp_path / "sweep")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), numbers)
    failed = [row for row in rows if row.state == "failed"]
    complete = [row for row in rows if row.state == "complete"]
    assert len(rows) == 4
    assert {row.values["task.optimizer.lr"] for row in complete} == {"0.01"}
    assert all("Invalid learning rate" in row.reason and row.values["task.optimizer.lr"] == "-1" for row in failed)
    table = _rows(tmp_path / "sweep")
    assert [row["run"] for row in table] == ["0", "1", "2", "3"]
    folders = sorted((tmp_path / "sweep").glob("*/model.safetensors"))
    assert len(folders) == 1  # a run with the settings of another is not trained again
    best = zoo.load(folders[0])
    assert "test/accuracy" in best.metrics
    assert (folders[0].parent / "card.md").exists()


def test_a_run_that_is_no_good_is_pruned(tmp_path: Path, no_plots: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optuna decides after each validation; here it stops what has learned next to nothing after some epochs."""
    import optuna

    pruner = optuna.pruners.ThresholdPruner(upper=1.0, n_warmup_steps=13)
    monkeypatch.setattr(optuna.pruners, "MedianPruner", lambda: pruner)
    folder = tmp_path / "sweep"
    search.from_command([*TINY, "epochs=16", "task.optimizer.lr=0.05,1e-9", "n=5", f"folder={folder}", "trainer=cpu"])
    status = {(float(row["task.optimizer.lr"]), row["state"]) for row in _rows(folder)}
    assert status == {(0.05, "complete"), (1e-9, "pruned")}


def test_runs_do_not_test_and_the_best_has_the_weights_of_its_run(tmp_path: Path, no_plots: None) -> None:
    rows = search.sweep([*TINY, "task.optimizer.lr=choice(0.02,0.0001)", "seed=3"], 6, tmp_path / "sweep")
    best = ranked(rows)[0]
    tested = [file.parent.name for file in (tmp_path / "sweep").glob("*/card.md")]
    assert len(tested) == 1
    again = zoo.train(*TINY, "seed=3", f"task.optimizer.lr={best.values['task.optimizer.lr']}", folder=tmp_path / "one")
    kept = zoo.load(tmp_path / "sweep" / tested[0] / "model.safetensors")
    for name, value in again.network.state_dict().items():
        assert torch.equal(value, kept.network.state_dict()[name]), name
    assert again.score == best.score
    for file in (tmp_path / "sweep").glob("*/model.safetensors"):
        if file.parent.name != tested[0]:
            assert not any(name.startswith("test/") for name in zoo.load(file).metrics)


def test_a_table_is_ranked_by_the_mode_of_its_metric(tmp_path: Path) -> None:
    rows = [
        Row(0, "complete", {"lr": "0.1"}, 0.5, "val/accuracy", "max"),
        Row(1, "complete", {"lr": "0.2"}, 0.9, "val/accuracy", "max"),
        Row(2, "failed", {"lr": "a|b"}, reason="too large"),
        Row(3, "pruned", {"lr": "0.3"}),
    ]
    assert [row.number for row in ranked(rows)] == [1, 0, 3, 2]
    write(tmp_path, rows)
    text = (tmp_path / "sweep.md").read_text()
    assert text.index("| 1 | complete | 0.9 |") < text.index("| 0 | complete | 0.5 |")
    assert "- run 2 failed: too large" in text
    assert (tmp_path / "sweep.png").stat().st_size > 3_000


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_was_stopped_goes_on_and_repeats_nothing(
    by: int, root: Path, tmp_path: Path, forks: Any, no_plots: None
) -> None:
    folder = tmp_path / "sweep"
    command = [root / "zoo" / "__main__.py", "sweep", *TINY, "epochs=30", "task.optimizer.lr=log(1e-4,1e-1)"]
    command += ["n=3", f"folder={folder}"]
    process = forks.start(*command, cwd=tmp_path, out=tmp_path / "out", err=tmp_path / "err")
    end = time.time() + 600
    while not (folder / "1" / "last.ckpt").exists() and time.time() < end:
        time.sleep(0.02)
    os.kill(process.pid, by)
    process.join(600)
    assert process.exitcode != 0
    if by == signal.SIGINT:
        out = (tmp_path / "out").read_text()
        assert f"zoo sweep resume={Path(folder).name}" in out or "zoo sweep resume=" in out
    search.from_command([f"resume={folder}"])
    rows = _rows(folder)
    assert len(rows) == 3
    rates = [row["task.optimizer.lr"] for row in rows]
    assert len(set(rates)) == 3
    stopped = {row["run"] for row in rows} ^ {str(number) for number in range(4)}
    assert len(stopped) == 1  # the number of the run that was stopped, whose settings were tried under a new one


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_multirun_survives_a_failing_run_and_writes_the_same_table(
    launcher: str, root: Path, tmp_path: Path, forks: Any
) -> None:
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    command = [str(root / "zoo" / "__main__.py"), "train", "--multirun", *TINY, "task.optimizer.lr=-1,0.01"]
    command += [f"hydra.sweep.dir={tmp_path / 'sweep'}", f"hydra/launcher={launcher}"]
    if launcher == "basic":
        done = forks.run(*command, cwd=tmp_path)
    else:
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 1, done.stderr
    rows = _rows(tmp_path / "sweep")
    assert [(row["run"], row["state"], row["task.optimizer.lr"]) for row in rows] == [
        ("0", "failed", "-1"),
        ("1", "complete", "0.01"),
    ]
    assert "Invalid learning rate" in rows[0]["reason"]
