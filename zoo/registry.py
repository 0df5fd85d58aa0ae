"""The one list of techniques, those that come from outside the package among them.

    @zoo.register_model("mine")
    def build(spec: Spec, *, width: int = 32) -> nn.Module: ...

A package that is installed announces its modules by entry points of the group `zoo.plugins`. They are imported at the
first unknown name of a model, and never by `import zoo`.
"""

from __future__ import annotations

import importlib
import inspect
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from torch import nn

from zoo.errors import ConfigError, unknown
from zoo.files import one_line
from zoo.spec import Spec

log = logging.getLogger(__name__)

GROUP = "zoo.plugins"


@dataclass(frozen=True)
class Model:
    """A technique: the function that builds its network for a spec, and raises `SpecError` where it does not fit.

    Args:
        build: `build(spec, **options)`.
        network: its class, whose arguments `create_model` takes; None where it is built for a spec alone.
        defaults: gives the options that suit a spec in a training, where neither config nor command line does.
        plugin: the module that registered it; empty for those of the zoo.
    """

    build: Callable[..., nn.Module]
    network: Callable[..., nn.Module] | None = None
    defaults: Callable[[Spec], Mapping[str, Any]] = lambda spec: {}
    plugin: str = ""


MODELS: dict[str, Model] = {}
_plugins: list[str] = []  # modules whose code may run, since the user has named them
_announced: list[str] = []  # modules of entry points that were imported


def register_model(
    name: str,
    build: Callable[..., nn.Module] | None = None,
    *,
    network: Callable[..., nn.Module] | None = None,
    defaults: Callable[[Spec], Mapping[str, Any]] = lambda spec: {},
    plugin: str | None = None,
) -> Any:
    """Add a technique to the list, as a decorator of its builder or with it: `register_model("mine", build)`.

    From then on `model=mine` can be trained, and its artefacts be loaded, evaluated, exported and used.

    Args:
        name: by which artefacts and commands name it; an identifier.
        build: `build(spec, **options)` gives the network for a spec, and raises `SpecError` where it has none.
        network: the class of the network, for `zoo.create_model(name, **options)`.
        defaults: `defaults(spec)` gives the options that suit a spec in a training.
        plugin: the module to import where an artefact is to be loaded; None for the one that calls this.

    Returns:
        The builder.

    Raises:
        ConfigError: the name is taken, or is none; or the builder is not callable.
    """
    plugin = plugin or str(sys._getframe(1).f_globals.get("__name__"))
    if build is None:
        return partial(register_model, name, network=network, defaults=defaults, plugin=plugin)
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"a model's name has letters, digits and _ alone, and {name!r:.50} has others")
    if not callable(build) or not _takes_a_spec(build):
        raise ConfigError(f"model {name!r} needs a function build(spec, *, options …), got {_described(build)}")
    if (known := MODELS.get(name)) is not None and known.plugin != plugin:  # a module may be read again in a notebook
        raise ConfigError(f"there is a model {name!r} already, of {known.plugin or 'zoo'}; give yours another name")
    MODELS[name] = Model(build, network, defaults, plugin)
    return build


def _takes_a_spec(build: Callable[..., Any]) -> bool:
    try:
        inspect.signature(build).bind_partial(None)
    except TypeError:
        return False
    except ValueError:  # some builtins tell of no arguments
        return True
    return True


def _described(build: Any) -> str:
    return f"{build.__name__}{inspect.signature(build)}" if inspect.isroutine(build) else f"{build!r:.50}"


def find(name: str) -> Model:
    """The technique of that name; installed plug-ins are imported where it is unknown.

    Raises:
        ConfigError: no such model.
    """
    if name not in MODELS and not (import_installed() and name in MODELS):
        raise ConfigError(unknown("model", name, MODELS))
    return MODELS[name]


def import_plugins(names: Iterable[str]) -> None:
    """Import modules that the user names. What they define may then be used by `_target_` in configs and recipes.

    A module may lie in the working directory: that is searched last, for this import alone.

    Raises:
        ConfigError: there is no such module, or it cannot be imported.
    """
    for name in names:
        if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"plugins are names of modules, such as plugins=[my_package], not {name!r:.50}")
        with _working_directory_searched():
            _import(name, f"plugins=[{name}]")
        if name not in _plugins:
            _plugins.append(name)


def import_installed() -> bool:
    """Import the plug-ins that installed packages announce, once; gives whether any was new.

    One that fails is told of, and left out.
    """
    new = False
    for entry in _entry_points():
        if entry.module in _announced:
            continue
        _announced.append(entry.module)
        try:
            _import(entry.module, f"the plug-in {entry.name} of {_distribution(entry)}")
            new = True
        except ConfigError as error:
            log.warning("%s", error)
    return new


def plugins() -> list[str]:
    """Modules whose classes may be named by `_target_`: named by the user, or announced by installed packages."""
    return [*_plugins, *(entry.module for entry in _entry_points())]


@cache  # a run asks often, and each time all installed packages would be read
def _entry_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.module


def _import(name: str, what: str) -> None:
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a module does as it is imported
        if isinstance(error, ModuleNotFoundError) and error.name is not None and name.startswith(error.name):
            fault = f"there is no module {error.name}, neither installed nor in {os.getcwd()}"
        else:
            fault = f"{name} cannot be imported{_place(error)}: {type(error).__name__}: {error}"
        raise ConfigError(one_line(f"{what}: {fault}")) from error


def _place(error: BaseException) -> str:
    """Where a module went wrong as it was imported; an error of syntax says it itself."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if "importlib" not in frame.filename and frame.filename != __file__]
    return f" ({os.path.basename(theirs[-1].filename)}, line {theirs[-1].lineno})" if theirs else ""


@contextmanager
def _working_directory_searched() -> Iterator[None]:
    here = os.getcwd()
    sys.path.append(here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.reverse()
        sys.path.remove(here)  # the last one, which is ours
        sys.path.reverse()
