"""Every cell of the matrix, a task for a model, as a run of seconds: on the software device, on fake tensors, on a card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from zoo.training.run import Given, train
from zoo.training.trained import TrainedArtefact

TINY = "data.train_size=64", "data.val_size=16", "data.test_size=16", "data.batch_size=16"
RBM = "model.num_hidden=8", "task.particles=8"
CELLS: dict[str, list[str]] = {
    "cnn-classification": ["data=digits"],
    "cnn-regression": ["data=image_arrays"],
    "cnn-ocr": ["data.train_size=32", "data.eval_size=4", "data.batch_size=4", "model.hidden_size=8"],
    "gan-inpainting": ["data=digits", "model.width=8", "task.discriminator.width=8"],
    "gan-super_resolution": ["model.width=8", "model.blocks=1", "task.discriminator.width=8", "data.batch_size=4"],
    "gan-colourisation": ["model.width=8", "task.discriminator.width=8", "data.batch_size=4"],
    "gan-generation": ["data=digits", "model.width=4"],
    "gan-text_to_image": ["model.width=4", *TINY],
    "mlp-classification": ["data=breast_cancer", "model.ensemble_size=2"],
    "mlp-regression": ["data=diabetes", "model.ensemble_size=2"],
    "rbm-features": ["data=digits", "task.ais_temperatures=10", *RBM],
    "rbm-hybrid": ["data=digits", "model.num_hidden=8"],
    "rbm-classification": ["data=digits", "model.num_hidden=8"],
    "rbm-regression": ["data=diabetes", "model.num_hidden=8"],
    "rbm-anomaly_detection": ["data=breast_cancer", "model.num_hidden=8"],
    "rbm-recommendation": ["data.num_users=100", "model.num_hidden=8"],
    "rbm-topics": ["model.num_hidden=4", *TINY],
}
SEQUENCES = {
    "sentiment": TINY,
    "captioning": TINY,
    "tagging": TINY,
    "forecasting": ("data.length=400", "data.context_length=24", "data.horizon=4"),
    "language_modelling": ("data.sentences=60", "data.context_length=16"),
    "memory": ("data.length=10", *TINY),
    "classification": ("data=digits",),
    "regression": ("data=diabetes",),
}
for network in ("rnn", "gru", "lstm"):
    for task, small in SEQUENCES.items():
        CELLS[f"{network}-{task}"] = ["model.hidden_size=8", *small]


@pytest.fixture(params=CELLS)
def cell(request: pytest.FixtureRequest) -> str:
    """Each model and task in turn, such as cnn-ocr."""
    return str(request.param)


@pytest.fixture
def overrides(cell: str) -> list[str]:
    """What makes a short run of the cell."""
    model, task = cell.split("-")
    return [f"model={model}", f"task={task}", "epochs=1", "callbacks.progress=null", *CELLS[cell]]


@pytest.fixture
def short(
    compose: Callable[..., DictConfig], cell: str, overrides: list[str], tmp_path: Path
) -> Callable[..., TrainedArtefact]:
    """Trains the cell for four batches, and validates and tests it on one; takes more overrides."""

    def short(*more: str) -> TrainedArtefact:
        limits = [f"+trainer.limit_{split}_batches={number}" for split, number in LIMITS.items()]
        cfg = compose("train", f"folder={tmp_path / 'run'}", *overrides, *limits, *more)
        return train(cfg, Given(arguments=ARGUMENTS.get(cell, {})))

    return short


LIMITS = {"train": 4, "val": 1, "test": 1}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "cnn-regression": {
        "images": torch.randint(0, 256, (96, 1, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)),
        "labels": torch.linspace(0, 1, 96),
    }
}
