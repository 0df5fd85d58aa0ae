"""A program in a fork of a process that has imported what it takes; by `runpy`, which is given the names at the end."""

import os
import runpy
import sys
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from matplotlib.figure import Figure

from zoo.training import report

os.fsync = lambda handle: None  # as in the tests' own process
os.setsid()  # what a terminal sends is for those who start this
os.chdir(folder)  # type: ignore[name-defined]  # noqa: F821
os.environ.clear()
os.environ.update(environment)  # type: ignore[name-defined]  # noqa: F821
ranks = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # which Lightning reads as it is imported
rank_zero_only.rank = next((int(os.environ[name]) for name in ranks if name in os.environ), 0)
for number, path in enumerate(streams):  # type: ignore[name-defined]  # noqa: F821
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT if number else os.O_RDONLY)
    os.dup2(opened, number)
    os.close(opened)
encoding = os.environ.get("PYTHONIOENCODING")  # which Python reads as it starts
sys.stdin = open(0, closefd=False)  # noqa: SIM115
sys.stdout = sys.__stdout__ = open(1, "w", encoding=encoding, closefd=False)  # type: ignore[misc]  # noqa: SIM115
sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]  # noqa: SIM115
    2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False
)
if not drawn:  # type: ignore[name-defined]  # noqa: F821
    Figure.savefig = lambda figure, path, **options: Path(path).touch()  # type: ignore[method-assign]
    report.plots = lambda task, evaluation, folder: {}  # type: ignore[assignment]
    report.views = lambda task, evaluation: {}  # type: ignore[assignment]
sys.argv = arguments  # type: ignore[name-defined]  # noqa: F821
runpy.run_path(sys.argv[0], run_name="__main__")
