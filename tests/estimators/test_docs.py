"""The example of docs/estimators.md runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.mark.estimators
def test_the_example_runs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "estimators.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(example, "docs/estimators.md", "exec"), {})
    assert [path.name for path in tmp_path.iterdir()] == ["wine.safetensors"]
