"""What was read, aligned with the truth, and where along the line it was seen."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.functional.text import edit_distance

from zoo.metrics.readings import Reading, align


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        ("", ""),
        ("a", ""),
        ("", "ab"),
        ("kitten", "sitting"),
        ("abc", "abc"),
        ("rn", "m"),
        ("flaw", "lawn"),
        ("aab", "ab"),
    ],
)
def test_texts_are_aligned_with_the_fewest_edits(true: str, predicted: str) -> None:
    pairs = align(true, predicted)
    assert "".join(a for a, _ in pairs) == true
    assert "".join(b for _, b in pairs) == predicted
    assert sum(a != b for a, b in pairs) == edit_distance([predicted], [true], reduction="sum").item()


def test_a_character_is_seen_in_the_middle_of_its_run() -> None:
    path = torch.tensor([0, 0, 3, 3, 0, 3, 7, 7, 7, 0])
    reading = Reading(torch.zeros(32, 20, dtype=torch.uint8), path, 2.0, "aab", "ab")
    assert reading.positions == [6.0, 11.0, 15.0]
    assert reading.edits == [("", "a")]
