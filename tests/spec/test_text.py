"""Text to codes and codes to text."""

from __future__ import annotations

import json

import pytest
import torch

from zoo.errors import SpecError
from zoo.spec import Classes, Image, Spec, Text, Tokens
from zoo.spec.text import MAX_TOKENS, join, learn_vocabulary, tokenise

TEXT = Text(("good", "not", ".", "it's"), "words")
LETTERS = Text(("a", "b", " ", "é"), "characters")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Not bad, at ALL!", ["not", "bad", ",", "at", "all", "!"]),
        ("It's  its\tend-game\n", ["it's", "its", "end", "-", "game"]),
        ("It’s", ["it's"]),
        ("10.5 %", ["10", ".", "5", "%"]),
        ("👍🏽 café", ["👍", "🏽", "café"]),
        ("Это не плохо", ["это", "не", "плохо"]),
        ("映画は良い", ["映画は良い"]),
        ("ﬁlm", ["film"]),  # a ligature
        ("", []),
        (" \n ", []),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert tokenise(text, "words") == tokens


def test_characters_are_kept_as_they_are() -> None:
    assert tokenise("A b\n", "characters") == ["A", " ", "b", "\n"]
    assert join("A b\n", "characters") == "A b\n"


def test_words_are_joined_as_they_are_written() -> None:
    text = "it's small (or little), and red. is it?"
    assert join(tokenise(text, "words"), "words") == text


def test_a_vocabulary_is_sorted_by_frequency() -> None:
    assert learn_vocabulary(["b a b", "c b a"]) == ("b", "a", "c")
    assert learn_vocabulary(["b a b", "c b a"], min_freq=2) == ("b", "a")
    assert learn_vocabulary(["abb"], "characters") == ("b", "a")


def test_codes() -> None:
    assert TEXT.encode("It's not good 😀 .").tolist() == [5, 3, 2, 1, 4]
    assert LETTERS.encode("bé?").tolist() == [3, 5, 1]
    assert TEXT.codes == 6


def test_a_batch_is_padded() -> None:
    codes, lengths = TEXT.prepare(TEXT.collate([TEXT.encode("good"), TEXT.encode("not good .")]))
    assert codes.tolist() == [[2, 0, 0], [3, 2, 4]]
    assert lengths.tolist() == [1, 3]


@pytest.mark.parametrize("raw", ["", "  \n"])
def test_an_empty_text_is_refused(raw: str) -> None:
    with pytest.raises(SpecError, match="has no words; give at least one"):
        TEXT.encode(raw)


@pytest.mark.parametrize("raw", [None, 3, b"good", ["good"]])
def test_what_is_no_text_is_refused(raw: object) -> None:
    with pytest.raises(SpecError, match="a text is a str, not"):
        TEXT.encode(raw)


