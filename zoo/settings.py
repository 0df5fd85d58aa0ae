"""Settings and what they are given to: whether they are of the type that it takes, and records that they make up."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from zoo.check import is_number

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", NoneType: "null"}


def type_errors(described: Any, name: str) -> Iterator[str]:
    """What in a part of the config is of another type than the argument of the `_target_` that it is given to.

    Args:
        described: plain dicts, lists and values.
        name: of the part, such as `data`.
    """
    if not isinstance(described, dict):
        return
    hints = _hints(described.get("_target_"))
    for argument, value in described.items():
        setting = f"{name}.{argument}"
        if argument in hints and not _fits(value, hints[argument]):
            wanted, shown = _told(hints[argument]), "null" if value is None else value
            quotes = f"; what looks like a number is text in quotes: {setting}=\"'{value}'\""
            yield f"{setting} must be {wanted}, got {shown}{quotes if 'text' in wanted and is_number(value) else ''}"
        yield from type_errors(value, setting)


def folded(build: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings in which those of an options record are put together to it.

    A config is flat: `task.optimizer`, `task.schedule`, `task.ema`. What it is given to takes them as one argument,
    `optimizer: TrainingOptions`, whose type hint says so. Options that are not given are those of the argument's
    default.

    Raises:
        TypeError, ValueError: what the record raises.
    """
    found = dict(settings)
    for argument, record in _records(build).items():
        its = {field.name: found.pop(field.name) for field in fields(record) if field.name in settings}
        if its:
            default = inspect.signature(build).parameters[argument].default
            found[argument] = replace(default, **its) if isinstance(default, record) else record(**its)
    return found


def config_folder() -> Path:
    """The folder of configs: within the package where it is installed, beside it in a checkout."""
    package = Path(__file__).parent
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"


def _records(build: Callable[..., Any]) -> dict[str, Any]:
    """The options records (dataclasses called `…Options`) that a class or function takes, by argument."""
    records: dict[str, Any] = {}
    for argument, hint in hints_of(build).items():
        for kind in (hint, *get_args(hint)):
            if is_dataclass(kind) and getattr(kind, "__name__", "").endswith("Options"):
                records[argument] = kind
    return records


def _hints(target: Any) -> dict[str, Any]:
    """The type hints of a class or function by name, those of options records among them; none where there is none."""
    try:
        found: Any = locate(target) if isinstance(target, str) else None
    except ErrorDuringImport:  # of which the part tells when it is made
        return {}
    if found is None:
        return {}
    hints = hints_of(found)
    for argument, record in _records(found).items():
        hints.pop(argument)
        hints |= get_type_hints(record)
    return hints


def hints_of(found: Any) -> dict[str, Any]:
    """The type hints of a class or function by name, as they stand there; none where there is none."""
    found = found.func if isinstance(found, partial) else found
    try:
        return get_type_hints(found.__init__ if inspect.isclass(found) else found)
    except (NameError, TypeError):  # they cannot be told
        return {}


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if hint in WORDS:
        return type(value) in ((int, float) if hint is float else (hint,))
    if isinstance(value, dict) and "_target_" in value:
        return True  # a part, which is made by its own settings
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if kind in (Sequence, Iterable, list, tuple):
        return isinstance(value, list) and all(any(_fits(item, one) for one in inner) for item in value)
    if kind in (Mapping, dict):
        return isinstance(value, dict) and all(_fits(item, inner[1]) for item in value.values())
    if not inspect.isclass(hint):
        return kind is not Callable
    return not getattr(hint, "_is_protocol", False) and isinstance(value, hint)  # plain values are no such objects


def _told(hint: Any) -> str:
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return " or ".join(_told(one) for one in inner)
    if kind in (Sequence, Iterable, list, tuple):
        return f"a list of {' or '.join(_told(one) for one in dict.fromkeys(inner) if one is not ...)}"
    if kind in (Mapping, dict):
        return f"{_told(inner[1])} by name"
    return WORDS.get(hint, "something with a _target_")
