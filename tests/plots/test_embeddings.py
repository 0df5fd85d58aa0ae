"""Points in the plane and words of topics are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import plots

Read = Callable[[Path], np.ndarray]


@pytest.mark.parametrize("names", [["no", "yes"], [f"class {k}" for k in range(12)], None], ids=str)
def test_a_scatter(tmp_path: Path, names: list[str] | None, read: Read) -> None:
    labels = torch.randn(40) if names is None else torch.randint(0, len(names), (40,))
    plots.scatter(torch.randn(40, 2), labels, names, tmp_path / "map.png")
    read(tmp_path / "map.png")


def test_a_scatter_with_names(tmp_path: Path, read: Read) -> None:
    plots.labelled_scatter(torch.randn(5, 2), ["a", "$b", "long " * 20, "d", "e"], tmp_path / "map.png")
    read(tmp_path / "map.png")


@pytest.mark.parametrize("topics", [1, 30])
def test_words_of_topics(tmp_path: Path, topics: int, read: Read) -> None:
    words = [[f"word {k}" for k in range(6)]] * topics
    plots.topic_words(words, torch.rand(topics, 6), tmp_path / "topics.png")
    read(tmp_path / "topics.png")


def test_labels_of_several_numbers_have_no_colour(tmp_path: Path, read: Read) -> None:
    points = torch.randn(40, 2)
    plots.scatter(points, torch.zeros(40, 3), None, tmp_path / "map.png")
    assert read(tmp_path / "map.png").std() > 0
