"""The networks: plain torch modules with plain arguments, one file or folder a technique.

    from zoo.models import CNN
    network = CNN(in_channels=3, num_classes=100)

`MODELS` is the one list of techniques, those of plug-ins among them (see `zoo.registry`): each can be trained, saved
and loaded. What it can do follows from its builder, which raises `SpecError`. `NETWORKS` has every public network by
name.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, get_args

from torch import nn

from zoo import check
from zoo.errors import ConfigError, unknown
from zoo.models import cnn, gan, mlp, rbm, rnn
from zoo.models.cnn import CNN, CRNN
from zoo.models.cnn1d import SequenceCNN, TextCNN
from zoo.models.ensemble import Ensemble
from zoo.models.gan import Colouriser, Discriminator, Generator, Inpainter, PatchDiscriminator, SuperResolver, UNet
from zoo.models.mlp import MLP
from zoo.models.networks import NETWORKS
from zoo.models.photo_cnn import PhotoCNN
from zoo.models.rbm import RBM, ClassRBM, FreeEnergyRBM, LabelledRBM, RatingRBM, TopicRBM, ValueRBM
from zoo.models.rnn import (
    GRU,
    LSTM,
    RNN,
    Captioner,
    Forecaster,
    FrameReader,
    Handwriter,
    ImageReader,
    LanguageModel,
    RowReader,
    Tagger,
    TextClassifier,
    Translator,
)
from zoo.registry import MODELS, Model, find, import_installed, register_model
from zoo.settings import hints_of
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
    "Handwriter",
    "ImageReader",
    "Inpainter",
    "LabelledRBM",
    "LanguageModel",
    "Model",
    "PatchDiscriminator",
    "PhotoCNN",
    "RatingRBM",
    "RowReader",
    "SequenceCNN",
    "SuperResolver",
    "Tagger",
    "TextCNN",
    "TextClassifier",
    "TopicRBM",
    "Translator",
    "UNet",
    "ValueRBM",
    "apply",
    "build",
    "create_model",
    "defaults",
    "list_models",
    "register_model",
]


MODELS.update(
    cnn=Model(cnn.build, CNN, cnn.defaults),
    gan=Model(gan.build, Inpainter, gan.defaults),
    gru=Model(partial(rnn.build, "gru"), GRU, rnn.defaults),
    lstm=Model(partial(rnn.build, "lstm"), LSTM, rnn.defaults),
    mlp=Model(mlp.build, MLP, mlp.defaults),
    rbm=Model(rbm.build, RBM, rbm.defaults),
    rnn=Model(partial(rnn.build, "rnn"), RNN, rnn.defaults),
)


def list_models(pattern: str | None = None) -> list[str]:
    """Names of all techniques that can be trained; or, with a pattern, those of `create_model` that match it.

    Those of plug-ins that are installed or imported are among them.

        list_models()            # cnn, gan, …: what model= takes in a training
        list_models("*rbm")      # class_rbm, free_energy_rbm, …
        list_models("*")         # every network
    """
    import_installed()
    if pattern is None:
        return sorted(MODELS)
    return [name for name in sorted({*MODELS, *NETWORKS}) if fnmatchcase(name, pattern)]


def create_model(name: str, **options: Any) -> nn.Module:
    """An untrained network by name, with the arguments of its class: `create_model("cnn", num_classes=10)`.

    Raises:
        ConfigError: no such model, or one of a plug-in that builds it for a spec alone.
        TypeError: an option that its class does not have.
        ValueError: an option out of range.
    """
    if name in NETWORKS and name not in MODELS:
        return NETWORKS[name](**options)
    if name not in MODELS and not (import_installed() and name in MODELS):
        raise ConfigError(unknown("model", name, {*MODELS, *NETWORKS}))
    if (network := find(name).network) is None:
        raise ConfigError(f"{name} is built for a spec: zoo.models.build({name!r}, spec)")
    return network(**options)


def build(name: str, spec: Spec, *, num_members: int | None = None, **options: Any) -> nn.Module:
    """The network of a technique for a spec, untrained.

    Args:
        name: of the technique.
        spec: what the network takes and gives.
        num_members: so many networks in an `Ensemble`; None for one network, which is none.
        **options: of the technique.

    Raises:
        ConfigError: no such model.
        SpecError: the technique does not fit the spec.
        TypeError, ValueError: an option that is unknown or out of range.
    """
    technique = find(name).build
    for option, hint in hints_of(technique).items():
        if bool in (hint, *get_args(hint)) and options.get(option) is not None:
            check.truth(option, options[option])
    if num_members is None:
        return technique(spec, **options)
    check.whole("num_members", num_members)
    return Ensemble(spec, [technique(spec, **options) for _ in range(num_members)])


def defaults(name: str, spec: Spec) -> dict[str, Any]:
    """The options of a technique that suit a spec in a training, where nothing else is said.

    Raises:
        ConfigError: no such model.
    """
    return dict(find(name).defaults(spec))


def apply(network: Callable[..., Any], x: Encoded) -> Any:
    """Call a network on the result of `spec.input.prepare`: one tensor, or a tuple of its arguments."""
    return network(*x) if isinstance(x, tuple) else network(x)
