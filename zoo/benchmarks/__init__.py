"""Speed and quality on this machine, beside other libraries: a file a suite, each with a function `run(root)`.

A suite prints a table, and gives its rows. Each is then printed once more as a line of JSON, with the medians of what
was measured of ours and of theirs, in turns: machines are noisy, and what counts is their ratio and its spread.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import platform
import statistics
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, unknown
from zoo.progress import busy

if TYPE_CHECKING:
    from omegaconf import DictConfig

SHARED = "cells"  # no suite: what several of them measure
SUITES = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != SHARED)
DIGITS = 4  # that are printed of a measured number


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: of what is compared.
        ours: what was measured of ours, in each round: seconds, or a metric.
        theirs: of the other one, in the same rounds; empty where there is none.
    """

    name: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()

    def json(self) -> str:
        """Medians, their ratio (ours / theirs), and the lowest and the highest ratio of a round."""
        ours, theirs, ratio, spread = statistics.median(self.ours), None, None, None
        if self.theirs:
            theirs = statistics.median(self.theirs)
            ratio = ours / theirs
            ratios = _ratios(self.ours, self.theirs)
            spread = [_rounded(min(ratios)), _rounded(max(ratios))]
        return json.dumps(
            {
                "row": self.name,
                "ours": _rounded(ours),
                "theirs": _rounded(theirs),
                "ratio": _rounded(ratio),
                "spread": spread,
            }
        )


def run(cfg: DictConfig) -> None:
    """Print the table of a suite, and its rows as lines of JSON, as `conf/benchmark.yaml` describes.

    Raises:
        ConfigError: there is no such suite.
    """
    if cfg.suite not in SUITES:
        raise ConfigError(unknown("suite", cfg.suite, SUITES))
    with quiet(), busy(f"the suite {cfg.suite}"):
        rows: Iterable[Row] = importlib.import_module(f"{__name__}.{cfg.suite}").run(Path(cfg.root))
        print(f"\n{machine()}")
        print("\n".join(row.json() for row in rows), flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing but figures is printed: no notices of Lightning's, and no warnings."""
    from zoo.training.runtime import quieten_lightning

    with warnings.catch_warnings():
        quieten_lightning()
        warnings.filterwarnings("ignore")
        yield


def machine() -> str:
    """The CPU, its threads, and the precision of mixed runs."""
    import torch

    from zoo.hardware import precision

    return f"{cpu()}, {torch.get_num_threads()} threads of torch {torch.__version__}, {precision('auto', 'cpu')}"


def cpu() -> str:
    """The name of the CPU, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Of each round; of all pairs, where one side was measured more often."""
    if len(ours) == len(theirs):
        return [mine / other for mine, other in zip(ours, theirs)]
    return [mine / other for mine in ours for other in theirs]


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.{DIGITS}g}")
