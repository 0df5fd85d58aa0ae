"""Whose code a config or a recipe may run: each `_target_` is checked, all of them before any of them is called.

A config may come from anybody, so each place of it takes one kind of thing. Classes come from zoo, torch, torchmetrics,
lightning, installed plug-ins and the modules that the user names in `plugins=[…]`; functions from `FUNCTIONS` alone.
Nothing else is imported or called. Parts are built here and not by Hydra's `instantiate`, which calls anything.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pydoc import ErrorDuringImport, locate
from typing import Any

import lightning as L
from lightning.pytorch.accelerators import Accelerator
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins import CheckpointIO, ClusterEnvironment, Precision
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from zoo import registry
from zoo.data.core.data_module import DataModule
from zoo.errors import ConfigError, ZooError
from zoo.files import one_line, quoted
from zoo.settings import folded
from zoo.tasks.task import Task
from zoo.weights import catalogue

ROOTS = ("zoo", "torch", "torchmetrics", "lightning")
# What a place takes; the rest of a config takes PARTS
PLACES: dict[str, type] = {
    r"data": DataModule,
    r"task": Task,
    r"trainer": L.Trainer,
    r"callbacks\.[^.]+": Callback,
    r"logger\.[^.]+": Logger,
    r"task\.(\w+_)?optimizer": Optimizer,
    r"task\.(loss|discriminator)": nn.Module,
}
PARTS: tuple[type, ...] = (nn.Module, Metric, Optimizer, LRScheduler)
PARTS += (Accelerator, CheckpointIO, ClusterEnvironment, Precision, Profiler, Strategy)  # of a trainer
OWN = ("zoo.data.", "zoo.tasks.", "zoo.models.", "zoo.optim.", "zoo.metrics.", "zoo.spec.")  # any class of these, too
# And the functions, by the place that takes what they give
FUNCTIONS = {
    "zoo.tasks.sequence.memory_task": r"task",
    "zoo.tasks.supervised.supervised_task": r"task",
    "zoo.load": r"task\.\w+",
    "zoo.training.progress.progress_bar": r"callbacks\.\w+",
}
_MARKS = {"_target_", "_partial_", "_args_", "_convert_"}


@dataclass(frozen=True)
class Part:
    """What a `_target_` describes, found and not yet called."""

    target: Any
    place: str
    args: list[Any]
    keywords: dict[str, Any]
    partial: bool

    def build(self, **more: Any) -> Any:
        """Call it with more arguments, and first what its own describe; options records are put together."""
        args, keywords = built(self.args), built(self.keywords)
        if self.partial:
            return partial(self.target, *args, **keywords)
        return self.target(*args, **{**folded(self.target, keywords), **more})


def understood(described: Any, place: str, *, files: bool = True) -> Any:
    """A part of a config in which each dict with a `_target_` is found to be what its place takes.

    Args:
        described: plain dicts, lists and values, without interpolations.
        place: of it, such as `task`.
        files: whether `zoo.load` may read a file of this machine, besides published weights.

    Returns:
        The same, with a `Part` in place of each such dict; nothing is called yet.

    Raises:
        ConfigError: code that is not trusted, or of another kind than its place takes.
    """
    if isinstance(described, list):
        return [understood(one, place, files=files) for one in described]
    if not isinstance(described, Mapping):
        return described
    inner = {name: understood(value, f"{place}.{name}", files=files) for name, value in described.items()}
    if "_target_" not in described:
        return inner
    if unknown := [name for name in inner if str(name).startswith("_") and name not in _MARKS]:
        raise ConfigError(f"{place}.{quoted(unknown[0])} says nothing here; use {', '.join(sorted(_MARKS))}")
    args = inner.get("_args_", [])
    if not isinstance(args, list):
        raise ConfigError(f"{place}._args_ must be a list, got {quoted(args)}")
    if described["_target_"] == "zoo.load":
        _check_source(described, place, files)
    keywords = {name: value for name, value in inner.items() if name not in _MARKS}
    return Part(find(described["_target_"], place), place, args, keywords, inner.get("_partial_") is True)


def check(cfg: DictConfig) -> None:
    """See before a run starts that no part of its config names code that is not trusted; see `find`.

    What an interpolation gives is not known yet: each part is checked again as it is built.

    Raises:
        ConfigError: it does.
    """
    target = OmegaConf.select(cfg, "model._target_")
    if target not in (None, "zoo.models.build"):
        raise ConfigError(one_line(f"model._target_: {target}: a network is named by @zoo.register_model, not here"))
    for part in ("data", "task", "trainer", "callbacks", "logger"):
        _check_targets(OmegaConf.to_container(cfg[part], resolve=False), part)


def _check_targets(described: Any, place: str) -> None:
    if isinstance(described, list):
        for one in described:
            _check_targets(one, place)
    if not isinstance(described, dict):
        return
    target = described.get("_target_")
    if isinstance(target, str) and "${" not in target:
        find(target, place)
        if target == "zoo.load":
            _check_source(described, place, files=True)
    for name, value in described.items():
        _check_targets(value, f"{place}.{name}")


def built(found: Any) -> Any:
    """What a part that was understood describes.

    Raises:
        ConfigError: whatever its class raises.
    """
    if isinstance(found, Part):
        try:
            return found.build()
        except ZooError:
            raise
        except Exception as error:
            raise ConfigError(one_line(f"{found.place}: {error}")) from error
    if isinstance(found, list):
        return [built(one) for one in found]
    return {name: built(value) for name, value in found.items()} if isinstance(found, dict) else found


def find(target: Any, place: str) -> Any:
    """The class or function of that name, once it is seen that it is trusted and of the kind that the place takes.

    Raises:
        ConfigError: it is not, or there is none.
    """
    if not isinstance(target, str) or not all(re.fullmatch(r"[^\W\d_]\w*", part) for part in target.split(".")):
        raise ConfigError(one_line(f"{place}: {quoted(target)} names no class"))
    if not _is_within(target, (*ROOTS, *registry.plugins())):
        trusted = "zoo, torch, torchmetrics, lightning, an installed plug-in or a module of plugins=[…]"
        raise ConfigError(one_line(f"{place}: {target} is not of {trusted}"))
    try:
        found = locate(target)
    except ErrorDuringImport as error:
        raise ConfigError(one_line(f"{place}: {target} cannot be imported: {error.value}")) from error
    if found is None:
        raise ConfigError(one_line(f"{place}: there is no {target}"))
    if target in FUNCTIONS and re.fullmatch(FUNCTIONS[target], place):
        return found
    wanted = next((kind for pattern, kind in PLACES.items() if re.fullmatch(pattern, place)), None)
    if wanted is None:
        fits = inspect.isclass(found) and (issubclass(found, PARTS) or _is_own(found))
    else:
        fits = inspect.isclass(found) and issubclass(found, wanted)
    if not fits:
        kind = f"{wanted.__module__.split('.')[0]}'s {wanted.__name__}" if wanted else "a layer or another part"
        raise ConfigError(one_line(f"{place} takes a class, {kind}, and {target} is none"))
    return found


def _is_within(name: str, roots: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{root.rstrip('.')}.") for root in roots)


def _is_own(found: type) -> bool:
    """Whether the zoo or a plug-in defines the class."""
    return _is_within(found.__module__, (*OWN, *registry.plugins()))


def _check_source(described: Mapping[str, Any], place: str, files: bool) -> None:
    """See that `zoo.load` reads what is on this machine: a config makes nobody download anything."""
    source = described.get("source")
    if set(described) != {"_target_", "source"} or not isinstance(source, str):
        raise ConfigError(f"{place}: zoo.load takes source, the name of a published weight or a file")
    published = source in [record.name for record in catalogue.list_weights("*")]
    if not published and (not files or "://" in source):
        fault = "the name of a published weight" + (" or a file on this machine" if files else "")
        raise ConfigError(one_line(f"{place}: zoo.load takes {fault} here, not {quoted(source)}"))
