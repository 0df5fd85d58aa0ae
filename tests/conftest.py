"""Options and order of the tests; what they share is in `fixtures.py`.

A process that only hands tests out to others imports nothing heavy, and so starts them at once.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib.util
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SLOW_TO_START = {"forks", "onnx"}  # fixtures, each of some seconds of imports


def pytest_addoption(parser: pytest.Parser) -> None:
    """Two options for those who write tests: a test holds with any seed, and in any order."""
    parser.addoption("--seed-shift", type=int, default=0, metavar="N", help=argparse.SUPPRESS)
    parser.addoption("--random-order", type=int, metavar="N", help=argparse.SUPPRESS)
    fuzz = parser.getgroup("fuzz", "campaigns of `pytest -m fuzz`")
    fuzz.addoption("--fuzz-cases", type=int, metavar="N", help="cases of each kind; 300, or 50 of those that train")
    fuzz.addoption("--fuzz-start", type=int, default=0, metavar="N", help="number of the first case")
    fuzz.addoption("--fuzz-log", metavar="FILE", help="JSON lines of what came out wrong, or was refused though sound")


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is imported and collected, which leaves next to no garbage
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for the processes that tests start, too
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a job in the background inherits it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if shift := config.getoption("seed_shift"):
        shift_seeds(shift)


def shift_seeds(shift: int) -> None:
    """Add a number to the seeds of tests and runs; seeds within the zoo, such as those of splits, stay."""
    import lightning as L
    import numpy as np
    import torch

    for module, name in ((torch, "manual_seed"), (np.random, "default_rng"), (np.random, "seed"), (random, "seed")):
        setattr(module, name, shifted(getattr(module, name), shift, TESTS))
    L.seed_everything = shifted(L.seed_everything, shift, TESTS, ROOT / "zoo")
    seed = {"manual_seed": shifted(torch.Generator.manual_seed, shift, TESTS)}
    torch.Generator = type("Generator", (torch.Generator,), seed)  # type: ignore[misc]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Take up the fixtures, but where xdist hands the tests out to other processes."""
    if not session.config.pluginmanager.hasplugin("dsession"):
        spec = importlib.util.spec_from_file_location("tests.fixtures", TESTS / "fixtures.py")
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
        session.config.pluginmanager.register(module, "tests.fixtures")


def pytest_collection_finish() -> None:
    """What is there now stays: the garbage collector need not look at it again, nor as often as it would."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put first what shares something slow to start; shuffle all, where `--random-order` gives the seed of an order.

    xdist gives each process a stretch of the tests, so that one alone starts it.
    """
    items.sort(key=lambda item: not SLOW_TO_START & {*getattr(item, "fixturenames", ())})
    if (order := config.getoption("random_order")) is not None:
        random.Random(order).shuffle(items)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line for each campaign of tests/fuzz: its cases, and what they came to."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for told in [told for one in reports for name, told in getattr(one, "user_properties", []) if name == "fuzz"]:
        terminalreporter.write_line(told)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """Escape half characters in what a test logged or printed, which cannot be sent from one process to another."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


def shifted(function: Callable[..., Any], shift: int, *folders: Path) -> Callable[..., Any]:
    """A function that takes a seed, and adds a number to it where a file of these folders calls it."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        caller = Path(sys._getframe(1).f_code.co_filename)
        if any(caller.is_relative_to(folder) for folder in folders):
            args = tuple(value + shift if type(value) is int else value for value in args)
        return function(*args, **kwargs)

    return wrapper
