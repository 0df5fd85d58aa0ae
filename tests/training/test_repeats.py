"""Several runs of one command: seeds and folds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo import ConfigError
from zoo.data.tables import Wine
from zoo.training.compare import compare

SMALL = ["model=mlp", "data=wine", "model.hidden_sizes=[4]", "epochs=1", "trainer=cpu", "callbacks.progress=null"]


@pytest.mark.usefixtures("no_plots")
def test_seeds_give_mean_and_spread_and_the_best_is_kept(tmp_path: Path) -> None:
    best = zoo.train(*SMALL, seeds=2, folder=str(tmp_path))
    runs = [zoo.load(tmp_path / f"seed_{seed}" / "model.safetensors") for seed in (42, 43)]
    losses = [run.metrics["test/loss"] for run in runs]
    assert best.metrics["mean/test/loss"] == pytest.approx(statistics.fmean(losses))
    assert best.metrics["std/test/loss"] == pytest.approx(statistics.pstdev(losses))
    assert zoo.load(tmp_path / "model.safetensors").metrics == best.metrics
    alone = zoo.train(*SMALL, seed=43, folder=str(tmp_path / "alone"))
    assert alone.metrics["test/loss"] == losses[1]
    card = (tmp_path / "card.md").read_text()
    assert "| test/loss |" in card
    assert "seeds=2" in card
    found = compare([tmp_path / "seed_42", tmp_path / "seed_43"], tmp_path / "compared", ["accuracy"])
    assert found["accuracy"][str(tmp_path / "seed_43")].difference is not None


def test_folds_test_each_row_once() -> None:
    tested: list[tuple[float, ...]] = []
    for number in range(4):
        data = Wine()
        data.take_fold(number, 4)
        data.setup()
        parts = {split: {tuple(row) for row in examples.columns[0].tolist()} for split, examples in data.splits.items()}  # type: ignore[union-attr]
        assert not parts["train"] & parts["test"]
        assert not parts["val"] & (parts["test"] | parts["train"])
        tested += parts["test"]
        assert len(set(data.splits["test"].columns[1].tolist())) == 3  # type: ignore[union-attr]  # each class
    assert len(tested) == len(set(tested)) == len(Wine().read().drop(columns="cultivar").drop_duplicates())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seeds": 1}, "seeds must be"),
        ({"seeds": 2, "folds": 2}, "not both"),
        ({"folds": 2, "resume": "last.ckpt"}, "resume"),
        ({"folds": 2, "data": "digits"}, "folds are for tables"),
        ({"folds": 2, "data": "csv", "data.path": "a.csv", "data.target": "y", "data.test_path": "b.csv"}, "test_path"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        zoo.train(
            *(one for one in SMALL if one.partition("=")[0] not in settings), folder=str(tmp_path / "a"), **settings
        )
    assert not (tmp_path / "a").exists()
