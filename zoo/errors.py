"""Mistakes that a person can mend: each message is one line that names the fault and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

DISTRIBUTION = "classic-zoo"  # the name to install by; `zoo` itself is another project's on the public index
LONGEST_NAME = 60  # characters of a name that a message repeats
MOST_CHOICES = 20_000  # names among which the nearest is sought
MOST_LISTED = 200


class ZooError(Exception):
    """Base of all errors that zoo raises on purpose; commands print it as one line and exit with code 1.

    The message may quote anything: it is cut to 300 characters on one line, and control characters are escaped.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class ConfigError(ZooError, ValueError):
    """A run was asked for that makes no sense: an unknown name, a value out of range, a pair that does not fit."""


class Diverged(ConfigError):
    """A training whose weights are no longer finite, by its settings."""


class SpecError(ZooError, ValueError):
    """Input that does not fit the spec, or a spec that describes nothing possible."""


class DataError(ZooError):
    """Data that is missing, unreadable or not what it should be."""


class ArtefactError(ZooError):
    """A weights file that is missing, damaged, hostile, or made by a newer version."""


def nearest(name: str, choices: Sequence[str]) -> str:
    """The choice that is spelt most like a name; empty where none is near, or there are too many to search."""
    near = name[:LONGEST_NAME] if len(choices) <= MOST_CHOICES else ""  # a search would take minutes
    found = difflib.get_close_matches(near, choices, n=1) if near else []
    return found[0][:LONGEST_NAME] if found else ""


def listed(choices: Sequence[str]) -> str:
    """Choices, as many as a line can hold."""
    more = f" … ({len(choices):,})" if len(choices) > MOST_LISTED else ""
    return ", ".join(choices[:MOST_LISTED]) + more or "none"


def unknown(kind: str, name: str, choices: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest one and the choices, as many as a line can hold."""
    choices, name = sorted(choices), str(name)
    near = nearest(name, choices)
    suggestion = f"; did you mean '{near}'?" if near else ";"
    shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    return f"unknown {kind} '{shown}'{suggestion} choices: {listed(choices)}"


def one_line(text: str, limit: int = 300) -> str:
    """A text on one line of at most `limit` characters; what would steer a terminal is escaped."""
    shown = escaped(" ".join(text[: 20 * limit].split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 2]} …"


def escaped(text: str) -> str:
    """A text in which what would steer a terminal, or end a line, is written out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def first_line(error: BaseException) -> str:
    """What a library's error says first, without the frames and advice that may follow."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def install(extra: str) -> str:
    """The command that installs what an extra of pyproject.toml holds."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'
