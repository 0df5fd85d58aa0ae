"""Whose code a config may run: that of zoo, torch and the like, of the kind that each place takes, and no other."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig

from zoo import cli, registry
from zoo.errors import ConfigError
from zoo.training import trusted_code
from zoo.training.compose import compose
from zoo.training.run import train


class Marker:
    """Leaves a file as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


FUNCTIONS = [
    "pandas.read_pickle", "torch.load", "torch.hub.load", "zoo.load", "os.system", "builtins.eval", "subprocess.Popen",
    "torch.utils.collect_env.run", "torch.nn.Linear", "torch.os.system", "zoo.data.tables.Path", "torch._C.Value",
    "lightning.pytorch.callbacks.nothing", "unheard_of.Thing", "zoo.cli.main",
]  # fmt: skip


@pytest.mark.parametrize("target", FUNCTIONS)
@pytest.mark.parametrize(
    "place", ["callbacks.x", "callbacks.x.y", "callbacks.x._args_", "logger.x", "data", "task", "task.loss", "trainer"]
)
def test_a_config_calls_no_function(tmp_path: Path, target: str, place: str) -> None:
    file, marker = tmp_path / "a.pickle", tmp_path / "marker"
    file.write_bytes(pickle.dumps(Marker(marker)))
    if (target, place) == ("torch.nn.Linear", "task.loss"):
        return  # a module, as that place takes one
    part, *names = place.split(".")
    described: Any = {"_target_": target, "_args_": [str(file)]}
    for name in reversed(names):
        described = {name: [described] if name == "_args_" else described}
        if name in ("y", "_args_"):
            described["_target_"] = "lightning.pytorch.callbacks.EarlyStopping"
    inner = part == "callbacks" and len(names) == 2
    if inner and target == "torch.nn.Linear":
        return  # a layer may be an argument
    with pytest.raises(ConfigError) as caught:
        trusted_code.understood(described, part)
    assert target in str(caught.value) or target == "zoo.load" or "names no class" in str(caught.value)
    assert len(str(caught.value)) <= 300
    assert not marker.exists()
    assert "unheard_of" not in sys.modules


@pytest.mark.parametrize(
    "overrides",
    [
        ["+callbacks.x._target_=pandas.read_pickle", "+callbacks.x.filepath_or_buffer=x"],
        ["+callbacks.x={_target_: '${.y}', y: os.system}"],
        ["+callbacks.x='${oc.create:{_target_: os.system}}'"],
        ["data.augment={_target_: os.system}"],
        ["model._target_=os.system"],
        ["model=gan", "task=generation", "task.evaluator.source='https://example.org/x.safetensors'"],
        ["task.optimizer._target_=torch.nn.Linear"],
    ],
    ids=str,
)
def test_a_run_refuses_before_it_starts(tmp_path: Path, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"os\.system|read_pickle|zoo\.load|Optimizer"):
        train(compose(["trainer=cpu", f"folder={tmp_path / 'run'}", *overrides]))
    assert not (tmp_path / "run").exists()


def test_what_each_place_takes() -> None:
    digits = trusted_code.understood({"_target_": "zoo.data.images.Digits", "batch_size": 8}, "data")
    assert trusted_code.built(digits).batch_size == 8
    steps = trusted_code.understood({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5}, "task.optimizer")
    assert trusted_code.built(steps).keywords == {"lr": 0.5}


def test_a_plugin_s_classes_are_trusted_once_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import subprocess\nfrom zoo.data.images import Digits\nclass Mine(Digits): ...\ndef f(): ...\n"
    (tmp_path / "plugin_trusted.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_plugins", [])
    with pytest.raises(ConfigError, match=r"plugin_trusted\.Mine is not of zoo"):
        trusted_code.find("plugin_trusted.Mine", "data")
    registry.import_plugins(["plugin_trusted"])
    assert trusted_code.find("plugin_trusted.Mine", "data").__name__ == "Mine"
    for other in ("f", "subprocess.Popen"):
        with pytest.raises(ConfigError, match="is none"):
            trusted_code.find(f"plugin_trusted.{other}", "data.augment")
    del sys.modules["plugin_trusted"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A command with a foreign file of conf/experiment, beside a module that leaves a mark as it is imported."""
    (tmp_path / "foreign.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    (tmp_path / "experiment").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["zoo"])

    def run(text: str, *arguments: str) -> None:
        (tmp_path / "experiment" / "it.yaml").write_text(f"# @package _global_\n{text}\n")
        try:
            cli._run("train", ["--config-dir", str(tmp_path), "experiment=it", "trainer=cpu", *arguments])
        finally:
            GlobalHydra.instance().clear()
        raise AssertionError("it ran")

    yield run
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    "text",
    [
        "hydra: {callbacks: {x: {_target_: foreign.X}}}",
        "hydra: {callbacks: {x: {_target_: zoo.training.run.train}}}",
        "hydra: {job_logging: {handlers: {console: {stream: 'ext://foreign.x'}}}}",
        "hydra: {job_logging: {formatters: {simple: {(): foreign.x}}}}",
        "hydra: {hydra_logging: {handlers: {console: {class: foreign.X}}}}",
        "hydra: {launcher: {_target_: foreign.X}}",
        "hydra: {sweeper: {_target_: foreign.X}}",
        "hydra: {job: {env_set: {PYTHONPATH: /x}}}",
        "hydra: {searchpath: ['pkg://foreign']}",
        "plugins: [foreign]",
        "hydra: {mode: MULTIRUN, sweeper: {params: {plugins: '[foreign]'}}}",
        "hydra: {mode: MULTIRUN, sweeper: {params: {hydra.launcher._target_: foreign.X}}}",
    ],
)
def test_a_foreign_config_has_hydra_run_nothing(run: Callable[..., None], text: str) -> None:
    with pytest.raises((ConfigError, HydraException)) as caught:
        run(text)
    assert any(word in str(caught.value) for word in ("hydra.", "plug-ins", "plugins"))


@pytest.mark.parametrize("argument", ["--config-path=/tmp", "--config-name=it"])
def test_zoo_s_own_configs_are_not_replaced(run: Callable[..., None], argument: str) -> None:
    with pytest.raises(ConfigError, match=argument.partition("=")[0]):
        run("seed: 1", argument)


def test_a_config_that_is_composed_has_plugins(compose: Callable[..., DictConfig]) -> None:
    for name in ("train", "use/predict", "use/evaluate", "use/export", "use/publish"):
        assert compose(name).plugins == []
