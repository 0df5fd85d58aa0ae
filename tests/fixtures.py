"""Shared by all tests: one fitting spec, small options and a random batch for every model of the zoo.

Networks here are so small that threads only wait for each other: tests take one, unless OMP_NUM_THREADS says more.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import random
import runpy
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from omegaconf import DictConfig
from torch import Tensor

from zoo.data.images import Digits
from zoo.models import MODELS
from zoo.spec import Anomaly, Classes, Image, MaskedImage, Spec
from zoo.training import report
from zoo.training.reports import rbm, recommendation  # the package registers all of them
from zoo.weights.samples import random_inputs

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

# Whoever adds a model adds a line here, and all tests that take `model_name` hold for it
FITTING: dict[str, tuple[Spec, dict[str, Any]]] = {
    "cnn": (
        Spec(Image(3, 9, 12, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)), Classes(("cat", "dog", "emu"))),
        {"widths": [8, 16], "blocks": 1},
    ),
    "gan": (
        Spec(MaskedImage(1, 8, 9, (0.5,), (0.5,)), Image(1, 8, 9, (0.5,), (0.5,))),
        {"width": 8, "depth": 1},
    ),
    "gru": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 12, "num_layers": 2},
    ),
    "lstm": (
        Spec(Image(3, 6, 5, (0.5,) * 3, (0.5,) * 3), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 12, "bidirectional": True},
    ),
    "mlp": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_sizes": [16]},
    ),
    "rbm": (
        Spec(Image(1, 6, 5, (0.0,), (1.0,)), Anomaly(0.05)),
        {"num_hidden": 16},
    ),
    "rnn": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 24},
    ),
}


@pytest.fixture(autouse=True, scope="session")
def no_sync() -> Iterator[None]:
    """Files of tests need not outlast a power failure; a short run waits for the disk longer than it trains."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Each test starts with the same random numbers and threads, whichever tests came before it."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


@pytest.fixture(autouse=True)
def hydra_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command within the process of a test has Hydra compose by `private.compose_by`; later tests do not."""
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", ConfigLoaderImpl.load_configuration)


@pytest.fixture(autouse=True)
def no_views(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs do not look inside their networks, which takes longer than to train; the fixture `views` has them look."""
    if "views" not in request.fixturenames:
        monkeypatch.setattr(report, "views", lambda task, evaluation: {})


@pytest.fixture
def views() -> None:
    """Has runs of this test look inside their networks."""


