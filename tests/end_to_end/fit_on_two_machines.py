"""Run by test_processes.py, by torchrun or as SLURM would: trains, and writes down what each process saw."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only

import zoo
from zoo.data.images import Digits


def main(out: str, *overrides: str) -> None:
    ready, seen = Path(out, "ready"), {"prepared": False, "waited": True}
    setup = Digits.setup

    def prepare_slowly(data: Digits) -> None:
        seen["prepared"] = True
        time.sleep(0.7)
        ready.touch()

    def note_and_setup(data: Digits, stage: str | None = None) -> None:
        seen["waited"] &= ready.exists()
        setup(data, stage)

    rank_zero_only.rank = int(os.environ.get("RANK", rank_zero_only.rank))  # where torchrun forks, not of its parent
    Digits.prepare_data, Digits.setup = prepare_slowly, note_and_setup
    trained = zoo.train(*overrides)
    weights = b"".join(value.numpy().tobytes() for value in trained.network.state_dict().values())
    seen["weights"] = hashlib.sha256(weights).hexdigest()
    Path(out, f"{rank_zero_only.rank}.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
