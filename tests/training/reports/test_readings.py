"""Plots of lines that were read, by a reader with and without mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo import plots
from zoo.metrics.readings import Reading
from zoo.training.reports import readings

PIXELS, PATH = torch.full((32, 60), 255, dtype=torch.uint8), torch.zeros(30, dtype=torch.long)


def reading(predicted: str, true: str) -> Reading:
    return Reading(PIXELS, PATH, 2.0, predicted, true)


def test_a_reader_without_mistakes_has_no_plots_of_them(tmp_path: Path) -> None:
    perfect = [reading(text, text) for text in ("$a_b$", "x")]
    assert set(readings.draw(perfect, tmp_path)) == {"read.png", "alignment.png"}
    captions = readings.draw([*perfect, reading("", "^_")], tmp_path)
    assert set(captions) == {"read.png", "alignment.png", "worst.png", "confusions.png"}
    assert {file.name for file in tmp_path.iterdir()} == set(captions)


def test_the_worst_lines_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    monkeypatch.setattr(plots, "text_lines", lambda images, texts, true, path: drawn.update({path.name: texts}))
    given = [reading("right", "right"), reading("abcX", "abcd"), reading("", "ab"), reading("Xb", "ab")]
    readings.draw(given, tmp_path)
    assert drawn == {"read.png": ["right", "abcX", "", "Xb"], "worst.png": ["", "Xb", "abcX"]}
