"""Two processes of one run: where one is stopped or killed both end at once, with one line and the exit code for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

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
def test_both_end_with_one_line(tmp_path: Path, which: str, how: signal.Signals, code: int) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "zoo", "train", *SMALL, *SETTINGS, f"folder={run}"]
    with (tmp_path / "err").open("w") as file:
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file, start_new_session=True)
    try:
        until = time.monotonic() + 120
        while not (run / "last.ckpt").exists():
            assert first.poll() is None, (tmp_path / "err").read_text()
            assert time.monotonic() < until
            time.sleep(0.05)
        (second,) = children(first.pid)
        if which == "both":
            os.killpg(first.pid, how)
        else:
            os.kill(first.pid if which == "first" else second, how)
        assert first.wait(30) == code
        until = time.monotonic() + 30
        while Path(f"/proc/{second}").exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not Path(f"/proc/{second}").exists()
        (line,) = (tmp_path / "err").read_text().splitlines()
        assert line.startswith("Stopped")
        assert "last.ckpt goes on" in line
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)
        first.wait()
