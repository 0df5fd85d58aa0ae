"""Nothing is left behind in the process by training, loading, answering, evaluating, exporting and publishing."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf.basecontainer import BaseContainer

import zoo
from zoo.inference.evaluate import measure
from zoo.inference.export import export_artefact
from zoo.inference.publish import write_page
from zoo.models import build
from zoo.spec import Classes, Image, Spec
from zoo.training.runtime import left_as_found
from zoo.weights.artefact import Artefact


def state() -> dict[str, Any]:
    """All of the process that a program may rely on."""
    loggers = {"": logging.getLogger(), **logging.Logger.manager.loggerDict}
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "precision": (torch.get_float32_matmul_precision(), torch.get_default_dtype()),
        "cudnn": (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "modes": (torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled()),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "loggers": {
            name: (one.level, one.handlers[:], one.propagate, one.disabled, one.filters[:])
            for name, one in loggers.items()
            if isinstance(one, logging.Logger) and not name.startswith(("torch", "onnx"))
        },
        "logging": logging.root.manager.disable,
        "environment": {**os.environ, "PYTEST_CURRENT_TEST": ""},
        "signals": {one: signal.getsignal(one) for one in signal.valid_signals()},
        "streams": (sys.stdout, sys.stderr, sys.excepthook),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "matplotlib": {name: dict.__getitem__(matplotlib.rcParams, name) for name in matplotlib.rcParams},
        "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
        "resolvers": dict(BaseContainer._resolvers),
    }


@pytest.fixture
def odd_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_plots: None) -> Iterator[None]:
    """A process in which much is other than usual."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PL_GLOBAL_SEED", "5")
    monkeypatch.setenv("ZOO_RUN_FOLDER", "mine")
    with left_as_found():
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("error", "nobody says this")
        yield


@pytest.mark.usefixtures("onnx", "odd_process")
def test_each_door_leaves_the_process_as_it_was() -> None:
    trained: list[Any] = []

    def train() -> None:
        settings = {"+trainer.deterministic": True, "model.widths": [4, 8]}
        trained.append(zoo.train(model="cnn", data="digits", trainer="cpu", epochs=1, threads=1, **settings))

    def refused() -> None:
        with pytest.raises(zoo.ConfigError):
            zoo.train(model="cnn", trainer="cpu", **{"data.batch_size": 0})

    spec = Spec(Image(1, 8, 8, (0.5,), (0.5,)), Classes(("a", "b")))
    small = Artefact("cnn", {"widths": [4]}, spec, build("cnn", spec, widths=[4]).float())
    doors: dict[str, Callable[[], Any]] = {
        "train": train,
        "refused": refused,
        "load": lambda: zoo.load("cnn.digits"),
        "answer": lambda: zoo.load("cnn.digits")(np.zeros((8, 8), np.uint8)),
        "evaluate": lambda: measure(zoo.load("cnn.digits"), Path()),
        "export": lambda: export_artefact(small, Path("cnn.pt"), "torchscript"),
        "export to ONNX": lambda: export_artefact(small, Path("cnn.onnx"), "onnx"),
        "torch.export": lambda: export_artefact(small, Path("cnn.pt2"), "torch_export"),
        "publish": lambda: write_page(Path("weights")),
    }
    for name, door in doors.items():
        for _ in range(2 if name == "train" else 1):
            before = state()
            door()
            after = state()
            imported = after["loggers"].keys() - before["loggers"].keys()
            after["loggers"] = {one: its for one, its in after["loggers"].items() if one not in imported}
            for part in before:
                assert after[part] == before[part], f"{name} changes {part}"
    first, second = (artefact.network.state_dict() for artefact in trained)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(tensor.dtype != torch.float64 for tensor in first.values())
