"""Rows of benchmarks."""

from __future__ import annotations

import ast
import json
import sys
import types
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from zoo import benchmarks
from zoo.benchmarks import Row
from zoo.errors import ConfigError


def test_a_row_has_medians_their_ratio_and_the_spread_of_a_round() -> None:
    row = json.loads(Row("cnn", [3.0, 1.0, 2.0], [4.0, 4.0, 5.0]).json())
    assert row == {"row": "cnn", "ours": 2.0, "theirs": 4.0, "ratio": 0.5, "spread": [0.25, 0.75]}
    uneven = json.loads(Row("rbm", [1.0, 2.0, 6.0], [2.0]).json())
    assert uneven == {"row": "rbm", "ours": 2.0, "theirs": 2.0, "ratio": 1.0, "spread": [0.5, 3.0]}
    alone = json.loads(Row("growth", [1.0]).json())
    assert alone == {"row": "growth", "ours": 1.0, "theirs": None, "ratio": None, "spread": None}


def test_a_suite_ends_in_one_line_of_json_a_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = types.ModuleType("zoo.benchmarks.training")
    suite.run = lambda root: [Row("perceptron", [1.0], [2.0]), Row("cnn", [2.0], [2.0])]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, suite.__name__, suite)
    benchmarks.run(OmegaConf.create({"suite": "training", "root": "."}))
    machine, *rows = capsys.readouterr().out.strip().splitlines()
    assert "threads" in machine
    assert [json.loads(row)["row"] for row in rows] == ["perceptron", "cnn"]
    with pytest.raises(ConfigError, match=r"trainin'.*'training'"):
        benchmarks.run(OmegaConf.create({"suite": "trainin", "root": "."}))


@pytest.mark.parametrize("suite", benchmarks.SUITES)
def test_every_suite_gives_its_rows(suite: str, root: Path) -> None:
    code = ast.parse((root / "zoo" / "benchmarks" / f"{suite}.py").read_text(encoding="utf-8"))
    (found,) = (node for node in code.body if isinstance(node, ast.FunctionDef) and node.name == "run")
    assert found.returns is not None
    assert ast.unparse(found.returns) == "list[Row]"
