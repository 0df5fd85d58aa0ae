"""Bounds before work: what a file asks for is compared with what is there, in little time, and told in one line."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

import zoo
from zoo.errors import ArtefactError
from zoo.weights.catalogue import PUBLISHED
from zoo.weights.header import MAX_LISTS

BLANK = "0" * 64


def header_of(name: str) -> dict[str, Any]:
    data = (PUBLISHED / f"{name}.safetensors").read_bytes()
    header: dict[str, Any] = json.loads(
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["zoo"]
    )
    return header


def written(path: Path, header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Path:
    text = json.dumps({"sha256": BLANK, **{name: value for name, value in header.items() if name != "sha256"}})
    data = save(tensors, metadata={"zoo": text})
    path.write_bytes(data.replace(BLANK.encode(), hashlib.sha256(data).hexdigest().encode(), 1))
    return path


def refused(path: Path, words: str) -> None:
    began = time.process_time()
    with pytest.raises(ArtefactError, match=words) as caught:
        zoo.load(path)
    assert time.process_time() - began < 5
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


@pytest.fixture
def forged(tmp_path: Path) -> Callable[..., Path]:
    """Writes a published weight again, with its header changed by a function."""

    def forged(name: str, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], Any]) -> Path:
        header, tensors = header_of(name), load_file(PUBLISHED / f"{name}.safetensors")
        change(header, tensors)
        return written(tmp_path / "model.safetensors", header, tensors)

    return forged


@pytest.mark.parametrize("layers", [10**4, 2 * 10**8, 2 * 10**9, 10**30])
def test_layers_that_no_tensor_makes(forged: Callable[..., Path], layers: int) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        header["options"]["layers"] = layers

    refused(forged("lstm.tagging_moving_digits", change), "larger network")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(forged: Callable[..., Path], value: float) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
        tensors[name] = tensors[name].clone().flatten().index_fill(0, torch.tensor([0]), value).view_as(tensors[name])

    refused(forged("cnn.digits", change), "not finite")


def test_many_tensors_without_a_number(forged: Callable[..., Path]) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        tensors.update({f"{place:x}": torch.zeros(0) for place in range(20_000)})
        header.update(model="mlp", options={"hidden": [1] * 19_000})

    refused(forged("mlp.mnist", change), "tensors; 10,000 is the limit|entries|lists and objects")


def test_names_of_millions_of_characters(forged: Callable[..., Path]) -> None:
    refused(
        forged("cnn.digits", lambda header, tensors: header.update(model="abcdefgh" * 500_000)), "unknown model 'abc"
    )


def test_millions_of_lists(forged: Callable[..., Path]) -> None:
    refused(
        forged("cnn.digits", lambda header, tensors: header["recipe"].update(x=[[]] * MAX_LISTS)), "lists and objects"
    )


def test_images_of_gigabytes(forged: Callable[..., Path]) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        for side in ("input", "output"):
            header["spec"][side] |= {"height": 65_536, "width": 65_536}

    refused(forged("gan.super_resolution_x2", change), "too large")


def test_texts_that_never_end(forged: Callable[..., Path]) -> None:
    def change(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        header["spec"]["output"]["max_length"] = 2**20

    refused(forged("lstm.captioning_shapes", change), "max_length must be at most 4,096")


def test_ratings_of_other_titles(tmp_path: Path) -> None:
    spec = {"input": {"kind": "Ratings", "titles": ["A", "B"], "scale": [0, 1]}}
    spec["output"] = {"kind": "Recommendations", "titles": ["A", "C"], "scale": [0, 1]}
    header = {"format": 2, "model": "rbm", "options": {}, "spec": spec, "calibration": {}, "metrics": {}, "recipe": {}}
    refused(written(tmp_path / "model.safetensors", header, {}), "differ in their titles")


def test_a_file_that_is_nearly_all_hole(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    text = json.dumps({"__metadata__": {"zoo": "{}"}}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(20 * 10**9)
    refused(path, "never written")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    refused(tmp_path / "pipe.safetensors", "no regular file")
    refused(Path("/dev/zero"), "no regular file")


def test_a_run_leads_to_its_weights(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    refused(tmp_path, "give the file model.safetensors of a finished run")
    refused(tmp_path / "last.ckpt", "a checkpoint")
    (tmp_path / "model.safetensors").touch()
    refused(tmp_path, "the trained network is .*model.safetensors")
    refused(tmp_path / "last.ckpt", "the trained network is .*model.safetensors")
