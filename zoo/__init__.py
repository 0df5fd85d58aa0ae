"""zoo: the classic deep-learning techniques as plain networks, trained in one command, loaded in one line.

    import zoo

    zoo.list_models()
    network = zoo.create_model("cnn", in_channels=1, num_classes=10)
    zoo.list_weights("cnn*")
    model = zoo.load("cnn.digits")
    model("digit.png")

Importing this imports torch and nothing heavier.
"""

from zoo.errors import ArtefactError, ConfigError, DataError, SpecError, ZooError
from zoo.models import list_models
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
    "save",
]
