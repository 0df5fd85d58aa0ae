"""A run's config, composed for Python as Hydra does for the command line, and Hydra's errors in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from zoo import files, private
from zoo.errors import ConfigError, ZooError, first_line, unknown
from zoo.renamed import new_name
from zoo.settings import config_folder
from zoo.training import plugins

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*", re.ASCII)  # text that Hydra reads as it stands
NO_TEXT = {"null", "true", "false", "nan", "inf"}  # in capitals too


def compose(overrides: Iterable[str], config_dir: str | Path | None = None) -> DictConfig:
    """The config of a run by `conf/train.yaml` and overrides; a caller's own use of Hydra goes on as it was.

    Raises:
        ConfigError: an override that names or says nothing possible, in one line with the nearest name.
    """
    overrides = list(overrides)
    for override in overrides:
        if override.lstrip("+~").startswith("hydra"):
            raise ConfigError(f"{override}: settings of Hydra are for the command line; a run's folder is folder=…")
    searched = [] if config_dir is None else [f"hydra.searchpath=[{override_value(str(Path(config_dir).absolute()))}]"]
    try:
        with _hydra_of_our_own():
            composed = plugins.composed(_compose, "train", [*searched, *overrides])
        chosen = composed.hydra.runtime.choices
        with open_dict(composed):
            choices = {"model": chosen.model, "task": chosen.task, "data": chosen.data, "overrides": overrides}
            composed.choices = OmegaConf.create(choices)
            del composed["hydra"]
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(files.one_line(one_line(error))) from error
    except (TypeError, ValueError) as error:
        if not is_null_choice(error):
            raise
        raise ConfigError(NULL_CHOICE) from error
    return composed


def _compose(name: str | None, overrides: Sequence[str]) -> DictConfig:
    return hydra.compose(name, list(overrides), return_hydra_config=True)


@contextmanager
def _hydra_of_our_own() -> Iterator[None]:
    """Hydra on the configs of the zoo, beside the one that a program may have running."""
    running = GlobalHydra.instance()
    theirs, running.hydra = running.hydra, None
    try:
        with private.resolvers_kept(), hydra.initialize_config_dir(str(config_folder()), version_base="1.3"):
            yield
    finally:
        running.hydra = theirs
        GlobalHydra.set_instance(running)


def overrides_of(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings by name as overrides of the command line; `trainer={"devices": 2}` is `trainer.devices=2`.

    Raises:
        ConfigError: a value that a config cannot hold.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping) and "." not in name:
            yield from overrides_of({f"{name}.{inner}": setting for inner, setting in value.items()})
            continue
        try:
            yield f"{name}={override_value(value)}"
        except TypeError:
            kinds = "a number, text, true, false, null, or lists and dicts of them"
            raise ConfigError(f"{name}: a setting is {kinds}; got {files.quoted(value)}") from None


def override_value(value: Any) -> str:
    """A value as Hydra's grammar of overrides writes it.

    Raises:
        TypeError: it has no such form.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of NumPy or torch
        value = value.item()
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and value.lower() not in NO_TEXT:
            return value
        escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
        return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(name)}: {override_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(override_value, value)) + "]"
    raise TypeError(type(value).__name__)


def _key(name: object) -> str:
    return re.sub(r"([\\()\[\]{}:=, \t])", r"\\\1", str(name))


NULL_CHOICE = "a choice, such as model=cnn, is a name; null, a number or a list is none"


def is_null_choice(error: Exception) -> bool:
    """Whether Hydra refused `model=null` or `model=[[[]]]`, for which it has no error of its own."""
    in_lists = isinstance(error, TypeError) and str(error).startswith("can only concatenate str")
    return in_lists or (isinstance(error, ValueError) and str(error).startswith("Config group override"))


PLACES = {"path": "root", "root": "path"}  # what one source has in the place of another's


def one_line(error: Exception) -> str:
    """The error in one line, with the nearest name that exists where one was not found."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return unknown(group, name, error.options)
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.parent_node is not None and "not in struct" in str(cause):
        parent = str(cause.full_key).rpartition(".")[0]
        if (now := new_name(str(cause.full_key))) is not None:
            return f"{cause.full_key} is now {now}"
        if not cause.parent_node:  # of names that a user chooses, or null until all of it is given
            asked = re.search(r"use \+(.*)", str(error))
            return f"{parent} has no settings yet" + (f"; this adds one: '+{asked[1]}'" if asked else "")
        prefix, name = f"{parent}." if parent else "", str(cause.full_key).rpartition(".")[2]
        others: Any = OmegaConf.to_container(cause.parent_node, resolve=False)
        elsewhere = [PLACES[name]] if PLACES.get(name) in others else _elsewhere(others, name)
        if elsewhere:
            likely = " or ".join(f"'{prefix}{one}'" for one in elsewhere)
            return f"unknown setting '{cause.full_key}'; did you mean {likely}?"
        return unknown("setting", str(cause.full_key), (f"{prefix}{name}" for name in cause.parent_node))
    if (named := re.match(r"(?:In '[^']*': )?Could not override '(\w+)'", str(error))) and (now := new_name(named[1])):
        return f"{named[1]} is now {now}"
    if str(error).startswith("Ambiguous value"):
        return f"{first_line(error)}; [a,b] is a list, and --multirun runs one after the other"
    if isinstance(error, MissingMandatoryValue) and error.full_key:
        return f"{error.full_key} is missing: give {error.full_key}=…"
    text = str(error)
    if not isinstance(error, ZooError):  # Hydra's go on and on
        text = first_line(error)
    if isinstance(error, OverrideParseException):
        text = f"cannot read '{error.override}': {text}"
        name, _, value = str(error.override).partition("=")
        if value and value[0] not in "[{('\"":
            text += f"; text with such characters is read in quotes: \"{name}='{value}'\""
    return " ".join(text.split())


def _elsewhere(config: dict[str, Any], name: str) -> list[str]:
    """Settings of parts of the config that end in a name: lr is task.optimizer.lr."""
    found = []
    for part, inner in config.items():
        if isinstance(inner, dict) and part != "hydra":
            found += [f"{part}.{one}" for one in ([name] * (name in inner) + _elsewhere(inner, name))]
    return found
