"""Each metric is explained, in cards and in the glossary."""

from __future__ import annotations

from pathlib import Path

import pytest

import zoo
from zoo.metrics.classification import METRICS
from zoo.metrics.meanings import MEANINGS, better, meaning, rounded, title


def test_every_metric_of_the_published_weights_has_a_meaning() -> None:
    unknown = {name for weights in zoo.list_weights() for name in weights.metrics if not meaning(name)}
    assert unknown == set()


def test_the_glossary_says_the_same(root: Path) -> None:
    glossary = " ".join((root / "docs" / "glossary.md").read_text("utf-8").split())
    for name, text in MEANINGS.items():
        assert f"### {name} {text}" in glossary


def test_a_meaning_fits_into_a_cell_of_a_table() -> None:
    assert [name for name, text in MEANINGS.items() if "|" in text or "\n" in text] == []


def test_of_a_baseline_it_is_said_what_is_compared() -> None:
    assert meaning("baseline/bicubic_psnr") == "Of a simpler method: `psnr`."
    assert meaning("baseline/accuracy of a bag of words") == "Of a simpler method: `accuracy`."
    assert meaning("baseline/knn_accuracy_pca") == "Of a simpler method: `knn_accuracy`."
    assert meaning("baseline/mase of ETS on 40 windows") == "Of a simpler method: `mase`."
    assert meaning("baseline/mase of the network on the same 40 windows") == "Of the network: `mase`."
    assert meaning("test/no_such") == ""


def test_of_several_values_each_has_the_meaning_of_its_metric() -> None:
    assert meaning("test/rmse of price") == meaning("test/rmse of km/h") == MEANINGS["rmse"]
    assert meaning("mean/test/rmse of price") == MEANINGS["rmse"]
    assert meaning("baseline/rmse of km/h of the mean") == "Of a simpler method: `rmse`."
    assert better("test/rmse of km/h") == "min"


def test_the_metrics_of_classification_agree_on_which_way_is_better() -> None:
    for name, make in METRICS.items():
        assert make(3).higher_is_better == (better(name) == "max"), name


@pytest.mark.parametrize("name", ["test/accuracy", "baseline/accuracy of logistic regression", "knn_accuracy_pca"])
def test_a_baseline_is_better_where_its_metric_is(name: str) -> None:
    assert title(name) == f"{name} (higher is better)"
    assert better("test/log_z") is None
    assert better("nonsense") is None


def test_numbers_are_written_as_people_write_them() -> None:
    assert [rounded(x) for x in (0.96126, 8534.77, 10269.03, -237750.81)] == ["0.9613", "8535", "10269", "-237751"]
    assert [rounded(x, 2) for x in (0.00234, 7.04, 499.8)] == ["0.0023", "7", "500"]
    assert rounded(12345.6, sign="+") == "+12346"
    assert rounded(0.5, sign="+") == "+0.5"
    assert rounded(float("nan")) == "nan"
    assert rounded(1.5e20) == "1.5e+20"
