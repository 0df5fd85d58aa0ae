"""How long a run is, by its command or by its kind."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from zoo.errors import ConfigError
from zoo.settings import config_folder
from zoo.training import run_length


def config(epochs: object = None, batches: object = None) -> object:
    return OmegaConf.create({"epochs": epochs, "batches": batches, "run": {"epochs": 12, "batches": 600}})


@pytest.mark.parametrize(
    ("given", "batches_per_epoch", "epochs"),
    [
        (config(epochs=3), 20, 3),
        (config(batches=50), 20, 3),  # all of them, and no part of an epoch
        (config(), 20, 30),  # small data: as many batches as the kind says
        (config(), 215, 12),  # large data: as many epochs
    ],
)
def test_the_length_of_a_run(given: object, batches_per_epoch: int, epochs: int) -> None:
    assert run_length.epochs(given, batches_per_epoch) == epochs


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (config(epochs=1, batches=1), "not both"),
        (config(epochs=-1), "epochs"),
        (config(epochs=1.5), "epochs"),
        (config(batches=0), "batches"),
    ],
)
def test_a_length_that_cannot_be(given: object, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        run_length.epochs(given, 10)


def test_at_most_six_kinds_and_each_says_the_same_things() -> None:
    files = sorted((config_folder() / "run").glob("*.yaml"))
    assert 0 < len(files) <= 6
    assert {tuple(OmegaConf.load(file)) for file in files} == {("epochs", "batches", "threads", "precision", "by_loss")}
