"""A table of one's own, from the command line's settings to answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

import zoo
from zoo import ConfigError
from zoo.training.run import train

Compose = Callable[..., DictConfig]


def houses(folder: Path) -> str:
    """Prices that follow from size and city, some sizes missing."""
    random = np.random.default_rng(0)
    size, city = random.normal(100, 20, 300), random.choice(["Rome", "Oslo"], 300)
    price = 3000 * size + np.where(city == "Oslo", 200_000, 0)
    frame = pd.DataFrame({"size": np.where(random.random(300) < 0.05, np.nan, size), "city": city, "price": price})
    frame.to_csv(folder / "houses.csv", index=False)
    return str(folder / "houses.csv")


def test_values_of_a_csv_file(compose: Compose, tmp_path: Path, blank_plots: None) -> None:
    path = houses(tmp_path)
    folder = tmp_path / "run"
    given = (f"data.path={path}", "data.target=price", "data.kinds={city: category}")
    cfg = compose("train", "model=mlp", "data=csv", *given, "epochs=60", f"folder={folder}")
    assert train(cfg).metrics["test/r2"] > 0.8
    plots = {"curves.png", "predicted.png", "residuals.png", "importance.png"}
    assert {file.name for file in folder.glob("*.png")} == plots
    assert f"data.path={path}" in (folder / "card.md").read_text(encoding="utf-8")  # the command runs as it stands
    assert path not in str(zoo.load(folder / "model.safetensors").recipe)  # which others may get
    model = zoo.load(folder / "model.safetensors")
    frame = pd.read_csv(path)
    answers = model(path)
    assert answers == model(frame) == model(frame.to_dict("records"))
    assert len(answers) == 300
    oslo, rome = (model({"size": 100.0, "city": city})["price"] for city in ("Oslo", "Rome"))
    assert oslo - rome == pytest.approx(200_000, rel=0.3)


def test_a_table_that_is_not_named(compose: Compose) -> None:
    with pytest.raises(ConfigError, match=r"data\.path is needed: give data\.path=…"):
        train(compose("train", "model=mlp", "data=csv", "data.target=price"))
    with pytest.raises(ConfigError, match="threads must be a whole number from 1"):
        train(compose("train", "model=mlp", "threads=0"))


def test_rprop_s_checkpoint_is_read_again(compose: Compose, tmp_path: Path, no_plots: None) -> None:
    """Its pairs of numbers are lists of the config, which a checkpoint may not hold as they are."""
    cfg = compose("train", "model=mlp", "data=wine", "optimizer=rprop", "epochs=4", f"folder={tmp_path}")
    assert train(cfg).metrics["test/accuracy"] > 0.3
