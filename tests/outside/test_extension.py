"""The example of an outsider's package, as an outsider uses it: beside the zoo, without a change in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.outside

SCRIPT = """
import zoo
run = zoo.train("experiment=stripes", config_dir="conf", plugins=["zoo_stripes"], folder="run", trainer="cpu")
assert run.metrics["test/accuracy"] > 0.9, run.metrics
assert run.model == "patches" and run.options == {"size": 4, "width": 16}
image = next(iter(__import__("zoo_stripes").Stripes().load()[1]["test"].columns[0]))
again = zoo.load("run/model.safetensors")
assert again(image[0].numpy()) == run(image[0].numpy())
assert "patches" in zoo.list_models() and zoo.create_model("patches", num_classes=3)
print("done")
"""


@pytest.fixture(scope="module")
def outside(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, far from the checkout."""
    folder = tmp_path_factory.mktemp("outside") / "extension"
    shutil.copytree(root / "examples" / "extension", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def python(root: Path, outside: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python in that folder, with the zoo importable and the example not, but by its name."""

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "LOCAL_RANK")}
        env["PYTHONPATH"] = str(root)
        return subprocess.run([sys.executable, *arguments], cwd=outside, env=env, capture_output=True, text=True)

    return python


@pytest.fixture(scope="module")
def trained(outside: Path, python: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """An artefact of the example's network, task and data, by zoo.train."""
    ended = python("-c", SCRIPT)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("done\n")
    return outside / "run" / "model.safetensors"


def test_the_command_trains_it(python: Callable[..., subprocess.CompletedProcess[str]], outside: Path) -> None:
    settings = ["plugins=[zoo_stripes]", "model=patches", "data=stripes", "model.width=8", "epochs=1", "folder=short"]
    ended = python("-m", "zoo", "train", "--config-dir", "conf", "trainer=cpu", *settings)
    assert ended.returncode == 0, ended.stderr
    assert (outside / "short" / "card.md").exists()


def test_evaluate_follows_its_recipe(python: Callable[..., subprocess.CompletedProcess[str]], trained: Path) -> None:
    ended = python("-m", "zoo", "evaluate", f"weights={trained}", "plugins=[zoo_stripes]", "accelerator=cpu")
    assert ended.returncode == 0, ended.stderr
    assert "test/accuracy" in ended.stdout
    assert "DIFFERS" not in ended.stdout


def test_without_the_plugin_one_line_says_what_to_import(
    python: Callable[..., subprocess.CompletedProcess[str]], trained: Path
) -> None:
    ended = python("-m", "zoo", "evaluate", f"weights={trained}", "accelerator=cpu")
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert "zoo_stripes.network" in line


def test_it_is_exported(python: Callable[..., subprocess.CompletedProcess[str]], trained: Path) -> None:
    pytest.importorskip("onnx")
    settings = [f"model={trained}", "plugins=[zoo_stripes]", "format=torch_export", "output=patches.pt2"]
    ended = python("-m", "zoo", "export", *settings)
    assert ended.returncode == 0, ended.stderr


def test_once_installed_it_is_found_by_name(
    python: Callable[..., subprocess.CompletedProcess[str]], outside: Path, trained: Path
) -> None:
    """As pip leaves it: the package and its entry points, in a folder of Python's path."""
    made = outside / "zoo_stripes-0.1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-stripes\nVersion: 0.1.0\n")
    (made / "entry_points.txt").write_text("[zoo.plugins]\nstripes = zoo_stripes\n")
    try:
        look = (
            "import sys, zoo; assert 'zoo_stripes' not in sys.modules; print(zoo.load('run/model.safetensors').model)"
        )
        ended = python("-c", look)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "patches\n"
    finally:
        shutil.rmtree(made)
