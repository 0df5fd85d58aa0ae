"""zoo: the classic deep-learning techniques as plain networks, trained in one command, loaded in one line.

    import zoo

    zoo.list_models()
    network = zoo.create_model("cnn", in_channels=1, num_classes=10)
    zoo.list_weights("cnn*")
    model = zoo.load("cnn.digits")
    model("digit.png")

    trained = zoo.train(model="mlp", data="wine", epochs=20)

Importing this imports nothing heavy; the first use of a name imports torch, and nothing heavier but for `train`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ArtefactError, ConfigError, DataError, SpecError, ZooError

if TYPE_CHECKING:
    from zoo.models import list_models, register_model
    from zoo.training.trained import TrainedArtefact
    from zoo.weights.artefact import Artefact, save
    from zoo.weights.catalogue import create_model, features, list_weights, load

__version__ = "0.1.0"

__all__ = [
    "Artefact",
    "ArtefactError",
    "ConfigError",
    "DataError",
    "SpecError",
    "ZooError",
    "create_model",
    "features",
    "list_models",
    "list_weights",
    "load",
    "register_model",
    "save",
    "train",
]


_HOMES = {
    "Artefact": "zoo.weights.artefact",
    "create_model": "zoo.weights.catalogue",
    "features": "zoo.weights.catalogue",
    "list_models": "zoo.models",
    "list_weights": "zoo.weights.catalogue",
    "load": "zoo.weights.catalogue",
    "register_model": "zoo.models",
    "save": "zoo.weights.artefact",
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use, so that `zoo --help` and Ctrl-C do not wait for torch."""
    if name in _HOMES:
        value: Any = getattr(import_module(_HOMES[name]), name)
    elif name in ("models", "spec", "weights"):
        value = import_module(f"zoo.{name}")
    else:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def train(
    *overrides: str,
    model: Any = None,
    task: str | None = None,
    data: Any = None,
    target: str | None = None,
    config_dir: str | Path | None = None,
    **settings: Any,
) -> TrainedArtefact:
    """Train a network, as `python scripts/train.py` does: the same names and seed give the same weights.

        zoo.train(model="cnn", data="mnist", epochs=3)
        zoo.train("task.optimizer.lr=0.01", model="mlp", data=frame, target="price")

    Args:
        overrides: settings as on the command line, such as `"task.optimizer.lr=0.01"`.
        model: its name; or a builder of a network of your own, `build(spec) -> nn.Module`.
        task: its name; None for the model's usual one.
        data: its name; None for the task's usual one. Or a DataFrame; a data module of `zoo.data`; a pair of arrays,
            (images, labels) or (rows of numbers, targets).
        target: the column of a DataFrame or a CSV file that is to be predicted.
        config_dir: a folder of configs of your own.
        settings: all others by name: `epochs=3`, `folder="here"`, `trainer={"devices": 2}`,
            `**{"task.optimizer.lr": 0.01}`.

    Returns:
        The artefact, ready to answer, with `metrics`, `folder` and `plots` (files by name).

    Raises:
        ConfigError: a name, value or pair that cannot work, or a training that diverged.
        DataError, SpecError: data that is missing, damaged or not what it should be.
    """
    from zoo.training.doors import from_python

    return from_python(*overrides, model=model, task=task, data=data, target=target, config_dir=config_dir, **settings)
