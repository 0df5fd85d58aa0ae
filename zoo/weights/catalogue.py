"""The published weights: a list of them, their records, and loading by name.

A weight `cnn.mnist` is two files in the folder `published`: the artefact, cnn.mnist.safetensors, and a record,
cnn.mnist.json, of what the artefact does not hold. Where a record has a `url`, the first use downloads the artefact
from there. `scripts/publish.py` writes both.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo import models
from zoo.errors import ConfigError, unknown
from zoo.files import user_path
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
        licence: its SPDX name.
        data: the training data, in a few words.
        plot: a file in the repository that shows results.
        tolerance: by how much each metric may differ when it is computed again on another machine.
        url: of the artefact, if that does not ship with the package.
        example: a text to try it on, where it takes one.
    """

    name: str
    sha256: str
    licence: str
    data: str
    plot: str
    tolerance: Mapping[str, float] = field(default_factory=dict)
    url: str | None = None
    example: str | None = None

    def __str__(self) -> str:
        metrics = ", ".join(f"{name.removeprefix('test/')} {value:.4g}" for name, value in self.test_metrics.items())
        return (
            f"{self.name}: {self.spec}, {self.data}; {metrics}; {self.parameters:,} parameters, {self.size:,} bytes, "
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
        """Size of the file in bytes."""
        return self.file.stat().st_size

    @cached_property
    def header(self) -> dict[str, Any]:
        """The header of the artefact: model, options, spec, calibration, metrics and recipe."""
        return artefact.describe(self.file)

    @property
    def spec(self) -> Spec:
        return Spec.from_json(self.header["spec"])

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.header["metrics"])

    @property
    def test_metrics(self) -> dict[str, float]:
        """The metrics of the test split."""
        return {name: value for name, value in self.metrics.items() if name.startswith("test/")}

    @property
    def command(self) -> str:
        """The command that trained it."""
        return str(self.header["recipe"]["command"])

    @property
    def parent_commands(self) -> list[str]:
        """The commands that trained the weights that it started from (`init_from`), in order; mostly none."""
        return list(self.header["recipe"].get("parent_commands", []))

    @cached_property
    def parameters(self) -> int:
        """The number of parameters."""
        with torch.device("meta"):
            network = models.build(self.header["model"], self.spec, **self.header["options"])
        return sum(parameter.numel() for parameter in network.parameters())


def list_weights(pattern: str = "*") -> list[Weights]:
    """The published weights whose names match a pattern (`cnn*`, `*mnist`), by name.

    Each has `metrics`, `data`, `parameters`, `size` (bytes), `licence`, `command` and `plot`. For a weight that does
    not ship, all but data, licence and plot are in its artefact, and reading them downloads it.
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
        zoo.load("hf://owner/name")                  # a repository of the Hugging Face hub; needs the extra hub

    Args:
        source: a name, a record from `list_weights`, a path, or an address. A file with the name of a weight is given
            as ./cnn.mnist.
        sha256: of the whole file, if known; a file with another one is refused.

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
    path = user_path(source)
    if not path.exists() and _is_name(text):
        find(text)  # raises, and lists the names
    return artefact.load(path, sha256=sha256)


def features(source: str | os.PathLike[str], *, stages: Sequence[int] | None = None) -> Callable[..., Any]:
    """A feature extractor: it maps raw input to the features that the last layer of a trained network sees.

        extract = zoo.features("cnn.mnist")
        extract(["a.png", "b.png"])       # (2, 2048), for a classifier or a search of your own

        extract = zoo.features("cnn.mnist", stages=[0, 2])
        extract(["a.png", "b.png"])       # feature maps: [(2, 32, 14, 14), (2, 128, 4, 4)]

    For a network whose output is features, such as an RBM, these are its output.

    Args:
        source: as for `load`.
        stages: of a network of images, the stages whose feature maps are wanted, counted from 0.

    Raises:
        ArtefactError, ConfigError: as for `load`.
        SpecError: its network has no features, no stages, or not so many of them.
    """
    artefact = load(source)
    artefact.extractor(stages)  # raises now if there is none
    return partial(artefact.features, stages=stages)


def create_model(name: str, *, weights: str | os.PathLike[str] | None = None, **options: Any) -> nn.Module:
    """A network by name: untrained, or with published weights.

        zoo.create_model("cnn", in_channels=3, num_classes=100)         # the arguments of its class
        zoo.create_model("cnn", weights="mnist")                        # as published, in eval mode
        zoo.create_model("cnn", weights="mnist", num_classes=26)        # with a new, untrained head
        zoo.create_model("cnn", weights="mnist", in_channels=3)         # with a first layer for colour images
        zoo.create_model("cnn", weights="mnist", num_classes=0)         # without a head: it gives features
        zoo.create_model("tagger", network=zoo.create_model("lstm", pool="none"))   # any of zoo.list_models("*")

    Args:
        name: of the network, in `zoo.list_models("*")`; with weights that of a technique, in `zoo.list_models()`.
        weights: the tag of a published weight (`mnist` of `cnn.mnist`), or any other source that `zoo.load` takes.
        options: of its class; 0 for the number of its outputs leaves its head out, so that it gives features. With
            weights only `num_classes` and `in_channels`: where they differ from the published ones, the layer is new,
            which is logged.

    Raises:
        ConfigError: no such model, weights of another model, or an option that weights do not allow.
        TypeError: an option that its class does not have.
        ValueError: an option out of range.
    """
    if weights is None and "." in str(name):
        model, tag = find(name).name.split(".")
        raise ConfigError(
            f'{name} is a published weight: create_model("{model}", weights="{tag}") gives its network, and '
            f'load("{name}") answers raw input'
        )
    if weights is None:
        return models.create_model(name, **options)
    models.find(name)
    tag = os.fspath(weights)
    loaded = load(f"{name}.{tag}" if _is_name(tag) and tag not in _names() else weights)
    if loaded.model != name:
        raise ConfigError(f"{weights} is a {loaded.model}, not a {name}")
    for option in options.keys() - {"num_classes", "in_channels"}:
        raise ConfigError(f"with weights, only num_classes and in_channels can be chosen, not {option}")
    headless = options.get("num_classes") == 0
    spec = _adapted(loaded.spec, **{**options, "num_classes": None} if headless else options)
    network = loaded.network
    if spec != loaded.spec:
        network = models.build(name, spec, **loaded.options)
        for line in start_from(loaded.network.state_dict(), loaded.spec, network, spec):
            log.warning("%s, weights=%s: %s", name, tag, line)
    return _without_head(network.eval(), loaded) if headless else network.eval()


def _without_head(network: nn.Module, loaded: Artefact) -> nn.Module:
    remove: Callable[[], None] | None = getattr(network, "remove_head", None)
    if remove is None:
        raise ConfigError(f"num_classes=0 leaves a head out, and a {loaded.model}, {loaded.spec}, has none")
    remove()
    return network


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
            spec = replace(spec, input=replace(spec.input, channels=in_channels, mean=means, std=stds, ink=None))
    return spec


def _names() -> list[str]:
    return sorted(path.stem for path in PUBLISHED.glob("*.json"))


def _is_name(text: str) -> bool:
    """Whether it can only be a name: it has no separator of folders and no ending of a file."""
    return "/" not in text and os.sep not in text and not text.endswith(".safetensors")
