"""The wheel, used as by somebody who has no checkout.

It is installed, without what it depends on, into an empty folder, which stands first on the path of the environment of
these tests; installing torch anew would take minutes. The installation that is editable is shut out: each process
checks that `zoo` comes from that folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image

import zoo
from zoo.errors import DISTRIBUTION, install

pytestmark = pytest.mark.outside
BUILT = ("zoo", "conf", "pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy, so that it leaves no build folder."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in BUILT:
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, source / name)
    pip("wheel", "--no-deps", "--wheel-dir", str(built), str(source))
    (file,) = built.iterdir()
    return file


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel is installed in."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--target", str(folder), str(wheel))
    return folder


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def run(installed: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this Python, in another folder, with the wheel first on the path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "LOCAL_RANK")}
    environment |= {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    where = [sys.executable, "-c", "import zoo; print(zoo.__file__)"]
    found = subprocess.run(where, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)
    return subprocess.run([sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_wheel_is_whole(root: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    assert f"\nName: {DISTRIBUTION}\n" in metadata
    of_zoo = {path.relative_to(root).as_posix() for path in (root / "zoo").rglob("*") if path.is_file()}
    of_conf = {f"zoo/{path.relative_to(root).as_posix()}" for path in (root / "conf").rglob("*.yaml")}
    wanted = {name for name in of_zoo if "__pycache__" not in name} | of_conf
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert wheel.stat().st_size < 40e6


def test_train_and_use_what_was_trained(installed: Path, tmp_path: Path) -> None:
    """The README's first command in short, by the command that the wheel brings, then all that follows."""
    command = str(installed / "bin" / "zoo")
    trained = run(installed, tmp_path, command, "train", "model=gan", "batches=10", "folder=run")
    assert trained.returncode == 0, trained.stderr[-2000:]
    assert (tmp_path / "run" / "restored.png").is_file()
    program = "import zoo, sys; print(zoo.load(sys.argv[1])('scan.png', 'mask.png').size)"
    Image.new("L", (8, 8), 100).save(tmp_path / "scan.png")
    mask = Image.new("1", (8, 8), 0)
    mask.putpixel((3, 3), 1)
    mask.save(tmp_path / "mask.png")
    used = run(installed, tmp_path, "-c", program, "run/model.safetensors")
    assert used.stdout == "(8, 8)\n", used.stderr
    predicted = run(
        installed, tmp_path, "-m", "zoo", "predict", "model=cnn.digits", "input=scan.png", "format=jsonl", "output=a"
    )
    assert predicted.returncode == 0, predicted.stderr
    assert '"label"' in (tmp_path / "a").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evaluate", "weights=cnn.digits"], "cnn.digits"),
        (["export", "model=mlp.mnist", "format=torch_export", "output=m.pt2"], "m.pt2"),
        (["publish", "run=nowhere", "name=cnn.digits", "licence=MIT"], "nowhere"),
        (["benchmark", "suite=trainning"], "did you mean 'training'?"),
        (["train", "--help"], "python scripts/train.py"),
        (["--help"], "benchmark"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_verb_starts(installed: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    ended = run(installed, tmp_path, "-m", "zoo", *arguments)
    assert says in ended.stdout + ended.stderr, ended.stderr[-2000:]
    assert "Traceback" not in ended.stderr
    assert ended.returncode == (arguments[0] in ("publish", "benchmark"))


@pytest.fixture(scope="session")
def bare(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to what the wheel asks for without an extra, and what that asks for; nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    (about,) = installed.glob("*.dist-info/METADATA")
    lines = about.read_text(encoding="utf-8").splitlines()
    wanted = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    seen: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        found = distribution(requirement.name)
        wanted += found.requires or []
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))
    return folder


ANSWER = """
import zoo
from zoo.weights.samples import random_inputs
for weights in zoo.list_weights():
    artefact = zoo.load(weights)
    artefact(*random_inputs(artefact.spec.input, 1)[0])
    print(weights.name)
"""


def test_the_bare_wheel_answers_with_every_published_weight(installed: Path, bare: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, (installed, bare)))}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        python = [sys.executable, "-S", *command]  # without the folder of installed packages
        return subprocess.run(python, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    answered = run("-c", ANSWER)
    assert answered.returncode == 0, answered.stderr[-2000:]
    assert answered.stdout.split() == [weights.name for weights in zoo.list_weights()]
    assert "scipy" in run("-c", "import scipy").stderr
    refused = run("-m", "zoo", "train", "model=gan")
    assert refused.returncode == 1
    assert refused.stderr.splitlines(True)[-1] == f"zoo train takes hydra: {install('train')}\n"
