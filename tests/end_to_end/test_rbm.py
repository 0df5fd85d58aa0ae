"""What a new user may get wrong with restricted Boltzmann machines: one line that names the fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

import zoo
from zoo.errors import ConfigError, SpecError
from zoo.models import build
from zoo.spec import Ratings, Recommendations, Spec
from zoo.training.run import Given, train
from zoo.weights.artefact import Artefact

Compose = Callable[..., DictConfig]
PIXELS = np.zeros((28, 28))
FILMS = ("Alien (1979)", "Fargo (1996)")


def masses(cell: object) -> dict[str, object]:
    """A row whose cells are all alike."""
    return dict.fromkeys(zoo.load("rbm.anomaly_breast_cancer").spec.input.slices, cell)


@pytest.mark.parametrize("name", ["rbm.mnist", "rbm.classification_mnist"])
@pytest.mark.parametrize(
    ("pixels", "fault"),
    [
        (PIXELS + 255.0, r"a float image lies in 0\.\.1, not 255\.\.255"),
        (PIXELS - 0.5, r"a float image lies in 0\.\.1, not -0\.5\.\.-0\.5"),
        (PIXELS + np.nan, r"a float image lies in 0\.\.1, not nan\.\.nan"),
        (PIXELS.astype(np.int64), r"an image array is uint8 \(0\.\.255\) or float \(0\.\.1\), not int64"),
        (PIXELS.ravel(), "an image array is H x W or H x W x C with 1, 3 or 4 channels, not 784"),
        ({"pixels": 0}, "an image is a path, .*a PIL image or an array, not dict"),
        ("absent.png", r"no such image: absent\.png"),
    ],
)
def test_pixels_that_are_none(name: str, pixels: Any, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        zoo.load(name)(pixels)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (lambda: {"mean radius": 1.0}, "the row has no mean texture; give None if it is unknown"),
        (lambda: masses(None), "row 1: all cells are missing; give at least one"),
        (lambda: masses("12 mm"), "column 'mean radius', row 1: '12 mm' is not a number"),
        (lambda: masses(float("inf")), "column 'mean radius', row 1: 'inf' is not finite"),
        (lambda: [masses(1.0), masses(None)], "row 2: all cells are missing; give at least one"),
        (lambda: [1.0, 2.0], "a row is a dict of column names and cells, not float"),
    ],
)
def test_rows_that_are_none(row: Callable[[], Any], fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        zoo.load("rbm.anomaly_breast_cancer")(row())


def test_a_row_in_other_units_is_an_anomaly() -> None:
    """A tenth of a value that is in all columns as usual (millimetres for centimetres, say) stands out."""
    monitor = zoo.load("rbm.anomaly_breast_cancer")
    usual = {column.name: column.mean for column in monitor.spec.input.columns}
    assert not monitor(usual)["anomaly"]
    assert monitor({name: 10 * value for name, value in usual.items()})["anomaly"]


@pytest.mark.parametrize(
    ("ratings", "fault"),
    [
        ({"Alien": 5}, r"unknown title 'Alien'; the nearest is 'Alien \(1979\)'"),
        ({"Alien (1979)": 6}, r"'Alien \(1979\)' is rated 6, and the scale is 1, 2, 3, 4, 5"),
        ({}, "there are no ratings; give at least one"),
    ],
)
def test_ratings_that_are_none(ratings: dict[str, float], fault: str) -> None:
    spec = Spec(Ratings(FILMS, (1, 2, 3, 4, 5)), Recommendations(FILMS, (1, 2, 3, 4, 5)))
    recommender = Artefact("rbm", {}, spec, build("rbm", spec))
    with pytest.raises(SpecError, match=fault):
        recommender(ratings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the text is empty; give some words"),
        (" \n", "the text is empty; give some words"),
        ("xyzzy", "the text 'xyzzy' has none of the 2,000 words"),
        (7, "a text is a str, not int"),
    ],
)
def test_texts_that_are_none(text: Any, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        zoo.load("rbm.topics")(text)


def test_a_learning_rate_that_is_too_high_ends_the_run(compose: Compose, tmp_path: Path) -> None:
    """In the first epoch there is no checkpoint yet."""
    with pytest.raises(ConfigError, match=r"no longer finite in epoch 1; try a learning rate of 1e\+38 .* of it$"):
        train(compose("train", "model=rbm", "task.optimizer.lr=1e39", "epochs=3", f"folder={tmp_path}"))
    assert not (tmp_path / "last.ckpt").exists()
    assert not (tmp_path / "model.safetensors").exists()
    assert torch.tensor(1e39).isinf()  # as a float32


class Overflow(Callback):
    """Has the weights overflow as an epoch begins."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 3:
            pl_module.network.weight.data.fill_(torch.inf)


@pytest.mark.usefixtures("no_plots")
def test_a_run_that_diverges_later_keeps_its_best_epoch(compose: Compose, tmp_path: Path) -> None:
    command = ("train", "model=rbm", "model.num_hidden=8", "task.ais_temperatures=10", "task.schedule=constant")
    whole = train(compose(*command, "epochs=3", f"folder={tmp_path / 'whole'}"))
    cut = train(compose(*command, "epochs=9", f"folder={tmp_path / 'cut'}"), Given(callbacks=[Overflow()]))
    assert cut.metrics["test/free_energy"] == whole.metrics["test/free_energy"]
    for ours, theirs in zip(cut.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    card = (tmp_path / "cut" / "card.md").read_text(encoding="utf-8")
    assert "no longer finite in epoch 4" in card
    assert "best epoch before it is kept" in card
