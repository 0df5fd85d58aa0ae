"""How scripts end when a user made a mistake: one line on standard error, and exit code 1."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from zoo import files
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
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print what goes wrong in its own way, and leave
    try:
        yield
    except (ZooError, HydraException, OmegaConfBaseException) as error:
        print(one_line(error), file=sys.stderr)
        sys.exit(1)
    except ValueError as error:
        if not str(error).startswith("Config group override"):  # model=null; Hydra has no error of its own for it
            raise
        print("a choice, such as model=cnn, is a name; null or a number is none", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # whoever reads has had enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a disk that is full, a folder that vanished or cannot be written to
        print(files.one_line(str(error).partition("] ")[2] or str(error)), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


class _Console:
    """A stream to which nothing that a run says is an error: what it cannot take is left out, and said once."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._lost = False
        stream.reconfigure(errors="backslashreplace" if stream is sys.stderr else "replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._lose(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())  # what it holds goes there as it is closed
        if not self._lost and not isinstance(error, BrokenPipeError) and self._stream is sys.__stdout__:
            print(f"standard output cannot be written to ({error.strerror}); the run goes on", file=sys.stderr)
        self._lost = True


@contextmanager
def optional_console() -> Iterator[None]:
    """Let a run go on where the console is full or closed, or cannot show a letter: its results are in its folder."""
    before = sys.stdout, sys.stderr
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:  # where it was closed, or the next file would be the console
        pass
    os.close(free)
    sys.stdout, sys.stderr = (_Console(stream) if isinstance(stream, TextIOWrapper) else stream for stream in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


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
    return files.one_line(text)
