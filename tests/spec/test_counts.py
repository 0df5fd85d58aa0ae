"""Texts as word counts, and topics by their words."""

from __future__ import annotations

import json

import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Counts, Spec, Topics

WORDS = ("boat", "mast", "oven", "salt")
TEXT = Counts(WORDS, 80)


def test_words_are_counted() -> None:
    counts = TEXT.encode("The boat's mast, and a BOAT; an oven. Boat!")
    assert counts.tolist() == [2, 1, 1, 0]  # "boat's" is another word
    assert TEXT.prepare(TEXT.collate([counts, counts])).tolist() == [[2.0, 1.0, 1.0, 0.0]] * 2


def test_topics_are_named_by_their_words_the_likeliest_first() -> None:
    probabilities, places = torch.tensor([[0.25, 0.75, 1.0], [0.0, 0.0, 0.0]]), torch.tensor([[0], [2], [1]])
    assert Topics(WORDS).decode((probabilities, places)) == [
        [
            {"topic": 2, "probability": 1.0, "words": ["mast"]},
            {"topic": 1, "probability": 0.75, "words": ["oven"]},
        ],
        [],
    ]
    assert [len(answer) for answer in Topics(WORDS).decode((probabilities, places), threshold=0.0)] == [3, 3]
    with pytest.raises(SpecError, match="threshold must be from 0 to 1"):
        Topics(WORDS).decode((probabilities, places), threshold=2.0)


def test_json_round_trip() -> None:
    spec = Spec(TEXT, Topics(WORDS))
    again = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert hash(again) == hash(spec)
    assert str(spec) == "word counts → topics"
    assert TEXT.encode(eval(TEXT.example())).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("", "the text is empty; give some words"),
        (" \n", "the text is empty; give some words"),
        ("sea and sun", "the text 'sea and sun' has none of the 4 words"),
        (b"boat", "a text is a str, not bytes"),
    ],
)
def test_a_text_of_no_words_is_refused(raw: object, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        TEXT.encode(raw)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="tokens of a vocabulary must differ"):
        Counts(("a", "a"), 5)
    with pytest.raises(SpecError, match="max_length must be a whole number from 1"):
        Counts(WORDS, 0)
    with pytest.raises(SpecError, match="at least one token"):
        Topics(())
