"""Checkpoints: written again in another way, or damaged, or hostile; what is let in is what the file holds."""

from __future__ import annotations

import copy
import math
import random
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.training import checkpoint as checkpoints

from .campaign import Case

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

# The run of a tenth of a second that the tests of checkpoints use
make = runpy.run_path(str(Path(__file__).parents[1] / "training" / "conftest.py"), run_name="short_run")["_make"]
STRANGE = [None, True, -1, 0, 2**62, 2**70, 0.5, math.nan, "", "x", "../../etc", [], [[]], {}, {"a": 1}, torch.zeros(2)]
STRANGE += [torch.tensor(math.nan), torch.zeros(0), torch.zeros(2**16), b"x", (1, 2)]


class Checkpoints:
    """Makes cases from the last checkpoint of a run of two epochs."""

    def __init__(self, folder: Path) -> None:
        trainer, task, data = make(folder, epochs=2)
        trainer.fit(task, data)
        self.path = folder / "last.ckpt"
        self.whole = self.path.read_bytes()
        self.checkpoint = torch.load(self.path, weights_only=True)
        self.run = make(folder, epochs=2)

    def __call__(self, draw: random.Random, folder: Path) -> Case:
        sound = draw.random() < 0.5
        how = "in another order" if sound else draw.choice(["bytes", "cut", "value", "value", "value"])
        if how in ("bytes", "cut"):
            data = bytearray(self.whole)
            if how == "cut":
                del data[draw.randrange(len(data)) :]
            for _ in range(draw.choice([1, 4, 100]) if how == "bytes" else 0):
                data[draw.randrange(len(data))] = draw.randrange(256)
            self.path.write_bytes(data)
        else:
            checkpoint = copy.deepcopy(self.checkpoint)
            checkpoint = shuffled(checkpoint, draw) if sound else changed(checkpoint, draw)
            torch.save(checkpoint, self.path, _use_new_zipfile_serialization=True)
        return Case(sound, how, self.checked, self.unequal)

    def checked(self) -> tuple[dict[str, Any], dict[str, Any]]:
        checkpoint = checkpoints.read(self.path)
        return checkpoints.check(checkpoint, self.path, *self.run), checkpoint

    def unequal(self, found: tuple[dict[str, Any], dict[str, Any]]) -> str:
        """Whether Lightning would be given other tensors than those of the file, or of other shapes than the task's."""
        checked = found[0]
        there = torch.load(self.path, map_location="cpu", weights_only=True)
        for name, tensor in self.checkpoint["state_dict"].items():
            if checked["state_dict"][name].shape != tensor.shape:
                return f"{name} has another shape"
            if not torch.equal(checked["state_dict"][name], there["state_dict"][name]):
                return f"{name} is not that of the file"
        states = checked["optimizer_states"][0]["state"]
        for place, state in self.checkpoint["optimizer_states"][0]["state"].items():
            if place not in states:
                return f"moments of parameter {place} are lost"
            if any(states[place][key].shape != state[key].shape for key in ("exp_avg", "exp_avg_sq")):
                return f"moments of parameter {place} have another shape"
        return ""


def shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        names = draw.sample(list(value), len(value))
        return {name: shuffled(value[name], draw) for name in names}
    return value.clone() if isinstance(value, torch.Tensor) else value


def changed(checkpoint: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    for _ in range(draw.choice([1, 1, 2, 5])):
        parent: Any = checkpoint
        while True:
            keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
            key = draw.choice(keys)
            inner = parent[key]
            if not (isinstance(inner, (dict, list)) and inner) or draw.random() < 0.15:
                break
            parent = inner
        if draw.random() < 0.2:
            del parent[key]
        elif isinstance(inner, torch.Tensor) and draw.random() < 0.6:
            parent[key] = draw.choice(
                [inner.flatten(), inner[..., None], inner.double(), inner.bool(), inner[:0] if inner.ndim else inner]
            )
        else:
            parent[key] = copy.deepcopy(draw.choice(STRANGE))
        if not checkpoint:
            break
    return checkpoint


def test_checkpoints(fuzz: Callable[..., None], tmp_path: Path) -> None:
    fuzz("checkpoints", Checkpoints(tmp_path))
