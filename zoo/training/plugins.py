"""Plug-ins of a command: imported before its config is composed, and nothing of a config may name others.

A config may come from anybody. So modules to import are named on the command line or in `zoo.train(plugins=…)` alone,
and what Hydra itself would call (callbacks, loggers, launchers, sweepers) is as zoo and the command line say.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from pydoc import locate
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from zoo import registry
from zoo.errors import ConfigError
from zoo.files import one_line, quoted
from zoo.settings import config_folder

# What Hydra calls or imports of its own settings
CALLED = ("launcher", "sweeper", "job_logging", "hydra_logging", "searchpath", "job.env_set")
Compose = Callable[[str | None, Sequence[str]], DictConfig]
_WITHOUT_FILES: dict[tuple[str | None, tuple[str, ...]], DictConfig] = {}  # by name and overrides of Hydra's settings


def for_command(compose: Compose, name: str | None, overrides: Sequence[str], folder: str | None) -> DictConfig:
    """A config of a command, once it is seen that Hydra will run nothing that a file of it names.

    Args:
        compose: has Hydra compose the config of a name with overrides.
        name: of the config, such as `train`.
        overrides: as the user gave them.
        folder: in which Hydra finds it.

    Raises:
        ConfigError: it would; or a plug-in that cannot be imported.
    """
    _check_place(name, folder)
    cfg = composed(compose, name, overrides)
    own = tuple(one for one in overrides if one.lstrip("+~").startswith("hydra"))
    if (name, own) not in _WITHOUT_FILES:
        _WITHOUT_FILES[name, own] = compose(name, own)
    _check_hydra(cfg, _WITHOUT_FILES[name, own])
    return cfg


def composed(compose: Compose, name: str | None, overrides: Sequence[str]) -> DictConfig:
    """A config that Hydra composes, with the plug-ins at hand that overrides name, or else that are installed.

    Raises:
        ConfigError: a plug-in that cannot be imported, or one that a file names.
    """
    named = named_in(overrides)
    registry.import_plugins(named)
    try:
        with _models_offered(name):
            cfg = compose(name, overrides)
    except MissingConfigException:
        if not registry.import_installed():
            raise
        with _models_offered(name):
            cfg = compose(name, overrides)
    _check_plugins(cfg, named)
    return cfg


def named_in(overrides: Iterable[str]) -> list[str]:
    """The modules that overrides name by `plugins=[…]`.

    Raises:
        ConfigError: that is no list of names.
    """
    given = [one for one in overrides if one.lstrip("+").startswith("plugins=")]
    try:
        value: Any = OverridesParser.create().parse_overrides(given)[-1].value() if given else []
    except HydraException:  # it is composed next, which tells of it
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"plugins are names of modules, such as plugins=[my_package], not {quoted(value)}")
    return value


@contextmanager
def _models_offered(config: str | None) -> Iterator[None]:
    """Let Hydra find `model=mine` in a training where a plug-in registers it, and no folder of configs has it.

    Its options are the keyword arguments of the builder. A file comes first.
    """
    store = ConfigStore.instance()
    before = copy(store.repo)
    if config == "train":  # elsewhere `model` is a name or a path, and no choice
        for name, model in registry.MODELS.items():
            if model.plugin:
                options = {argument: _default(one) for argument, one in _options(model.build).items()}
                store.repo["model"] = copy(store.repo.get("model", {}))
                store.store(name, {"model": {"name": name, **options}}, "model", "_global_", model.plugin)
    try:
        yield
    finally:
        store.repo = before


def _options(build: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    arguments = list(inspect.signature(build).parameters.values())[1:]
    return {one.name: one for one in arguments if one.kind in kinds}


def _default(argument: inspect.Parameter) -> Any:
    if argument.default is argument.empty:
        return "???"
    value = argument.default
    value = list(value) if isinstance(value, tuple) else value
    return value if isinstance(value, str | int | float | bool | list | dict) else None


def _check_place(name: str | None, folder: str | None) -> None:
    if folder is None or Path(folder).resolve() not in [config_folder().resolve(), (config_folder() / "use").resolve()]:
        raise ConfigError("--config-path would replace zoo's own configs; a folder beside them is --config-dir")
    if not Path(folder, f"{name}.yaml").is_file():
        raise ConfigError(one_line(f"--config-name={name} is none of zoo's own; experiment= takes a file of yours"))


def _check_plugins(cfg: DictConfig, named: Sequence[str]) -> None:
    found: Any = OmegaConf.to_container(cfg, resolve=False).get("plugins")  # type: ignore[union-attr]
    if foreign := [one for one in (found if isinstance(found, list) else [found]) if one and one not in named]:
        fault = f"a config file names plug-ins: {quoted(foreign)}; if you trust them, name them on the command line"
        raise ConfigError(one_line(fault))


def _check_hydra(cfg: DictConfig, reference: DictConfig) -> None:
    """See that what Hydra calls is as it is without files of the user's choice."""
    for name in CALLED:
        if _plain(cfg.hydra, name) != _plain(reference.hydra, name):
            raise ConfigError(f"a config file sets hydra.{name}, which runs code; give it on the command line instead")
    params: Any = OmegaConf.select(cfg.hydra, "sweeper.params") or {}
    for key in params:
        if str(key).lstrip("+~").startswith(("hydra", "plugins")):
            raise ConfigError(one_line(f"hydra.sweeper.params: {key} is for the command line alone"))
    expected = _plain(reference.hydra, "callbacks")
    for key, callback in (_plain(cfg.hydra, "callbacks") or {}).items():
        if callback != (expected or {}).get(key):
            _check_callback(callback, f"hydra.callbacks.{key}")


def _check_callback(described: Any, place: str) -> None:
    target = str(described.get("_target_")) if isinstance(described, dict) else ""
    inner = [value for name, value in described.items() if isinstance(value, dict | list)] if target else []
    trusted = any(f"{target}.".startswith(f"{root}.") for root in ("zoo", *registry.plugins()))
    found: Any = locate(target) if trusted else None
    if inner or "${" in target or not (inspect.isclass(found) and issubclass(found, Callback)):
        raise ConfigError(one_line(f"{place} takes a Callback of Hydra that zoo or a plug-in has, not {target}"))


def _plain(hydra: DictConfig, name: str) -> Any:
    """A part of Hydra's own settings as it stands in files, but for what a sweep is over."""
    node = OmegaConf.select(hydra, name, throw_on_resolution_failure=False)
    found: Any = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    return {key: value for key, value in found.items() if key != "params"} if name == "sweeper" else found