def test_what_would_not_fit_into_memory_is_refused() -> None:
    long = torch.ones(MAX_TOKENS // 2, dtype=torch.long)
    assert TEXT.collate([long, long])[0].shape == (2, MAX_TOKENS // 2)
    with pytest.raises(SpecError, match=r"3 texts, the longest of 524,288 words, .* give long texts one at a time"):
        TEXT.collate([long, long[:1], long[:1]])


def test_what_was_written_is_read() -> None:
    tokens = Tokens(TEXT.vocabulary, "words", 5)
    codes = torch.tensor([[5, 3, 2, 4, 0], [1, 0, 2, 2, 2], [0, 0, 0, 0, 0], [2, 2, 2, 2, 2]])
    assert tokens.read(codes) == ["it's not good.", "�", "", "good good good good good"]
    answers = tokens.decode((codes, torch.tensor([0.5, 1.0, 0.25, 0.1]).log()))
    assert [answer["confidence"] for answer in answers] == pytest.approx([0.5, 1.0, 0.25, 0.1])
    assert answers[0]["text"] == "it's not good."
    assert tokens.as_input == TEXT


@pytest.mark.parametrize(
    "spec", [Spec(TEXT, Classes(("no", "yes"))), Spec(LETTERS, Tokens(("a", "б"), "characters", 9))]
)
def test_json_round_trip(spec: Spec) -> None:
    assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_a_text_of_an_older_zoo_is_open() -> None:
    data = Spec(TEXT, Classes(("no", "yes"))).to_json()
    del data["input"]["closed"]
    assert Spec.from_json(data).input == TEXT
    with pytest.raises(
        SpecError, match="Text has closed, level, max_length, synonyms, tokenizer, vocabulary, not closed, level"
    ):
        Spec.from_json({**data, "input": {"kind": "Text", "level": "words", "closed": True}})


def test_a_text_is_no_longer_than_the_network_was_made_for() -> None:
    """Words count as they are read: two of a synonym may be one, and punctuation is left out where it is unknown."""
    text = Text(("red", "circle"), "words", closed=True, synonyms=(("bright red", "red"),), max_length=2)
    assert text.encode("bright red circle!").tolist() == [2, 3]
    with pytest.raises(SpecError, match="the text has 3 words, and the network was made for at most 2"):
        text.encode("red red circle")
    for length in (0, 2.0, True):
        with pytest.raises(SpecError, match="max_length must be a whole number from 1"):
            Text(("red",), "words", max_length=length)


def test_a_closed_vocabulary_refuses_what_it_does_not_hold() -> None:
    closed = Text(TEXT.vocabulary, "words", closed=True)
    assert closed.encode("It's good.").tolist() == TEXT.encode("It's good.").tolist()
    assert closed.encode("good, (It's) – good!").tolist() == closed.encode("good It's good").tolist()  # beside words
    with pytest.raises(SpecError, match=r"unknown word 'goods'; did you mean 'good'\? choices: \., good, it's, not"):
        closed.encode("not goods")
    with pytest.raises(SpecError, match="unknown character 'x'"):
        Text(("a", "b"), "characters", closed=True).encode("abx")
    with pytest.raises(SpecError, match="closed is true or false, not 'no'"):
        Text(("a",), "words", closed="no")


@pytest.mark.parametrize(
    ("vocabulary", "level", "message"),
    [
        ((), "words", "at least one token"),
        (("a", "a"), "words", "must differ"),
        (("a", ""), "words", "none of them empty"),
        ("ab", "words", "is a list of strings"),
        (("a", 1), "words", "is a list of strings"),
        (("a",), "word", "unknown level of a text 'word'; did you mean 'words'"),
    ],
)
def test_impossible_texts_are_refused(vocabulary: object, level: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Text(vocabulary, level)


@pytest.mark.parametrize("length", [0, True, 2.5, MAX_TOKENS + 1])
def test_impossible_lengths_are_refused(length: object) -> None:
    with pytest.raises(SpecError, match="max_length must be a whole number from 1 to"):
        Tokens(("a",), "words", length)


SPOKEN = Text(
    ("a", "big", "ball", "left", "of", "there"),
    "words",
    closed=True,
    synonyms=(("huge", "big"), ("an", "a"), ("on the left", "left"), ("the left", "left of"), ("please", "")),
)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("A huge ball.", "a big ball"),
        ("an HUGE ball on the left of a ball, please!", "a big ball left of a ball"),  # the longest phrase counts
        ("the left a ball", "left of a ball"),
        ("hugely", None),  # a word is replaced whole
    ],
)
def test_synonyms_are_read_as_what_they_stand_for(said: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(SpecError, match="unknown word 'hugely'"):
            SPOKEN.encode(said)
    else:
        assert SPOKEN.encode(said).tolist() == SPOKEN.encode(meant).tolist()


def test_all_unknown_words_are_named() -> None:
    with pytest.raises(SpecError, match="unknown words 'pink', 'cube'; choices: a, ball"):
        SPOKEN.encode("a pink cube, a pink ball")
    with pytest.raises(
        SpecError, match=r"words 'pink', 'hug'; did you mean 'huge' for 'hug'\? choices: a, ball, big, left of"
    ):
        SPOKEN.encode("a pink hug ball")
    with pytest.raises(SpecError, match=r"unknown words 'x1', 'x2', 'x3', 'x4', 'x5' … \(90\); choices"):
        SPOKEN.encode(" ".join(f"x{number}" for number in range(1, 91)))
    with pytest.raises(SpecError, match="has no words"):
        SPOKEN.encode("Please!")


def test_synonyms_are_kept_with_the_spec() -> None:
    tokens = Tokens(SPOKEN.vocabulary, "words", 5, SPOKEN.synonyms)
    for spec in (Spec(SPOKEN, Classes(("x", "y"))), Spec(Image(1, 4, 4, (0.5,), (0.5,)), tokens)):
        assert Spec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert tokens.as_input.synonyms == SPOKEN.synonyms


@pytest.mark.parametrize(
    ("synonyms", "fault"),
    [
        ([("huge", "large")], "unknown words: large"),
        ([("Huge", "big")], "lower-case"),
        ([("", "big")], "lower-case"),
        ([("huge", 1)], "pairs of strings"),
        ("huge", "pairs of strings"),
    ],
)
def test_impossible_synonyms_are_refused(synonyms: object, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        Text(("big",), "words", synonyms=synonyms)
    with pytest.raises(SpecError, match=fault):
        Tokens(("big",), "words", 3, synonyms)


def test_characters_have_no_synonyms() -> None:
    with pytest.raises(SpecError, match="texts of words"):
        Text(("a", "b"), "characters", synonyms=(("a", "b"),))
