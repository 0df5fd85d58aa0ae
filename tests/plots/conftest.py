"""What the tests of plots share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

Read = Callable[[Path], np.ndarray]


@pytest.fixture
def read() -> Read:
    """The pixels (H, W, 3) of a PNG, once it has been seen to be of a sane size and not blank."""

    def read(path: Path) -> np.ndarray:
        with PIL.Image.open(path) as image:
            assert image.format == "PNG"
            pixels = np.asarray(image.convert("RGB"))
        assert 50 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= 4000
        assert len(np.unique(pixels)) > 2
        return pixels

    return read


@pytest.fixture
def fraction() -> Callable[..., float]:
    """How much of an image is of a colour."""

    def fraction(pixels: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> float:
        return float((np.abs(pixels.astype(int) - colour).max(axis=2) <= tolerance).mean())

    return fraction
