"""What is imported is declared, and the light core, without extras, answers with every published weight."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from zoo import list_weights
from zoo.errors import DISTRIBUTION

CORE = {"torch", "numpy", "pillow", "safetensors"}
# Parts that work where only the core is installed; what else they import is imported within a function
LIGHT = (
    "__init__", "__main__", "check", "cli", "console", "errors", "files", "hardware", "models", "renamed", "settings",
    "spec", "weights",
)  # fmt: skip
DOORS = {  # by extra
    "hub": ("zoo/weights/hub.py",),
    "hf": ("zoo/data/core/arrow.py",),
    "parquet": ("zoo/spec/files.py", "zoo/spec/digits.py"),  # the second where pandas keeps texts by it
    "subwords": ("zoo/spec/subwords.py",),
    "export": ("zoo/inference/export.py", "zoo/inference/quantise.py"),
    "benchmark": ("zoo/benchmarks/",),
    "pages": ("zoo/inference/pages/",),
    "serve": ("zoo/serve/",),
    "sweep": ("zoo/training/search.py", "zoo/training/sweep"),
}
# A rival of a benchmark and a baseline, which are left out where they are not installed, and what a notebook runs in
UNDECLARED = {"keras", "statsmodels", "ipython"}
BY_OTHERS = {"tensorboard", "onnxscript", "optuna", "python-multipart"}  # others import these


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, set[str]]:
    """The distributions of each extra, and those of the core under its own name."""
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11 has it")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION
    lists = {"": project["dependencies"], **project["optional-dependencies"]}

    def names(extra: str) -> Iterator[str]:
        for requirement in lists[extra]:
            name, inner = re.match(r"([\w.-]+)(?:\[(.*?)\])?", requirement).groups()  # type: ignore[union-attr]
            if name == DISTRIBUTION:
                for other in inner.split(","):
                    yield from names(other)
            else:
                assert re.search(r">=\d", requirement), f"{requirement} has no lower bound"
                yield name

    return {extra: set(names(extra)) for extra in lists}


distribution_of = functools.cache(packages_distributions)  # which reads the list of files of each


def imports(path: Path, *, at_once: bool) -> set[str]:
    """The distributions of other projects that a file imports; at_once: as it is imported itself."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if at_once and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    others = found - set(sys.stdlib_module_names) - {"zoo", "__future__"}
    return {distribution_of().get(name, [name])[0].lower() for name in others}


def files(root: Path) -> list[Path]:
    return sorted((root / "zoo").rglob("*.py"))


def test_the_core_is_light(declared: dict[str, set[str]]) -> None:
    assert declared[""] == CORE


def test_what_is_imported_is_declared_and_the_other_way_round(root: Path, declared: dict[str, set[str]]) -> None:
    everything = set().union(*declared.values())
    used: set[str] = set()
    for file in files(root):
        path, found = file.relative_to(root).as_posix(), imports(file, at_once=False)
        used |= found
        allowed = declared[""] | declared["train"]
        allowed |= set().union(*(declared[extra] for extra, door in DOORS.items() if path.startswith(door)))
        assert found <= allowed | UNDECLARED, path
    tools = {"pytest", "pytest-xdist", "httpx", "jsonschema", "playwright", "ruff", "mypy", "pre-commit"}
    tools |= {"ipykernel", "nbclient", "nbformat", "mkdocs", "mkdocs-material", "mkdocstrings"}
    assert everything - used - BY_OTHERS - tools == set()


def test_light_parts_import_the_core_alone(root: Path, declared: dict[str, set[str]]) -> None:
    for file in files(root):
        if file.relative_to(root / "zoo").parts[0].removesuffix(".py") in LIGHT:
            assert imports(file, at_once=True) <= declared[""], file


# As where nothing but the core is installed: other modules cannot be found
ANSWERS = """
import json, sys
from importlib.machinery import PathFinder
class Core(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        if "site-packages" in str(path or "") or top in ALLOWED or top in sys.stdlib_module_names or top[0] == "_":
            return super().find_spec(name, path, target)
        return None
ALLOWED = {"torch", "numpy", "PIL", "safetensors", "zoo", "torchgen", "functorch", "typing_extensions", "sympy",
           "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec", "packaging"}
sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not PathFinder and "editable" not in repr(finder)]
sys.meta_path.append(Core)
import zoo
from zoo.weights.samples import random_inputs
answers = {}
for weights in zoo.list_weights():
    artefact = zoo.load(weights)
    answers[weights.name] = str(artefact(*random_inputs(artefact.spec.input, 1)[0]))
missing = [name for name in ("pandas", "scipy", "torchvision", "lightning", "hydra") if name in sys.modules]
try:
    zoo.load("mlp.breast_cancer")("table.csv")
except zoo.DataError as error:
    print(error, file=sys.stderr)
print(json.dumps([answers, missing]))
"""


def test_the_core_alone_answers_with_every_published_weight(root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANSWERS]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers, others = json.loads(done.stdout)
    assert others == []
    assert answers.keys() == {weights.name for weights in list_weights()}
    assert f'pip install "{DISTRIBUTION}[tables]"' in done.stderr
