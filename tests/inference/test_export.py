"""Exported programs answer as the zoo does, for any number and any length of inputs, without it."""

from __future__ import annotations

import json
import logging
import math
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
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
from zoo.inference import quantise
from zoo.inference.export import ENDINGS, export, export_artefact
from zoo.inference.program import Program
from zoo.models import Captioner, Generator, Translator, build
from zoo.spec import (
    Classes,
    Image,
    Ink,
    SmallImage,
    SourceText,
    Spec,
    Strokes,
    Table,
    TargetText,
    Text,
    TextLine,
    Tokens,
    Transcript,
    Values,
)
from zoo.spec.columns import Boolean, Category, Date, Number
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import find
from zoo.weights.samples import random_inputs

ONNX = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.usefixtures("onnx")

ANY = {"height": None, "width": None, "mean": (0.5,), "std": (0.5,)}
WORDS, POLARITY = Text(("a", "quiet", "triumph", "not", "good"), "words"), Classes(("no", "yes"))
OTHERS: dict[str, tuple[str, Spec, dict[str, Any], dict[str, set[int]]]] = {
    "lines": (
        "cnn",
        Spec(TextLine(32), Transcript("abc")),
        {"widths": [4, 6], "hidden_size": 5},
        {"image": {0, 3}, "lengths": {0}},
    ),
    "texts": (
        "lstm",
        Spec(WORDS, POLARITY),
        {"hidden_size": 6, "bidirectional": True},
        {"codes": {0, 1}, "lengths": {0}},
    ),
    "means": ("gru", Spec(WORDS, POLARITY), {"hidden_size": 6, "pool": "mean"}, {"codes": {0, 1}, "lengths": {0}}),
    "strokes": ("lstm", Spec(Strokes(8), POLARITY), {"hidden_size": 6}, {"strokes": {0, 1}, "lengths": {0}}),
    "pictures of any size": (
        "gan",
        Spec(SmallImage(1, scale=2, **ANY), Image(1, **ANY)),
        {"width": 8, "blocks": 1},
        {"image": {0, 2, 3}},
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
    assert all(which == {0} for which in dynamic.values())


FEW = ["mlp.breast_cancer", "rbm.topics", "gru.rt_polarity", "gan.generation_mnist"]
LIKE_OTHERS = {  # networks of the same parts as another weight's, which torch's own formats hold in the same way
    "cnn.digits", "cnn.ocr_mnist", "gan.super_resolution_x2", "gan.super_resolution_x2_adversarial", "lstm.reviews",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "format"),
    [
        pytest.param(weights.name, format, marks=[pytest.mark.slow] * (weights.name not in FEW or format != "onnx"))
        for weights in zoo.list_weights()
        for format in ENDINGS  # noqa: A001
        if format == "onnx" or weights.name not in LIKE_OTHERS
    ],
)
def test_every_published_weight(
    tmp_path: Path,
    name: str,
    format: str,  # noqa: A002
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is exported and answers as zoo.load does, or it is said why it cannot be: see docs/export.md."""
    monkeypatch.setattr("zoo.spec.lines.SURE", 0.0)  # a program reads each line once
    artefact = zoo.load(name)
    recurrent = any(isinstance(module, nn.RNNBase) for module in artefact.network.modules())
    reasons = ["writes word by word"] * isinstance(artefact.network, Captioner)
    reasons += ["writes token by token"] * isinstance(artefact.network, Translator)
    reasons += ["has no form"] * isinstance(artefact.spec.output, Ink)
    reasons += ["unrolls recurrent layers"] * (recurrent and format == "torch_export")
    file = tmp_path / "network"
    if reasons:
        with pytest.raises(ConfigError, match="|".join(reasons)):
            export_artefact(artefact, file, format)
    else:
        assert export_artefact(artefact, file, format)
        if format == "onnx":
            answers_alike(artefact, file)


def answers_alike(artefact: Artefact, file: Path) -> None:
    """Hold the answers of an ONNX file against those of `zoo.load`, from the same raw inputs."""
    program, described = Program(artefact), artefact.spec.input
    examples = random_inputs(described, 3, 24)
    if isinstance(described, Table):
        batch = described.encode([row for (row,) in examples])
    else:
        batch = described.collate([described.encode(*example) for example in examples])
    session = ONNX.InferenceSession(str(file))
    taken = {entry.name for entry in session.get_inputs()}
    raw = dict(zip((port.name for port in program.inputs), program.raw(batch)))
    if isinstance(described, zoo.spec.Image) and described.ink is not None:  # it takes drawings before they are framed
        raw["image"] = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for (image,) in examples])
    found = session.run(None, {name: tensor.numpy() for name, tensor in raw.items() if name in taken})
    assert [entry.name for entry in session.get_outputs()] == [port.name for port in program.outputs]
    seed = {"seed": 0} if isinstance(artefact.network, Generator) else {}
    answers = artefact(*(list(column) for column in zip(*examples)), **seed)
    about = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    for place, answer in enumerate(answers):
        alike(answer, [output[place] for output in found], about)


def alike(answer: Any, found: list[Any], about: dict[str, Any]) -> None:
    """Hold what an artefact says of one input against the tensors that a program gives, by its metadata."""
    (first, *others), name = found, about["outputs"][0]["name"]
    if name == "result":
        pixels = np.asarray(answer).reshape(*first.shape[1:], -1).transpose(2, 0, 1)
        assert np.abs(pixels.astype(int) - first).max() <= 1
    elif "topics" in about:
        for topic in answer:
            assert first[topic["topic"]] == pytest.approx(topic["probability"], rel=1e-3)
            assert about["topics"][topic["topic"]] == topic["words"]
    elif name == "score":
        assert first == pytest.approx(answer["score"], rel=1e-3)
        assert bool(others[0]) == answer["anomaly"] == (first > about["threshold"])
    elif name == "features":
        assert list(first) == pytest.approx(answer, rel=1e-3, abs=1e-4)
    elif isinstance(answer, list):  # a label a step
        best = [(about["labels"][step.argmax()], float(step.max())) for step in first[: len(answer)]]
        assert [label for label, _ in best] == [step["label"] for step in answer]
        assert [p for _, p in best] == pytest.approx([step["probability"] for step in answer], rel=1e-3)
    elif "text" in answer:  # of CTC
        codes = first.argmax(axis=1)
        kept = [code for code, before in zip(codes, [0, *codes]) if code not in (0, before)]
        assert "".join(about["labels"][code] for code in kept) == answer["text"]
    elif name == "values":
        assert dict(zip(about["names"], first)) == pytest.approx(answer, rel=1e-3)
    else:
        assert dict(zip(about["labels"], first)) == pytest.approx(answer["probabilities"], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("format", ["torchscript", "torch_export"])
def test_nothing_is_left_behind(tmp_path: Path, format: str) -> None:  # noqa: A002
    """Neither in the artefact, a network in training mode, nor in the process, whose logging is partly off."""
    model, spec = "cnn", Spec(Image(1, 8, 8, (0.5,), (0.5,)), POLARITY)
    artefact = stirred(model, spec, {"widths": [4], "blocks": 1})
    artefact.network.train()
    before = {name: tensor.clone() for name, tensor in artefact.network.state_dict().items()}
    logging.disable(logging.INFO)
    try:
        random, threads, filters = torch.get_rng_state(), torch.get_num_threads(), list(warnings.filters)
        export_artefact(artefact, tmp_path / "network", format)
        assert logging.root.manager.disable == logging.INFO
        assert torch.equal(torch.get_rng_state(), random)
        assert (torch.get_num_threads(), list(warnings.filters)) == (threads, filters)
    finally:
        logging.disable(logging.NOTSET)
    assert all(module.training and not module._forward_hooks for module in artefact.network.modules())
    after = artefact.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_language_model_is_exported_as_one_step(tmp_path: Path) -> None:
    """From the probabilities of the next token a loop writes what the zoo writes."""
    spec = Spec(WORDS, Tokens(WORDS.vocabulary, "words", 6))
    artefact = stirred("gru", spec, {"hidden_size": 6})
    export_artefact(artefact, tmp_path / "network", "onnx")
    session = ONNX.InferenceSession(str(tmp_path / "network"))
    codes = [int(code) for code in WORDS.encode("a quiet")]
    begin = len(codes)
    while len(codes) < begin + 5 and 0 not in codes:
        fed = {"codes": np.array([codes]), "lengths": np.array([len(codes)])}
        codes.append(int(session.run(None, fed)[0][0].argmax()))
    written = spec.output.read(torch.tensor([codes[begin:]]))
    assert artefact("a quiet", temperature=0.0, length=5)["text"] == written[0]


def test_a_table_comes_as_numbers_and_codes(tmp_path: Path) -> None:
    """Of each kind of column, missing cells among them; the spec's own encoding is what they are held against."""
    columns = (
        Number("age", 40.0, 12.0, missing=True),
        Category("city", ("Rome", "Oslo")),
        Boolean("member", missing=False),
        Date("since", 19_000.0, 400.0, missing=True),
    )
    spec = Spec(Table(columns), Values(("price", "cost"), (1e4, 5.0), (3e3, 2.0)))
    artefact = stirred("mlp", spec, {"hidden_sizes": [8]})
    export_artefact(artefact, tmp_path / "network", "onnx")
    rows = [
        {"age": 31, "city": "Oslo", "member": True, "since": "2024-02-29 06:00"},
        {"age": None, "city": "Bonn", "member": False, "since": None},
        {"age": 80.5, "city": None, "member": None, "since": "1999-12-31"},
    ]
    days = [
        (datetime.fromisoformat(text) - datetime(1970, 1, 1)) / timedelta(days=1)
        for text in ("2024-02-29 06:00", "1999-12-31")
    ]
    nan = math.nan
    numbers = np.array([[31, 1, days[0]], [nan, 0, nan], [80.5, nan, days[1]]], dtype=np.float64)
    session = ONNX.InferenceSession(str(tmp_path / "network"))
    (values,) = session.run(None, {"numbers": numbers, "categories": np.array([[3], [1], [0]])})
    for row, answer in zip(values, artefact(rows)):
        assert dict(zip(("price", "cost"), row)) == pytest.approx(answer, rel=1e-4)


def test_the_example_of_the_docs(
    compose: Callable[..., DictConfig], digits: Any, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That text, run as it stands: without torch and without the zoo, it answers what the zoo answers."""
    monkeypatch.chdir(tmp_path)
    assert export(compose("use/export", "model=cnn.digits")) == Path("cnn.digits.onnx")
    images = digits.splits["test"].columns[0][:40].numpy()
    np.save("digits.npy", images)
    (example,) = re.findall(r"```python\n(.*?)```", (root / "docs" / "export.md").read_text(encoding="utf-8"), re.S)
    assert len(example.splitlines()) <= 20
    ending = '\nassert not {"torch", "zoo"} & set(sys.modules)\n'
    (tmp_path / "answer.py").write_text(example + ending, encoding="utf-8")
    command = [sys.executable, "answer.py", "cnn.digits.onnx", "digits.npy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    expected = [(answer["label"], answer["probability"]) for answer in zoo.load("cnn.digits")(images)]
    found = [(label, float(p)) for label, p in map(str.split, done.stdout.splitlines())]
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-3)
    assert "image; uint8; ['batch', 1, 'height', 'width']" in done.stderr


@pytest.mark.slow
def test_8_bits_and_what_they_cost(
    compose: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    file = export(compose("use/export", "model=cnn.digits", "int8=true"))
    assert list(tmp_path.iterdir()) == [tmp_path / file] == [tmp_path / "cnn.digits.int8.onnx"]
    assert file.stat().st_size < 0.6 * 4 * find("cnn.digits").parameters
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    accuracy = {name: numbers for name, *numbers in rows}["test/accuracy"]
    claimed = find("cnn.digits").metrics["test/accuracy"]
    assert [float(number) for number in accuracy] == pytest.approx([claimed, claimed], abs=0.02)
    metadata = ONNX.InferenceSession(str(file)).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == list("0123456789")


def test_8_bits_of_a_table_are_measured_from_its_raw_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artefact = zoo.load("rbm.anomaly_breast_cancer")
    file = tmp_path / "network.onnx"
    export_artefact(artefact, file, "onnx")
    before, after = quantise.compare(artefact, file, tmp_path)["test/auroc"]  # not quantised yet
    assert before == pytest.approx(after, abs=1e-4)
    quantise.quantise(file)
    metrics = quantise.compare(artefact, file, tmp_path)
    assert metrics["test/auroc"][1] == pytest.approx(before, abs=0.02)
    assert any(one != other for one, other in metrics.values())  # it is the file that answers


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


def test_a_captioner_is_no_graph(tmp_path: Path) -> None:
    picture = Image(1, 16, 16, (0.5,), (0.5,))
    spec = Spec(picture, Tokens(("a", "square"), "words", 4))
    with pytest.raises(ConfigError, match="writes word by word"):
        export_artefact(Artefact("lstm", {}, spec, build("lstm", spec)), tmp_path / "network", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_translator_is_no_graph(tmp_path: Path) -> None:
    spec = Spec(SourceText(("good", "day"), "words"), TargetText(("guten", "tag"), "words", 4))
    with pytest.raises(ConfigError, match="writes token by token"):
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
        (["format=torchscript", "int8=true"], "int8=true is for format=onnx"),
        (["output=."], "is a folder"),
        (["output=5"], "output is the name of a file"),
    ],
)
def test_mistakes(compose: Callable[..., DictConfig], overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export(compose("use/export", "model=cnn.digits", *overrides))


def test_a_network_is_not_written_over(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    zoo.save(zoo.load("cnn.digits"), file)
    with pytest.raises(ConfigError, match="is read itself"):
        export(compose("use/export", f"model='{file}'", f"output='{file}'"))
    assert zoo.load(file).model == "cnn"


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


def test_texts_that_may_have_few_words_are_of_any_length(tmp_path: Path) -> None:
    """Though the random inputs of other networks are longer than theirs may be."""
    spec = Spec(Text(("red", "blue", "ring"), "words", max_length=5), Classes(("no", "yes")))
    artefact = zoo.Artefact("cnn", {}, spec, build("cnn", spec).eval())
    assert export_artefact(artefact, tmp_path / "network.pt", "torchscript")["codes"] == {0, 1}
