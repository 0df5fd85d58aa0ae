"""The processes of a distributed run end together: where one is stopped or dies, all do at once, with one line.

Collectives wait for the process that is gone, or fail in each of the others; Lightning 2.6 answers SIGTERM with a
collective of its own. Nothing is lost by an end at once: files are replaced whole, and the run goes on from its last
checkpoint.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import lightning as L
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.plugins.environments import SLURMEnvironment

PERIOD = 0.2  # seconds between two looks at the others
GRACE = 10.0  # seconds in which the process that a failed collective waited for is seen to be gone


@contextmanager
def end_together(trainer: L.Trainer, last: Path) -> Iterator[None]:
    """End all processes of a run with the first that ends before its work here is done.

    Args:
        trainer: which starts or knows the others; of a single process nothing is changed.
        last: the checkpoint from which the run would go on.
    """
    if trainer.world_size == 1:
        yield
        return
    processes = _Processes(trainer, last)
    trainer.callbacks.append(processes)  # type: ignore[attr-defined]
    threading.Thread(target=processes.watch, daemon=True, name="end-together").start()
    try:
        yield
    except RuntimeError:  # of gloo or NCCL, because another process is gone, or a bug
        processes.end_if_lost(GRACE)
        raise
    finally:
        processes.done.set()


class _Processes(Callback):
    """The processes of a run, as one of them sees them."""

    def __init__(self, trainer: L.Trainer, last: Path) -> None:
        self._trainer, self._last, self._parent = trainer, last, os.getppid()
        self._ending = threading.RLock()
        self.done = threading.Event()

    def on_sanity_check_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        self._answer_signals()

    def on_train_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        self._answer_signals()

    def on_test_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        self._answer_signals()

    def _answer_signals(self) -> None:
        """In place of Lightning's handlers, which it sets as `fit` and `test` begin; SLURM's start a job again."""
        if threading.current_thread() is threading.main_thread() and not SLURMEnvironment.detect():
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, lambda number, frame: self._end("Stopped", 128 + number))

    def watch(self) -> None:
        while not self.done.wait(PERIOD):
            self.end_if_lost()

    def end_if_lost(self, seconds: float = 0.0) -> None:
        """End where another process is gone, or is seen to be so within some seconds."""
        until = time.monotonic() + seconds
        while (lost := self._lost()) is None and time.monotonic() < until:
            time.sleep(PERIOD)
        if lost is not None:
            self._end(*lost)

    def _lost(self) -> tuple[str, int] | None:
        """Why the run cannot go on, since another process of this machine ended, and the exit code for it."""
        for rank, process in enumerate(self._children(), start=1):
            if code := process.poll():
                number = -code if code < 0 else code - 128 if code > 128 else 0
                how = f"by {signal.Signals(number).name}" if number else f"with exit code {code}"
                return f"Stopped: process {rank} of the run, counted from 0, has ended {how}", max(code, 1)
        if self._is_child() and os.getppid() != self._parent:
            return "Stopped: the first process of the run has ended", 1
        return None

    def _children(self) -> list[subprocess.Popen[Any]]:
        """The processes that this one started; none where torchrun or SLURM did."""
        return list(getattr(self._trainer.strategy.launcher, "procs", ()))

    def _is_child(self) -> bool:
        return os.environ.get("LOCAL_RANK", "0") != "0"

    def _end(self, reason: str, code: int) -> NoReturn:
        """End this process and those that it started, without waiting for anything; the first process says so."""
        with self._ending:
            told_by_the_first = self._is_child() and os.getppid() == self._parent
            if not told_by_the_first:
                advice = f"; the same command with resume={os.path.relpath(self._last)} goes on"
                os.write(2, f"{reason}{advice if self._last.exists() else ''}\n".encode())
            for process in self._children():
                process.kill()
            os._exit(code)
