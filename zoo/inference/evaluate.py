"""The metrics of trained networks, computed again: the recipe in an artefact names data, task and settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from torch import nn

import zoo.training.reports  # noqa: F401  # registers them
from zoo.data.arrays import not_at_hand
from zoo.data.core.data_module import DataModule
from zoo.errors import ArtefactError, ConfigError, DataError
from zoo.files import one_line, quoted
from zoo.progress import busy
from zoo.settings import type_errors
from zoo.spec import Spec
from zoo.tasks.task import Task
from zoo.training import report, trusted_code
from zoo.training.recipe import DATA
from zoo.training.report import Evaluation
from zoo.training.runtime import left_as_found, quieten_lightning
from zoo.weights import catalogue
from zoo.weights.artefact import Artefact

TOLERANCE = 0.002  # relative, of metrics for which no record has one
PLACES = ("data.root", "data.path", "data.test_root")  # settings that say where data lies


def evaluate(cfg: DictConfig) -> bool:
    """Compute metrics again, as `conf/use/evaluate.yaml` describes, and print them beside those that are claimed.

    Returns:
        Whether each that could be computed is within its tolerance of what is claimed.

    Raises:
        ConfigError: no such weights.
        ArtefactError: a file that is damaged, or says nothing of how it came about.
        DataError: the data of the only weights asked for is not at hand.
    """
    chosen = dict(_chosen(cfg.weights))
    rows = [f"{'weights':32} {'metric':24} {'claimed':>10} {'measured':>10} {'tolerance':>9}"]
    agree = True
    for name, (artefact, tolerance) in chosen.items():
        try:
            measured = measure(artefact, Path(cfg.root), download=cfg.download, accelerator=cfg.accelerator)
        except DataError as error:
            if len(chosen) == 1:
                raise
            rows.append(f"{name:32} skipped: {error}")
        else:
            for metric, claimed, found, allowed in compare(artefact.metrics, measured, tolerance):
                within = abs(found - claimed) <= allowed  # NaN is not
                agree &= within
                row = f"{name:32} {metric:24} {claimed:10.5g} {found:10.5g} {allowed:9.2g}"
                rows.append(row if within else f"{row}  DIFFERS")
        while rows:
            print(rows.pop(0))
    return agree


def compare(
    claimed: Mapping[str, float], measured: Mapping[str, float], tolerance: Mapping[str, float]
) -> Iterator[tuple[str, float, float, float]]:
    """Each metric of the test split: its name, as claimed, as measured (NaN if it was not), and its tolerance."""
    for name, value in claimed.items():
        if name.startswith("test/"):
            yield name, value, measured.get(name, math.nan), tolerance.get(name, TOLERANCE * abs(value))


@left_as_found()
def measure(
    artefact: Artefact,
    root: Path,
    *,
    download: bool = False,
    accelerator: str = "auto",
    seed: int | None = None,
    callbacks: Sequence[L.Callback] = (),
) -> dict[str, float]:
    """The metrics of the test split, by the data module and the task that the artefact's recipe names.

    Args:
        artefact: whose network is evaluated.
        root: the folder of the data sets.
        download: what is missing there.
        accelerator: Lightning's name of the device.
        seed: of whatever the test draws at random; None for the recipe's.
        callbacks: Lightning's, which watch the test.

    Raises:
        ArtefactError: the recipe is not there, or names something that is no data module or task of the zoo.
        DataError: the data is not at hand, or is not that on which the network was trained.
        ConfigError: there is no such accelerator.
    """
    quieten_lightning()
    config = artefact.recipe.get("config")
    if not isinstance(config, dict) or not {"data", "task", "seed"} <= config.keys():
        raise ArtefactError("its recipe does not say on what data and by what task it was trained")
    if type(config["seed"]) is not int or not 0 <= config["seed"] < 2**32:
        raise ArtefactError(f"its recipe has no seed but {config['seed']!r}")
    L.seed_everything(config["seed"] if seed is None else seed, workers=True, verbose=False)
    if isinstance(config["data"], dict) and "module" in config["data"]:
        raise not_at_hand(config["data"]["module"])
    described = _part(config, "data", root)
    takes = inspect.signature(described.target).parameters
    if "path" in takes and "path" not in described.keywords:
        raise DataError("its recipe does not name the file that it was trained on, which lay outside $ZOO_DATA")
    for place in ("cache", "labels"):  # a recipe names no place on this disk
        described.keywords.pop(place, None)
    wants_root = "root" in takes and "root" not in described.keywords
    data: DataModule = _called(described, **({"root": str(root)} if wants_root else {}))
    with busy("reading the data"):
        if download:
            data.prepare_data()
        data.setup("test")

    def build(spec: Spec) -> nn.Module:
        if not _alike(spec.to_json(), artefact.spec.to_json()):
            raise DataError("the data is not that on which it was trained: it would take a network of another spec")
        return artefact.network

    task: Task = _called(_part(config, "task", root), spec=data.spec, build=build)
    try:
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=1,
            logger=False,
            callbacks=list(callbacks),
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise ConfigError(f"accelerator={accelerator}: {error}") from error
    with busy("testing"):
        trainer.test(task, data, verbose=False)
        more = report.split_metrics(task, Evaluation(task, data.splits, data.batch_size, artefact.calibration))
    measured = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    artefact.network.cpu()
    return {**measured, **{f"test/{name}": float(value) for name, value in more.items()}}


def _chosen(weights: str) -> Iterator[tuple[str, tuple[Artefact, Mapping[str, float]]]]:
    """Names of what is to be evaluated, with the artefact and the tolerances of its metrics."""
    if not isinstance(weights, str):
        raise ConfigError(f"weights is one name, pattern, path or address, or all; got {weights}")
    pattern = "*" if weights == "all" else weights
    records = catalogue.list_weights(pattern)
    if not records and "*" in pattern:
        raise ConfigError(f"no weights match {pattern}")
    for record in records:
        yield record.name, (catalogue.load(record.name), record.tolerance)
    if not records:
        yield weights, (catalogue.load(weights), {})


def _part(config: Mapping[str, Any], name: str, root: Path) -> trusted_code.Part:
    """What a part of a recipe describes, once it is seen that it runs no code but that of the zoo and of plug-ins."""
    described = _portable(config[name], name, root)
    try:
        found = trusted_code.understood(described, name, files=False)
    except ConfigError as error:
        raise ArtefactError(f"its recipe cannot be followed: {error}") from error
    if not isinstance(found, trusted_code.Part):
        raise ArtefactError("its recipe does not say on what data and by what task it was trained")
    for fault in type_errors(described, f"its recipe's {name}"):
        raise ArtefactError(fault)
    return found


def _called(part: trusted_code.Part, **more: Any) -> Any:
    try:
        return part.build(**more)
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"its recipe cannot be followed: {error}") from error


def _portable(described: Any, place: str, root: Path) -> Any:
    """A part of a recipe in which `$ZOO_DATA` is the folder of data sets; it names no other place on this machine."""
    if isinstance(described, dict):
        return {name: _portable(value, f"{place}.{name}", root) for name, value in described.items()}
    if isinstance(described, list):
        return [_portable(value, place, root) for value in described]
    if not isinstance(described, str):
        return described
    if "${" in described:
        raise ArtefactError(one_line(f"its recipe holds an interpolation: {described}"))
    if place in PLACES and (not described.startswith(DATA) or ".." in Path(described).parts):
        raise ArtefactError(one_line(f"its recipe names a place on this machine, {place}={quoted(described)}"))
    return described.replace(DATA, str(root), 1) if described.startswith(DATA) else described


def _alike(one: Any, other: Any) -> bool:
    """Whether two specs are the same, but for how their statistics were rounded."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_alike(*pair) for pair in zip(one, other))
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
    return bool(one == other)
