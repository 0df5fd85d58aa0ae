"""The table of metrics: each that a task logs has a line."""

from __future__ import annotations

import pytest

import zoo
from zoo.metrics.classification import METRICS
from zoo.metrics.meanings import better, meaning, title


def test_each_metric_of_classification_and_of_the_catalogue_has_a_line() -> None:
    names = {name for record in zoo.list_weights() for name in record.metrics}
    assert names
    for name in {*names, *METRICS}:
        assert meaning(name) is not None, name


def test_the_torchmetrics_agree_on_which_way_is_better() -> None:
    for name, make in METRICS.items():
        assert make(3).higher_is_better == (better(name) == "max"), name


@pytest.mark.parametrize("name", ["test/accuracy", "baseline/accuracy of logistic regression", "knn_accuracy_pca"])
def test_a_baseline_is_explained_as_its_metric(name: str) -> None:
    assert title(name).endswith("(higher is better)")


def test_nothing_is_chosen_by_what_has_no_better_way() -> None:
    assert meaning("nonsense") is None
    for name in ("lr", "nonsense"):
        with pytest.raises(ValueError, match=name):
            better(name)
