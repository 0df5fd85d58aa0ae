"""Imports point one way, and those who want a network alone get torch alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = {
    "PIL", "hydra", "lightning", "matplotlib", "omegaconf", "pandas", "pytorch_lightning", "rich", "safetensors",
    "scipy", "sklearn", "tensorboard", "torchmetrics", "torchvision",
}  # fmt: skip

# What each part of the zoo may import of it, itself apart; whatever is not listed here may not exist
GROUND = {"errors", "check", "files", "settings", "private", "hardware", "progress"}
ALLOWED = {
    "errors": set(),
    "check": {"errors"},
    "files": {"errors"},
    "settings": {"check", "errors"},
    "renamed": set(),
    "private": set(),
    "progress": set(),
    "hardware": {"errors", "files", "private"},
    "spec": GROUND,
    "registry": GROUND | {"spec"},
    "plots": GROUND | {"spec"},
    "optim": GROUND,
    "data": GROUND | {"spec"},
    "models": GROUND | {"spec", "registry"},
    "weights": GROUND | {"spec", "registry", "models"},
    "metrics": GROUND | {"spec", "models"},
    "tasks": GROUND | {"spec", "models", "metrics", "optim"},
    "training": GROUND
    | {"spec", "registry", "models", "weights", "metrics", "optim", "plots", "data", "tasks", "renamed"},
    "inference": GROUND | {"spec", "registry", "models", "weights", "metrics", "data", "tasks", "training"},
    "benchmarks": GROUND
    | {
        "spec",
        "models",
        "weights",
        "metrics",
        "optim",
        "plots",
        "data",
        "tasks",
        "training",
        "inference",
        "estimators",
    },
    "estimators": GROUND | {"spec", "models", "weights", "optim", "data", "tasks", "training", "inference"},
    "serve": GROUND | {"spec", "models", "weights", "metrics", "data"},
    "console": GROUND | {"training"},
    "cli": GROUND | {"console", "renamed", "training", "inference", "serve", "benchmarks"},
    "__main__": {"cli"},
    "__init__": {"errors", "spec", "registry", "models", "weights", "training"},  # the last one within `train` alone
}

# And what else, where that is part of the design
THIRD_PARTIES = {
    "errors": set(),
    "spec": {"torch", "numpy", "PIL", "pandas", "scipy", "tokenizers", "pyarrow"},
    "models": {"torch"},
}


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names of all modules that a file imports, within functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join(parts[: len(parts) + 1 - node.level]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str | None:
    """The part of the zoo that a module's full name belongs to; None for the zoo as a whole."""
    part = (*name.split("."), "")[1]
    return part if part in ALLOWED else None


def faults(path: str, source: str) -> list[str]:
    """What the file at a path such as `zoo/models/cnn.py` imports and may not."""
    *folders, file = path.removesuffix(".py").split("/")
    part = folders[1] if len(folders) > 1 else file
    wrong = []
    for name in imported(ast.parse(source), ".".join(folders)):
        top = name.split(".")[0]
        if top == "zoo":
            if name in ("zoo", "zoo.__version__"):
                continue  # its parts follow by their own names
            if part_of(name) != part and part_of(name) not in ALLOWED[part]:
                wrong.append(name)
        elif part in THIRD_PARTIES and top not in THIRD_PARTIES[part] and top not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / "zoo").rglob("*.py"))


def test_each_file_stands_in_a_part_that_the_design_names(root: Path) -> None:
    assert len(files(root)) > 10
    for path in files(root):
        part = path.split("/")[1].removesuffix(".py")
        assert part in ALLOWED, f"{path}: say in ALLOWED what it may import"


def test_imports_point_one_way(root: Path) -> None:
    wrong = {path: faults(path, (root / path).read_text(encoding="utf-8")) for path in files(root)}
    assert {path: names for path, names in wrong.items() if names} == {}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("zoo/spec.py", "from zoo.models import CNN"),
        ("zoo/spec.py", "from . import models"),
        ("zoo/spec.py", "import lightning"),
        ("zoo/models/cnn.py", "import zoo.tasks.supervised"),
        ("zoo/models/cnn.py", "from zoo import data"),
        ("zoo/models/cnn.py", "def f():\n    from ..data import images"),
        ("zoo/models/cnn.py", "def f():\n    import numpy as np"),
        (
            "zoo/models/cnn.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from zoo.training.run import train",
        ),
        ("zoo/data/images.py", "from zoo.tasks import pictures"),
        ("zoo/tasks/task.py", "from zoo.data.core.examples import Batch"),
        ("zoo/weights/artefact.py", "from zoo.tasks.task import Task"),
        ("zoo/weights/artefact.py", "import zoo.training"),
        ("zoo/training/run.py", "from zoo.cli import one_line"),
        ("zoo/errors.py", "import torch"),
        ("zoo/__init__.py", "from zoo.tasks import Task"),
        ("zoo/models/cnn.py", "import zoo.novelty"),
    ],
)
def test_a_wrong_import_would_be_found(path: str, source: str) -> None:
    assert faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("zoo/models/cnn.py", "import math\nimport torch.nn\nfrom zoo.spec import Spec\nfrom zoo.models import gan"),
        ("zoo/models/cnn.py", "from . import gan\nfrom ..errors import SpecError"),
        ("zoo/tasks/task.py", "import lightning\nfrom zoo.models import gan"),
        ("zoo/training/run.py", "from zoo import models\nfrom zoo.data.images import MNIST"),
    ],
)
def test_a_right_import_is_let_through(path: str, source: str) -> None:
    assert faults(path, source) == []


PROBE = """
import json, sys, warnings
import torch
alone = set(sys.modules)
import zoo
from zoo.models import CNN
added = set(sys.modules) - alone
zoo.create_model("cnn", in_channels=1, num_classes=10)(torch.zeros(2, 1, 28, 28))
zoo.create_model("gan")(torch.zeros(2, 2, 8, 8))
print(json.dumps({"added": sorted(added), "zoo": sorted(set(sys.modules) - alone)}))
"""


def test_importing_the_zoo_brings_torch_and_nothing_heavier(tmp_path: Path) -> None:
    probe = subprocess.run([sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=True)
    modules = json.loads(probe.stdout)
    for names in modules.values():
        assert {name.split(".")[0] for name in names} & HEAVY == set()
    assert "zoo.models.cnn" in modules["added"]
    ours = [name for name in modules["added"] if name.split(".")[0] == "zoo"]
    assert len(modules["added"]) - len(ours) <= 30, modules["added"]  # of well over 1,000 that torch brings
