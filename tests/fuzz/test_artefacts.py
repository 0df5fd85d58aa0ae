"""Artefacts: written by others in their own way, or damaged, or hostile; read again by struct, json and NumPy."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import zoo
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import PUBLISHED
from zoo.weights.samples import random_inputs

from .campaign import Case

pytestmark = pytest.mark.fuzz

NAMES = ("cnn.digits", "gan.super_resolution_x2", "lstm.captioning_shapes", "lstm.reviews", "mlp.breast_cancer")
NAMES += ("lstm.tagging_moving_digits", "rbm.anomaly_breast_cancer", "rbm.topics", "gan.inpainting_mnist", "cnn.ocr")
DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
BLANK = "0" * 64
STRANGE: list[Any] = [
    None, True, 0, -1, 1, 2, 3, 65_536, 2**31, 2**63, 2**64, 10**30, 0.5, 1e38, -1e308, math.nan, math.inf, "", "a",
    "relu", "\ud800", "\x1b[2J\n", "x" * 100_000, [], [0], [1] * 3000, [[]], {}, {"a": 1}, {"kind": "Image"},
    "../../etc/passwd",
]  # fmt: skip


def parsed(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Our header and the tensors of a safetensors file, without zoo or safetensors."""
    length = struct.unpack("<Q", data[:8])[0]
    table = json.loads(data[8 : 8 + length])
    header = json.loads(table.pop("__metadata__")["zoo"])
    tensors = {}
    for name, entry in table.items():
        low, high = (8 + length + offset for offset in entry["data_offsets"])
        kind = entry["dtype"]
        array = np.frombuffer(data[low:high], DTYPES.get(kind, "<u2"))  # the upper half of a float32 is a BF16
        array = (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array
        tensors[name] = array.reshape(entry["shape"])
    return header, tensors


def written(
    header: Any, tensors: dict[str, np.ndarray], draw: random.Random, dress: bool = False, lies: Any = None
) -> bytes:
    """A file of them, with a digest that fits; in another dress, it has other spaces, orders and escapes."""
    if isinstance(header, dict) and "sha256" in header:
        header = {"sha256": BLANK, **{name: value for name, value in header.items() if name != "sha256"}}
    style: dict[str, Any] = {}
    names = list(tensors)
    if dress:
        style = {"indent": draw.choice([None, 1, 4]), "ensure_ascii": draw.random() < 0.5}
        header = shuffled(header, draw)
        draw.shuffle(names)
    codes = {np.dtype(code): name for name, code in DTYPES.items()}
    table: dict[str, Any] = {"__metadata__": {"zoo": json.dumps(header, **style)}}
    if dress and draw.random() < 0.3:
        table["__metadata__"]["note"] = "written elsewhere"
    place = 0
    for name in names:
        array = tensors[name]
        table[name] = {
            "dtype": codes[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    if lies is not None:
        lies(table)
    text = json.dumps(table, **style).encode("utf-8", "surrogatepass")
    text += b" " * (draw.choice([-len(text) % 8, 100 - (len(text) + 100) % 8]) if dress else -len(text) % 8)
    data = struct.pack("<Q", len(text)) + text + b"".join(tensors[name].tobytes() for name in names)
    return data.replace(BLANK.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def shuffled(value: Any, draw: random.Random) -> Any:
    """The same JSON, with the keys of its objects in another order."""
    if isinstance(value, dict):
        names = list(value)
        draw.shuffle(names)
        return {name: shuffled(value[name], draw) for name in names}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON value there is a value, of a list the first few alone."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed(header: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """With something else at some places, or without."""
    header = copy.deepcopy(header)
    for _ in range(draw.choice([1, 1, 1, 2, 5])):
        known = [path for path in places(header) if path[0] != "recipe" or draw.random() < 0.1]
        if not known:
            break
        *way, last = draw.choice(known)
        parent: Any = header
        for key in way:
            parent = parent[key]
        how = draw.random()
        if how < 0.15:
            del parent[last]
        elif how < 0.3 and isinstance(parent, dict):
            parent[draw.choice(["extra", "kind", "", "\x00"])] = draw.choice(STRANGE)
        elif how < 0.6 and isinstance(parent[last], (int, float)):
            parent[last] = draw.choice([-1, 0, 2, 10, 1000, 10**6, 10**9]) * (parent[last] or 1)
        elif how < 0.75 and isinstance(parent[last], list):
            parent[last] = parent[last] * draw.choice([2, 100, 2000]) if parent[last] else [1] * 1000
        else:
            parent[last] = copy.deepcopy(draw.choice(STRANGE))
    return header


class Artefacts:
    """Makes cases from some of the published weights."""

    def __init__(self) -> None:
        self.sources = {name: (PUBLISHED / f"{name}.safetensors").read_bytes() for name in NAMES}

    def __call__(self, draw: random.Random, folder: Path) -> Case:
        name = draw.choice(NAMES)
        header, tensors = parsed(self.sources[name])
        path = folder / "case.safetensors"
        if draw.random() < 0.5:
            data = self.sound(header, tensors, draw)
            path.write_bytes(data)
            return Case(
                True, f"{name} in another dress", lambda: zoo.load(path), lambda answer: self.unequal(answer, data)
            )
        what, data = self.hostile(name, header, tensors, draw)
        path.write_bytes(data)
        return Case(False, f"{name}, {what}", lambda: self.called(path), lambda answer: self.unequal(answer, data))

    def sound(self, header: dict[str, Any], tensors: dict[str, np.ndarray], draw: random.Random) -> bytes:
        if draw.random() < 0.3:  # in half precision, or back
            kind = draw.choice(["<f2", "<f4"])
            tensors = {key: array.astype(kind) if array.dtype.kind == "f" else array for key, array in tensors.items()}
        if draw.random() < 0.3:
            header["recipe"] = draw.choice([{}, {"command": "python ünï.py ✓ \U0001f600", "config": {"none": None}}])
        if draw.random() < 0.2:
            header["metrics"] = {f"test/{draw.random()}": draw.choice([0, -1, 5e-324, 1e308, 0.1 + 0.2])}
        return written(header, tensors, draw, dress=True)

    def hostile(
        self, name: str, header: dict[str, Any], tensors: dict[str, np.ndarray], draw: random.Random
    ) -> tuple[str, bytes]:
        how = draw.choice(["bytes", "cut", "header", "header", "header", "tensors", "table", "another", "weights"])
        whole = self.sources[name]
        if how == "bytes":
            data = bytearray(whole)
            for _ in range(draw.choice([1, 3, 50])):
                data[draw.randrange(draw.choice([20, 400, len(data)]))] = draw.randrange(256)
            return how, bytes(data)
        if how == "cut":
            return how, draw.choice([whole[: draw.randrange(len(whole))], whole + bytes(draw.randrange(1, 2000))])
        if how == "header":
            return how, written(changed(header, draw), tensors, draw)
        if how == "another":  # the header of one with the tensors of another
            return how, written(header, parsed(self.sources[draw.choice(NAMES)])[1], draw)
        key = draw.choice(list(tensors))
        if how == "table":
            entries = {"dtype": ["F64", "BF16", "BOOL", "X", 1], "shape": [[2**62, 4], [-1], [], [0], "x"]}
            entries["data_offsets"] = [[0, 2**40], [8, 0], [0], None, [0, 0]]

            def lies(table: dict[str, Any]) -> None:
                entry = draw.choice(list(entries))
                table[key][entry] = draw.choice(entries[entry])

            return how, written(header, tensors, draw, lies=lies)
        array = tensors[key]
        if how == "weights":
            bad = draw.choice([math.nan, math.inf, -math.inf, 3e38, 1e30])
            hit = np.random.default_rng(draw.randrange(99)).random(array.shape) < 0.3
            with np.errstate(over="ignore"):
                tensors[key] = np.where(hit, bad, array).astype(array.dtype) if array.dtype.kind == "f" else array
            return how, written(header, tensors, draw)
        change: Callable[[], Any] = draw.choice([
            lambda: tensors.pop(key),
            lambda: tensors.update({key: array.reshape(-1)}),
            lambda: tensors.update({key: array[..., None]}),
            lambda: tensors.update({key: array.astype("<i8")}),
            lambda: tensors.update({f"{key}x": array}),
            lambda: tensors.update({f"t{place}": np.zeros(0, "<f4") for place in range(draw.choice([9, 20_000]))}),
        ])  # fmt: skip
        change()
        return how, written(header, tensors, draw)

    def called(self, path: Path) -> Artefact:
        """Loaded, and called once: whatever was let in must answer."""
        artefact = zoo.load(path)
        inputs = random_inputs(artefact.spec.input, 1)[0]
        answer = artefact(*inputs)
        json.dumps(answer, allow_nan=False, default=lambda image: str(image.size))
        return artefact

    def unequal(self, artefact: Artefact, data: bytes) -> str:
        """Where what was loaded is not what the file says."""
        header, tensors = parsed(data)
        state = artefact.network.state_dict()
        if set(state) != set(tensors):
            return "other tensors"
        for name, array in tensors.items():
            if not torch.equal(state[name], torch.from_numpy(array.copy()).to(state[name].dtype)):
                return f"{name} differs"
        if artefact.model != header["model"] or list(artefact.metrics.values()) != list(header["metrics"].values()):
            return "its model or metrics differ"
        names = header["spec"]["output"].get("names", [])
        if names and list(artefact.spec.output.names) != names:  # type: ignore[union-attr]
            return "the names of its output differ"
        return ""


def test_artefacts(fuzz: Callable[..., None]) -> None:
    fuzz("artefacts", Artefacts())
