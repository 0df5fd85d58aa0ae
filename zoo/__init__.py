"""zoo: the classic deep-learning techniques as plain networks, trained in one command, loaded in one line.

    import zoo

    zoo.list_models()
    network = zoo.create_model("cnn", in_channels=1, num_classes=10)
    model = zoo.load("runs/…/model.safetensors")
    model("digit.png")

Importing this imports torch and nothing heavier.
"""

from zoo.errors import ArtefactError, ConfigError, DataError, SpecError, ZooError
from zoo.models import create_model, list_models
from zoo.weights.artefact import Artefact, load, save

__version__ = "0.1.0"

__all__ = [
    "Artefact",
    "ArtefactError",
    "ConfigError",
    "DataError",
    "SpecError",
    "ZooError",
    "create_model",
    "list_models",
    "load",
    "save",
]
