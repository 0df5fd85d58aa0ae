"""Drawings of what goes on inside a network: each can be read, and its colours say what they are to say."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from zoo import plots
from zoo.plots import MarkedText

Read = Callable[[Path], np.ndarray]
Fraction = Callable[..., float]
RED, BLUE = (103, 0, 31), (5, 48, 97)  # the ends of RdBu


def test_filters_in_grey_and_in_colour(tmp_path: Path, read: Read, fraction: Fraction) -> None:
    plots.first_filters(torch.stack([torch.ones(1, 3, 3), -torch.ones(1, 3, 3)]), tmp_path / "grey.png")
    grey = read(tmp_path / "grey.png")
    assert fraction(grey, BLUE) == fraction(grey, RED) > 0.2
    red = torch.zeros(5, 3, 4, 4)
    red[:, 0] = 2.0
    red[0, 0] = torch.rand(4, 4)
    plots.first_filters(red, tmp_path / "colour.png")
    assert fraction(read(tmp_path / "colour.png"), (255, 127, 127)) > 0.2


def test_maps_of_stages(tmp_path: Path, read: Read) -> None:
    images = torch.randint(0, 255, (2, 3, 12, 10), dtype=torch.uint8)
    plots.feature_maps(images, [torch.rand(2, 16, 6, 5), torch.zeros(2, 3, 1, 1)], tmp_path / "maps.png")
    assert read(tmp_path / "maps.png").shape[1] > 400


def test_what_is_said_over_images(tmp_path: Path, read: Read, fraction: Fraction) -> None:
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    signed = torch.tensor([-1.0, 1.0]).view(2, 1, 1).expand(2, 4, 4)
    plots.attributions(images, {"here": torch.ones(2, 2, 2), "signed": signed}, ["a $", "b"], tmp_path / "over.png")
    pixels = read(tmp_path / "over.png")
    assert fraction(pixels, (191, 0, 0)) > 0.15  # red over black
    assert fraction(pixels, BLUE) == fraction(pixels, RED) > 0.05


def test_words_are_marked_and_lines_broken(tmp_path: Path, read: Read, fraction: Fraction) -> None:
    words = [("good" * 4, 1.0), ("bad" * 8, -1.0), ("$x_1$", 0.0), ("漢字", 0.1)] * 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.marked_texts(
            [MarkedText("right", True, words), MarkedText("wrong", False, words[:1])], tmp_path / "w.png"
        )
    pixels = read(tmp_path / "w.png")
    assert fraction(pixels, (114, 156, 197)) > 0.01  # blue at its full strength over white
    assert fraction(pixels, (205, 128, 123)) > 0.01
    assert (pixels[:, -3:] == 255).all()  # nothing runs over the edge


def test_units_over_steps(tmp_path: Path, read: Read) -> None:
    parts = {"gate": torch.rand(5, 3), "state": torch.randn(5, 3)}
    plots.unit_maps(parts, ["it", "costs", "$", "5", "$"], tmp_path / "units.png")
    read(tmp_path / "units.png")


def test_layers_over_epochs(tmp_path: Path, read: Read) -> None:
    bands = {1: [0.0, 0.1, 0.2, 0.3, 0.9], 3: [0.1, 0.2, 0.3, 0.4, 1.0]}
    layers = {"first": {"in": bands, "size of gradients": bands}, "output": {"in": bands, "size of gradients": {}}}
    plots.layer_bands(layers, tmp_path / "layers.png")
    read(tmp_path / "layers.png")


def test_the_border_is_where_the_threshold_is(tmp_path: Path, read: Read) -> None:
    """Of a probability that rises from left to right: a vertical black line, at the threshold."""
    second = torch.linspace(0, 1, 101).expand(101, 101)
    probabilities = torch.stack([1 - second, second], dim=2)
    columns = []
    for threshold in (0.25, 0.75):
        points, path = torch.tensor([[0.1, 5.0], [0.9, 6.0]]), tmp_path / f"{threshold}.png"
        given = (points, torch.tensor([0, 1]), ("a", "b"), ("x", "y_1"), path, threshold)
        plots.decision_border(probabilities, ((0.0, 1.0), (0.0, 10.0)), *given)
        middle = read(path)[150:350, 70:570]  # within the axes
        columns.append(float(np.median(np.nonzero((middle < 60).all(axis=2))[1])))
    assert 0.4 < (columns[1] - columns[0]) / 540 < 0.6  # the plane is some 540 pixels wide


def test_the_palest_is_where_the_threshold_is(tmp_path: Path, read: Read) -> None:
    """Of a threshold of 0.75, the answer at 0.5 is surer than the one at 0.7."""
    second = torch.linspace(0, 1, 101).expand(101, 101)
    probabilities = torch.stack([1 - second, second], dim=2)
    points, path = torch.tensor([[0.1, 9.0], [0.9, 9.0]]), tmp_path / "pale.png"
    given = (points, torch.tensor([0, 1]), ("a", "b"), ("x", "y_1"), path, 0.75)
    plots.decision_border(probabilities, ((0.0, 1.0), (0.0, 10.0)), *given)
    row = read(path)[250].astype(int)
    border = int(np.median(np.nonzero((row < 60).all(axis=1) & (np.arange(len(row)) > 300))[0]))
    blue = row[:border, 2] - row[:border, 0]  # the first class is blue, and the paler the less sure
    assert blue[border - 135] > blue[border - 27] + 10  # at 0.5 and 0.7, of a plane of some 540 pixels


def test_a_border_of_many_classes_and_a_surface(tmp_path: Path, read: Read) -> None:
    probabilities = torch.rand(9, 9, 12).softmax(dim=2)
    points, names = torch.rand(20, 2), tuple(f"class {place}" for place in range(12))
    ranges = ((0.0, 1.0), (0.0, 1.0))
    plots.decision_border(
        probabilities, ranges, points, torch.arange(20) % 12, names, ("x", "y"), tmp_path / "many.png"
    )
    read(tmp_path / "many.png")
    plots.value_surface(torch.rand(9, 9), ranges, points, torch.rand(20), "price", ("x", "y"), tmp_path / "value.png")
    read(tmp_path / "value.png")
