"""Checks of ranges: each gives back what it was given, or raises a ValueError that names it and the range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from zoo.errors import unknown

Number = TypeVar("Number", int, float)


def whole(name: str, value: Any, least: int = 1, most: int | None = None) -> int:
    """A whole number from `least` on, and up to `most`; True and 1.0 are none."""
    if type(value) is not int or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")
    return value


def wholes(name: str, given: Iterable[int]) -> None:
    """Whole numbers from 1 on, in a list."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValueError(f"{name} is a list of whole numbers, such as [{given}], not {given}")
    for value in given:
        whole(name, value)


def widths(given: Sequence[int], least: int, most: int) -> None:
    """The channels of each stage of a network, of which there are from `least` to `most`."""
    wholes("widths", given)
    whole("number of widths", len(given), least, most)


def positive(name: str, value: Number) -> Number:
    """A finite number above 0."""
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be above 0 and finite, got {value!r}")
    return value


def at_least_zero(name: str, value: Number) -> Number:
    """A finite number of at least 0."""
    if not is_number(value) or not 0 <= value < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, got {value!r}")
    return value


def fraction(name: str, value: Number, *, zero: bool = True, one: bool = True) -> Number:
    """A number from 0 to 1, the ends with or without."""
    inside = is_number(value) and (value >= 0 if zero else value > 0) and (value <= 1 if one else value < 1)
    if not inside:
        low, high = "at least 0" if zero else "above 0", "at most 1" if one else "below 1"
        raise ValueError(f"{name} must be {low} and {high}, got {value!r}")
    return value


def between(name: str, value: Number, low: float, high: float) -> Number:
    """A number from `low` to `high`."""
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g}, got {value!r}")
    return value


def truth(name: str, value: bool) -> bool:
    """True or False; words and numbers are neither."""
    if type(value) is not bool:
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value


def seed(name: str, value: int) -> int:
    """A seed that Python's, NumPy's and torch's generators all take: a whole number from 0 to 2**32 - 1."""
    return whole(name, value, 0, 2**32 - 1)


def one_of(name: str, value: Any, choices: Iterable[str]) -> Any:
    """One of these names."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(unknown(name, value, choices))
    return value


def is_number(value: Any) -> bool:
    """Whether it is a number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