@pytest.fixture
def blank_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots are empty files, for tests that train and look at none: to draw takes half the time of a short run.

    Nor does t-SNE lay out what they would show.
    """
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: Path(path).touch())
    for reports in (rbm, recommendation):
        monkeypatch.setattr(reports, "in_the_plane", lambda points, **options: torch.zeros(len(points), 2))


@pytest.fixture
def drawn() -> None:
    """Has runs of this test draw in spite of `no_plots`."""


@pytest.fixture
def no_plots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, blank_plots: None) -> None:
    """Runs have no plots but their curves, which are empty: what t-SNE and axes take is most of a short run's time."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(report, "plots", lambda task, evaluation, folder: {})


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def example(root: Path) -> Callable[[str], ModuleType]:
    """Gives the module of a file below `examples`."""

    def load(file: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(Path(file).stem, root / "examples" / file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


class Forks:
    """Starts commands as forks of one process, which has imported what they take and started no thread.

    To import that takes longer than most runs of tests.
    """

    def __init__(self) -> None:
        self.server = multiprocessing.get_context("forkserver")
        self.server.set_forkserver_preload(["zoo.cli", "zoo.training.doors", "zoo.plots", "matplotlib.pyplot"])

    def start(
        self,
        *command: object,
        cwd: Path,
        out: Path,
        err: Path,
        stdin: Path | None = None,
        daemon: bool = True,
        drawn: bool = True,
        **environment: str,
    ) -> Any:
        """A process of a Python program and its arguments, with what it prints in two files.

        Args:
            stdin: the file that it reads as standard input, if it reads any.
            daemon: it ends with the tests, and `multiprocessing` starts no process for it.
            drawn: runs draw and look inside their networks, which takes longer than to train.
        """
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "LOCAL_RANK")
        }
        given = {
            "arguments": [str(part) for part in command],
            "environment": inherited | environment,
            "folder": str(cwd),
            "streams": [str(stdin or os.devnull), str(out), str(err)],
            "drawn": drawn,
        }
        process = self.server.Process(target=runpy.run_path, args=(str(TESTS / "in_a_fork.py"), given), daemon=daemon)
        process.start()
        return process

    def run(
        self, *command: object, cwd: Path, drawn: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """What a Python program comes to, given its arguments."""
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            process = self.start(*command, cwd=cwd, out=out, err=err, daemon=False, drawn=drawn, **environment)
            try:
                process.join()
            finally:
                process.kill()
            return subprocess.CompletedProcess(command, process.exitcode, out.read_text(), err.read_text())

    def two_machines(self, *command: object, cwd: Path, said: Path) -> list[int]:
        """The exit codes of two processes, told by SLURM that they are one job of two machines.

        What they print lands in `0.txt` and `1.txt` of the folder `said`.
        """
        told = {"NTASKS": "2", "NNODES": "2", "NTASKS_PER_NODE": "1", "JOB_ID": "1", "JOB_NAME": "zoo"}
        told |= {"LOCALID": "0", "NODELIST": "localhost"}
        environment = {f"SLURM_{name}": value for name, value in told.items()} | {"MASTER_PORT": str(self.free_port())}
        started = []
        for number in range(2):
            own = {f"SLURM_{name}": str(number) for name in ("PROCID", "NODEID")}
            file = said / f"{number}.txt"
            if started:
                time.sleep(1.1)  # so that a folder named by the second would be another one
            started.append(self.start(*command, cwd=cwd, out=file, err=file, drawn=False, **environment, **own))
        for process in started:
            process.join(1200)
        return [process.exitcode for process in started]

    @staticmethod
    def free_port() -> int:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def forks() -> Forks:
    return Forks()


@pytest.fixture(scope="session")
def onnx() -> None:
    """For tests that export, which `conftest.py` puts first: what exporters import takes longer than most exports."""


@pytest.fixture
def compose() -> Iterator[Callable[..., DictConfig]]:
    """Gives the config of a script with some overrides, as `@hydra.main` would."""

    def compose(name: str, *overrides: str) -> DictConfig:
        file = ROOT / "conf" / name
        with hydra.initialize_config_dir(str(file.parent), version_base="1.3"):
            cfg = hydra.compose(file.name, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return cfg

    yield compose
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The embedded handwritten digits, read."""
    data = Digits()
    data.setup()
    return data


@pytest.fixture(params=sorted(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    """Each model in turn."""
    return request.param


@pytest.fixture
def fitting() -> dict[str, tuple[Spec, dict[str, Any]]]:
    """For each model a spec that it can do, and options that make it small."""
    return FITTING


@pytest.fixture
def spec(model_name: str) -> Spec:
    return FITTING[model_name][0]


@pytest.fixture
def options(model_name: str) -> dict[str, Any]:
    return dict(FITTING[model_name][1])


@pytest.fixture
def random_batch() -> Callable[[Spec, int], Tensor]:
    """Gives a batch of random input for a spec, as its `input.encode` would: uint8, before `prepare`."""

    def make(spec: Spec, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        picture = spec.input
        size = (count, picture.channels, picture.height, picture.width)
        batch = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
        if isinstance(picture, MaskedImage):
            mask = torch.zeros(count, 1, picture.height, picture.width, dtype=torch.uint8)
            mask[:, :, 2:5, 3:7] = 1
            batch = torch.cat([batch, mask], dim=1)
        return batch

    return make


@pytest.fixture
def raw_inputs() -> Callable[[Spec, int], list[tuple[Any, ...]]]:
    """Gives random raw inputs for a spec, each a tuple of what an artefact is called on."""

    return lambda spec, count: random_inputs(spec.input, count)
