"""The artefact: what is saved comes back bit for bit, and nothing else is let in."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

import zoo
from zoo.errors import ArtefactError, ConfigError, SpecError
from zoo.models import build
from zoo.spec import Anomaly, Calibration, Classes, Image, Spec, TextLine, Transcript
from zoo.weights import artefact as artefacts
from zoo.weights import catalogue
from zoo.weights.artefact import ALIKE, MAX_HEADER, Artefact, load, save

METRICS = {"test/accuracy": 0.1 + 0.2, "tiny": 5e-324, "whole": 3.0}
CALIBRATION = Calibration(threshold=0.25)
RECIPE = {"command": "python scripts/train.py", "config": {"seed": 42, "betas": [0.9, 0.999], "none": None, "ü": "✓"}}


def restless(network: torch.nn.Module) -> torch.nn.Module:
    """Move every number of a new network away from its start, the running statistics too."""
    generator = torch.Generator().manual_seed(1)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(torch.rand(tensor.shape, generator=generator) / 10)
        else:
            tensor.add_(7)
    return network


@pytest.fixture
def artefact(model_name: str, spec: Spec, options: dict[str, Any]) -> Artefact:
    calibration = Calibration(temperature=1.5) if isinstance(spec.output, Classes) else CALIBRATION
    network = restless(build(model_name, spec, **options))
    return Artefact(model_name, options, spec, network, METRICS, RECIPE, calibration)


# There and back


def test_round_trip(
    artefact: Artefact, tmp_path: Path, raw_inputs: Callable[..., Any], random_batch: Callable[..., Tensor]
) -> None:
    save(artefact, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    for name in ("model", "options", "spec", "calibration", "metrics", "recipe"):
        assert getattr(loaded, name) == getattr(artefact, name), name
    assert not loaded.network.training
    assert type(loaded.network) is type(artefact.network)
    theirs = loaded.network.state_dict()
    assert list(theirs) == list(artefact.network.state_dict())
    for name, tensor in artefact.network.state_dict().items():
        assert torch.equal(theirs[name], tensor), name
        assert theirs[name].dtype == tensor.dtype, name
    batch = artefact.spec.input.prepare(random_batch(artefact.spec, 5))
    with torch.inference_mode():
        assert torch.equal(loaded.network(batch), artefact.network(batch))
    columns = [list(column) for column in zip(*raw_inputs(artefact.spec, 3))]
    assert loaded(*columns) == artefact(*columns)


def test_a_loaded_network_can_be_trained_on(
    artefact: Artefact, tmp_path: Path, random_batch: Callable[..., Any]
) -> None:
    save(artefact, tmp_path / "model.safetensors")
    network = load(tmp_path / "model.safetensors").network.train()
    network(artefact.spec.input.prepare(random_batch(artefact.spec, 2))).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None, name


def test_a_network_held_in_channels_last(artefact: Artefact, tmp_path: Path, random_batch: Callable[..., Any]) -> None:
    save(artefact, tmp_path / "plain.safetensors")
    artefact.network.to(memory_format=torch.channels_last)
    save(artefact, tmp_path / "channels_last.safetensors")
    assert (tmp_path / "channels_last.safetensors").read_bytes() == (tmp_path / "plain.safetensors").read_bytes()
    loaded = load(tmp_path / "channels_last.safetensors")
    loaded.network.to(memory_format=torch.channels_last)  # in another layout sums are taken in another order
    batch = artefact.spec.input.prepare(random_batch(artefact.spec, 5))
    with torch.inference_mode():
        assert torch.equal(loaded.network(batch), artefact.network(batch))


@pytest.mark.parametrize("name", ["cnn.mnist", "gan.inpainting_mnist"])
def test_a_loaded_network_is_laid_out_as_it_is_built(name: str) -> None:
    loaded = zoo.load(name)
    built = build(loaded.model, loaded.spec, **loaded.options).state_dict()
    layouts = {name: tensor.stride() for name, tensor in loaded.network.state_dict().items()}
    assert layouts == {name: tensor.stride() for name, tensor in built.items()}


def test_saving_again_writes_the_same_bytes(artefact: Artefact, tmp_path: Path) -> None:
    save(artefact, tmp_path / "one.safetensors")
    save(load(tmp_path / "one.safetensors"), tmp_path / "two.safetensors")
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "two.safetensors").read_bytes()


def test_other_programs_can_read_the_file(artefact: Artefact, tmp_path: Path) -> None:
    from safetensors import safe_open

    save(artefact, tmp_path / "model.safetensors")
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        assert set(file.keys()) == set(artefact.network.state_dict())
        assert json.loads(file.metadata()["zoo"])["model"] == artefact.model


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_any_precision_load_as_float32(artefact: Artefact, tmp_path: Path, dtype: torch.dtype) -> None:
    save(Artefact(artefact.model, artefact.options, artefact.spec, artefact.network.to(dtype)), tmp_path / "model.st")
    loaded = load(tmp_path / "model.st")
    for name, tensor in artefact.network.state_dict().items():
        expected = tensor.float() if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.network.state_dict()[name], expected), name
        assert loaded.network.state_dict()[name].dtype == expected.dtype, name


# Calling it


class Bright(torch.nn.Module):
    """Answers "light" for a picture whose mean is above half, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.batches: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.batches.append(len(x))
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([-mean, mean], dim=1) * self.weight


