"""Mistakes that a person can mend: each message is one line that names the fault and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

DISTRIBUTION = "classic-zoo"  # the name to install by; `zoo` itself is another project's on the public index


class ZooError(Exception):
    """Base of all errors that zoo raises on purpose; commands print it as one line and exit with code 1."""


class ConfigError(ZooError, ValueError):
    """A run was asked for that makes no sense: an unknown name, a value out of range, a pair that does not fit."""


class SpecError(ZooError, ValueError):
    """Input that does not fit the spec, or a spec that describes nothing possible."""


class DataError(ZooError):
    """Data that is missing, unreadable or not what it should be."""


class ArtefactError(ZooError):
    """A weights file that is missing, damaged, hostile, or made by a newer version."""


def unknown(kind: str, name: str, choices: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest one and all the choices."""
    choices = sorted(choices)
    nearest = difflib.get_close_matches(str(name), choices, n=1)
    suggestion = f"; did you mean '{nearest[0]}'?" if nearest else ";"
    return f"unknown {kind} '{name}'{suggestion} choices: {', '.join(choices) or 'none'}"


def install(extra: str) -> str:
    """The command that installs what an extra of pyproject.toml holds."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'
