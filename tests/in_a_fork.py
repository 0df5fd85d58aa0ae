"""A program in a fork of a process that has imported what it takes; by `runpy`, which is given the names at the end."""

import os
import runpy
import sys

from lightning.pytorch.utilities.rank_zero import rank_zero_only

os.setsid()  # what a terminal sends is for those who start this
os.chdir(folder)  # type: ignore[name-defined]  # noqa: F821
os.environ.clear()
os.environ.update(environment)  # type: ignore[name-defined]  # noqa: F821
ranks = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # which Lightning reads as it is imported
rank_zero_only.rank = next((int(os.environ[name]) for name in ranks if name in os.environ), 0)
for number, path in enumerate(streams):  # type: ignore[name-defined]  # noqa: F821
    with open(path, "a" if number else "r") as file:
        os.dup2(file.fileno(), number)
if encoding := os.environ.get("PYTHONIOENCODING"):  # which Python reads as it starts
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding)  # type: ignore[union-attr]
sys.argv = arguments  # type: ignore[name-defined]  # noqa: F821
runpy.run_path(sys.argv[0], run_name="__main__")
