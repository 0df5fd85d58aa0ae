"""Several runs of one command: seeds and folds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo import ConfigError
from zoo.data.tables import Wine
from zoo.errors import DataError, SpecError
from zoo.inference.evaluate import measure
from zoo.metrics.calibration import fit_temperature
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


@pytest.mark.usefixtures("no_plots")
def test_the_ensemble_of_seeds_averages_their_probabilities(tmp_path: Path) -> None:
    kept = zoo.train(*SMALL, "task.optimizer.lr=0.05", seeds=2, keep="ensemble", folder=str(tmp_path))
    members = [zoo.load(tmp_path / f"seed_{seed}" / "model.safetensors").network for seed in (42, 43)]
    loaded = zoo.load(tmp_path / "model.safetensors")
    data = Wine()
    data.setup()
    rows, labels = data.splits["test"].columns
    prepared: Any = data.spec.input.prepare(rows)  # type: ignore[arg-type]
    with torch.inference_mode():
        probabilities = torch.stack([member(prepared).softmax(dim=1) for member in members]).mean(dim=0)
        torch.testing.assert_close(loaded.network(prepared).exp(), probabilities)
    accuracy = (probabilities.argmax(dim=1) == labels).float().mean()
    assert kept.metrics["test/accuracy"] == pytest.approx(float(accuracy))
    assert loaded.metrics == kept.metrics
    assert {"mean/test/accuracy", "baseline/accuracy of logistic regression"} <= kept.metrics.keys()
    assert loaded.calibration.temperature is not None
    assert zoo.load(tmp_path / "ensemble" / "model.safetensors").metrics["test/loss"] == kept.metrics["test/loss"]
    again = measure(loaded, tmp_path)
    assert again["test/loss"] == pytest.approx(kept.metrics["test/loss"])
    card = (tmp_path / "card.md").read_text()
    assert "the ensemble" in card
    assert "[ensemble](ensemble/card.md)" in card
    assert "keep=ensemble" in (tmp_path / "ensemble" / "card.md").read_text()
    with pytest.raises(ConfigError, match="averages several"):
        zoo.train(*SMALL, init_from=str(tmp_path / "model.safetensors"), folder=str(tmp_path / "next"))


@pytest.mark.usefixtures("no_plots")
def test_the_ensemble_of_folds_is_encoded_once_and_calibrated_on_what_its_networks_have_not_seen(
    tmp_path: Path,
) -> None:
    kept = zoo.train(*SMALL, "task.optimizer.lr=0.05", folds=3, keep="ensemble", folder=str(tmp_path))
    loaded = zoo.load(tmp_path / "model.safetensors")
    folds = [zoo.load(tmp_path / f"fold_{number}" / "model.safetensors") for number in (1, 2, 3)]
    assert {str(fold.spec.to_json()) for fold in folds} == {str(loaded.spec.to_json())}
    table = Wine().read()
    assert loaded.spec.input.columns[0].mean == pytest.approx(table[loaded.spec.input.columns[0].name].mean())  # type: ignore[union-attr]
    x: Any = loaded.spec.input.prepare(loaded.spec.input.encode(table))  # type: ignore[union-attr]
    with torch.inference_mode():
        probabilities = torch.stack([fold.network(x).softmax(dim=1) for fold in folds]).mean(dim=0)
        torch.testing.assert_close(loaded.network(x).exp(), probabilities)
    logits, labels = [], []
    for number, fold in enumerate(folds):
        data = Wine()
        data.take_fold(number, 3, one_encoding=True)
        data.setup()
        rows, its = data.splits["test"].columns
        with torch.inference_mode():
            logits.append(fold.network(data.spec.input.prepare(rows)))  # type: ignore[arg-type]
        labels.append(its)
    expected = fit_temperature(torch.cat(logits), torch.cat(labels))  # type: ignore[arg-type]
    assert loaded.calibration.temperature == pytest.approx(expected)
    assert kept.metrics.keys() >= {"mean/test/accuracy", "std/test/accuracy"}
    assert not [name for name in kept.metrics if name.startswith("test/")]
    assert "no test of its own" in (tmp_path / "card.md").read_text()
    with pytest.raises(DataError, match="not that on which"):
        measure(loaded, tmp_path)


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
        ({"keep": "ensemble"}, "give seeds"),
        ({"seeds": 2, "keep": "all"}, "unknown keep"),
        (
            {
                "folds": 2,
                "keep": "ensemble",
                "data.split_by": "day",
                "data": "csv",
                "data.path": "a.csv",
                "data.target": "y",
            },
            "split_by",
        ),
        ({"seeds": 2, "keep": "ensemble", "model": "gan", "data": "digits"}, "cannot be averaged"),
        ({"folds": 2, "data": "csv", "data.path": "a.csv", "data.target": "y", "data.test_path": "b.csv"}, "test_path"),
    ],
)
def test_what_makes_no_sense_is_one_line(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    of_mlp = "model.hidden_sizes" if "model" in settings else ""
    mine = [one for one in SMALL if one.partition("=")[0] not in {*settings, of_mlp}]
    with pytest.raises((ConfigError, SpecError), match=said):
        zoo.train(*mine, folder=str(tmp_path / "a"), **settings)
    assert not (tmp_path / "a").exists()
