"""Notes on data that was read: those alike, such as one for each of a thousand columns, become one line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

ALIKE = 5  # so many of one kind are said one by one
NAMED = 3  # names that a note lists
_OF_COLUMN = re.compile(r"(column '(?P<name>.*?)')?(?P<what>.*)", re.DOTALL)
_DETAIL = re.compile(r"'[^']*'(, '[^']*')*|\d[\d.,:-]*|\{.*?\}")  # cells, counts, dates and settings


class Note(NamedTuple):
    text: str
    warn: bool = False


def joined(notes: Sequence[Note]) -> list[Note]:
    """The notes, but one for all that differ in their column, cells or counts alone, where these are many."""
    kinds: dict[str, list[Note]] = {}
    for note in notes:
        kinds.setdefault(_DETAIL.sub("", _parts(note)["what"]), []).append(note)
    return [note for alike in kinds.values() for note in _shortened(alike)]


def listed(names: Sequence[str]) -> str:
    """The first names, and how many there are if there are more."""
    more = f", … ({len(names):,})" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _shortened(alike: Sequence[Note]) -> Sequence[Note]:
    if len(alike) <= ALIKE:
        return alike
    first, names = alike[0], list(dict.fromkeys(_parts(note)["name"] for note in alike))
    others = [f"'{name}'" for name in names[1:] if name is not None]
    said = f"{len(others)} other columns ({', '.join(others[:NAMED])}, …)" if others else f"{len(alike) - 1} more times"
    return [Note(f"{first.text}; likewise {said}", any(note.warn for note in alike))]


def _parts(note: Note) -> re.Match[str]:
    match = _OF_COLUMN.fullmatch(note.text)
    assert match is not None  # all of it is optional
    return match
