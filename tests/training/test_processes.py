"""Two processes of one run: where one is stopped or killed both end at once, with one line and the exit code for it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")]

SETTINGS = ["trainer=ddp", "trainer.accelerator=cpu", "threads=1", "callbacks.progress=null", "epochs=600"]
SMALL = ["model=cnn", "model.widths=[4,8]", "model.blocks=1"]


def children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.parametrize(
    ("which", "how", "code"),
    [
        ("second", signal.SIGTERM, 143),
        ("second", signal.SIGKILL, 1),
        ("first", signal.SIGTERM, 143),
        ("first", signal.SIGKILL, -9),
        ("both", signal.SIGINT, 130),  # as a terminal does on Ctrl-C
    ],
)
def test_both_end_with_one_line(
    root: Path, tmp_path: Path, forks: Any, which: str, how: signal.Signals, code: int
) -> None:
    """The first is a fork; the second is started by Lightning, with the same command."""
    run, err = tmp_path / "run", tmp_path / "err"
    command = [root / "scripts" / "train.py", *SMALL, *SETTINGS, f"folder={run}"]
    first = forks.start(*command, cwd=tmp_path, out=tmp_path / "out", err=err)
    try:
        until = time.monotonic() + 120
        while not (run / "last.ckpt").exists():
            assert first.is_alive(), err.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        (second,) = children(first.pid)
        if which == "both":
            os.killpg(first.pid, how)
        else:
            os.kill(first.pid if which == "first" else second, how)
        first.join(30)
        assert first.exitcode == code
        until = time.monotonic() + 30
        while Path(f"/proc/{second}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{second}").exists()
        (line,) = err.read_text().splitlines()
        assert line.startswith("Stopped")
        assert "last.ckpt goes on" in line
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.join()
