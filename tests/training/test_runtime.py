"""What a run sets in its process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

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


def test_one_process_of_torchrun_s_prepares_the_data_and_the_other_waits(tmp_path: Path, forks: Any) -> None:
    """By what torchrun tells them, and a store as it has one; docs/machines.md's own command is a slow test."""
    script, told = tmp_path / "prepare.py", tmp_path / "told"
    script.write_text(SCRIPT, encoding="utf-8")
    store = torch.distributed.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    common = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "WORLD_SIZE": "2"}
    processes = [
        forks.start(script, cwd=tmp_path, out=told, err=told, **common, RANK=rank, LOCAL_RANK=rank) for rank in "10"
    ]
    for process in processes:
        process.join()
        assert process.exitcode == 0, told.read_text()
