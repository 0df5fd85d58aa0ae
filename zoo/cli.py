"""How scripts end when a user made a mistake: one line on standard error, and exit code 1."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from zoo.errors import ZooError, unknown
from zoo.renamed import new_name

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
    _replace_what_cannot_be_shown()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print what goes wrong in its own way, and leave
    try:
        yield
    except (ZooError, HydraException, OmegaConfBaseException) as error:
        print(one_line(error), file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        if not str(error).startswith("Config group override"):  # model=null; Hydra has no error of its own for it
            raise
        print("a choice, such as model=cnn, is a name, and cannot be null", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # whoever reads has had enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _replace_what_cannot_be_shown() -> None:
    """A console may have few characters, a disk may be full and a pipe closed: none of that may end a run."""
    logging.raiseExceptions = False
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def settings() -> str:
    """For --help: what the config file of the script that runs says of its settings, but for what is Hydra's own."""
    hydra = HydraConfig.get()
    folder = next(source.path for source in hydra.runtime.config_sources if source.provider == "main")
    text = Path(folder, f"{hydra.job.config_name}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^defaults:\n( .*\n)*", "", text.partition("\nhydra:")[0], flags=re.MULTILINE)
    return re.sub(r"^# ?", "", text, flags=re.MULTILINE).strip().replace("$", "$$")  # it is a template


OmegaConf.register_new_resolver("settings", settings)


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
        prefix = f"{parent}." if parent else ""
        return unknown("setting", str(cause.full_key), (f"{prefix}{name}" for name in cause.parent_node))
    if (named := re.match(r"(?:In '[^']*': )?Could not override '(\w+)'", str(error))) and (now := new_name(named[1])):
        return f"{named[1]} is now {now}"
    text = str(error)
    if not isinstance(error, ZooError):  # Hydra's go on and on
        text = (text.strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, OverrideParseException):
        text = f"cannot read '{error.override}': {text}"
        name, _, value = str(error.override).partition("=")
        if value and value[0] not in "[{('\"":
            text += f"; text with such characters is read in quotes: \"{name}='{value}'\""
    return " ".join(text.split())
