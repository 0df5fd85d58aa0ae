"""Once trained, nothing stands between the weights and the disk: whatever else fails costs a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo.tasks.supervised import Classification
from zoo.training import report, results
from zoo.training.run import train

SMALL = ["model=mlp", "data=digits", "model.hidden_sizes=[4]", "epochs=1", "trainer=cpu", "threads=1"]
QUIET = ["callbacks.progress=null"]
OF_PROGRESS = re.compile(r"so far$|: done after |^epoch |^trained: |^loading: ")  # where a machine is slow
Fault = Callable[..., Any]


def _raise(*args: Any, **options: Any) -> Any:
    raise RuntimeError("a fault\nof two lines")


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize(
    ("place", "name", "said"),
    [
        (L.Trainer, "test", "the test"),
        (report, "calibrate", "calibration"),
        (report, "split_metrics", "metrics of whole splits"),
        (report, "baselines", "baselines"),
        (report, "plots", "plots"),
        (report, "views", "looks inside the network"),
        (report, "notes", "notes"),
        (results, "card", "the card"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_after_training_costs_one_line(
    compose: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    place: Any,
    name: str,
    said: str,
) -> None:
    monkeypatch.setattr(place, name, _raise)
    train(compose("train", *SMALL, *QUIET, f"folder={tmp_path}"))
    lines = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert lines == [f"{said} failed: RuntimeError: a fault of two lines; the trained network is kept"]
    zoo.load(tmp_path / "model.safetensors")
    assert (tmp_path / "card.md").read_text().startswith("# mlp · supervised · digits\n")


@pytest.mark.usefixtures("no_plots")
def test_the_artefact_is_there_before_the_test(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def test(*args: Any, **options: Any) -> None:
        seen.append(zoo.load(tmp_path / "model.safetensors").metrics.keys())
        sys.exit(1)  # as Lightning does on Ctrl-C

    monkeypatch.setattr(L.Trainer, "test", test)
    with pytest.raises(SystemExit) as ended:
        train(compose("train", *SMALL, *QUIET, f"folder={tmp_path}"))
    assert ended.value.code == 130
    assert seen == [{"train/seconds"}]


@pytest.mark.usefixtures("no_plots")
def test_a_disk_that_is_full_after_training(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "replacing", write)
    train(compose("train", *SMALL, *QUIET, f"folder={tmp_path}"))
    zoo.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["callbacks.last=5"], "callbacks: each is a Callback"),
        (["model.hidden_sizes=[9000000000]"], "memory is too small"),
    ],
)
def test_what_is_refused_leaves_no_folder(
    compose: Callable[..., DictConfig], tmp_path: Path, overrides: list[str], said: str
) -> None:
    with pytest.raises(zoo.ConfigError, match=said) as caught:
        train(compose("train", *SMALL, *QUIET, f"folder={tmp_path / 'a' / 'b'}", *overrides))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 300
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_plots")
def test_a_gpu_that_is_too_small_names_what_would_fit(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the run goes on from its last epoch."""
    monkeypatch.chdir(tmp_path)
    step = Classification.training_step

    def training_step(task: Classification, *args: Any) -> Any:
        if task.current_epoch == 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has 1 GiB free")
        return step(task, *args)

    monkeypatch.setattr(Classification, "training_step", training_step)
    with pytest.raises(
        zoo.ConfigError, match=r"data\.batch_size=32, and \+trainer\.accumulate_grad_batches=2"
    ) as caught:
        train(compose("train", *SMALL, *QUIET, f"folder={tmp_path}", "data.batch_size=64", "epochs=2"))
    assert "\n" not in str(caught.value)
    assert "the same command with resume=last.ckpt goes on" in str(caught.value)
    monkeypatch.setattr(Classification, "training_step", step)
    smaller = "data.batch_size=64", "epochs=2", f"resume={tmp_path / 'last.ckpt'}"
    train(compose("train", *SMALL, *QUIET, "folder=null", *smaller))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_console_that_is_full_and_knows_only_ascii(root: Path, tmp_path: Path, forks: Any) -> None:
    """The progress bar, and what is logged, hold more."""
    command = [root / "scripts" / "train.py", *SMALL, f"folder={tmp_path / 'run'}"]
    full, err = Path("/dev/full"), tmp_path / "err"
    ended = forks.start(*command, cwd=tmp_path, out=full, err=err, PYTHONIOENCODING="ascii", daemon=False, drawn=False)
    ended.join()
    said = [line for line in err.read_text().splitlines() if not OF_PROGRESS.search(line)]
    assert said == ["standard output cannot be written to (No space left on device); the run goes on"]
    assert ended.exitcode == 0
    assert {"model.safetensors", "card.md", "train.log"} <= {file.name for file in (tmp_path / "run").iterdir()}
