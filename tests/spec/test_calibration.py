"""Numbers that are chosen after training: their ranges, and what they make of outputs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Calibration, Classes, Forecast, MultiLabel, Values
from zoo.spec.values import expected_error

PRICE = Values(("price",), (10.0,), (2.0,))
WIDE = {"coverage": 0.9, "widths": [[1.5]]}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"threshold": float("nan")}, "finite"),
        ({"temperature": 0.0}, "above 0"),
        ({"temperature": True}, "finite"),
        ({"coverage": 1.0, "widths": [[1.0]]}, "below 1"),
        ({"coverage": 0.9}, "widths of intervals and their coverage"),
        ({"widths": [[1.0]]}, "coverage"),
        ({"coverage": 0.9, "widths": 3}, "rows"),
        ({"coverage": 0.9, "widths": [[1.0], []]}, "rows"),
        ({"coverage": 0.9, "widths": [[1.0], [1.0, 2.0]]}, "one length"),
        ({"coverage": 0.9, "widths": [["a"]]}, "finite"),
        ({**WIDE, "knots": [[1.0, 2.0]]}, "both"),
        ({"knots": [[1.0]], "scales": [[1.0]]}, "widths"),
        ({**WIDE, "knots": [[1.0, 2.0]], "scales": [[1.0]]}, "as many"),
        ({**WIDE, "knots": [[2.0, 1.0]], "scales": [[1.0, 1.0]]}, "ascend"),
        ({**WIDE, "knots": [[1.0, 2.0]], "scales": [[1.0, 0.0]]}, "above 0"),
        ({"thresholds": 0.5}, "from 0 to 1"),
        ({"thresholds": [0.5, 1.5]}, "from 0 to 1"),
        ({"width": 1.0}, "nothing else"),
        ([], "nothing else"),
    ],
)
def test_what_is_out_of_range_is_refused(data: Any, word: str) -> None:
    with pytest.raises(SpecError, match=word):
        Calibration.from_json(data)


def test_a_calibration_survives_json() -> None:
    full = Calibration(0.3, 1.2, 0.9, ((1.0, 2.0),), ((0.0, 1.0), (2.0, 3.0)), ((1.0, 2.0), (1.0, 1.0)), (0.1, 0.9))
    assert Calibration.from_json(json.loads(json.dumps(full.to_json()))) == full
    assert Calibration().to_json() == {}


def test_widths_must_fit_the_output() -> None:
    calibration = Calibration(coverage=0.9, widths=((1.0,), (2.0,)))
    calibration.check(Forecast(("a",), (0.0,), (1.0,), 2))
    for output in (PRICE, Classes(("a", "b"))):
        with pytest.raises(SpecError, match="widths"):
            calibration.check(output)


def test_a_threshold_of_two_classes_chooses_and_a_temperature_softens() -> None:
    classes = Classes(("no", "yes"))
    logits = torch.tensor([[0.0, -1.0], [0.0, 1.0]])
    soft = torch.sigmoid(torch.tensor([-0.5, 0.5])).tolist()
    answers = classes.decode(logits, Calibration(threshold=0.3, temperature=2.0))
    assert [answer["label"] for answer in answers] == ["yes", "yes"]
    assert [answer["probability"] for answer in answers] == pytest.approx(soft)
    assert [answer["label"] for answer in classes.decode(logits)] == ["no", "yes"]


def test_each_label_has_a_threshold_of_its_own() -> None:
    labels, logits = MultiLabel(("a", "b")), torch.tensor([[-1.0, 1.0], [3.0, 3.0]])
    calibration = Calibration(temperature=2.0, thresholds=(0.3, 0.7))
    first, second = labels.decode(logits, calibration)
    assert first["labels"] == ["a"]  # 0.378 and 0.622
    assert first["probabilities"]["a"] == pytest.approx(1 / (1 + np.exp(0.5)))
    assert second["labels"] == ["a", "b"]
    assert labels.decode(logits)[0]["labels"] == ["b"]
    calibration.check(labels)
    for output in (MultiLabel(("a", "b", "c")), Classes(("a", "b")), PRICE):
        with pytest.raises(SpecError, match="thresholds"):
            calibration.check(output)


def test_an_interval_of_one_value_stands_beside_it() -> None:
    (answer,) = PRICE.decode(torch.tensor([[1.0]]), Calibration.from_json(WIDE))
    assert answer == {"price": 12.0, "value": 12.0, "low": 10.5, "high": 13.5}
    assert PRICE.decode(torch.tensor([[1.0]])) == [{"price": 12.0}]


def test_each_of_several_values_has_its_interval() -> None:
    two = Values(("a", "b"), (0.0, 0.0), (1.0, 10.0))
    (answer,) = two.decode(torch.tensor([[1.0, 2.0]]), Calibration(coverage=0.9, widths=((1.0, 5.0),)))
    assert answer["a"] == {"value": 1.0, "low": 0.0, "high": 2.0}
    assert answer["b"] == {"value": 20.0, "low": 15.0, "high": 25.0}


def test_expected_errors_are_linear_between_knots() -> None:
    knots, scales = ((0.0, 1.0, 4.0), (-1.0, 0.0, 1.0)), ((1.0, 3.0, 2.0), (5.0, 1.0, 2.0))
    calibration = Calibration(coverage=0.5, widths=((1.0, 1.0),), knots=knots, scales=scales)
    values = torch.linspace(-2, 6, 50, dtype=torch.float64)[:, None].repeat(1, 2)
    found = expected_error(values, calibration)
    for column in range(2):
        assert found[:, column].numpy() == pytest.approx(np.interp(values[:, 0], knots[column], scales[column]))


def test_quantiles_give_the_median_and_ends_that_do_not_cross() -> None:
    values = Values(("a", "b"), (0.0, 1.0), (1.0, 2.0), quantiles=(0.1, 0.5, 0.9))
    assert values.outputs == 6
    output = torch.tensor([[3.0, 1.0, 2.0, -1.0, 0.0, 1.0]])
    assert values.decode(output) == [{"a": 2.0, "b": 1.0}]
    (answer,) = values.decode(output, Calibration(coverage=0.8, widths=((0.5, -10.0),)))
    assert answer["a"] == {"value": 2.0, "low": 0.5, "high": 3.5}
    assert answer["b"] == {"value": 1.0, "low": 1.0, "high": 1.0}  # the correction never turns an interval around


@pytest.mark.parametrize("quantiles", [(0.9, 0.5, 0.1), (0.5, 0.9), (0.1, 0.4, 0.9), (0.0, 0.5, 0.9), ("a",)])
def test_quantiles_ascend_around_the_median(quantiles: Any) -> None:
    with pytest.raises(SpecError, match="quantiles"):
        Values(("a",), (0.0,), (1.0,), quantiles=quantiles)
