"""The metrics of trained networks, computed again: the recipe in an artefact names data, task and settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

import lightning as L
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig
from torch import nn

import zoo.training.reports  # noqa: F401  # registers them
from zoo.data.core.data_module import DataModule
from zoo.errors import ArtefactError, ConfigError, DataError
from zoo.settings import folded, type_errors
from zoo.spec import Spec
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.recipe import DATA
from zoo.training.report import Evaluation
from zoo.training.runtime import quieten_lightning
from zoo.weights import catalogue
from zoo.weights.artefact import Artefact

TOLERANCE = 0.002  # relative, of metrics for which no record has one
# What the recipe of an artefact may build: nothing else that a foreign file names is ever called
BUILDERS = ("zoo.data.", "zoo.tasks.", "zoo.models.", "zoo.optim.", "torch.nn.", "torch.optim.")
FUNCTIONS = (
    "zoo.tasks.sequence.memory_task",
    "zoo.tasks.supervised.supervised_task",
)  # not those that draw, and write a file


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
    print(f"{'weights':32} {'metric':24} {'claimed':>10} {'measured':>10} {'tolerance':>9}")
    agree = True
    for name, (artefact, tolerance) in chosen.items():
        try:
            measured = measure(artefact, Path(cfg.root), download=cfg.download, accelerator=cfg.accelerator)
        except DataError as error:
            if len(chosen) == 1:
                raise
            print(f"{name:32} skipped: {error}")
            continue
        for metric, claimed, found, allowed in compare(artefact.metrics, measured, tolerance):
            within = abs(found - claimed) <= allowed  # NaN is not
            agree &= within
            row = f"{name:32} {metric:24} {claimed:10.5g} {found:10.5g} {allowed:9.2g}"
            print(row if within else f"{row}  DIFFERS")
    return agree


def compare(
    claimed: Mapping[str, float], measured: Mapping[str, float], tolerance: Mapping[str, float]
) -> Iterator[tuple[str, float, float, float]]:
    """Each metric of the test split: its name, as claimed, as measured (NaN if it was not), and its tolerance."""
    for name, value in claimed.items():
        if name.startswith("test/"):
            yield name, value, measured.get(name, math.nan), tolerance.get(name, TOLERANCE * abs(value))


def measure(
    artefact: Artefact,
    root: Path,
    *,
    download: bool = False,
    accelerator: str = "auto",
    seed: int | None = None,
) -> dict[str, float]:
    """The metrics of the test split, by the data module and the task that the artefact's recipe names.

    Args:
        artefact: whose network is evaluated.
        root: the folder of the data sets.
        download: what is missing there.
        accelerator: Lightning's name of the device.
        seed: of whatever the test draws at random; None for the recipe's.

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
    described = _builder(config["data"], root)
    takes = inspect.signature(described.func).parameters
    if "path" in takes and "path" not in described.keywords:
        raise DataError("its recipe does not name the file that it was trained on, which lay outside $ZOO_DATA")
    for place in ("cache", "labels"):  # a recipe names no place on this disk
        described.keywords.pop(place, None)
    wants_root = "root" in takes and "root" not in described.keywords
    data: DataModule = _called(described, **({"root": str(root)} if wants_root else {}))
    if download:
        data.prepare_data()
    data.setup("test")

    def build(spec: Spec) -> nn.Module:
        if not _alike(spec.to_json(), artefact.spec.to_json()):
            raise DataError("the data is not that on which it was trained: it would take a network of another spec")
        return artefact.network

    task: Task = _called(_builder(config["task"], root), spec=data.spec, build=build)
    try:
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise ConfigError(f"accelerator={accelerator}: {error}") from error
    trainer.test(task, data, verbose=False)
    measured = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    more = report.split_metrics(task, Evaluation(task, data.splits, data.batch_size))
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


def _builder(described: Any, root: Path) -> partial[Any]:
    """Builds what a part of a recipe describes, once it is seen to be made of the zoo's and torch's parts alone."""
    checked = _checked(described, root)
    if not isinstance(checked, dict) or "_target_" not in checked:
        raise ArtefactError("its recipe does not say on what data and by what task it was trained")
    for fault in type_errors(checked, "its recipe"):
        raise ArtefactError(fault)
    try:
        built: partial[Any] = instantiate(checked, _partial_=True, _convert_="all")
        return built
    except InstantiationException as error:
        raise ArtefactError(f"its recipe cannot be followed: {error.__cause__ or error}") from error


def _called(builder: partial[Any], **more: Any) -> Any:
    try:
        return builder.func(**{**folded(builder.func, builder.keywords), **more})
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"its recipe cannot be followed: {error}") from error


def _checked(described: Any, root: Path) -> Any:
    if isinstance(described, dict):
        if "_target_" in described and not (_is_published(described) or _may_be_built(described["_target_"])):
            raise ArtefactError(f"its recipe would call {described['_target_']}, which is no part of the zoo")
        return {name: _checked(value, root) for name, value in described.items()}
    if isinstance(described, list):
        return [_checked(value, root) for value in described]
    if isinstance(described, str):
        if "${" in described:
            raise ArtefactError(f"its recipe holds an interpolation: {described}")
        return described.replace(DATA, str(root), 1) if described.startswith(DATA) else described
    return described


def _is_published(described: dict[str, Any]) -> bool:
    """Whether it loads one of the catalogue's weights, as the evaluator of generated images is."""
    names = [record.name for record in catalogue.list_weights("*")]
    return (
        set(described) == {"_target_", "source"}
        and described["_target_"] == "zoo.load"
        and described["source"] in names
    )


def _may_be_built(target: Any) -> bool:
    """Whether it names a class that the zoo or torch define where their parts are defined, or what gives a task."""
    if not isinstance(target, str) or not target.startswith(BUILDERS):
        return False
    try:
        found = locate(target)
    except ErrorDuringImport:
        return False
    return target in FUNCTIONS or (inspect.isclass(found) and f"{found.__module__}.".startswith(BUILDERS))


def _alike(one: Any, other: Any) -> bool:
    """Whether two specs are the same, but for how their statistics were rounded."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(_alike(*pair) for pair in zip(one, other))
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6)
    return bool(one == other)
