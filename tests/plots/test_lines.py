"""Lines of text are drawn with what was read in them, and not as mathematics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from zoo import plots

Read = Callable[[Path], np.ndarray]
LINES = [torch.full((32, width), 255, dtype=torch.uint8) for width in (60, 200)]


def test_lines_with_texts_and_positions(tmp_path: Path, read: Read) -> None:
    file = tmp_path / "lines.png"
    plots.text_lines(LINES, ["$a_b$", ""], ["$a_b$", "^_"], file)
    read(file)
    plots.character_positions(LINES, ["$_", "ab"], [[3.0, 40.0], [10.0, 150.0]], file)
    read(file)


def test_confusions(tmp_path: Path, read: Read) -> None:
    plots.character_confusions([("a", "o"), ("a", "o"), (" ", ""), ("", "$")], tmp_path / "confusions.png")
    read(tmp_path / "confusions.png")
