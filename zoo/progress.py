"""What tells that long work goes on: a bar in a terminal, and a line every so often elsewhere.

All of it goes to standard error, which may be a terminal, a pipe, a log of CI, a notebook or closed, and may know no
letter beyond ASCII: nothing that is said here ends the work.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

T = TypeVar("T")

FIRST, LONGEST = 5.0, 60.0  # seconds until the first line, and from one to the next at most
MOMENT, UNWATCHED = 0.7, 4.0  # seconds until a line that is said once
PLAIN = str.maketrans({"•": "-", "…": "...", "·": "-", "→": "->", "×": "x", "–": "-", "−": "-"})

_quiet = 0
_speakers: list[object] = []  # the last one speaks: what is done within something else says more


class Lenient:
    """A stream whose letters are never an error: one that it cannot encode is written as another."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
        return int(self._stream.write(text))


def knows_all_letters(stream: Any) -> bool:
    """Whether a stream can take any text."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


@contextmanager
def quiet(wanted: bool = True) -> Iterator[None]:
    """Say nothing within."""
    global _quiet
    _quiet += wanted
    try:
        yield
    finally:
        _quiet -= wanted


def say(line: str) -> None:
    """A line on standard error; one that cannot be written is lost. Of several processes of a run the first speaks."""
    if _quiet or sys.stderr is None or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    with suppress(OSError, ValueError):  # a full disk, or a closed stream
        Lenient(sys.stderr).write(f"{line}\n")
        sys.stderr.flush()


class Clock:
    """When it is time for a line: after five seconds, and then after ever longer ones, up to a minute.

    Args:
        every: seconds from one line to the next, where it is always the same.
    """

    def __init__(self, every: float | None = None) -> None:
        self._every = every
        self._wait = FIRST if every is None else every
        self.began = time.monotonic()
        self.due = self.began + self._wait

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def is_due(self) -> bool:
        """Whether the next line is due, which is then counted as said."""
        now = time.monotonic()
        if now < self.due:
            return False
        if self._every is None:
            self._wait = min(2 * self._wait, LONGEST)
        self.due = now + self._wait
        return True


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say every so often that something is still being done; what takes less than five seconds is not told of.

    Args:
        what: such as "reading the data".
    """
    with _told(lambda seconds: f"{what}: {_lasted(seconds)} so far", f"{what}: done"):
        yield


@contextmanager
def announced(line: str) -> Iterator[None]:
    """Say a line where something takes longer than a moment, or, where nobody watches a terminal, than four seconds."""
    watched = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    timer = threading.Timer(MOMENT if watched else UNWATCHED, say, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, with a bar or lines that tell how many there were.

    Args:
        items: what takes its time.
        what: such as "decoding".
        total: how many there will be; None where nobody knows.
    """
    console = _terminal()
    if console is not None:
        yield from _with_bar(items, what, total, console)
        return
    count = 0

    def line(seconds: float) -> str:
        of = f" of {total:,} ({count / total:.0%})" if total else ""
        return f"{what}: {count:,}{of}, {_lasted(seconds)} so far"

    with _told(line, f"{what}: done"):
        for item in items:
            yield item
            count += 1


def _with_bar(items: Iterable[T], what: str, total: int | None, console: Any) -> Iterator[T]:
    from rich.progress import Progress

    me = object()
    _speakers.append(me)
    try:  # what is printed meanwhile goes where it would without a bar
        with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            yield from bar.track(items, total, description=what)
    finally:
        _speakers.remove(me)


def _terminal() -> Any:
    """A console of rich on standard error, where that is a terminal that is to be written to."""
    if _quiet or sys.stderr is None or os.environ.get("LOCAL_RANK", "0") != "0":
        return None
    try:
        from rich.console import Console
    except ImportError:  # with the networks alone
        return None
    console = Console(file=Lenient(sys.stderr))  # type: ignore[arg-type]
    return console if console.is_terminal and not console.is_dumb_terminal else None


@contextmanager
def _told(line: Callable[[float], str], end: str) -> Iterator[None]:
    """Have a thread say a line of the seconds so far whenever it is due, and at the end how long it took."""
    clock, ended, me, said = Clock(), threading.Event(), object(), False

    def tell() -> None:
        nonlocal said
        while not ended.wait(max(0.0, clock.due - time.monotonic())):
            if clock.is_due() and _speakers[-1:] == [me]:
                said = True
                say(line(clock.seconds))

    _speakers.append(me)
    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        _speakers.remove(me)
        if said:
            say(f"{end} after {_lasted(clock.seconds)}")


def _lasted(seconds: float) -> str:
    """How long something took: 34 s, 5 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
