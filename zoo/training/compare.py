"""zoo compare: put the test metrics of several runs side by side, and say which differences are real.

    zoo compare runs/a runs/b runs/c

The first run is the one that the others are compared with. Each metric has a 95 % interval, by the bootstrap over test
examples. Where runs were tested on the same examples, the differences have one too (a paired bootstrap: both are scored
on the same draws), and are real where it leaves 0 out. Metrics that are no mean over test examples, such as BLEU, have
none.

folder=…   of table and plot; else a new one within runs/comparisons
metrics=…  those that are shown: metrics=accuracy,auroc
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

import torch
from torch import Tensor

from zoo import plots
from zoo.errors import ArtefactError, ConfigError, unknown
from zoo.files import one_line, quoted, replacing, user_path
from zoo.metrics.bootstrap import CONFIDENCE, Interval
from zoo.metrics.meanings import meaning, rounded, title
from zoo.progress import busy
from zoo.training.doors import said
from zoo.training.outcomes import DRAWS, FILE, Outcomes, load_outcomes
from zoo.weights.artefact import load

log = logging.getLogger(__name__)

OWN = ("folder", "metrics")


@dataclass(frozen=True)
class Run:
    """A run that is compared.

    Args:
        name: in table and plot.
        metrics: of its test split.
        outcomes: for each test example; None of a task that keeps none.
    """

    name: str
    metrics: Mapping[str, float]
    outcomes: Outcomes | None


@dataclass(frozen=True)
class Compared:
    """A metric of a run: its value, and how far it is above that of the first run; None where that cannot be told."""

    value: Interval
    difference: Interval | None


def from_command(arguments: Sequence[str]) -> None:
    """Compare as `zoo compare` says.

    Raises:
        ConfigError: fewer than two runs, a folder that is none, or a metric that they do not have.
    """
    if {"-h", "--help"} & set(arguments):
        print((__doc__ or "").strip())
        return
    own = dict(one.split("=", 1) for one in arguments if one.partition("=")[0] in OWN and "=" in one)
    places = [user_path(one) for one in arguments if not (one.partition("=")[0] in OWN and "=" in one)]
    for place in places:
        name, sign, _ = str(place).partition("=")
        if sign and name.isidentifier() and not place.exists():
            raise ConfigError(unknown("setting", name, OWN))
    with said():
        folder = user_path(own.get("folder") or f"runs/comparisons/{datetime.now():%Y-%m-%d_%H-%M-%S}")
        compare(places, folder, [name for name in own.get("metrics", "").split(",") if name])


def compare(places: Sequence[Path], folder: Path, metrics: Sequence[str] = ()) -> dict[str, dict[str, Compared]]:
    """Compare runs, print the table, and write it and its plot to a folder.

    Args:
        places: folders of runs, or their model.safetensors; the first is what the others are compared with.
        folder: of `compare.md` and `compare.png`.
        metrics: those that are shown; none for all.

    Returns:
        What each metric of each run is, by metric and run.

    Raises:
        ConfigError: fewer than two runs, a folder that is none, a metric that they do not have, or none in common.
    """
    if len(places) < 2:
        raise ConfigError("compare takes two runs or more: zoo compare runs/a runs/b")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"folder: {folder} is a file")
    runs = _named(places)
    shown = shared_metrics(runs, metrics)
    with busy("comparing"):
        found = compared(runs, shown)
    text = as_text(runs, found)
    log.info("%s", text)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "compare.md") as file:
        file.write(text.encode())
    short = _short([run.name for run in runs])
    panels = {title(name): {short[run]: _ends(one.value) for run, one in rows.items()} for name, rows in found.items()}
    plots.intervals(panels, folder / "compare.png")
    log.info("Written to %s: compare.md, compare.png", folder)
    return found


def read_run(place: Path) -> Run:
    """A run, from its folder or the artefact in it.

    Raises:
        ConfigError: there is no run.
    """
    home = place.parent if place.is_file() else place
    if not (home / "model.safetensors").is_file():
        raise ConfigError(one_line(f"{place} is not the folder of a run: it has no model.safetensors"))
    try:
        claimed = load(home / "model.safetensors").metrics
    except ArtefactError as error:
        raise ConfigError(str(error)) from error
    metrics = {name.removeprefix("test/"): value for name, value in claimed.items() if name.startswith("test/")}
    outcomes = load_outcomes(home / FILE) if (home / FILE).is_file() else None
    return Run(str(place), metrics, outcomes)


def _named(places: Sequence[Path]) -> list[Run]:
    runs = [read_run(place) for place in places]
    if len({run.name for run in runs}) < len(runs):
        raise ConfigError(f"a run is named twice: {quoted(', '.join(run.name for run in runs))}")
    return runs


def _short(names: Sequence[str]) -> dict[str, str]:
    """The names of runs without the folders that all of them lie in."""
    parts = [Path(name).parts for name in names]
    levels = zip(*(one[:-1] for one in parts))
    shared = len(list(takewhile(lambda level: len(set(level)) == 1, levels)))
    return {name: str(Path(*one[shared:])) for name, one in zip(names, parts)}


def shared_metrics(runs: Sequence[Run], wanted: Sequence[str] = ()) -> list[str]:
    """The metrics that all runs have, or those of them that are wanted.

    Raises:
        ConfigError: they do not have one that is wanted, or none in common.
    """
    shared = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    if not shared:
        raise ConfigError("these runs have no metric of the test split in common")
    for name in wanted:
        if name not in shared:
            raise ConfigError(unknown("metric of all these runs", name, shared))
    return [name for name in shared if not wanted or name in wanted]


def compared(runs: Sequence[Run], metrics: Sequence[str]) -> dict[str, dict[str, Compared]]:
    """These metrics, which all runs have, by metric and run."""
    first = runs[0]
    draws = {run.name: _draws(run.outcomes, metrics) for run in runs if run.outcomes is not None}
    found: dict[str, dict[str, Compared]] = {name: {} for name in metrics}
    for run in runs:
        paired = run is not first and _paired(first.outcomes, run.outcomes)
        for name in metrics:
            value = _interval(run.metrics[name], draws.get(run.name, {}).get(name))
            difference = None
            if paired and name in draws[run.name]:
                spread = draws[run.name][name] - draws[first.name][name]
                difference = _interval(run.metrics[name] - first.metrics[name], spread)
            found[name][run.name] = Compared(value, difference)
    return found


def _paired(one: Outcomes | None, other: Outcomes | None) -> bool:
    return one is not None and other is not None and one.same_examples(other)


def _draws(outcomes: Outcomes, names: Sequence[str]) -> dict[str, Tensor]:
    """Each of these metrics on draws of the test examples (D,), which are the same for all runs of as many examples."""
    random, count = torch.Generator().manual_seed(0), len(outcomes)
    rows = [outcomes.metrics(torch.randint(count, (count,), generator=random), names) for _ in range(DRAWS)]
    return {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]}


def _interval(value: float, draws: Tensor | None) -> Interval:
    known = torch.empty(0) if draws is None else draws[draws.isfinite()]
    if not len(known):
        return Interval(value, math.nan, math.nan)
    tail = (1 - CONFIDENCE) / 2
    return Interval(value, float(known.quantile(tail)), float(known.quantile(1 - tail)))


def _ends(found: Interval) -> tuple[float, float, float]:
    return found.value, found.low, found.high


def as_text(runs: Sequence[Run], found: Mapping[str, Mapping[str, Compared]]) -> str:
    """A table of Markdown for each metric, with what it is."""
    lines = ["# Runs compared", ""]
    for name, rows in found.items():
        known = meaning(name)
        lines += [f"## {title(name)}", "", *([known, ""] if known else [])]
        lines += [f"| run | {name} | 95 % interval | beside {runs[0].name} | real? |", "|---|---|---|---|---|"]
        for run in runs:
            lines.append(f"| {run.name} | {_row(rows[run.name], run is runs[0])} |")
        lines.append("")
    unpaired = [run.name for run in runs[1:] if not _paired(runs[0].outcomes, run.outcomes)]
    if unpaired:
        why = f"were not tested on the same examples as {runs[0].name}, or keep no outcomes"
        lines.append(f"{', '.join(unpaired)}: these {why}, so that nothing is said of differences.")
    return "\n".join(lines)


def _row(one: Compared, first: bool) -> str:
    value, difference = one.value, one.difference
    within = "–" if math.isnan(value.low) else f"{rounded(value.low)} to {rounded(value.high)}"
    if first or difference is None:
        return f"{rounded(value.value)} | {within} | – | –"
    ahead, low, high = (rounded(end, sign="+") for end in (difference.value, difference.low, difference.high))
    is_real = "yes" if difference.excludes_zero else "no: within chance"
    return f"{rounded(value.value)} | {within} | {ahead} ({low} to {high}) | {is_real}"
