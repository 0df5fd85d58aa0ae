"""What a run sets in its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import time
from pathlib import Path
from zoo.training.runtime import prepare_once

class Data:
    def prepare_data(self):
        time.sleep(1)
        Path("prepared").open("a").write("once\\n")

prepare_once(Data())
assert Path("prepared").read_text() == "once\\n"
"""


def test_one_process_of_torchrun_s_prepares_the_data_and_the_other_waits(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "prepare.py"
    script.write_text(SCRIPT, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(torchrun, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
