"""Ratings: titles to codes, gaps to zeros, and what is recommended."""

from __future__ import annotations

import json

import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Ratings, Recommendations, Spec

TITLES = ("Alien (1979)", "Aliens (1986)", "Fargo (1996)", "Star Wars (1977)")
STARS = Ratings(TITLES, (1, 2, 3, 4, 5))
ANSWERS = Recommendations(TITLES, (1, 2, 3, 4, 5))


def test_ratings_become_one_hot_groups_and_gaps_become_zeros() -> None:
    codes = STARS.encode({"Fargo (1996)": 4, "Alien (1979)": 1.0})
    assert codes.tolist() == [1, 0, 4, 0]
    groups = STARS.prepare(STARS.collate([codes])).view(4, 5)
    assert groups.nonzero().tolist() == [[0, 0], [2, 3]]
    likes = Ratings(TITLES, (0, 1))
    assert likes.encode({"Alien (1979)": True, "Fargo (1996)": 0}).tolist() == [2, 0, 1, 0]


def test_the_highest_come_first_and_what_is_known_does_not_come() -> None:
    output = torch.tensor([[3.5, torch.nan, 4.25, 4.0], [torch.nan] * 4])
    assert ANSWERS.decode(output, top_k=2) == [
        [{"title": "Fargo (1996)", "rating": 4.25}, {"title": "Star Wars (1977)", "rating": 4.0}],
        [],
    ]
    assert [len(answer) for answer in ANSWERS.decode(output)] == [3, 0]
    with pytest.raises(SpecError, match="top_k must be a whole number of at least 1, got 0"):
        ANSWERS.decode(output, top_k=0)


def test_json_round_trip() -> None:
    spec = Spec(STARS, ANSWERS)
    again = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert hash(again) == hash(spec)
    assert str(spec) == "ratings → recommendations"
    assert eval(STARS.example()) == {"Alien (1979)": 5}


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ({"Star Wars": 5}, r"unknown title 'Star Wars'; the nearest is 'Star Wars \(1977\)'"),
        ({"alien": 5}, r"unknown title 'alien'; the nearest are 'Alien \(1979\)', 'Aliens \(1986\)'"),
        ({"???": 5}, r"unknown title '\?\?\?'; none is similar"),
        ({"Fargo (1996)": 6}, r"'Fargo \(1996\)' is rated 6, and the scale is 1, 2, 3, 4, 5"),
        ({"Fargo (1996)": 3.5}, "is rated 3.5, and the scale is"),
        ({"Fargo (1996)": "5"}, "is rated '5', and the scale is"),
        ({"Fargo (1996)": True}, "is rated True, and the scale is"),
        ({"Fargo (1996)": float("nan")}, "is rated nan, and the scale is"),
        ({"Fargo (1996)": [5]}, r"is rated \[5\], and the scale is"),
        ({}, r"there are no ratings; give at least one, such as \{'Alien \(1979\)': 5\}"),
        (["Fargo (1996)"], "ratings are a dict of titles and their ratings, not list"),
    ],
)
def test_what_is_no_rating_is_refused_in_one_line(raw: object, fault: str) -> None:
    with pytest.raises(SpecError, match=fault) as error:
        STARS.encode(raw)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("titles", "scale", "fault"),
    [
        ((), (0, 1), "at least one item"),
        (("a", "a"), (0, 1), "titles must differ"),
        ("ab", (0, 1), "titles of items are a list"),
        (("a",), (1,), "from 2 to 255 values"),
        (("a",), (2, 1), "ascend, and these do not: 2, 1"),
        (("a",), (0, float("inf")), "all finite"),
        (("a",), "01", "scale of ratings is a list of numbers"),
    ],
)
def test_what_cannot_be_is_refused(titles: object, scale: object, fault: str) -> None:
    for kind in (Ratings, Recommendations):
        with pytest.raises(SpecError, match=fault):
            kind(titles, scale)
