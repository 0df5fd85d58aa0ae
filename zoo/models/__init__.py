"""The networks: plain torch modules with plain arguments, one file or folder a technique.

    from zoo.models import CNN
    network = CNN(in_channels=3, num_classes=100)

`MODELS` is the one list of techniques: each can be trained, saved and loaded, and is tested. `NETWORKS` has every
public network by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from torch import nn

from zoo.errors import ConfigError, unknown
from zoo.models import cnn, gan, mlp, rbm, rnn
from zoo.models.cnn import CNN, CRNN
from zoo.models.gan import Colouriser, Discriminator, Generator, Inpainter, PatchDiscriminator, SuperResolver, UNet
from zoo.models.mlp import MLP
from zoo.models.networks import NETWORKS
from zoo.models.rbm import RBM, ClassRBM, FreeEnergyRBM, LabelledRBM, RatingRBM, TopicRBM, ValueRBM
from zoo.models.rnn import (
    GRU,
    LSTM,
    RNN,
    Captioner,
    Forecaster,
    FrameReader,
    ImageReader,
    LanguageModel,
    RowReader,
    Tagger,
    TextClassifier,
)
from zoo.spec import Encoded, Spec

__all__ = [
    "CNN",
    "CRNN",
    "GRU",
    "LSTM",
    "MLP",
    "MODELS",
    "NETWORKS",
    "RBM",
    "RNN",
    "Captioner",
    "ClassRBM",
    "Colouriser",
    "Discriminator",
    "Forecaster",
    "FrameReader",
    "FreeEnergyRBM",
    "Generator",
    "ImageReader",
    "Inpainter",
    "LabelledRBM",
    "LanguageModel",
    "Model",
    "PatchDiscriminator",
    "RatingRBM",
    "RowReader",
    "SuperResolver",
    "Tagger",
    "TextClassifier",
    "TopicRBM",
    "UNet",
    "ValueRBM",
    "apply",
    "build",
    "create_model",
    "defaults",
    "list_models",
]


@dataclass(frozen=True)
class Model:
    """A technique: its network, the function that builds that for a spec, and its tasks (files of conf/task).

    `defaults` gives the options that suit a spec in a training, where neither config nor command line does.
    """

    network: type[nn.Module]
    build: Callable[..., nn.Module]
    tasks: tuple[str, ...]
    defaults: Callable[[Spec], dict[str, Any]] = lambda spec: {}


MODELS: dict[str, Model] = {
    "cnn": Model(CNN, cnn.build, ("classification", "ocr"), cnn.defaults),
    "gan": Model(Inpainter, gan.build, gan.TASKS, gan.defaults),
    "gru": Model(GRU, partial(rnn.build, "gru"), rnn.TASKS, rnn.defaults),
    "lstm": Model(LSTM, partial(rnn.build, "lstm"), rnn.TASKS, rnn.defaults),
    "mlp": Model(MLP, mlp.build, tasks=("supervised", "classification", "regression")),
    "rbm": Model(RBM, rbm.build, rbm.TASKS, rbm.defaults),
    "rnn": Model(RNN, partial(rnn.build, "rnn"), rnn.TASKS, rnn.defaults),
}


def list_models(pattern: str | None = None) -> list[str]:
    """Names of all techniques that can be trained; or, with a pattern, those of `create_model` that match it.

    list_models()            # cnn, gan, …: what model= takes in a training
    list_models("*rbm")      # class_rbm, free_energy_rbm, …
    list_models("*")         # every network
    """
    if pattern is None:
        return sorted(MODELS)
    return [name for name in sorted({*MODELS, *NETWORKS}) if fnmatchcase(name, pattern)]


def create_model(name: str, **options: Any) -> nn.Module:
    """An untrained network by name, with the arguments of its class: `create_model("cnn", num_classes=10)`.

    Raises:
        ConfigError: no such model.
        TypeError: an option that its class does not have.
        ValueError: an option out of range.
    """
    if name in NETWORKS:
        return NETWORKS[name](**options)
    if name in MODELS:
        return find(name).network(**options)
    raise ConfigError(unknown("model", name, {*MODELS, *NETWORKS}))


def build(name: str, spec: Spec, **options: Any) -> nn.Module:
    """The network of a technique for a spec, untrained.

    Raises:
        ConfigError: no such model.
        SpecError: the technique does not fit the spec.
        TypeError, ValueError: an option that is unknown or out of range.
    """
    return find(name).build(spec, **options)


def defaults(name: str, spec: Spec) -> dict[str, Any]:
    """The options of a technique that suit a spec in a training, where nothing else is said.

    Raises:
        ConfigError: no such model.
    """
    return find(name).defaults(spec)


def apply(network: Callable[..., Any], x: Encoded) -> Any:
    """Call a network on the result of `spec.input.prepare`: one tensor, or a tuple of its arguments."""
    return network(*x) if isinstance(x, tuple) else network(x)


def find(name: str) -> Model:
    """The technique of that name.

    Raises:
        ConfigError: no such model.
    """
    if name not in MODELS:
        raise ConfigError(unknown("model", name, MODELS))
    return MODELS[name]
