"""Artefacts of format 1: copies of three published ones load, answer as they did, and are saved as format 2."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.spec import Calibration
from zoo.weights import artefact as artefacts
from zoo.weights.artefact import describe, load, save
from zoo.weights.format1 import renamed

FOLDER = Path(__file__).parents[1] / "data" / "format1"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text("utf-8"))
OLD_WORDS = ("optimiser", "hidden", "layers", "members", "rows", "false_alarms", "normal", "binarise", "before")


@pytest.fixture(params=sorted(EXPECTED))
def name(request: pytest.FixtureRequest) -> str:
    """Each copy in turn."""
    return request.param


def alike(answers: Any, expected: Any) -> bool:
    """Whether two answers are the same, but for how they were rounded."""
    if isinstance(expected, dict):
        return answers.keys() == expected.keys() and all(alike(answers[key], expected[key]) for key in expected)
    return answers == (pytest.approx(expected, rel=1e-4, abs=1e-6) if type(expected) is float else expected)


def test_the_copies_are_of_format_1(name: str) -> None:
    data = (FOLDER / f"{name}.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == EXPECTED[name]["sha256"]
    length = int.from_bytes(data[:8], "little")
    assert json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["zoo"])["format"] == 1


def test_it_answers_as_it_did(name: str) -> None:
    found = load(FOLDER / f"{name}.safetensors", sha256=EXPECTED[name]["sha256"])(EXPECTED[name]["inputs"])
    assert all(map(alike, found, EXPECTED[name]["answers"]))


def test_it_is_saved_as_format_2(name: str, tmp_path: Path) -> None:
    old = load(FOLDER / f"{name}.safetensors")
    save(old, tmp_path / "new.safetensors")
    new = load(tmp_path / "new.safetensors")
    assert describe(tmp_path / "new.safetensors")["format"] == artefacts.FORMAT == 2
    for part in ("model", "options", "spec", "calibration", "metrics", "recipe"):
        assert getattr(new, part) == getattr(old, part), part
    tensors = new.network.state_dict()
    assert all(torch.equal(tensors[key], tensor) for key, tensor in old.network.state_dict().items())
    assert new(EXPECTED[name]["inputs"]) == old(EXPECTED[name]["inputs"])


def test_no_old_word_is_left(name: str) -> None:
    header = describe(FOLDER / f"{name}.safetensors")
    keys: set[str] = set()

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            keys.update(part)
        for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            collect(value)

    for part in ("options", "spec", "recipe", "metrics"):
        collect(header[part])
    assert not keys & set(OLD_WORDS)


def test_a_threshold_becomes_a_calibration() -> None:
    anomaly = load(FOLDER / "rbm.anomaly_breast_cancer.safetensors")
    assert anomaly.calibration == Calibration(threshold=-2.3729541301727295)
    assert anomaly.spec.to_json()["output"] == {"kind": "Anomaly", "false_positive_rate": 0.05}
    assert {"test/false_positive_rate", "test/recall"} < anomaly.metrics.keys()


def test_recipes() -> None:
    header = {
        "format": 1,
        "model": "gru",
        "options": {"hidden": 3, "members": 2, "pool": "max"},
        "spec": {"input": {"kind": "Series"}, "output": {"kind": "Labels"}},
        "metrics": {"test/loss": 1.0},
        "recipe": {
            "command": 'python scripts/train.py model=gru +model.layers=2 task.optimiser.lr=0.1 "data.past=a hidden=3"',
            "before": ["python scripts/train.py data.root=$ZOO_DATA/past data.augment.turns=true optimiser=sgd"],
            "config": {
                "model": {"name": "gru", "hidden": 3},
                "task": {"_target_": "zoo.tasks.memory.memory", "optimiser": {"_target_": "torch.optim.SGD", "lr": 1}},
                "data": {"_target_": "zoo.data.series.Waves", "past": 5, "augment": [{"_target_": "zoo.data.x.Y"}]},
                "seed": 1,
            },
        },
    }
    assert renamed(header) == {
        "format": 2,
        "model": "gru",
        "options": {"hidden_size": 3, "ensemble_size": 2, "pool": "max"},
        "spec": {"input": {"kind": "Series"}, "output": {"kind": "Labels"}},
        "calibration": {},
        "metrics": {"test/loss": 1.0},
        "recipe": {
            "command": "python scripts/train.py model=gru ++model.num_layers=2 task.optimizer.lr=0.1 "
            '"data.context_length=a hidden=3"',
            "parent_commands": [
                "python scripts/train.py data.root=$ZOO_DATA/past data.augment.rotate90=true optimizer=sgd"
            ],
            "config": {
                "model": {"name": "gru", "hidden_size": 3},
                "task": {
                    "_target_": "zoo.tasks.sequence.Tagging",
                    "optimizer": {"_target_": "torch.optim.SGD", "lr": 1},
                },
                "data": {
                    "_target_": "zoo.data.series.Waves",
                    "context_length": 5,
                    "augment": [{"_target_": "zoo.data.x.Y"}],
                },
                "seed": 1,
            },
        },
    }


@pytest.mark.parametrize("output", ["Classes", "Values"])
def test_a_function_that_chose_a_task_becomes_that_task(output: str) -> None:
    task = {"_target_": "zoo.tasks.supervised.supervised", "ema": None}
    header = {"model": "mlp", "spec": {"output": {"kind": output}}, "recipe": {"config": {"task": task}}}
    chosen = {"Classes": "Classification", "Values": "Regression"}[output]
    found = renamed(header)["recipe"]["config"]["task"]
    assert found == {"_target_": f"zoo.tasks.supervised.{chosen}", "ema": None}


@pytest.mark.parametrize("part", ["options", "spec", "metrics", "recipe"])
@pytest.mark.parametrize("value", [None, 3, "x", [], {"output": 3}, {"config": 3, "command": 3, "before": 3}], ids=str)
def test_damaged_parts_stay_as_they_are(part: str, value: Any) -> None:
    found = renamed({"model": "rbm", part: value})
    assert found["calibration"] == {}
    assert isinstance(found[part], dict) == isinstance(value, dict)
