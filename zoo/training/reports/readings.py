"""Plots of lines that a network read, for the report of `ocr`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo import plots
from zoo.metrics.readings import Reading

LINES = 12  # of a plot
ALIGNED = 5
ALIGNABLE = 4  # characters from which on a line is worth its alignment


def draw(readings: Sequence[Reading], folder: Path) -> dict[str, str]:
    """Draw lines with what was read, where each character was seen, the worst lines and the commonest mistakes.

    Returns:
        A caption for each file that was written into the folder.
    """
    captions = {
        "read.png": "Lines of the test split, and what was read; in red with the truth below, where that differs.",
        "alignment.png": "Where along a line each character was seen.",
    }
    _text_lines(readings[:LINES], folder / "read.png")
    aligned = [reading for reading in readings if len(reading.predicted) >= ALIGNABLE][:ALIGNED] or readings[:1]
    images, texts = [reading.image for reading in aligned], [reading.predicted for reading in aligned]
    plots.character_positions(images, texts, [reading.positions for reading in aligned], folder / "alignment.png")
    edits = [reading.edits for reading in readings]
    if any(edits):
        wrong = [(len(found) / max(len(reading.true), 1), reading) for found, reading in zip(edits, readings) if found]
        worst = [reading for _, reading in sorted(wrong, key=lambda pair: -pair[0])]
        _text_lines(worst[:LINES], folder / "worst.png")
        captions["worst.png"] = "The lines with the largest fraction of errors."
        plots.character_confusions([edit for found in edits for edit in found], folder / "confusions.png")
        captions["confusions.png"] = f"The commonest confusions: true → read, {plots.NOTHING} for no character."
    return captions


def _text_lines(readings: Sequence[Reading], path: Path) -> None:
    images, texts = [reading.image for reading in readings], [reading.predicted for reading in readings]
    plots.text_lines(images, texts, [reading.true for reading in readings], path)
