"""How scripts end when a user made a mistake: one line on standard error, and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from zoo.errors import ZooError, unknown

# Read before we set it; the other processes of a distributed run inherit what their parent has set
_WITH_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1" and "LOCAL_RANK" not in os.environ


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the script with one line and exit code 1 on what a user can mend; only a bug ends in a traceback.

    With HYDRA_FULL_ERROR=1 in the environment every error keeps its traceback.
    """
    if _WITH_TRACEBACK:
        yield
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print what goes wrong in its own way, and leave
    try:
        yield
    except (ZooError, HydraException, OmegaConfBaseException) as error:
        print(one_line(error), file=sys.stderr)
        sys.exit(1)


def one_line(error: Exception) -> str:
    """The error in one line, with the nearest name that exists where one was not found."""
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return unknown(group, name, error.options)
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.parent_node is not None and "not in struct" in str(cause):
        parent = str(cause.full_key).rpartition(".")[0]
        prefix = f"{parent}." if parent else ""
        return unknown("setting", str(cause.full_key), (f"{prefix}{name}" for name in cause.parent_node))
    text = str(error)
    if not isinstance(error, ZooError):  # Hydra's go on and on
        text = (text.strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, OverrideParseException):
        text = f"cannot read '{error.override}': {text}"
        name, _, value = str(error.override).partition("=")
        if value and value[0] not in "[{('\"":
            text += f"; text with such characters is read in quotes: \"{name}='{value}'\""
    return " ".join(text.split())
