"""Sentences to translate: their tokens, what is refused, and words that are copied."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.errors import SpecError
from zoo.models import build
from zoo.spec import SourceText, Spec, TargetText
from zoo.spec.translation import tokens_of
from zoo.weights.artefact import Artefact

SOURCE = SourceText(("a", "dog", "runs", "."), "words", max_length=6)
TARGET = TargetText(("ein", "hund", "rennt", "."), "words", 6)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A well-known  man's dog.", ["a", "well-known", "man's", "dog", "."]),
        ("It’s 10,000 km (6,213.7 mi)!", ["it's", "10,000", "km", "(", "6,213.7", "mi", ")", "!"]),
        ("\tÜber\u00a0uns ", ["über", "uns"]),
    ],
)
def test_words_keep_what_is_within_them(text: str, tokens: list[str]) -> None:
    assert tokens_of(text, "words", True) == tokens
    assert [token.lower() for token in tokens_of(text, "words", False)] == tokens


def test_characters_and_capitals() -> None:
    assert tokens_of(" Ab  c\n", "characters", True) == ["a", "b", " ", "c"]
    assert tokens_of("Ab", "characters", False) == ["A", "b"]
    kept = SourceText(("A", "a"), "words", lowercase=False)
    assert kept.encode("A a").tolist() == [2, 3]


def test_a_sentence_becomes_codes() -> None:
    assert SOURCE.encode("A dog  RUNS fast.").tolist() == [2, 3, 4, 1, 5]
    assert SOURCE.example() == "'a dog runs.'"
    assert SourceText(("4", "m"), "characters", such_as="4 m").example() == "'4 m'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a dog runs. a dog runs.", "has 8 words, and the network was made for at most 6"),
        ("  ", "has no words"),
        ("my cat sleeps", "too few of its words are known"),
    ],
)
def test_what_cannot_be_translated_is_said(text: str, message: str) -> None:
    model = Artefact("gru", {}, spec := Spec(SOURCE, TARGET), build("gru", spec, hidden_size=4))
    with pytest.raises(SpecError, match=message):
        model(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 0}, "max_length"),
        ({"max_length": None}, "max_length"),
        ({"lowercase": 1}, "lowercase"),
        ({"such_as": 3}, "such_as"),
    ],
)
def test_an_impossible_description_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        SourceText(("a",), "words", **options)  # type: ignore[arg-type]


def test_it_is_json() -> None:
    spec = Spec(SOURCE, TARGET)
    assert Spec.from_json(spec.to_json()) == spec
    assert str(spec) == "source text → translation"


def test_words_of_the_source_are_copied() -> None:
    codes, likelihoods = torch.tensor([[2, -2, 4, -4, 5, 0], [2, 3, 0, -1, 0, 0]]), torch.tensor([-1.0, 0.0])
    first, second = TARGET.decode((codes, likelihoods))
    assert first == {"text": "ein � rennt �.", "confidence": pytest.approx(0.3679, abs=1e-4), "copied": [1, 3]}
    assert second["text"] == "ein hund"
    told = SOURCE.answered("A Dalmatian runs home", first)
    assert told["text"] == "ein dalmatian rennt home."
    assert told["copied"] == ["dalmatian", "home"]
    assert SOURCE.answered("a dog", {"text": "ein hund"}) == {"text": "ein hund"}


def test_an_artefact_copies_where_it_is_asked_to() -> None:
    spec = Spec(SOURCE, TARGET)
    network = build("gru", spec, hidden_size=4)
    with torch.no_grad():
        network.bias[1] = 100.0
    model = Artefact("gru", {}, spec, network.eval())
    assert "copied" not in model("a dog runs fast")
    answers = model(["a dog runs fast", "a dog runs home ."], copy_unknown=True)
    assert [set(answer["copied"]) for answer in answers] == [{"fast"}, {"home"}]
    assert answers[0]["text"].split() == ["fast"] * 6
    with pytest.raises(SpecError, match="temperature"):
        model("a dog runs", temperature=1.0)


def test_its_file_is_read_again(tmp_path: object) -> None:
    path = f"{tmp_path}/model.safetensors"
    spec, options = Spec(SOURCE, TARGET), {"hidden_size": 4, "bidirectional": True, "embedding_dim": 5}
    artefact = Artefact("lstm", options, spec, build("lstm", spec, **options).eval())
    zoo.save(artefact, path)
    assert zoo.load(path)("a dog runs.") == artefact("a dog runs.")
