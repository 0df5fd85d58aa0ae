"""Exported networks give what torch gives, for any number and any length of inputs, without the zoo."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

import zoo
from zoo.errors import ConfigError, install
from zoo.inference import export as exports
from zoo.inference.export import ENDINGS, export, export_artefact
from zoo.models import Generator, build
from zoo.spec import Classes, Image, SmallImage, Spec, Text, TextLine, Tokens, Transcript, Video
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import find

ONNX = pytest.importorskip("onnxruntime")

ANY = {"height": None, "width": None, "mean": (0.5,), "std": (0.5,)}
WORDS, POLARITY = Text(("a", "quiet", "triumph", "not", "good"), "words"), Classes(("no", "yes"))
OTHERS: dict[str, tuple[str, Spec, dict[str, Any], dict[str, set[int]]]] = {
    "lines": (
        "cnn",
        Spec(TextLine(32), Transcript("abc")),
        {"widths": [4, 6], "hidden_size": 5},
        {"x": {0, 3}, "lengths": {0}},
    ),
    "texts": (
        "lstm",
        Spec(WORDS, POLARITY),
        {"hidden_size": 6, "bidirectional": True},
        {"codes": {0, 1}, "lengths": {0}},
    ),
    "means": ("gru", Spec(WORDS, POLARITY), {"hidden_size": 6, "pool": "mean"}, {"codes": {0, 1}, "lengths": {0}}),
    "pictures of any size": (
        "gan",
        Spec(SmallImage(1, scale=2, **ANY), Image(1, **ANY)),
        {"width": 8, "blocks": 1},
        {"x": {0, 2, 3}},
    ),
}


def stirred(model: str, spec: Spec, options: dict[str, Any]) -> Artefact:
    """An artefact of a network with no parameter at a start that hides something, such as 0."""
    torch.manual_seed(1)
    network = build(model, spec, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) / 10)
    return Artefact(model, options, spec, network)


@pytest.mark.parametrize(
    ("case", "format"),
    [
        pytest.param(case, format, marks=[pytest.mark.slow] * (case.startswith("pictures") and format == "onnx"))
        for case in OTHERS
        for format in ENDINGS  # noqa: A001
    ],
)
def test_lengths_and_sizes_stay_free(tmp_path: Path, case: str, format: str) -> None:  # noqa: A002
    """Each is checked on three batches of other counts and other sizes than it was traced with."""
    model, spec, options, dynamic = OTHERS[case]
    artefact = stirred(model, spec, options)
    if format == "torch_export" and case != "pictures of any size":
        with pytest.raises(ConfigError, match="unrolls recurrent layers to one length, and this network takes any"):
            export_artefact(artefact, tmp_path / "network.pt2", format)
        assert list(tmp_path.iterdir()) == []
    else:
        assert export_artefact(artefact, tmp_path / "network", format) == dynamic


@pytest.mark.parametrize("format", ["torchscript", pytest.param("onnx", marks=pytest.mark.slow)])
def test_every_model(tmp_path: Path, model_name: str, spec: Spec, options: dict[str, Any], format: str) -> None:  # noqa: A002
    dynamic = export_artefact(stirred(model_name, spec, options), tmp_path / "network", format)
    assert list(dynamic.values()) == [{0}]


@pytest.mark.slow
@pytest.mark.parametrize("format", ENDINGS)
@pytest.mark.parametrize("name", [weights.name for weights in zoo.list_weights()])
def test_every_published_weight(tmp_path: Path, name: str, format: str) -> None:  # noqa: A002
    """It is exported and is the same, or it is said why it cannot be: by the kind of network, and not by surprise."""
    artefact = zoo.load(name)
    recurrent = any(isinstance(module, nn.RNNBase) for module in artefact.network.modules())
    made_up = isinstance(artefact.network, Generator) or isinstance(artefact.spec.output, Tokens)
    reasons = ["draws noise or writes step by step"] * made_up
    reasons += ["unrolls recurrent layers"] * (recurrent and format == "torch_export")
    reasons += ["ONNX does not hold what reads the frames"] * (
        isinstance(artefact.spec.input, Video) and format == "onnx"
    )
    if reasons:
        with pytest.raises(ConfigError, match="|".join(reasons)):
            export_artefact(artefact, tmp_path / "network", format)
    else:
        assert export_artefact(artefact, tmp_path / "network", format)


PROGRAM = """
import json, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
about = json.loads(session.get_modelmeta().custom_metadata_map["zoo"])
pixels = np.load(sys.argv[2]).astype(np.float32)[:, None] / 255
given = (pixels - about["spec"]["input"]["mean"][0]) / about["spec"]["input"]["std"][0]
(logits,) = session.run(None, {"x": given.astype(np.float32)})
assert "torch" not in sys.modules
print(json.dumps([about["spec"]["output"]["names"][row.argmax()] for row in logits]))
"""


def test_an_onnx_file_is_all_that_another_program_needs(
    compose: Callable[..., DictConfig], digits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without torch and without the zoo: the file says how pixels are normalised and what the outputs mean."""
    monkeypatch.chdir(tmp_path)
    assert export(compose("use/export", "model=cnn.digits")) == Path("cnn.digits.onnx")
    pictures = digits.splits["test"].columns[0][:40, 0].numpy()
    np.save("pictures.npy", pictures)
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "program.py", "cnn.digits.onnx", "pictures.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [answer["label"] for answer in zoo.load("cnn.digits")(list(pictures))]


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:FutureWarning")
def test_the_spec_goes_with_torch_s_own_formats(tmp_path: Path) -> None:
    artefact = zoo.load("mlp.breast_cancer")
    for format, reader in (("torchscript", torch.jit.load), ("torch_export", torch.export.load)):  # noqa: A001
        file = tmp_path / f"network{ENDINGS[format]}"
        export_artefact(artefact, file, format)
        extra = {"zoo.json": ""}
        if format == "torchscript":
            reader(file, _extra_files=extra)
        else:
            reader(file, extra_files=extra)
        assert Spec.from_json(json.loads(extra["zoo.json"])["spec"]) == artefact.spec
        assert json.loads(extra["zoo.json"])["metrics"] == find("mlp.breast_cancer").metrics


