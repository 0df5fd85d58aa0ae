"""Subwords: what they cut, what they put together, and JSON of strangers."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from zoo.errors import SpecError
from zoo.spec import Classes, SourceText, Spec, Text, Tokens, subwords
from zoo.spec.text import UNKNOWN

pytest.importorskip("tokenizers")
TEXTS = ["The museum opens at nine.", "The museum isn't open; opening at ten?", "Museums open on weekdays at nine"] * 3
LEARNED = subwords.learned(TEXTS, 50, 2)
VOCABULARY = subwords.vocabulary_of(LEARNED)
TEXT = Text(VOCABULARY, "subwords", tokenizer=LEARNED)


def test_pieces_put_together_are_the_text() -> None:
    for text in (*TEXTS, "opened museums  on\nTen nines"):
        tokens = TEXT.tokens(text)
        assert subwords.joined(tokens) == " ".join(text.lower().split())
        assert TEXT.encode(text).min() > UNKNOWN


def test_frequent_words_are_one_piece_and_others_several() -> None:
    assert TEXT.tokens("museum") == ["▁museum"]
    assert len(TEXT.tokens("pinewood")) > 1
    assert len(VOCABULARY) == 50
    assert TEXT.codes == 52


def test_what_was_never_seen_is_unknown() -> None:
    assert TEXT.encode("日 at").tolist().count(UNKNOWN) == 1
    assert "日" in TEXT.tokens("日 at")  # as it stands there
    with pytest.raises(SpecError, match="too few of its subwords are known"):
        TEXT.answerable("日 本 語")


def test_the_same_texts_give_the_same_subwords() -> None:
    assert subwords.learned(TEXTS, 50, 2) == LEARNED


def test_it_travels_as_json() -> None:
    spec = Spec(TEXT, Classes(("a", "b")))
    again = Spec.from_json(json.loads(json.dumps(spec.to_json())))
    assert again == spec
    assert again.input.encode(TEXTS[1]).equal(TEXT.encode(TEXTS[1]))  # type: ignore[union-attr, arg-type, call-arg]
    assert eval(TEXT.example()) == subwords.joined(TEXT.tokens(eval(TEXT.example())))


def test_the_library_reads_the_json_itself() -> None:
    from tokenizers import Tokenizer

    assert Tokenizer.from_str(LEARNED).encode(TEXTS[0]).tokens == TEXT.tokens(TEXTS[0])


def test_capitals_stay_where_they_are_wanted() -> None:
    learned = subwords.learned(TEXTS, 50, 2, lowercase=False)
    source = SourceText(subwords.vocabulary_of(learned), "subwords", tokenizer=learned, lowercase=False)
    assert subwords.joined(source.tokens(TEXTS[0])) == TEXTS[0]


def test_a_copied_piece_is_put_into_the_translation() -> None:
    source = SourceText(VOCABULARY, "subwords", tokenizer=LEARNED)
    written = Tokens(VOCABULARY, "subwords", 9)
    answer = {"text": subwords.joined(["▁the", "�", "▁at"]), "copied": [1]}
    assert source.answered("the museum", answer)["text"] == "the museum at"
    assert written.read(TEXT.encode("the museum")[None]) == ["the museum"]


def changed(**parts: Any) -> str:
    data = json.loads(LEARNED)
    data["model"] |= parts.pop("model", {})
    return json.dumps(data | parts)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (" " * (subwords.MAX_BYTES + 1), "at most 8 MiB"),
        (7, "at most 8 MiB"),
        ("[" * 100_000, "no JSON of subwords"),
        ("{}", "no JSON of subwords"),
        (changed(model={"type": "Unigram"}), "another kind"),
        (changed(normalizer={"normalizers": [{"type": "Replace"}]}), "another kind"),
        (changed(pre_tokenizer={"pretokenizers": [{"type": "Split", "pattern": {"Regex": "(a+)+b"}}]}), "another kind"),
        (changed(model={"vocab": {"[UNK]": 0, "a": 2}}), "a code for each"),
        (changed(model={"vocab": {"[UNK]": 0, "a": 10**30}}), "a code for each"),
        (changed(model={"vocab": {"a": 0, "b": 1}}), "a code for each"),
        (changed(model={"vocab": []}), "a code for each"),
        (changed(model={"merges": [["x", "nowhere"]]}), "pair of known ones"),
        (changed(model={"merges": [["t", "t"]]}), "gives a known one"),
        (changed(model={"merges": 3}), "no JSON of subwords"),
    ],
)
def test_other_json_is_refused(given: object, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        Text(VOCABULARY, "subwords", tokenizer=given)  # type: ignore[arg-type]


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(SpecError, match="other subwords than the vocabulary"):
        Text(VOCABULARY[::-1], "subwords", tokenizer=LEARNED)
    with pytest.raises(SpecError, match="is for texts of subwords"):
        Text(("a",), "words", tokenizer=LEARNED)


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    fresh = Text(VOCABULARY, "subwords", tokenizer=LEARNED)  # the spec itself is there
    with pytest.raises(SpecError, match=r"classic-zoo\[subwords\]"):
        fresh.encode("at nine")
