"""Many inputs of one kind, one after the other in this process: what each must come to, counted and logged.

A case is made from its number alone, so that any of them can be run again, and a campaign goes on where one stopped:

    pytest -m fuzz tests/fuzz/test_images.py --fuzz-cases 10000
    pytest -m fuzz tests/fuzz/test_images.py --fuzz-cases 1 --fuzz-start 4711       # one case again
"""

from __future__ import annotations

import json
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

SECONDS = 5.0  # of the processor, since others may take it meanwhile
STUCK = 60  # seconds on the clock
MEMORY = 2**30
ROOM = 6 * 2**30  # address space beyond which a case fails before the machine does
ANSWERED = 0.99  # of the sound inputs


@dataclass
class Case:
    """One input.

    Args:
        sound: whether it is to be answered; it is refused or answered otherwise.
        what: that it is, for the log.
        act: gives the answer; called once.
        fault: what is wrong with an answer, by an independent reading; empty where nothing is.
        stuck: seconds on the clock after which it hangs.
    """

    sound: bool
    what: str
    act: Callable[[], Any]
    fault: Callable[[Any], str]
    stuck: int = STUCK


Make = Callable[[random.Random, Path], Case]


@dataclass
class Tally:
    """What the cases of one kind came to."""

    kind: str
    cases: int = 0
    sound: int = 0
    answered: int = 0  # of the sound ones
    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # of the sound ones

    def __str__(self) -> str:
        share = 100 * self.answered / max(1, self.sound)
        return f"{self.kind}: {self.cases} cases, {len(self.wrong)} wrong; {self.sound} sound, {share:.2f} % answered"


def campaign(kind: str, make: Make, numbers: range, folder: Path, log: Path) -> Tally:
    """Run the cases of these numbers.

    Each line of the log is a wrong outcome, or a sound input that was refused; the file KIND.number beside it says
    which case is running.
    """
    tally = Tally(kind)
    with log.open("a", encoding="utf-8") as file:
        for number in numbers:
            log.with_name(f"{kind}.number").write_text(str(number))  # where a case ends the process
            case = make(random.Random(f"{kind} {number}"), folder)
            refusal, fault = outcome(case)
            tally.cases += 1
            tally.sound += case.sound
            tally.answered += case.sound and not refusal and not fault
            note = f"{kind} {number}, {case.what}: {fault or refusal}"
            if fault:
                tally.wrong.append(note)
            elif refusal and case.sound:
                tally.refused.append(note)
            if fault or (refusal and case.sound):
                line = {"kind": kind, "number": number, "what": case.what, "wrong": fault, "refused": refusal}
                print(json.dumps(line), file=file, flush=True)
    return tally


def outcome(case: Case) -> tuple[str, str]:
    """How a case was refused, and what is wrong with what it came to."""
    before, began = _memory(), time.process_time()
    try:
        with _bounded(case.stuck):
            answer = case.act()
            refusal, fault = "", case.fault(answer)
    except ZooError as error:
        refusal = str(error) or "nothing was said"
        fault = "" if len(refusal) <= 300 and refusal.isprintable() else "the message is no line of 300 characters"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return "", f"{type(error).__name__}: {error}"[:500]
    seconds, memory = time.process_time() - began, _peak() - before
    if seconds > SECONDS:
        fault = fault or f"it took {seconds:.1f} seconds"
    if memory > MEMORY:
        fault = fault or f"it took {memory / 2**20:.0f} MB"
    return refusal, fault


class Stuck(Exception):
    pass


@contextmanager
def _bounded(seconds: int) -> Iterator[None]:
    """End what hangs, and what would take all memory."""

    def stop(*_: Any) -> None:
        raise Stuck(f"no end after {seconds} seconds")

    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + ROOM, limits[1]))
    signal.alarm(seconds)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is that of this case
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, limits)


def _memory() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    """A figure of this process in bytes, as Linux tells it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
