"""metrics.csv: replaced whole, read tolerantly, no row lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.errors import ConfigError
from zoo.training.metrics_file import MetricsFile, read_rows

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval", "ignore:.*exists and is not"
)


def test_columns_may_come_later_and_rows_keep_their_order(tmp_path: Path) -> None:
    file = MetricsFile(str(tmp_path / "run"))
    file.save()
    assert not file.file.exists()  # nothing to say
    file.log_metrics({"b": torch.tensor(0.5), "epoch": 0}, step=3)
    file.save()
    file.log_metrics({"a": 1e-9, "epoch": 0}, step=3)
    file.log_metrics({"a": 2.0, "epoch": 1}, step=7)
    file.finalize("success")
    assert file.file.read_text() == "a,b,epoch,step\n,0.5,0,3\n1e-09,,0,3\n2.0,,1,7\n"
    assert os.listdir(file.file.parent) == ["metrics.csv"]


def test_a_run_goes_on_after_the_rows_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = MetricsFile(str(tmp_path))
    for step in (3, 7, 11):
        first.log_metrics({"x": step / 10, "epoch": step // 4}, step)
    first.save()
    second = MetricsFile(str(tmp_path))
    second.resume(8)
    second.log_metrics({"y": 1.0}, 9)
    second.save()
    assert second.file.read_text() == "epoch,step,x,y\n0,3,0.3,\n1,7,0.7,\n,9,,1.0\n"
    assert caplog.text == ""


def test_rows_that_can_be_read_are_kept_and_a_word_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = 'epoch,step,a,b\n0,10,1.9,0.1,,\n0,18,0.6,\n1,x,0,0\n1,28,0.5\n2,"29,0,0\n2,30,,0.4\n\n2,31,\x00\xff,1\n'
    (tmp_path / "metrics.csv").write_bytes(rows.encode("latin-1"))
    file = MetricsFile(str(tmp_path))
    file.resume(100)
    file.log_metrics({"a": 1.0, "epoch": 3}, 99)
    file.save()
    assert file.file.read_text() == "a,b,epoch,step\n0.6,,0,18\n,0.4,2,30\n1.0,,3,99\n"
    assert "5 of its rows cannot be read" in caplog.text


@pytest.mark.parametrize("text", ["", "\n", "a,a\n1,2\n", "a,b\n1,2\n", "\x00\n" * 9])
def test_a_file_without_rows_that_can_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    assert read_rows(tmp_path / "metrics.csv")[0] == []
    assert read_rows(tmp_path / "nowhere.csv") == ([], 0)
    assert read_rows(tmp_path) == ([], 0)


def test_a_full_disk_leaves_the_earlier_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = MetricsFile(str(tmp_path))
    file.log_metrics({"x": 1.0}, 1)
    file.save()
    before = file.file.read_text()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    file.log_metrics({"x": 2.0}, 2)
    with pytest.raises(ConfigError, match=r"metrics\.csv cannot be written: No space left"):
        file.save()
    assert file.file.read_text() == before
    assert os.listdir(tmp_path) == ["metrics.csv"]


def test_an_epoch_s_row_is_there_before_its_checkpoint(
    make: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a kill after the checkpoint does not lose it; and it is not there twice."""
    trainer, task, data = make(tmp_path, epochs=2)
    save, seen = trainer.strategy.checkpoint_io.save_checkpoint, []  # type: ignore[attr-defined]

    def watched(checkpoint: dict[str, object], path: str, **options: object) -> None:
        seen.append((checkpoint["global_step"], read_rows(tmp_path / "metrics.csv")[0]))
        save(checkpoint, path, **options)

    monkeypatch.setattr(trainer.strategy.checkpoint_io, "save_checkpoint", watched)  # type: ignore[attr-defined]
    trainer.fit(task, data)
    for step, rows in seen:
        assert [(row["epoch"], row["step"]) for row in rows if "train/loss" in row] == [
            (epoch, 2 * epoch + 1) for epoch in range(step // 2)
        ]
    rows = read_rows(tmp_path / "metrics.csv")[0]
    assert [sorted(row) for row in rows] == [["epoch", "step", "val/loss"], ["epoch", "step", "train/loss"]] * 2
