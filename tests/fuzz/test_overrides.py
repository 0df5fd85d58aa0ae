"""Overrides of the command line: spelt in an unusual way, or wrong; a run of one step shows what was understood."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.console import one_line_errors
from zoo.errors import ZooError
from zoo.training.run import train

from .campaign import Case

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

SETTINGS = (
    "epochs", "batches", "seed", "threads", "freeze", "layer_decay", "init_from", "resume", "model.hidden_sizes",
    "model.dropout", "model.activation", "data.batch_size", "task.optimizer.lr", "task.schedule", "callbacks.last",
    "trainer.max_time", "logger", "model", "data", "task", "choices.model", "run", "folder",
)  # fmt: skip
VALUES = (
    "null", "-1", "0", "0.5", "1e999", "nan", "x", "''", "[]", "{}", "[[[]]]", "{a: 1}",
    "true", "100000000000", "${seed}", "${x}",
    "../../etc", "ünï", "{_target_: os.system, command: 'true'}", "{_target_: builtins.print}", "1,2", "[1", "a=b",
    "\x1b[2J",
)  # fmt: skip


def sound(draw: random.Random) -> tuple[list[str], list[int]]:
    """Overrides in some spelling and order, and the sizes of the hidden layers that they ask for."""
    sizes = [draw.choice([4, 8, 16]) for _ in range(draw.randrange(1, 4))]
    gap = draw.choice(["", " "])
    overrides = [
        draw.choice(["model.hidden_sizes=[{}]", "++model.hidden_sizes=[{}]", "model.hidden_sizes=[ {} ]"]).format(
            f",{gap}".join(map(str, sizes))
        ),
        draw.choice(["seed=7", "++seed=7", "seed=4_2"]),
        draw.choice(["model.dropout=0", "model.dropout=0.0", "model.dropout=1e-1", "model.dropout=.5"]),
        draw.choice(["task.optimizer.lr=1e-3", "task.optimizer.lr=0.001", "task.optimizer.lr=1E-3"]),
        draw.choice(["data.batch_size=32", "++data.batch_size=32"]),
    ]
    return draw.sample(overrides, len(overrides)), sizes


def test_overrides(
    fuzz: Callable[..., None],
    compose: Callable[..., Any],
    no_plots: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # as `one_line_errors` sets it, and no longer than this test

    def case(draw: random.Random, folder: Path) -> Case:
        good = draw.random() < 0.5
        overrides, sizes = sound(draw)
        if not good:
            for _ in range(draw.choice([1, 1, 2])):
                overrides.append(
                    f"{draw.choice(['', '', '+', '++', '~'])}{draw.choice(SETTINGS)}={draw.choice(VALUES)}"
                )
        fixed = ["model=mlp", "data=digits", "batches=1", "trainer=cpu", "threads=1", "callbacks.progress=null"]
        place = folder / f"run {draw.random()}"

        def act() -> Path:
            capsys.readouterr()
            try:
                with one_line_errors():
                    train(compose("train.yaml", *fixed, *overrides, f"folder='{place}'"))
            except SystemExit as ended:
                told = capsys.readouterr().err.removesuffix("\n")
                if ended.code != 1 or len(told) > 300 or not told.isprintable():
                    raise ValueError(f"exit code {ended.code} and {len(told)} characters: {told}") from ended
                raise ZooError(told) from ended
            return place

        def fault(found: Path) -> str:
            options = zoo.load(found / "model.safetensors").options
            return "" if not good or options["hidden_sizes"] == sizes else f"{options['hidden_sizes']}, not {sizes}"

        return Case(good, " ".join(overrides), act, fault)

    fuzz("overrides", case)
