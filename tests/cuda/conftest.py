"""Every cell of the matrix, a task for a model, as a run of seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig
from PIL import Image

from zoo.training.run import train
from zoo.training.trained import TrainedArtefact

TINY = "data.train_size=64", "data.val_size=16", "data.test_size=16", "data.batch_size=16"
PHOTOS = "model.width=8", "task.discriminator.width=8", "data.batch_size=4", "data.stride=64"
RBM = "model.num_hidden=8", "task.particles=8"
CELLS: dict[str, list[str]] = {
    "cnn-classification": ["data=digits"],
    "cnn-regression": ["data=image_folder", "data.patch=null", "data.size=16"],
    "cnn-ocr": ["data.train_size=32", "data.eval_size=16", "data.batch_size=4", "model.hidden_size=8"],
    "gan-inpainting": ["data=digits", "model.width=8", "task.discriminator.width=8"],
    "gan-super_resolution": ["model.blocks=1", *PHOTOS],
    "gan-colourisation": list(PHOTOS),
    "gan-generation": ["data=digits", "model.width=8"],
    "gan-text_to_image": ["model.width=8", "model.objects=2", *TINY],
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
    "translation": TINY,
    "tagging": TINY,
    "forecasting": ("data.length=400", "data.context_length=24", "data.horizon=4"),
    "language_modelling": ("data.sentences=60", "data.context_length=16"),
    "handwriting": ("data.lines=64", "data.points=6", "task.readers=[]", *TINY),
    "memory": ("data.length=10", *TINY),
    "classification": ("data=digits",),
    "regression": ("data=diabetes",),
}
for network in ("rnn", "gru", "lstm"):
    for task, small in SEQUENCES.items():
        CELLS[f"{network}-{task}"] = ["model.hidden_size=8", *small]
CELLS["gru-handwriting"].append("data.line_length=1")  # single signs, whose labels are classes; the others have lines


@pytest.fixture(params=CELLS)
def cell(request: pytest.FixtureRequest) -> str:
    """Each model and task in turn, such as cnn-ocr."""
    return str(request.param)


@pytest.fixture
def mixed(cell: str) -> str:
    """The precisions, in turns from cell to cell."""
    return ("bf16-mixed", "16-mixed")[list(CELLS).index(cell) % 2]


@pytest.fixture
def overrides(cell: str, tmp_path: Path) -> list[str]:
    """What makes a short run of the cell: four batches of training, and one each of validation and test."""
    model, task = cell.split("-")
    limits = [f"+trainer.limit_{split}_batches={count}" for split, count in (("train", 4), ("val", 1), ("test", 1))]
    chosen = [f"model={model}", f"task={task}", "epochs=1", "callbacks.progress=null", *CELLS[cell], *limits]
    if "data=image_folder" not in chosen:
        return chosen
    (tmp_path / "images").mkdir()
    for number in range(96):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(tmp_path / "images" / f"{number}.png")
    labels = "".join(f"{number}.png,{number / 7}\n" for number in range(96))
    (tmp_path / "images" / "labels.csv").write_text(f"file,redness\n{labels}", encoding="utf-8")
    return [*chosen, f"data.root={tmp_path / 'images'}", f"data.cache={tmp_path / 'cache'}"]


@pytest.fixture
def short(compose: Callable[..., DictConfig], overrides: list[str], tmp_path: Path) -> Callable[..., TrainedArtefact]:
    """Trains the cell in a short run; takes more overrides."""

    def short(*more: str) -> TrainedArtefact:
        return train(compose("train", f"folder={tmp_path / 'run'}", *overrides, *more))

    return short
