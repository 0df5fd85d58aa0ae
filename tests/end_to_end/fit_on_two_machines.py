"""Run by test_processes.py, by torchrun: trains by the command line's settings, and writes down what each process saw."""

import hashlib
import json
import os
import sys
from pathlib import Path

import zoo
from zoo.data.images import Digits


def main(out: str, *overrides: str) -> None:
    prepared = []
    prepare = Digits.prepare_data

    def prepare_and_note(data: Digits) -> None:
        prepared.append(os.environ["RANK"])
        prepare(data)

    Digits.prepare_data = prepare_and_note  # type: ignore[method-assign]
    trained = zoo.train(*overrides)
    weights = b"".join(value.numpy().tobytes() for value in trained.network.state_dict().values())
    seen = {"weights": hashlib.sha256(weights).hexdigest(), "prepared": prepared, "folder": str(trained.folder)}
    Path(out, f"{os.environ['RANK']}.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
