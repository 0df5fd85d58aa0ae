"""Range checks: what is in range is given back, what is not is named with the range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from zoo import check


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (check.whole, 1),
        (lambda name, value: check.whole(name, value, 0, 2), 2),
        (check.positive, 1e-9),
        (check.at_least_zero, 0),
        (check.fraction, 1),
        (lambda name, value: check.fraction(name, value, one=False), 0.0),
        (lambda name, value: check.one_of(name, value, ("a", "b")), "b"),
        (check.truth, False),
    ],
)
def test_what_is_in_range_is_given_back(call: Callable[[str, Any], Any], value: Any) -> None:
    assert call("width", value) is value


@pytest.mark.parametrize(
    ("call", "values", "range_"),
    [
        (check.whole, (0, True, 1.0, "1", None), "at least 1"),
        (lambda name, value: check.whole(name, value, 0, 2), (-1, 3), "from 0 to 2"),
        (check.wholes, (64, "64", None), "is a list of whole numbers"),
        (check.wholes, ([1, 0], [1.5]), "at least 1"),
        (check.positive, (0, -1, math.inf, math.nan, "1", True), "above 0 and finite"),
        (check.at_least_zero, (-1e-9, math.inf, math.nan, None), "at least 0 and finite"),
        (check.fraction, (-0.1, 1.1, math.nan), "at least 0 and at most 1"),
        (lambda name, value: check.fraction(name, value, zero=False, one=False), (0, 1), "above 0 and below 1"),
        (lambda name, value: check.one_of(name, value, ("mean", "last")), ("meen",), "did you mean 'mean'"),
        (check.truth, (1, 0, "true", "maybe", None), "true or false"),
    ],
)
def test_what_is_not_is_named_with_the_range(
    call: Callable[[str, Any], Any], values: tuple[Any, ...], range_: str
) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"width.*{range_}|'meen'.*{range_}"):
            call("width", value)


@pytest.mark.parametrize("call", [check.whole, check.positive, check.at_least_zero, check.fraction, check.truth])
def test_a_number_in_quotes_is_told_from_a_number(call: Callable[[str, Any], Any]) -> None:
    with pytest.raises(ValueError, match="got '4'"):
        call("width", "4")
