"""Values of Python as overrides of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser

from zoo.errors import ConfigError
from zoo.training.compose import compose, override_value, overrides_of


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -3, 10**30, 0.1, 1e-30, float("inf"), "", "cnn", "2020", "1e3", "true", "NULL", "nan",
        "a b", "it's", 'say "x"', "a\\", "a\\'b", "\\", "ü²", "a=b,c", "[1", "{x", "$ZOO_DATA/x", "/tmp/a-b.csv",
        "~/x", " x ", "a#b", "%", [], [1, [2, "x y"]], {}, {"zip": "category", "a b": [1, None]}, {"x": {"y": 0.5}},
    ],
    ids=repr,
)  # fmt: skip
def test_hydra_reads_what_was_given(value: Any) -> None:
    (parsed,) = OverridesParser.create().parse_overrides([f"name={override_value(value)}"])
    found = parsed.value()
    assert found == value
    assert type(found) is type(value)


def test_numbers_of_numpy_and_torch_and_paths() -> None:
    given = {"a": np.float64(0.5), "b": np.int64(3), "c": torch.tensor(2), "d": Path("x/y"), "e": (1, 2)}
    assert list(overrides_of(given)) == ["a=0.5", "b=3", "c=2", "d=x/y", "e=[1, 2]"]
    assert list(overrides_of({"trainer": {"devices": 2, "precision": "32-true"}})) == [
        "trainer.devices=2",
        "trainer.precision='32-true'",
    ]


def test_what_was_chosen() -> None:
    cfg = compose(["model=mlp", "seed=3"])
    overrides = ["model=mlp", "seed=3"]
    assert cfg.choices == {"model": "mlp", "task": "supervised", "data": "breast_cancer", "overrides": overrides}
    assert "hydra" not in cfg


def test_a_folder_of_configs_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 99\n")
    assert compose(["experiment=mine"], tmp_path).seed == 99


@pytest.mark.parametrize("override", ["hydra.run.dir=x", "+hydra.x=1", "hydra/launcher=joblib"])
def test_settings_of_hydra_are_for_the_command_line(override: str) -> None:
    with pytest.raises(ConfigError, match="are for the command line"):
        compose([override])
