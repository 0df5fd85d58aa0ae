"""Strokes: what the network sees does not depend on size, place, unit and speed, and impossible ink is one line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

import zoo
from zoo.errors import SpecError
from zoo.models import build
from zoo.spec import Classes, Ink, Spec, Strokes
from zoo.spec.strokes import steps_of, strokes_of
from zoo.weights.artefact import Artefact

KIND = Strokes(32)
SEVEN = [[[0.0, 0.0], [40.0, 0.0], [15.0, 80.0]], [[5.0, 40.0], [35.0, 38.0]]]


def seen(*inks: Any) -> Tensor:
    """What a network is given for these inks, in one batch."""
    return KIND.prepare(KIND.collate([KIND.encode(ink) for ink in inks]))


def test_points_and_the_pens_leaving() -> None:
    encoded = KIND.encode([[[3, 4], [5, 9]], [[2, 2]]])
    assert encoded.dtype == torch.float32
    assert encoded.tolist() == [[0, 0, 0], [2, 5, 1], [-1, -2, 1]]
    arrays = [np.array([[3, 4], [5, 9]]), np.array([[2, 2]])]
    assert torch.equal(KIND.encode(arrays), encoded)
    assert torch.equal(KIND.encode({"strokes": arrays, "image": None}), encoded)


def test_size_place_and_unit_do_not_matter() -> None:
    moved = [[[1e4 + 3.5 * x, -2e3 + 3.5 * y] for x, y in stroke] for stroke in SEVEN]
    torch.testing.assert_close(*seen(SEVEN, moved), atol=2e-3, rtol=0)


def test_how_often_the_pen_was_looked_at_does_not_matter() -> None:
    def finer(stroke: list[list[float]]) -> list[list[float]]:
        places = np.linspace(0, len(stroke) - 1, 7 * (len(stroke) - 1) + 1)
        ways = [np.interp(places, range(len(stroke)), axis) for axis in zip(*stroke)]
        return [[float(x), float(y)] for x, y in zip(*ways)]

    torch.testing.assert_close(*seen(SEVEN, [finer(stroke) for stroke in SEVEN]), atol=1e-4, rtol=0)


def test_steps_are_of_equal_length_along_the_path() -> None:
    """On a straight line each step is the same; moves through the air are part of the path, and told apart."""
    ways = seen([[[0, 0], [0, 3]], [[0, 6], [0, 9]]])[0]
    size = 1 / 4  # of a height, which is 31 steps, in quarters
    torch.testing.assert_close(ways[:, :2], torch.tensor([0, size]).expand(31, 2))
    assert ways[-1, 3:].tolist() == pytest.approx([0, 1 - 1 / 31], abs=1e-5)  # half a height below the middle
    assert ways[:, 4].diff().tolist() == pytest.approx([2 / 31] * 30, abs=1e-5)
    assert ways[:, 2].sum().item() == pytest.approx(31 * size / 3)  # a third is in the air
    assert ways[:10, 2].sum() == ways[21:, 2].sum() == 0


def test_padding_changes_nothing() -> None:
    together = seen(SEVEN, [[[0, 0], [1, 1]]])
    torch.testing.assert_close(together[:1], seen(SEVEN))
    torch.testing.assert_close(together[1:], seen([[[0, 0], [1, 1]]]))


def test_steps_turn_into_the_strokes_that_they_are_of() -> None:
    points, lengths = KIND.collate([KIND.encode(SEVEN)])
    ways, leaves = steps_of(points, lengths)
    again = strokes_of(torch.cat([ways[0, :, :2], leaves[0, :, None]], dim=1), 80.0)
    np.testing.assert_allclose(np.concatenate(again), np.concatenate(SEVEN), atol=1e-4)
    assert [len(stroke) for stroke in again] == [3, 2]


def test_a_dash_is_no_taller_than_it_is() -> None:
    steps, _ = steps_of(*KIND.collate([KIND.encode([[[0, 0], [50, 0], [100, 1]]])]))
    assert steps[0, :, 0].sum() == pytest.approx(10)  # heights of a tenth of the width


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ([], "empty"),
        ([[]], "stroke 1 is empty"),
        ([[[1, 2]]], "one point"),
        ([[[1, 2], [1, 2]], [[1, 2]]], "in one place"),
        ([[1, 2], [3, 4]], "nothing tells where the pen leaves"),
        ([[[1, 2], [3, math.nan]]], r"stroke 1, point 2: .* not two finite numbers"),
        ([[[1, 2], [3, 4]], [[5, math.inf]]], "stroke 2, point 1"),
        ([[[1, 2, 3], [3, 4, 5]]], "stroke 1 is no list of points"),
        ([[[1, 2], [3]]], "stroke 1 holds something else"),
        ([[["a", "b"], [3, 4]]], "stroke 1 holds something else"),
        ([[[1, 2], [3, 4]], None], "stroke 2"),
        ([[[0, 0], [1e300, 3]]], "too large"),
        ({"lines": []}, "under 'strokes'"),
        ({"strokes": {"x": [1]}}, "not dict"),
        ([{"x": [1, 2], "y": [3, 4]}], "stroke 1 holds something else"),
        ([[[10**400, 1], [2, 3]]], "stroke 1 holds something else"),
        ([[[0, 1e308], [3, -1e308]]], "too large"),
        (7, "not int"),
        (np.array(5.0), "not ndarray"),
        (np.arange(5), "not ndarray"),
        (torch.rand(4, 2, requires_grad=True), "nothing tells where the pen leaves"),
        (None, "not NoneType"),
        ([[[0, x] for x in range(20_000)]], "limit is 16,384"),
    ],
)
def test_impossible_ink_is_one_line(raw: Any, fault: str) -> None:
    with pytest.raises(SpecError, match=fault) as caught:
        KIND.encode(raw)
    assert "\n" not in str(caught.value)


def test_one_ink_gives_one_answer_and_a_list_a_list() -> None:
    spec = Spec(KIND, Classes(("one", "seven")))
    artefact = Artefact("gru", {"hidden_size": 4}, spec, build("gru", spec, hidden_size=4))
    one = artefact(SEVEN)
    assert set(one) == {"label", "probability", "probabilities"}
    assert artefact({"strokes": SEVEN}) == artefact([np.array(stroke) for stroke in SEVEN]) == one
    for several in ([SEVEN, SEVEN[:1]], [{"strokes": SEVEN}] * 2):
        assert len(artefact(several)) == 2
    assert artefact([]) == []
    with pytest.raises(zoo.SpecError, match="empty"):
        artefact([[]])


def test_numbers_of_points_that_cannot_be() -> None:
    for points in (3, 5000, 8.0, "8"):
        with pytest.raises(SpecError, match="points"):
            Strokes(points)  # type: ignore[arg-type]


def test_ink_is_strokes_and_their_drawing() -> None:
    steps = torch.tensor([[[0, 0, 0], [0, 1, 1], [0.5, -1, 0], [0.5, 0, 1], [9, 9, 9]]])
    (answer,) = Ink(0.1).decode((steps, torch.tensor([4])))
    strokes = answer["strokes"]
    assert strokes == [[[12, 12], [12, 112]], [[62, 12], [112, 12]]]
    image = answer["image"]
    assert isinstance(image, PIL.Image.Image)
    assert image.getpixel((12, 60)) == 0  # ink in the middle of the first stroke
    assert image.getpixel((40, 60)) == 255
    with pytest.raises(SpecError, match="not a number"):
        Ink(0.1).decode((steps * math.nan, torch.tensor([4])))
    with pytest.raises(SpecError, match="above 0"):
        Ink(0.0)
