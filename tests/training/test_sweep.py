"""A sweep draws what its runs found."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from zoo import models
from zoo.spec import Series, Spec, Values
from zoo.training.sweep import Drawing
from zoo.weights.artefact import Artefact, save

SPEC = Spec(Series(("value",), (0.0,), (1.0,)), Values(("sum",), (0.0,), (1.0,)))


def test_figures_are_drawn_and_told_by_model_and_setting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, (model, length, error) in enumerate([("lstm", 10, 0.1), ("rnn", 10, 0.5), ("lstm", 5, 0.05)]):
        recipe = {"config": {"data": {"length": length}}}
        metrics = {"test/rmse": error, "baseline/rmse of the mean": 0.4}
        network = models.build(model, SPEC, hidden_size=2)
        save(
            Artefact(model, {"hidden_size": 2}, SPEC, network, metrics, recipe),
            tmp_path / str(number) / "model.safetensors",
        )
    drawing = Drawing("data.length", "test/rmse", "baseline/rmse of the mean")
    with caplog.at_level(logging.INFO):
        drawing.on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert caplog.messages[:3] == ["lstm: 5 0.05, 10 0.1", "rmse of the mean: 5 0.4, 10 0.4", "rnn: 10 0.5"]
    assert (tmp_path / "lines.png").stat().st_size > 3_000


def test_a_sweep_of_nothing_draws_nothing(tmp_path: Path) -> None:
    Drawing("data.length", "test/rmse").on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path)}}}))
    assert not (tmp_path / "lines.png").exists()
