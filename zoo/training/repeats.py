"""Several runs of one command, by seeds or by folds: the mean of each metric with its spread, and the best is kept."""

from __future__ import annotations

import copy
import logging
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from zoo.errors import ConfigError
from zoo.files import replacing
from zoo.metrics.meanings import meaning, rounded
from zoo.training import folder as folders
from zoo.training.recipe import command, overrides_given, title
from zoo.training.run import Given, train
from zoo.training.trained import TrainedArtefact, keep

log = logging.getLogger(__name__)

MOST = 100


def train_all(cfg: DictConfig, given: Given) -> TrainedArtefact:
    """Train once, or as often as `cfg.seeds` or `cfg.folds` says.

    The folder of several runs holds one for each, `card.md` with the mean and the standard deviation of each metric,
    and the `model.safetensors` of the best by validation, whose metrics have `mean/test/…` and `std/test/…` besides.

    Raises:
        ConfigError: both are given, or one makes no sense; or what a run raises.
    """
    if cfg.seeds is None and cfg.folds is None:
        return train(cfg, given)
    what, count = _several(cfg)
    wanted, chosen = folders.choose(cfg.folder, None, f"runs/{cfg.choices.model}_{cfg.choices.task}_{cfg.choices.data}")
    with folders.claimed(wanted, chosen) as folder:
        runs: list[TrainedArtefact] = []
        for one, its in _runs(cfg, given, what, count, folder):
            log.info("Run %d of %d: %s", len(runs) + 1, count, Path(one.folder).name)
            runs.append(train(one, its))
        best = _best(runs)
        _write_card(folder / "card.md", cfg, what, runs, best)
        for name, values in _metrics(runs).items():
            best.metrics |= {f"mean/{name}": statistics.fmean(values), f"std/{name}": statistics.pstdev(values)}
        best.folder = folder
        keep(best)
    log.info("%s", _summary(runs))
    return best


def _several(cfg: DictConfig) -> tuple[str, int]:
    """Whether there are seeds or folds, and how many."""
    if cfg.seeds is not None and cfg.folds is not None:
        raise ConfigError("give seeds or folds, not both")
    what = "seeds" if cfg.seeds is not None else "folds"
    count = cfg[what]
    if type(count) is not int or not 2 <= count <= MOST:
        raise ConfigError(f"{what} must be a whole number from 2 to {MOST}, got {count}")
    if cfg.resume is not None:
        raise ConfigError(f"{what}: several runs are not resumed; give resume=… for one of them")
    if cfg.trainer.devices not in (1, "auto") or cfg.trainer.strategy == "ddp":
        raise ConfigError(f"{what}: several runs train on one device: give trainer.devices=1")
    return what, count


def _runs(cfg: DictConfig, given: Given, what: str, count: int, folder: Path) -> Iterator[tuple[DictConfig, Given]]:
    """The config of each run, and what it is given."""
    own = [part for part in overrides_given(cfg) if part.partition("=")[0] not in ("seeds", "folds", "seed", "folder")]
    for number in range(count):
        one = copy.deepcopy(cfg)
        one.seeds = one.folds = None
        its = given if given.data is None else replace(given, data=copy.deepcopy(given.data))
        if what == "seeds":
            one.seed = cfg.seed + number
            one.folder = str(folder / f"seed_{one.seed}")
        else:
            its = replace(its, fold=(number, count))
            one.folder = str(folder / f"fold_{number + 1}")
        one.choices.overrides = [*own, f"seed={one.seed}"]
        yield one, its


def _best(runs: Sequence[TrainedArtefact]) -> TrainedArtefact:
    sign = 1 if runs[0].mode == "max" else -1
    return max(runs, key=lambda run: -math.inf if math.isnan(run.score) else sign * run.score)


def _metrics(runs: Sequence[TrainedArtefact]) -> dict[str, list[float]]:
    """The metrics of the test and of baselines that all runs have."""
    names = [name for name in runs[0].metrics if name.startswith(("test/", "baseline/"))]
    shared = [name for name in names if all(name in run.metrics for run in runs)]
    return {name: [run.metrics[name] for run in runs] for name in shared}


def _summary(runs: Sequence[TrainedArtefact]) -> str:
    rows = {name: values for name, values in _metrics(runs).items() if name.startswith("test/")}
    parts = (
        f"{name} {rounded(statistics.fmean(values))} ± {rounded(statistics.pstdev(values), 2)}"
        for name, values in rows.items()
    )
    return f"Over {len(runs)} runs: {', '.join(parts)}"


def _write_card(path: Path, cfg: DictConfig, what: str, runs: Sequence[TrainedArtefact], best: TrainedArtefact) -> None:
    kind = "seeds" if what == "seeds" else "folds, each of them tested by the network of a run that has not seen it"
    lines = [
        f"# {title(cfg)}: {len(runs)} runs",
        "",
        f"{len(runs)} {kind}. `model.safetensors` is that of {best.folder.name}, which has the best {best.monitor} of "
        f"them, {rounded(best.score)}.",
        "",
        "## Command",
        "",
        f"    {command(overrides_given(cfg))}",
        "",
        "## Metrics",
        "",
        "| metric | mean | standard deviation | least | most | what it is |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in _metrics(runs).items():
        numbers = (statistics.fmean(values), statistics.pstdev(values), min(values), max(values))
        cells = " | ".join(rounded(number) for number in numbers)
        lines.append(f"| {name} | {cells} | {meaning(name)} |")
    lines += ["", "## Runs", "", f"| run | {runs[0].monitor} |", "|---|---|"]
    lines += [f"| [{run.folder.name}]({run.folder.name}/card.md) | {rounded(run.score)} |" for run in runs]
    with replacing(path) as file:
        file.write("\n".join([*lines, ""]).encode())
