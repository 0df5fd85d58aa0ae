"""Data that is given in Python, as objects."""

from __future__ import annotations

from typing import Any

from zoo.errors import ConfigError


def given_as(data: Any) -> tuple[str, dict[str, Any]]:
    raise ConfigError(f"data is a name, not {type(data).__name__}")
