"""Long work tells that it goes on, on every kind of console, and no letter ends it."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import zoo
from zoo import progress
from zoo.progress import Clock, Lenient, busy, quiet, say, track
from zoo.training.progress import PlainProgressBar, ProgressLines, RichProgressBar, progress_bar


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line comes after a twentieth of a second."""
    monkeypatch.setattr(progress, "FIRST", 0.05)


def waited(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold within half a minute."""
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


@pytest.mark.usefixtures("soon")
def test_what_takes_long_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    with busy("reading the data"):
        assert waited(lambda: bool(said) or (said.extend(capsys.readouterr().err.splitlines()) or bool(said)))
    assert re.fullmatch(r"reading the data: \d+ s so far", said[0])
    assert re.fullmatch(r"reading the data: done after \d+ s", capsys.readouterr().err.splitlines()[-1])
    assert not any(thread.name == "progress" for thread in threading.enumerate())


def test_what_is_quick_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with busy("reading"):
        assert list(track(range(5), "counting", 5)) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("soon")
def test_items_are_counted_and_what_is_inside_speaks_alone(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def more() -> bool:
        said.extend(capsys.readouterr().err.splitlines())
        return bool(said) and said[-1].startswith("reading: 1")

    with busy("outside"):
        for item in track(iter("ab"), "reading", 2):
            if item == "a":
                capsys.readouterr()  # what a busy machine has said until here
            else:
                assert waited(more)
    assert re.fullmatch(r"reading: 1 of 2 \(50%\), \d+ s so far", said[-1])
    assert not any(line.startswith("outside") for line in said)


@pytest.mark.usefixtures("soon")
def test_silence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with quiet(), busy("reading"):
        time.sleep(0.2)
    monkeypatch.setenv("LOCAL_RANK", "1")  # another process of a run
    say("not heard")
    monkeypatch.setenv("LOCAL_RANK", "0")
    for stream in (None, io.StringIO()):
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, "stderr", stream)
        say("lost")
    monkeypatch.undo()
    assert capsys.readouterr() == ("", "")


def test_an_error_passes_and_a_consumer_may_leave() -> None:
    with pytest.raises(KeyError), busy("failing"):
        raise KeyError
    for item in track(range(9), "reading"):
        if item == 3:
            break
    assert waited(lambda: not any(thread.name == "progress" for thread in threading.enumerate()))
    assert progress._speakers == []


def test_lines_are_ever_further_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock, said = Clock(), []
    for now in range(0, 400):  # the clock reads it
        said += [now] if clock.is_due() else []
    assert said == [5, 15, 35, 75, 135, 195, 255, 315, 375]


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", "3 -> 4 - ? ... ?"),
        ("cp1252", "3 -> 4 - \x80 ... ?".replace("\x80", "€")),
        ("utf-8", "3 → 4 · € … 漢"),
    ],
)
def test_letters_that_a_console_does_not_know(encoding: str, written: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Lenient(stream).write("3 → 4 · € … 漢")
    stream.flush()
    assert raw.getvalue().decode(encoding) == written


def test_lengths_of_time() -> None:
    assert [progress._lasted(seconds) for seconds in (7.4, 65, 7_500)] == ["7 s", "1 min 5 s", "2 h 5 min"]


# Consoles


class Console:
    """What a process writes to a terminal or a pipe of some encoding."""

    def __init__(self, encoding: str, terminal: bool) -> None:
        if terminal:
            import fcntl
            import struct
            import termios

            self.far, near = os.openpty()
            fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        else:
            self.far, near = os.pipe()
        self.stream = io.TextIOWrapper(os.fdopen(near, "wb", 0), encoding=encoding, write_through=True)
        self.encoding, self.written = encoding, b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self.far, 4096):
                self.written += part
        except OSError:  # the other end of a terminal is closed
            pass

    def close(self) -> str:
        self.stream.close()
        self.reader.join(30)
        os.close(self.far)
        return self.written.decode(self.encoding)


@contextmanager
def console(monkeypatch: pytest.MonkeyPatch, encoding: str, terminal: bool) -> Iterator[Console]:
    opened = Console(encoding, terminal)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, opened.stream)
    yield opened
    monkeypatch.undo()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize(
    ("encoding", "terminal", "bar"),
    [
        ("ascii", True, PlainProgressBar),
        ("utf-8", True, RichProgressBar),
        ("cp1252", False, ProgressLines),
    ],
)
@pytest.mark.usefixtures("no_plots")
def test_a_run_is_kept_whatever_the_console_knows(
    encoding: str, terminal: bool, bar: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By Python's door, which leaves the streams of the program as they are."""
    monkeypatch.setattr(Clock, "is_due", lambda clock: True)
    monkeypatch.setattr(logging.getLogger("zoo"), "propagate", False)  # as where a program has no logging of its own
    with console(monkeypatch, encoding, terminal) as opened:
        assert type(progress_bar()) is bar
        assert list(track(range(3), "reading", 3)) == [0, 1, 2]
        trained = zoo.train("model.hidden_sizes=[4]", model="mlp", data="wine", epochs=2, folder=str(tmp_path / "run"))
    text = opened.close()
    assert (trained.folder / "model.safetensors").exists()
    assert ("table → classes" if encoding == "utf-8" else "table -> classes") in text
    assert (
        "epoch 2 of 2, batch" if bar is ProgressLines else "reading" if bar is RichProgressBar else "Epoch 1:"
    ) in text
    assert ("\x1b[" in text) == terminal  # no control codes in a pipe


def test_a_pipe_gets_lines_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(progress_bar(), ProgressLines)
