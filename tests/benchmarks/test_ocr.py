"""Lines on which the reader is measured."""

from __future__ import annotations

import pytest

from zoo.benchmarks import ocr
from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET


@pytest.mark.parametrize("length", [10, 80])
def test_lines_are_as_long_as_asked(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "COUNT", 30)
    lines, texts = ocr._new_lines(bundled_fonts(ALPHABET), length=length)
    assert len(lines) == len(texts) == 30
    assert {len(text) for text in texts} <= {length - 1, length}  # where a blank at the end is cut off
