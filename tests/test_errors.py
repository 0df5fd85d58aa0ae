"""Errors that a person can mend."""

from __future__ import annotations

import pytest

from zoo.errors import ArtefactError, ConfigError, DataError, SpecError, ZooError, unknown


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("mnits", ["mnist", "digits"], "unknown data 'mnits'; did you mean 'mnist'? choices: digits, mnist"),
        ("xyz", ["mnist", "digits"], "unknown data 'xyz'; choices: digits, mnist"),
        ("", {"b": 1, "a": 2}, "unknown data ''; choices: a, b"),
    ],
)
def test_an_unknown_name_is_told_the_nearest_and_all(name: str, choices: list[str], message: str) -> None:
    assert unknown("data", name, choices) == message
    assert unknown("data", name, iter(choices)) == message


@pytest.mark.parametrize("kind", [ArtefactError, ConfigError, DataError, SpecError])
def test_one_base_catches_them_all(kind: type[Exception]) -> None:
    assert issubclass(kind, ZooError)


@pytest.mark.parametrize("kind", [ConfigError, SpecError])
def test_wrong_values_are_value_errors(kind: type[Exception]) -> None:
    assert issubclass(kind, ValueError)
