"""Names of people's columns, classes and words stand in a plot as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import plots

Read = Callable[[Path], np.ndarray]
NAME = "$a_$"  # between dollar signs Matplotlib reads a formula, and this is none
ONE, TWO = torch.rand(4, 1), torch.tensor([0, 1, 0, 1])
RANGES = ((0.0, 1.0), (0.0, 1.0))
IMAGES = torch.rand(2, 1, 8, 8)
DRAWN: dict[str, Callable[[Path], object]] = {
    "confusion matrix": lambda path: plots.confusion_matrix(torch.eye(2).long(), [NAME, "b"], path),
    "predicted": lambda path: plots.predicted_against_true(ONE, ONE, [NAME], path),
    "residuals": lambda path: plots.residuals(ONE, ONE, [NAME], path),
    "importance": lambda path: plots.importance({NAME: [0.1, 0.2]}, "error", path),
    "forecasts": lambda path: plots.forecasts(ONE[None], ONE[None], ONE[None], [NAME], path),
    "lead times": lambda path: plots.lead_times({"the network": ONE}, [NAME], path),
    "border": lambda path: plots.decision_border(
        torch.rand(5, 5, 2), RANGES, torch.rand(4, 2), TWO, [NAME, "b"], [NAME, "y"], path
    ),
    "surface": lambda path: plots.value_surface(
        torch.rand(5, 5), RANGES, torch.rand(4, 2), torch.rand(4), NAME, [NAME, "y"], path
    ),
    "scatter": lambda path: plots.scatter(torch.rand(4, 2), TWO, [NAME, "b"], path),
    "points": lambda path: plots.labelled_scatter(torch.rand(1, 2), [NAME], path),
    "topics": lambda path: plots.topic_words([[NAME]], torch.ones(1, 1), path),
    "rows": lambda path: plots.captioned_rows(IMAGES[None], [NAME], path),
    "frames": lambda path: plots.captioned_frames(IMAGES, [NAME, "b"], [NAME, NAME], path),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_name_is_no_formula(kind: str, tmp_path: Path, read: Read) -> None:
    DRAWN[kind](tmp_path / "drawn.png")
    read(tmp_path / "drawn.png")