def test_a_network_that_writes_step_by_step_is_no_graph(tmp_path: Path) -> None:
    picture = Image(1, 16, 16, (0.5,), (0.5,))
    spec = Spec(picture, Tokens(("a", "square"), "words", 4))
    with pytest.raises(ConfigError, match="writes step by step, which is no single graph"):
        export_artefact(Artefact("lstm", {}, spec, build("lstm", spec)), tmp_path / "network", "onnx")
    assert list(tmp_path.iterdir()) == []


class Fickle(nn.Module):
    """Gives something else the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.flatten(1)[:, :2] * self.weight * self.calls


def test_what_differs_from_torch_is_not_kept(tmp_path: Path) -> None:
    spec = Spec(Image(1, 2, 2, (0.5,), (0.5,)), POLARITY)
    with pytest.raises(ConfigError, match="gives something else than torch"):
        export_artefact(Artefact("cnn", {}, spec, Fickle()), tmp_path / "network", "torchscript")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["format=onxx"], "unknown format 'onxx'; did you mean 'onnx'"),
        (["model=cnn.digist"], "unknown weights 'cnn.digist'"),
    ],
)
def test_mistakes(compose: Callable[..., DictConfig], overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export(compose("use/export", "model=cnn.digits", *overrides))


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=re.escape(install("export"))):
        export_artefact(zoo.load("cnn.digits"), tmp_path / "network", "onnx")


def test_a_failure_of_an_exporter_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("an operator is missing\nand much more")

    monkeypatch.setitem(exports.EXPORTERS, "onnx", fail)
    with pytest.raises(ConfigError, match=r"^onnx cannot hold this cnn: an operator is missing$"):
        export_artefact(zoo.load("cnn.digits"), tmp_path / "network", "onnx")
