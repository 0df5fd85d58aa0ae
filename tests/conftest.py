"""Shared by all tests: one fitting spec, small options and a random batch for every model of the zoo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import Tensor

from zoo.data.images import Digits
from zoo.models import MODELS
from zoo.spec import Anomaly, Classes, Image, MaskedImage, Spec
from zoo.weights.samples import random_inputs

ROOT = Path(__file__).resolve().parents[1]

# Whoever adds a model adds a line here, and all tests that take `model_name` hold for it
FITTING: dict[str, tuple[Spec, dict[str, Any]]] = {
    "cnn": (
        Spec(Image(3, 9, 12, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)), Classes(("cat", "dog", "emu"))),
        {"widths": [8, 16], "blocks": 1},
    ),
    "gan": (
        Spec(MaskedImage(1, 8, 9, (0.5,), (0.5,)), Image(1, 8, 9, (0.5,), (0.5,))),
        {"width": 8, "depth": 1},
    ),
    "gru": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 12, "num_layers": 2},
    ),
    "lstm": (
        Spec(Image(3, 6, 5, (0.5,) * 3, (0.5,) * 3), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 12, "bidirectional": True},
    ),
    "mlp": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_sizes": [16]},
    ),
    "rbm": (
        Spec(Image(1, 6, 5, (0.0,), (1.0,)), Anomaly(0.05)),
        {"num_hidden": 16},
    ),
    "rnn": (
        Spec(Image(1, 6, 5, (0.5,), (0.5,)), Classes(("cat", "dog", "emu"))),
        {"hidden_size": 24},
    ),
}


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture
def compose() -> Iterator[Callable[..., DictConfig]]:
    """Gives the config of a script with some overrides, as `@hydra.main` would."""

    def compose(name: str, *overrides: str) -> DictConfig:
        file = ROOT / "conf" / name
        with hydra.initialize_config_dir(str(file.parent), version_base="1.3"):
            cfg = hydra.compose(file.name, list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return cfg

    yield compose
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The embedded handwritten digits, read."""
    data = Digits()
    data.setup()
    return data


@pytest.fixture(params=sorted(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    """Each model in turn."""
    return request.param


@pytest.fixture
def fitting() -> dict[str, tuple[Spec, dict[str, Any]]]:
    """For each model a spec that it can do, and options that make it small."""
    return FITTING


@pytest.fixture
def spec(model_name: str) -> Spec:
    return FITTING[model_name][0]


@pytest.fixture
def options(model_name: str) -> dict[str, Any]:
    return dict(FITTING[model_name][1])


@pytest.fixture
def random_batch() -> Callable[[Spec, int], Tensor]:
    """Gives a batch of random input for a spec, as its `input.encode` would: uint8, before `prepare`."""

    def make(spec: Spec, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        picture = spec.input
        size = (count, picture.channels, picture.height, picture.width)
        batch = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
        if isinstance(picture, MaskedImage):
            mask = torch.zeros(count, 1, picture.height, picture.width, dtype=torch.uint8)
            mask[:, :, 2:5, 3:7] = 1
            batch = torch.cat([batch, mask], dim=1)
        return batch

    return make


@pytest.fixture
def raw_inputs() -> Callable[[Spec, int], list[tuple[Any, ...]]]:
    """Gives random raw inputs for a spec, each a tuple of what an artefact is called on."""

    return lambda spec, count: random_inputs(spec.input, count)
