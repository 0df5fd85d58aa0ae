"""What has been trained is kept, whatever fails after it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from omegaconf import DictConfig

import zoo
from zoo.training import report
from zoo.training.progress import TolerantStream
from zoo.training.run import train

SMALL = ("epochs=1", "trainer=cpu", "model.widths=[4,8]", "data.batch_size=256", "callbacks.progress=null")


def fails(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("no more of this")


def test_the_network_is_on_disk_before_the_test(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[dict[str, float]] = []

    def test(trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        kept.append(zoo.load(tmp_path / "run" / "model.safetensors").metrics)

    monkeypatch.setattr(L.Trainer, "test", test)
    train(compose("train", *SMALL, f"folder={tmp_path / 'run'}"))
    assert [list(metrics) for metrics in kept] == [["train/seconds"]]


@pytest.mark.parametrize("step", ["test", "baselines", "split_metrics", "plots", "notes"])
def test_each_step_after_training_may_fail_alone(
    compose: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
) -> None:
    monkeypatch.setattr(L.Trainer if step == "test" else report, step, fails)
    train(compose("train", *SMALL, f"folder={tmp_path / 'run'}"))
    assert zoo.load(tmp_path / "run" / "model.safetensors").metrics["train/seconds"] >= 0
    assert (tmp_path / "run" / "card.md").is_file()
    assert [line for line in caplog.messages if "no more of this" in line and "\n" not in line]


class Full(io.StringIO):
    """Standard output on a disk that is full."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError("No space left on device")


def test_a_console_with_few_characters_gets_what_it_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    TolerantStream().write("0:00:01 • 5")
    sys.stdout.flush()
    assert raw.getvalue() == b"0:00:01 ? 5"


@pytest.mark.parametrize("stdout", [Full(), None], ids=["full", "none"])
def test_a_console_that_fails_ends_nothing(monkeypatch: pytest.MonkeyPatch, stdout: Any) -> None:
    monkeypatch.setattr(sys, "stdout", stdout)
    stream = TolerantStream()
    assert stream.write("a bar") == 5
    assert stream.failed
    stream.flush()
