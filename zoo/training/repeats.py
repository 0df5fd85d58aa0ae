"""Several runs of one command, by seeds or by folds: the mean of each metric with its spread.

The best network is kept, or one that averages all.
"""

from __future__ import annotations

import copy
import logging
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from zoo.errors import ConfigError, unknown
from zoo.files import replacing
from zoo.metrics.meanings import meaning, rounded
from zoo.training import averaged
from zoo.training import folder as folders
from zoo.training.recipe import command, overrides_given, title
from zoo.training.run import Given, train
from zoo.training.trained import TrainedArtefact, keep

log = logging.getLogger(__name__)

MOST = 100
KEPT = ("best", "ensemble")
AVERAGE_OF_FOLDS = (
    "averages what they predict. All of them together have learned from all rows, so it has no test of its own: the "
    "mean below is of its networks one by one, each on rows that it has not learned from. For an average to be "
    "possible, the rows of all folds are encoded alike, by the means, spreads and names of all rows. Probabilities and "
    "intervals are calibrated on what each network predicts for the rows that it was tested on"
)


def train_all(cfg: DictConfig, given: Given) -> TrainedArtefact:
    """Train once, or as often as `cfg.seeds` or `cfg.folds` says.

    The folder of several runs holds one for each, `card.md` with the mean and the standard deviation of each metric,
    and the `model.safetensors` of the best by validation, whose metrics have `mean/test/…` and `std/test/…` besides.
    With `keep=ensemble` it is of a network that averages all; that of seeds has a folder like a run's.

    Raises:
        ConfigError: both are given, or one makes no sense; or what a run raises.
    """
    if cfg.seeds is None and cfg.folds is None:
        return train(cfg, given)
    given = replace(given, several=True)
    what, count = _several(cfg)
    wanted, chosen = folders.choose(cfg.folder, None, f"runs/{cfg.choices.model}_{cfg.choices.task}_{cfg.choices.data}")
    with folders.claimed(wanted, chosen) as folder:
        runs: list[TrainedArtefact] = []
        for one, its in _runs(cfg, given, what, count, folder):
            log.info("Run %d of %d: %s", len(runs) + 1, count, Path(one.folder).name)
            runs.append(train(one, its))
            if cfg.keep == "ensemble" and runs[-1].spec.to_json() != runs[0].spec.to_json():
                raise ConfigError(f"keep=ensemble: the data differs from {what[:-1]} to {what[:-1]}; leave keep away")
        kept = _best(runs)
        if cfg.keep == "ensemble" and what == "seeds":
            kept = averaged.of_seeds(_alone(cfg, folder / "ensemble"), given, runs)
        elif cfg.keep == "ensemble":
            kept = averaged.of_folds(_alone(cfg, folder), given, runs)
        _write_card(folder / "card.md", cfg, what, runs, kept)
        for name, values in _metrics(runs).items():
            kept.metrics |= {f"mean/{name}": statistics.fmean(values), f"std/{name}": statistics.pstdev(values)}
        kept.folder = folder
        keep(kept)
    log.info("%s", _summary(runs))
    return kept


def _several(cfg: DictConfig) -> tuple[str, int]:
    """Whether there are seeds or folds, and how many."""
    if cfg.seeds is not None and cfg.folds is not None:
        raise ConfigError("give seeds or folds, not both")
    what = "seeds" if cfg.seeds is not None else "folds"
    count = cfg[what]
    if type(count) is not int or not 2 <= count <= MOST:
        raise ConfigError(f"{what} must be a whole number from 2 to {MOST}, got {count}")
    if cfg.keep not in KEPT:
        raise ConfigError(unknown("keep", str(cfg.keep), KEPT))
    if cfg.resume is not None:
        raise ConfigError(f"{what}: several runs are not resumed; give resume=… for one of them")
    if cfg.trainer.devices not in (1, "auto") or cfg.trainer.strategy == "ddp":
        raise ConfigError(f"{what}: several runs train on one device: give trainer.devices=1")
    return what, count


def _runs(cfg: DictConfig, given: Given, what: str, count: int, folder: Path) -> Iterator[tuple[DictConfig, Given]]:
    """The config of each run, and what it is given."""
    of_all = ("seeds", "folds", "keep", "seed", "folder")
    own = [part for part in overrides_given(cfg) if part.partition("=")[0] not in of_all]
    for number in range(count):
        seed = cfg.seed + number if what == "seeds" else cfg.seed
        one = _alone(cfg, folder / (f"seed_{seed}" if what == "seeds" else f"fold_{number + 1}"))
        one.seed = seed
        one.choices.overrides = [*own, f"seed={seed}"]
        its = given if given.data is None else replace(given, data=copy.deepcopy(given.data))
        yield one, its if what == "seeds" else replace(its, fold=(number, count))


def _alone(cfg: DictConfig, folder: Path) -> DictConfig:
    """The config of one run of several, in a folder of its own."""
    one = copy.deepcopy(cfg)
    one.seeds = one.folds = None
    one.folder = str(folder)
    return one


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


def _write_card(path: Path, cfg: DictConfig, what: str, runs: Sequence[TrainedArtefact], kept: TrainedArtefact) -> None:
    kind = "seeds" if what == "seeds" else "folds, each of them tested by the network of a run that has not seen it"
    is_average = cfg.keep == "ensemble"
    is_tested = is_average and what == "seeds"
    if is_tested:
        which = "averages what they predict, and is tested on the same examples"
    elif is_average:
        which = AVERAGE_OF_FOLDS
    else:
        which = f"is that of {kept.folder.name}, which has the best {kept.monitor} of them, {rounded(kept.score)}"
    columns = ["mean", "standard deviation", "least", "most", *(["the ensemble"] if is_tested else []), "what it is"]
    lines = [
        f"# {title(cfg)}: {len(runs)} runs",
        "",
        f"{len(runs)} {kind}. `model.safetensors` {which}.",
        "",
        "## Command",
        "",
        f"    {command(overrides_given(cfg))}",
        "",
        "## Metrics",
        "",
        f"| metric | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, values in _metrics(runs).items():
        numbers = [statistics.fmean(values), statistics.pstdev(values), min(values), max(values)]
        numbers += [kept.metrics.get(name, math.nan)] if is_tested else []
        cells = " | ".join(rounded(number) for number in numbers)
        lines.append(f"| {name} | {cells} | {meaning(name)} |")
    lines += ["", "## Runs", "", f"| run | {kept.monitor} |", "|---|---|"]
    rows = [*runs, kept] if is_tested else runs
    lines += [f"| [{run.folder.name}]({run.folder.name}/card.md) | {rounded(run.score)} |" for run in rows]
    with replacing(path) as file:
        file.write("\n".join([*lines, ""]).encode())
