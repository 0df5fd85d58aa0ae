"""How checkpoints are written and removed."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from zoo.errors import ConfigError
from zoo.training.checkpoint_io import RunCheckpoints

SMALL = {"global_step": 1, "state_dict": {"a": torch.zeros(3)}}


def test_it_is_written_in_its_own_folder_with_the_mode_of_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    before = os.umask(0o077)
    try:
        RunCheckpoints(tmp_path).save_checkpoint(SMALL, tmp_path / "new" / "last.ckpt")
    finally:
        os.umask(before)
    assert os.listdir(tmp_path / "new") == ["last.ckpt"]
    assert stat.S_IMODE((tmp_path / "new" / "last.ckpt").stat().st_mode) == 0o600
    kept = torch.load(tmp_path / "new" / "last.ckpt", weights_only=True)
    assert kept["zoo"] == {"format": 2, "best": None, "moments": []}


def test_whoever_looks_finds_a_whole_one_of_one_size_or_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is the best so far holds its weights once; what is smaller is no half of one."""
    chooser, path, seen = ModelCheckpoint(tmp_path), tmp_path / "last.ckpt", []
    io, save = RunCheckpoints(tmp_path, chooser), torch.save

    def look(checkpoint: object, file: object) -> None:
        seen.append(path.read_bytes() if path.exists() else b"")
        save(checkpoint, file)
        seen.append(path.read_bytes() if path.exists() else b"")

    monkeypatch.setattr(torch, "save", look)
    chooser.best_model_path = str(tmp_path / "best.ckpt")
    wholes = [b""]
    for step, file in ((1, chooser.best_model_path), (1, path), (2, path), (3, path)):
        io.save_checkpoint({"global_step": step, "state_dict": {"a": torch.zeros(1000)}}, file)
        assert {*seen} <= {*wholes}
        wholes.append(path.read_bytes() if path.exists() else b"")
    assert len(wholes[3]) - len(wholes[2]) > 4000  # of float32
    assert torch.load(path, weights_only=True)["zoo"]["best"]["step"] == 1


@pytest.mark.parametrize("what", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    io, path = RunCheckpoints(tmp_path), tmp_path / "last.ckpt"
    io.save_checkpoint(SMALL, path)
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, what, full)
    with pytest.raises(ConfigError, match=r"last\.ckpt cannot be written: No space left"):
        io.save_checkpoint(SMALL | {"global_step": 2}, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["last.ckpt"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    import resource

    io, path = RunCheckpoints(tmp_path), tmp_path / "last.ckpt"
    io.save_checkpoint({"global_step": 1, "state_dict": {}}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(ConfigError, match="cannot be written: File too large"):
            io.save_checkpoint({"global_step": 2, "state_dict": {"a": torch.zeros(100_000)}}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == ["last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 1


def test_only_a_checkpoint_within_the_run_s_folder_is_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = tmp_path / "run"
    (run / "folder.ckpt").mkdir(parents=True)
    outside, card, link = tmp_path / "outside.ckpt", run / "card.md", run / "link.ckpt"
    for file in (outside, card, run / "old.ckpt"):
        file.write_text("x")
    link.symlink_to(outside)
    io = RunCheckpoints(run)
    for path in (outside, card, link, run / "folder.ckpt", run / ".." / "outside.ckpt", run / "nowhere.ckpt"):
        io.remove_checkpoint(path)
    assert outside.exists()
    assert card.exists()
    assert link.exists()
    assert (run / "folder.ckpt").exists()
    assert "stays" in caplog.text
    io.remove_checkpoint(str(run / "old.ckpt"))
    assert not (run / "old.ckpt").exists()