@pytest.fixture
def bright() -> Artefact:
    return Artefact("cnn", {}, Spec(Image(1, 2, 2, (0.5,), (0.25,)), Classes(("dark", "light"))), Bright())


DARK, LIGHT = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)


def test_one_input_gives_one_answer_and_a_list_gives_a_list(bright: Artefact) -> None:
    answer = bright(LIGHT)
    assert answer["label"] == "light"
    assert answer["probability"] == pytest.approx(1 / (1 + np.exp(-4)))  # pixels of 1.0 are prepared to 2.0
    assert [answer["label"] for answer in bright([DARK, LIGHT])] == ["dark", "light"]
    assert [answer["label"] for answer in bright((LIGHT, PIL.Image.fromarray(DARK)))] == ["light", "dark"]
    assert [answer["label"] for answer in bright([LIGHT])] == ["light"]
    assert bright([]) == []


def test_a_long_list_goes_in_chunks_and_keeps_its_order(bright: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "BATCH", 3)
    shades = [np.full((2, 2), shade, np.uint8) for shade in (0, 255, 10, 240, 20, 230, 30, 220)]
    assert [answer["label"] for answer in bright(shades)] == ["dark", "light"] * 4
    assert bright.network.batches == [3, 3, 2]


def test_lines_of_any_width_are_answered_in_their_order() -> None:
    """Though those of like width go together."""
    torch.manual_seed(0)
    spec = Spec(TextLine(32), Transcript("abc"))
    reader = Artefact("cnn", {}, spec, build("cnn", spec, widths=[4, 6], hidden_size=8))
    random = np.random.default_rng(0)
    lines = [random.integers(0, 256, (32, width), np.uint8) for width in random.integers(1, 200, 3 * ALIKE // 2)]
    answers = reader(lines)
    assert [answer["text"] for answer in answers] == [reader(line)["text"] for line in lines]
    assert len({answer["text"] for answer in answers}) > 10


def test_chunks_and_single_calls_agree(
    artefact: Artefact, raw_inputs: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = raw_inputs(artefact.spec, 5)
    together = artefact(*(list(column) for column in zip(*examples)))
    monkeypatch.setattr(artefacts, "BATCH", 2)
    chunked = artefact(*(list(column) for column in zip(*examples)))
    alone = [artefact(*example) for example in examples]
    assert alike(chunked, together)
    assert alike(alone, together)


def test_each_of_a_list_has_noise_of_its_own_that_goes_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    painter = zoo.load("gan.text_to_image_shapes")
    asked = ["a big blue square left of a red circle", "a small red circle"] * 2
    together = painter(asked, seed=7)
    assert not alike(together[0], together[2])
    assert alike([painter(sentence, seed=7 + place) for place, sentence in enumerate(asked)], together)
    monkeypatch.setattr(artefacts, "BATCH", 2)
    monkeypatch.setattr(artefacts, "ALIKE", 1)
    assert alike(painter(asked, seed=7), together)


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, but for how they were rounded."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, PIL.Image.Image):
        return bool(np.abs(np.asarray(one, int) - np.asarray(other, int)).max() <= 1)
    return other == pytest.approx(one, rel=1e-4, abs=1e-6) if isinstance(one, float) else bool(np.all(one == other))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((), r"call it with \(image\), or a list of each, not with 0 inputs"),
        ((np.zeros((2, 2)), np.zeros((2, 2))), "not with 2 inputs"),
        (([LIGHT], [LIGHT]), "not with 2 inputs"),
        ((3,), "an image is a path"),
        (([LIGHT, "absent.png"],), "no such image: absent.png"),
    ],
    ids=["none", "two", "two lists", "number", "missing file"],
)
def test_inputs_that_do_not_fit_are_spec_errors(bright: Artefact, inputs: tuple[Any, ...], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        bright(*inputs)


def test_a_picture_and_its_mask_come_together(fitting: dict[str, Any]) -> None:
    spec, options = fitting["gan"]
    inpainter = Artefact("gan", options, spec, build("gan", spec, **options))
    picture, mask = np.zeros((8, 9), np.uint8), np.eye(8, 9, dtype=bool)
    assert inpainter(picture, mask).size == (9, 8)
    assert len(inpainter([picture] * 2, [mask] * 2)) == 2
    with pytest.raises(SpecError, match="mask is missing"):
        inpainter(picture)
    with pytest.raises(SpecError, match="differ in length: 2, 1"):
        inpainter([picture] * 2, [mask])
    with pytest.raises(SpecError, match="list"):
        inpainter([picture] * 8, mask)  # one mask of 8 rows is no list of 8 masks
    with pytest.raises(SpecError, match="list"):
        inpainter([picture], PIL.Image.fromarray(mask))
    with pytest.raises(SpecError):
        inpainter(picture, [mask])


class Chatty(Bright):
    """In use it answers `twist` times as surely."""

    def generate(self, x: Tensor, *, twist: float = 1.0) -> Tensor:
        return super().forward(x) * twist


def test_a_network_s_generate_answers_and_takes_options(bright: Artefact) -> None:
    chatty = Artefact("cnn", {}, bright.spec, Chatty())
    assert chatty(LIGHT) == bright(LIGHT)
    assert chatty(LIGHT, twist=-1)["label"] == "dark"
    with pytest.raises(SpecError, match="unknown option 'twits'; did you mean 'twist'\\? choices: twist"):
        chatty(LIGHT, twits=-1)
    with pytest.raises(SpecError, match="unknown option 'twist'; choices: none"):
        bright(LIGHT, twist=-1)


def test_the_threshold_of_anomalies_is_that_of_the_calibration() -> None:
    spec = Spec(Image(1, 2, 2, (0.0,), (1.0,)), Anomaly(0.05))
    network = build("rbm", spec, num_hidden=2)
    uncalibrated = Artefact("rbm", {"num_hidden": 2}, spec, network)(LIGHT)
    assert uncalibrated["anomaly"] is None
    for threshold, anomaly in ((uncalibrated["score"] + 1, False), (uncalibrated["score"] - 1, True)):
        artefact = Artefact("rbm", {"num_hidden": 2}, spec, network, calibration=Calibration(threshold))
        assert artefact(LIGHT) == {"score": uncalibrated["score"], "anomaly": anomaly}
    with pytest.raises(SpecError, match="unknown option 'calibration'"):
        artefact(LIGHT, calibration=Calibration(0.0))


def test_to_moves_the_network(bright: Artefact) -> None:
    assert bright.to("meta") is bright
    assert bright.network.weight.device.type == "meta"


# Saving, whole or not at all


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small artefact on disk, of a network with parameters, running statistics and a counter."""
    spec = Spec(Image(1, 4, 4, (0.5,), (0.5,)), Classes(("no", "yes")))
    options = {"widths": [2], "blocks": 0}
    save(Artefact("cnn", options, spec, restless(build("cnn", spec, **options))), tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_folders_are_made_and_nothing_else_is_left(small: Path, tmp_path: Path) -> None:
    save(load(small), tmp_path / "a" / "b" / "model.safetensors")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["model.safetensors"]
    assert (tmp_path / "a" / "b" / "model.safetensors").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_while_saving_leaves_the_old_file(small: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before, loaded = small.read_bytes(), load(small)
    loaded.network.classifier.bias.data += 1

    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(KeyboardInterrupt):
        save(loaded, small)
    assert small.read_bytes() == before
    assert [path.name for path in small.parent.iterdir()] == [small.name]


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"widths": {1, 2}}},
        {"metrics": {"loss": float("nan")}},
        {"metrics": {"loss": torch.tensor(1.0)}},
        {"recipe": {"path": Path()}},
        {"recipe": {"notes": "x" * MAX_HEADER}},
    ],
    ids=["set", "NaN", "tensor", "path", "more than a header holds"],
)
def test_what_could_not_be_loaded_is_not_saved(small: Path, change: dict[str, Any]) -> None:
    before, loaded = small.read_bytes(), load(small)
    with pytest.raises(ArtefactError):
        save(Artefact(**{**vars(loaded), **change}), small)
    assert small.read_bytes() == before


def test_a_model_that_is_not_in_the_zoo_is_not_saved(small: Path) -> None:
    with pytest.raises(ArtefactError, match="unknown model 'cnnn'; did you mean 'cnn'"):
        save(Artefact(**{**vars(load(small)), "model": "cnnn"}), small.with_name("other"))
    assert not small.with_name("other").exists()


# Loading: damaged files


def refuses(path: Path, match: str | None = None) -> None:
    """Loading fails with an error that names the file, in one line."""
    with pytest.raises(ArtefactError, match=match) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    refuses(tmp_path / "absent.safetensors", "no such file")
    refuses(tmp_path, "is a folder; give the file model.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"\0" * 8, b"\xff" * 100, b"a text\n" * 20, b"\x02" + b"\0" * 7 + b"{}"]
)
def test_not_an_artefact(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    refuses(tmp_path / "model.safetensors", "truncated|not a safetensors|zoo did not write it")


def test_truncated_anywhere(small: Path) -> None:
    whole = small.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in {*range(40), *range(0, len(whole), 17), header - 1, header, header + 1, len(whole) - 1}:
        small.write_bytes(whole[:length])
        refuses(small)
    small.write_bytes(whole + b"\0")
    refuses(small)


def test_every_bit_counts(small: Path) -> None:
    whole = small.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    digest = whole.index(b"sha256")
    for position in {
        *range(30),
        *range(digest, digest + 80, 7),
        *range(30, header, 41),
        *range(header, len(whole), 23),
    }:
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[position] ^= 1 << bit
            small.write_bytes(flipped)
            refuses(small)


def test_a_header_s_claimed_length_is_not_believed(small: Path) -> None:
    whole = small.read_bytes()
    for length in (len(whole), 2**63, 2**64 - 1):
        small.write_bytes(struct.pack("<Q", length) + whole[8:])
        refuses(small, "truncated")
    with small.open("r+b") as file:  # a sparse file as large as it claims to be
        file.write(struct.pack("<Q", MAX_HEADER + 1))
        file.truncate(MAX_HEADER + 100)
    refuses(small, "limit")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    refuses(path)
    torch.save({"state_dict": Trap()}, path)
    refuses(path)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "sprung").exists()  # it would have sprung


# Loading: files whose digest is right, and whose contents are not


def forge(path: Path, header: object, tensors: dict[str, tuple[str, list[int], bytes]], digest: bool = True) -> Path:
    """Write a file as `save` does, of any header and any tensors (dtype, shape, bytes), with a digest that fits."""
    if isinstance(header, dict):
        header = json.dumps({"sha256": "0" * 64, **header})
    table: dict[str, Any] = {"__metadata__": {"zoo": header}}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(table).encode()
    whole = struct.pack("<Q", len(text)) + text + data
    if digest:
        whole = whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1)
    path.write_bytes(whole)
    return path


@pytest.fixture
def forged(small: Path) -> Callable[..., Path]:
    """Forges the small artefact with other entries in its header, or with other tensors."""
    from safetensors import safe_open

    with safe_open(small, "np") as file:
        header = json.loads(file.metadata()["zoo"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    names = {"float32": "F32", "int64": "I64"}
    tensors = {name: (names[str(a.dtype)], list(a.shape), a.tobytes()) for name, a in arrays.items()}
    del header["sha256"]

    def make(header_changes: dict[str, Any] | None = None, tensor_changes: dict[str, Any] | None = None) -> Path:
        changed = {**header, **(header_changes or {})}
        kept = {**tensors, **(tensor_changes or {})}
        return forge(small, changed, {name: tensor for name, tensor in kept.items() if tensor is not None})

    return make


def test_the_forger_s_file_is_as_good_as_ours(small: Path, forged: Callable[..., Path]) -> None:
    ours = load(small)
    theirs = load(forged())
    assert theirs.spec == ours.spec
    for name, tensor in ours.network.state_dict().items():
        assert torch.equal(theirs.network.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, "format 3, and this zoo reads up to 2; update zoo"),
        ({"format": 10**30}, "update zoo"),
        ({"format": "1"}, "format"),
        ({"format": 1.5}, "format"),
        ({"format": True}, "format"),
        ({"format": 0}, "format"),
        ({"format": None}, "format"),
        ({"model": "cmn"}, "unknown model 'cmn'; did you mean 'cnn'"),
        ({"model": "os.system"}, "unknown model"),
        ({"model": "zoo.models.cnn"}, "unknown model"),
        ({"model": "gan", "options": {}}, "gan goes from masked image"),
        ({"model": None}, "no model"),
        ({"model": ["cnn"]}, "no model"),
        ({"options": [1]}, "no options"),
        ({"spec": None}, "no spec"),
        ({"spec": {}}, "an input and an output"),
        ({"spec": {"input": {"kind": "Image"}, "output": {"kind": "Classes"}}}, "Image has"),
        ({"calibration": None}, "no calibration"),
        ({"calibration": {"treshold": 1.0}}, "a calibration holds .*threshold"),
        ({"calibration": {"threshold": "1"}}, "threshold of a calibration is a finite number"),
        ({"metrics": None}, "no metrics"),
        ({"recipe": "none"}, "no recipe"),
        ({"sha256": "\ud800"}, "sha256|header"),
        ({"sha256": None}, "sha256|header"),
        ({"sha256": ""}, "sha256|header"),
        ({"sha256": ["0" * 64]}, "sha256|header"),
    ],
    ids=str,
)
def test_a_header_that_lies(forged: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    refuses(forged(changes), message)


@pytest.mark.parametrize("header", ["", "[]", "3", "{}", "null", '"x"', "[" * 90_000, "9" * 5000, '{"format": 1}'])
def test_metadata_that_is_not_ours(tmp_path: Path, header: str) -> None:
    refuses(forge(tmp_path / "model.safetensors", header, {}, digest=False), "zoo did not write it")


def test_other_people_s_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(3)}, tmp_path / "theirs.safetensors", metadata)
        refuses(tmp_path / "theirs.safetensors", "zoo did not write it")


@pytest.mark.parametrize(
    "options",
    [
        {"blocks": 10**9},
        {"blocks": -1},
        {"blocks": "1"},
        {"widths": [10**9]},
        {"widths": [10**9] * 16},
        {"widths": [10**30]},
        {"widths": [2] * 10_000},
        {"widths": [[2]]},
        {"widths": []},
        {"widths": "2"},
        {"widths": 2},
        {"widths": [2.0]},
        {"widths": ["2"]},
        {"widths": [None]},
        {"widths": {"2": 2}},
        {"widths": [0]},
        {"widths": [-2]},
        {"widths": [4]},
        {"dropout": 1.0},
        {"dropout": "0"},
        {"dropout": None},
        {"wdiths": [2]},
        {"device": "cuda"},
        {"spec": {}},
        {"name": "cnn"},
        {"": 1},
        {"num_classes": 2},
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_options(forged: Callable[..., Path], options: dict[str, Any]) -> None:
    refuses(forged({"options": {"widths": [2], "blocks": 0, **options}}))


@pytest.mark.parametrize(
    "options", [{"depth": 10**9}, {"width": 2**50}, {"width": 8 * 10**400}, {"width": 8.0}, {"depth": "1"}]
)
def test_hostile_options_of_the_gan(
    forged: Callable[..., Path], fitting: dict[str, Any], options: dict[str, Any]
) -> None:
    refuses(forged({"model": "gan", "spec": fitting["gan"][0].to_json(), "options": options}))


def test_no_network_of_any_number_of_layers_is_built(forged: Callable[..., Path]) -> None:
    """It would take all memory, or for ever."""
    about = catalogue.find("gan.super_resolution_x2").header
    options = {**about["options"], "blocks": 10**12}
    refuses(forged({"model": "gan", "spec": about["spec"], "options": options}), "a larger network")


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"a": "x"}},
        {"metrics": {"a": math.inf}},
        {"recipe": {"parent_commands": 5}},
        {"recipe": {"command": 5}},
    ],
)
def test_hostile_metrics_and_recipes(forged: Callable[..., Path], change: dict[str, Any]) -> None:
    refuses(forged(change), "its header is damaged")


FLOATS = np.zeros(2, np.float32).tobytes()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"classifier.bias": None}, r"lacks the tensors classifier\.bias"),
        ({"classifier.bais": ("F32", [2], FLOATS)}, r"that its model does not: classifier\.bais"),
        ({"classifier.bias": ("F32", [2, 1], FLOATS)}, r"bias has shape \[2, 1\], and its model takes \[2\]"),
        ({"classifier.bias": ("F32", [1], FLOATS[:4])}, "shape"),
        ({"classifier.bias": ("F32", [], FLOATS[:4])}, "shape"),
        ({"classifier.bias": ("F32", [0], b"")}, "shape"),
        ({"classifier.bias": ("I32", [2], FLOATS)}, r"is torch\.int32, and its model takes torch\.float32"),
        ({"classifier.bias": ("BOOL", [2], b"\0\1")}, "bool"),
        ({"classifier.bias": ("C64", [2], FLOATS * 2)}, "complex64"),
        ({"classifier.bias": ("F4", [2], b"\0")}, None),
        ({"classifier.bias": ("F8_E8M0", [2], b"\0\0")}, None),
        ({"classifier.bias": ("F32", [2**62, 4], FLOATS)}, None),
        ({"classifier.bias": ("F32", [-2], FLOATS)}, None),
        ({"classifier.bias": ("PICKLE", [2], FLOATS)}, None),
        ({"stages.0.1.num_batches_tracked": ("BOOL", [], b"\1")}, "num_batches_tracked is"),
        ({"stages.0.1.num_batches_tracked": ("C64", [], FLOATS)}, "num_batches_tracked is"),
        ({"stages.0.1.num_batches_tracked": ("F64", [], FLOATS)}, "num_batches_tracked is"),
        ({"../../etc": ("F32", [2], FLOATS)}, "does not"),
    ],
    ids=str,
)  # fmt: skip
def test_tensors_that_do_not_fit(forged: Callable[..., Path], tensors: dict[str, Any], message: str | None) -> None:
    refuses(forged(None, tensors), message)


def test_quarter_precision_loads_as_float32(forged: Callable[..., Path]) -> None:
    loaded = load(forged(None, {"classifier.bias": ("F8_E4M3", [2], b"\x38\xb8")}))
    assert loaded.network.state_dict()["classifier.bias"].tolist() == [1.0, -1.0]
    assert {tensor.dtype for tensor in loaded.network.parameters()} == {torch.float32}
    loaded(np.zeros((4, 4), np.uint8))


def test_a_vast_network_takes_no_memory_before_it_is_refused(forged: Callable[..., Path]) -> None:
    refuses(
        forged({"options": {"widths": [2**20] * 3, "blocks": 2}}), "a larger network than its tensors make"
    )  # 36 TB each


def test_random_mutations_give_artefact_errors_only(small: Path, forged: Callable[..., Path]) -> None:
    """Change the header's text at random, and make the digest fit again, so that all checks behind it are met."""
    forged()
    whole = small.read_bytes()
    start, stop = 8, 8 + int.from_bytes(whole[:8], "little")
    digest = whole.index(b"sha256") + len(b'sha256\\": \\"')
    random = np.random.default_rng(0)
    alphabet = b'0123456789-.eE"\\{}[],: truefalsn' + bytes([0, 0xFF, 0xC3])
    outcomes = {True: 0, False: 0}
    for _ in range(500):
        mutated = bytearray(whole)
        mutated[digest : digest + 64] = b"0" * 64
        for _ in range(random.integers(1, 4)):
            position = int(random.integers(start, stop))
            if not digest <= position < digest + 64:
                mutated[position] = alphabet[random.integers(len(alphabet))]
        mutated[digest : digest + 64] = hashlib.sha256(mutated).hexdigest().encode()
        small.write_bytes(mutated)
        try:
            load(small)
            outcomes[True] += 1
        except ArtefactError:
            outcomes[False] += 1
    assert all(outcomes.values())  # some change names of classes and the like, most are refused


def test_errors_of_the_zoo_s_face(tmp_path: Path) -> None:
    with pytest.raises(zoo.ArtefactError):
        zoo.load(tmp_path / "absent")
    with pytest.raises(ConfigError, match="did you mean 'gan'"):
        zoo.create_model("gann")
