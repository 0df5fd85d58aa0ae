"""How a command ends when a user made a mistake: one line on standard error, and exit code 1.

It imports nothing heavy, so that the guard stands before the imports that take seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from zoo import files
from zoo.errors import ZooError

# Read before we set it; the other processes of a distributed run inherit what their parent has set
_WITH_TRACEBACK = os.environ.get("HYDRA_FULL_ERROR") == "1" and "LOCAL_RANK" not in os.environ


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the command with one line and exit code 1 on what a user can mend; only a bug ends in a traceback.

    With HYDRA_FULL_ERROR=1 in the environment every error keeps its traceback.
    """
    if _WITH_TRACEBACK:
        yield
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra would print what goes wrong in its own way, and leave
    try:
        yield
    except BrokenPipeError:  # whoever reads has had enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("Stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        line = _line(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        sys.exit(1)


def _line(error: Exception) -> str | None:
    """An error that a user can mend in one line; None for a bug."""
    if isinstance(error, ZooError):
        return files.one_line(str(error))
    if "hydra" in sys.modules and (line := _line_of_hydra(error)) is not None:
        return line
    if isinstance(error, OSError):  # a disk that is full, a folder that vanished or cannot be written to
        return files.one_line(str(error).partition("] ")[2] or str(error))
    return None


def _line_of_hydra(error: Exception) -> str | None:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from zoo.training.compose import NULL_CHOICE, is_null_choice, one_line

    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return files.one_line(one_line(error))
    return NULL_CHOICE if is_null_choice(error) else None


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


def take_any_letter() -> None:
    """Have standard output and standard error write what they cannot encode as \\u2022 and the like."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


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
