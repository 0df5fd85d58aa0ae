"""Each metric is explained, in cards and in the glossary."""

from __future__ import annotations

from pathlib import Path

import zoo
from zoo.metrics.meanings import MEANINGS, meaning


def test_every_metric_of_the_published_weights_has_a_meaning() -> None:
    unknown = {name for weights in zoo.list_weights() for name in weights.metrics if not meaning(name)}
    assert unknown == set()


def test_the_glossary_says_the_same(root: Path) -> None:
    glossary = " ".join((root / "docs" / "glossary.md").read_text("utf-8").split())
    for name, text in MEANINGS.items():
        assert f"### {name} {text}" in glossary


def test_of_a_baseline_it_is_said_what_is_compared() -> None:
    assert meaning("baseline/bicubic_psnr") == "Of a simpler method: `psnr`."
    assert meaning("baseline/accuracy of a bag of words") == "Of a simpler method: `accuracy`."
    assert meaning("baseline/knn_accuracy_pca") == "Of a simpler method: `knn_accuracy`."
    assert meaning("test/no_such") == ""
