"""Readers of handwriting: drawn as MNIST is, generated digits are read by a network that never saw strokes."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.data.hands import written
from zoo.errors import ConfigError
from zoo.metrics.handwriting import as_mnist, share_read


def test_drawn_as_mnist_is() -> None:
    image = as_mnist([[[100, 300], [100, 700]], [[50, 300], [150, 300]]])
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    rows, _ = np.nonzero(image > 20)
    assert np.ptp(rows) + 1 == pytest.approx(20, abs=1)
    mass = image / image.sum()
    assert (mass.sum(axis=1) * np.arange(28)).sum() == pytest.approx(14, abs=0.6)
    assert (mass.sum(axis=0) * np.arange(28)).sum() == pytest.approx(14, abs=0.6)
    for flat in ([[[0, 0], [9, 0]]], [[[0, 0]]]):
        assert as_mnist(flat).any()


def test_generated_digits_are_read_from_their_drawings() -> None:
    inks = [one for writer in range(6) for one in written(0, writer, 20)]
    names, strokes = [str(digit) for digit, _ in inks], [ink for _, ink in inks]
    reader = zoo.load("cnn.mnist")
    assert share_read(reader, strokes, names) > 0.8
    assert share_read(reader, strokes, names[1:] + names[:1]) < 0.4


def test_other_networks_are_no_readers() -> None:
    with pytest.raises(ConfigError, match="from strokes or image to classes"):
        share_read(zoo.load("lstm.reviews"), [], [])
