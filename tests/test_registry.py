"""Models from outside the package: registered, listed, found by entry points, and told of where they are missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

import zoo
from zoo import registry
from zoo.errors import ArtefactError, ConfigError
from zoo.models import MLP
from zoo.spec import Classes, Image, Spec
from zoo.training.parts import _options
from zoo.weights.artefact import Artefact

SPEC = Spec(Image(1, 4, 4, (0.5,), (0.5,)), Classes(("cat", "dog")))


class Mean(nn.Module):
    def __init__(self, classes: int, width: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(1, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.mean(dim=(1, 2, 3))[:, None])


def build(spec: Spec, *, width: int = 3) -> Mean:
    return Mean(len(spec.output.names), width)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test registers is forgotten."""
    models, named, announced, modules = (
        registry.MODELS.copy(),
        registry._plugins[:],
        registry._announced[:],
        {*sys.modules},
    )
    yield
    registry.MODELS.clear()
    registry.MODELS.update(models)
    registry._plugins[:], registry._announced[:] = named, announced
    for name in sys.modules.keys() - modules:
        if name.startswith("plugin_"):
            del sys.modules[name]


def test_a_decorator_and_a_call_do_the_same() -> None:
    assert zoo.register_model("mine", build) is build
    assert zoo.register_model("other", network=MLP)(build) is build
    assert {"mine", "other"} <= registry.MODELS.keys()
    assert registry.find("mine").plugin == __name__
    assert isinstance(registry.find("other").network, type)


@pytest.mark.parametrize(
    ("name", "builder", "words"),
    [
        ("cnn", build, "'cnn' already, of zoo"),
        ("a.b", build, "a.b"),
        ("mine", 5, "needs a function"),
        ("mine", lambda: None, r"needs a function build\(spec, \*, options …\), got <lambda>\(\)"),
    ],
)
def test_what_is_no_model(name: str, builder: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        zoo.register_model(name, builder)


def test_an_option_without_a_default_is_asked_for() -> None:
    def needy(spec: Spec, *, width: int) -> Mean:
        return Mean(2, width)

    zoo.register_model("needy", needy)
    cfg = OmegaConf.create({"model": {"name": "needy", "width": "???"}})
    with pytest.raises(ConfigError, match=r"model\.width is needed: give model.width=…"):
        _options(cfg, SPEC)
    assert _options(OmegaConf.merge(cfg, {"model": {"width": 2}}), SPEC) == {"width": 2}
    zoo.register_model("needy", needy, defaults=lambda spec: {"width": 5})
    assert _options(cfg, SPEC) == {"width": 5}


def test_its_artefact_says_what_to_import(tmp_path: Path) -> None:
    zoo.register_model("mine", build)
    file = tmp_path / "a.safetensors"
    zoo.save(Artefact("mine", {"width": 3}, SPEC, Mean(2)), file)
    image = torch.zeros(1, 4, 4, dtype=torch.uint8).numpy()[0]
    mine = registry.MODELS.pop("mine")
    with pytest.raises(ArtefactError, match=f"'mine' is not registered; {__name__} did that"):
        zoo.load(file)
    registry.MODELS["mine"] = mine
    assert zoo.load(file)(image)["label"] in ("cat", "dog")


def test_a_module_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_here.py").write_text("HERE = 1")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    registry.import_plugins(["plugin_here"])
    assert sys.path == before
    assert "plugin_here" in registry.plugins()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no module plugin_x"),
        ("\n1 / 0", r"plugin_x cannot be imported \(plugin_x.py, line 2\): ZeroDivisionError"),
        ("import sys\nsys.exit(3)", r"plugin_x cannot be imported \(plugin_x.py, line 2\): SystemExit: 3"),
        ("def f(:", r"plugin_x cannot be imported: SyntaxError: invalid syntax \(plugin_x.py, line 1\)"),
        (
            "import zoo\nzoo.register_model('cnn', print)",
            r"plugin_x cannot be imported \(plugin_x.py, line 2\): ConfigError: there is a model 'cnn' already",
        ),
    ],
)
def test_a_plugin_that_cannot_be_imported(
    text: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "plugin_x.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        registry.import_plugins(["plugin_x"])
    with pytest.raises(ConfigError, match="names of modules"):
        registry.import_plugins(["../x"])


def test_entry_points_are_read_at_the_first_unknown_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import zoo\n\n@zoo.register_model('installed')\ndef build(spec): ...\n"
    (tmp_path / "plugin_installed.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("it", "plugin_installed", registry.GROUP)
    monkeypatch.setattr(registry, "_entry_points", lambda: [entry])
    registry.find("cnn")
    assert "plugin_installed" not in sys.modules
    assert registry.find("installed").plugin == "plugin_installed"
    assert "installed" in zoo.list_models()
