"""The published weights: which there are, what each is good for, and loading one by its name.

A weight `cnn.mnist` is two files of the folder `published`: the artefact, cnn.mnist.safetensors, and a record,
cnn.mnist.json, which says what the artefact does not say of itself. A record with a `url` has its artefact there, and
the first use downloads it. `scripts/publish.py` writes both.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import models
from zoo.errors import ConfigError, unknown
from zoo.spec import Classes, Image, Spec
from zoo.weights import artefact
from zoo.weights.artefact import Artefact
from zoo.weights.transfer import start_from

log = logging.getLogger(__name__)

PUBLISHED = Path(__file__).with_name("published")


@dataclass(frozen=True)
class Weights:
    """A published weight.

    Args:
        name: `<model>.<tag>`.
        sha256: of the artefact's file.
        licence: under which it may be used, by its SPDX name.
        data: what it was trained on, in a few words.
        picture: of what it does, in the repository.
        noise: by how much each figure may differ when it is computed anew, elsewhere.
        url: where the artefact is, if it does not ship with the package.
    """

    name: str
    sha256: str
    licence: str
    data: str
    picture: str
    noise: Mapping[str, float] = field(default_factory=dict)
    url: str | None = None

    def __str__(self) -> str:
        figures = ", ".join(f"{name.removeprefix('test/')} {value:.4g}" for name, value in self.figures.items())
        return (
            f"{self.name}: {self.spec}, {self.data}; {figures}; {self.parameters:,} parameters, {self.size:,} bytes, "
            f"{self.licence}"
        )

    @property
    def file(self) -> Path:
        """The artefact on this machine; it is downloaded if need be."""
        if self.url is None:
            return PUBLISHED / f"{self.name}.safetensors"
        from zoo.weights.download import download

        return download(self.url, sha256=self.sha256)

    def __fspath__(self) -> str:
        """The artefact's path, so that `zoo.load` takes what `zoo.list_weights` gives."""
        return str(self.file)

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        return self.file.stat().st_size

    @cached_property
    def header(self) -> dict[str, Any]:
        """What the artefact says of itself: model, options, spec, metrics and recipe."""
        return artefact.describe(self.file)

    @property
    def spec(self) -> Spec:
        return Spec.from_json(self.header["spec"])

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.header["metrics"])

    @property
    def figures(self) -> dict[str, float]:
        """Of the test split."""
        return {name: value for name, value in self.metrics.items() if name.startswith("test/")}

    @property
    def command(self) -> str:
        """That which trained it."""
        return str(self.header["recipe"]["command"])

    @property
    def before(self) -> list[str]:
        """The commands that trained what that one started from (`init_from`), the first one first; mostly none."""
        return list(self.header["recipe"].get("before", []))

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learned."""
        with torch.device("meta"):
            network = models.build(self.header["model"], self.spec, **self.header["options"])
        return sum(parameter.numel() for parameter in network.parameters())


def list_weights(pattern: str = "*") -> list[Weights]:
    """The published weights whose names match a pattern (`cnn*`, `*mnist`), by name.

    Each has `metrics`, `data`, `parameters`, `size` (bytes), `licence`, `command` and `picture`. Of a weight that does
    not ship, asking for what its artefact says (all but data, licence and picture) downloads it.
    """
    return [find(name) for name in _names() if fnmatchcase(name, pattern)]


def find(name: str) -> Weights:
    """The published weight of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in _names():
        raise ConfigError(unknown("weights", name, _names()))
    return Weights(name, **json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8")))


def load(source: str | os.PathLike[str], *, sha256: str | None = None) -> Artefact:
    """Load a trained network, in eval mode on the CPU, with its spec.

        zoo.load("cnn.mnist")                        # a published weight; zoo.list_weights() lists them
        zoo.load("runs/…/model.safetensors")         # a file
        zoo.load("https://example.org/m.safetensors", sha256="…")   # downloaded once
        zoo.load("hf://owner/name")                  # a repository of the Hugging Face hub; takes zoo[hub]

    Args:
        source: a name, what `list_weights` gives, a path, or an address. A file that is called as a weight is, is
            given as ./cnn.mnist.
        sha256: of the whole file, if it is known; nothing is read from a file that has another.

    Raises:
        ArtefactError: no such file, one that cannot be downloaded, or one that is truncated, altered, oversized, from
            a newer zoo, of an unknown model, or whose tensors do not fit its model. The message names file and fault.
        ConfigError: no such weight.
    """
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(f"give the name of a weight, a path or an address; got {source!r}")
    text = os.fspath(source)
    if text.startswith("hf://"):
        from zoo.weights.hub import fetch

        return artefact.load(fetch(text), sha256=sha256)
    if "://" in text:
        from zoo.weights.download import download

        return artefact.load(download(text, sha256=sha256), sha256=sha256)
    if text in _names():
        weights = find(text)
        return artefact.load(weights.file, sha256=sha256 or weights.sha256)
    path = Path(source)
    if not path.exists() and _is_name(text):
        find(text)  # says what names there are
    return artefact.load(path, sha256=sha256)


def features(source: str | os.PathLike[str]) -> Callable[..., Tensor]:
    """A feature extractor: what a trained network makes of raw input before its last layer, or the features it gives.

        extract = zoo.features("cnn.mnist")
        extract(["a.png", "b.png"])       # (2, 2048), for a classifier or a search of your own

    Args:
        source: as for `load`.

    Raises:
        ArtefactError, ConfigError: as for `load`.
        SpecError: its network has no features.
    """
    artefact = load(source)
    artefact.extractor  # noqa: B018  # says now if there is none
    return artefact.features


def create_model(name: str, *, weights: str | os.PathLike[str] | None = None, **options: Any) -> nn.Module:
    """A network by name: untrained, or with published weights.

        zoo.create_model("cnn", in_channels=3, num_classes=100)         # the arguments of its class
        zoo.create_model("cnn", weights="mnist")                        # as published, in eval mode
        zoo.create_model("cnn", weights="mnist", num_classes=26)        # with a new head, which is to be trained
        zoo.create_model("cnn", weights="mnist", in_channels=3)         # with a first layer that sees colours

    Args:
        name: of the technique, in `zoo.list_models()`.
        weights: the tag of a published weight of it (`mnist` of `cnn.mnist`), or whatever else `zoo.load` takes.
        options: of its class; with weights `num_classes` and `in_channels` alone, whose layers are made anew where
            they differ from the published ones. What was made anew is logged.

    Raises:
        ConfigError: no such model, weights of another model, or an option that published weights do not have.
        TypeError: an option that its class does not have.
        ValueError: an option out of range.
    """
    if weights is None and "." in str(name):
        model, tag = find(name).name.split(".")
        raise ConfigError(
            f'{name} is a published weight: create_model("{model}", weights="{tag}") gives its network, and '
            f'load("{name}") what answers raw input'
        )
    if weights is None:
        return models.create_model(name, **options)
    models.find(name)
    tag = os.fspath(weights)
    loaded = load(f"{name}.{tag}" if _is_name(tag) and tag not in _names() else weights)
    if loaded.model != name:
        raise ConfigError(f"{weights} is a {loaded.model}, not a {name}")
    for option in options.keys() - {"num_classes", "in_channels"}:
        raise ConfigError(f"with weights, num_classes and in_channels can be chosen, and {option} cannot")
    spec = _adapted(loaded.spec, **options)
    if spec == loaded.spec:
        return loaded.network
    network = models.build(name, spec, **loaded.options)
    for line in start_from(loaded.network.state_dict(), loaded.spec, network, spec):
        log.warning("%s, weights=%s: %s", name, tag, line)
    return network.eval()


def _adapted(spec: Spec, num_classes: int | None = None, in_channels: int | None = None) -> Spec:
    if num_classes is not None:
        if not isinstance(spec.output, Classes):
            raise ConfigError(f"num_classes is for weights that give classes, and these are {spec}")
        if num_classes != len(spec.output.names):
            spec = replace(spec, output=Classes(tuple(map(str, range(num_classes)))))
    if in_channels is not None:
        if type(spec.input) is not Image:
            raise ConfigError(f"in_channels is for weights that take images, and these are {spec}")
        if in_channels != spec.input.channels:
            means, stds = (
                (sum(numbers) / len(numbers),) * in_channels for numbers in (spec.input.mean, spec.input.std)
            )
            spec = replace(spec, input=replace(spec.input, channels=in_channels, mean=means, std=stds))
    return spec


def _names() -> list[str]:
    return sorted(path.stem for path in PUBLISHED.glob("*.json"))


def _is_name(text: str) -> bool:
    """Whether it can only be meant as a name: no separator of folders, no file's ending."""
    return "/" not in text and os.sep not in text and not text.endswith(".safetensors")
