"""How many examples a step takes, by rows, device and memory; and what the command says stays."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from zoo.data.core.columns import Examples, Ragged
from zoo.data.core.data_module import DataModule
from zoo.spec import Spec
from zoo.training import batch_size
from zoo.training.recipe import recipe

GIB = 2**30


def table(rows: int, columns: int = 4) -> Examples:
    return Examples(torch.zeros(rows, columns), torch.zeros(rows, dtype=torch.long))


@pytest.mark.parametrize(
    ("usual", "examples", "memory", "expected"),
    [
        (64, table(1_000), 80 * GIB, 64),  # 15 steps an epoch are few already
        (64, table(13_000), 80 * GIB, 128),  # 101 steps
        (64, table(1_000_000), 80 * GIB, 1024),  # 16 times
        (64, table(1_000_000), GIB, 1024),  # a row takes 80 kB
        (64, table(1_000_000), GIB // 8, 512),
        (16, Examples(torch.zeros(1, 3, 64, 64).expand(100_000, 3, 64, 64)), 80 * GIB, 128),  # 190 MiB each
        (16, Examples(torch.zeros(1, 3, 64, 64).expand(100_000, 3, 64, 64)), GIB, 16),  # as the config says, at least
    ],
)
def test_it_grows_while_an_epoch_has_steps_and_the_memory_holds_them(
    usual: int, examples: Examples, memory: int, expected: int
) -> None:
    assert batch_size.on_gpu(usual, examples, memory) == expected


def test_the_longest_examples_must_fit() -> None:
    lengths = torch.full((100_000,), 2)
    lengths[-64:] = 1_000
    texts = Examples(Ragged(torch.zeros(int(lengths.sum()), dtype=torch.uint8), lengths))
    assert batch_size.on_gpu(64, texts, 8 * GIB) == 256  # 15 MiB each
    assert batch_size.on_gpu(64, Examples(Ragged(torch.zeros(200_000), torch.full((100_000,), 2))), 8 * GIB) == 512


class Rows(DataModule):
    def load(self) -> tuple[Spec, dict[str, Examples]]:
        raise NotImplementedError


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch, compose: Callable[..., DictConfig]) -> Callable[..., tuple[Any, Any]]:
    """Gives config and data of a run with these overrides on a large table, where a card of 80 GiB may be."""

    def resolved(*overrides: str, gpu: bool = True) -> tuple[DictConfig, Rows]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=80 * GIB))
        cfg = compose("train", "model=mlp", "data=wine", "run=table", *overrides)
        data = Rows(cfg.data.batch_size)
        data.splits = {"train": table(20_000)}
        batch_size.resolve(cfg, data)
        assert cfg.data.batch_size == data.batch_size
        return cfg, data

    return resolved


def test_it_is_said_and_recorded_as_if_the_command_had_it(resolved: Callable[..., tuple[Any, Any]]) -> None:
    cfg, data = resolved()
    assert data.batch_size == 128
    (note,) = data.notes
    assert "128 examples" in note
    assert "data.batch_size=64" in note
    kept = recipe(cfg)
    assert kept["config"]["data"]["batch_size"] == 128
    assert kept["command"].endswith(" data.batch_size=128")


@pytest.mark.parametrize(
    "overrides",
    [["trainer=cpu"], ["data.batch_size=64"], ["trainer=ddp"], ["experiment=student_admissions", "data=wine"]],
)
def test_what_is_said_stays(resolved: Callable[..., tuple[Any, Any]], overrides: list[str]) -> None:
    cfg, data = resolved(*overrides)
    assert data.notes == []
    assert "data.batch_size=128" not in recipe(cfg)["command"]


def test_a_machine_without_a_gpu_keeps_that_of_the_config(resolved: Callable[..., tuple[Any, Any]]) -> None:
    assert resolved(gpu=False)[1].batch_size == 64
