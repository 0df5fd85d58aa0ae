"""What a language model says of the next character, beside one pass of its network over the whole text."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.errors import SpecError
from zoo.models import CRNN
from zoo.models.rnn import LanguageModel
from zoo.spec import Spec, Text, TextLine, Tokens, Transcript
from zoo.weights.artefact import Artefact
from zoo.weights.next_character import NextCharacter

VOCABULARY = ("\n", " ", "a", "b", "c")


@pytest.fixture(scope="module")
def writer() -> Artefact:
    torch.manual_seed(0)
    spec = Spec(Text(VOCABULARY, "characters"), Tokens(VOCABULARY, "characters", 20))
    return Artefact("lstm", {}, spec, LanguageModel("lstm", len(VOCABULARY) + 2, hidden_size=16, num_layers=2))


def test_texts_asked_for_step_by_step_get_what_one_pass_gives(writer: Artefact) -> None:
    after = NextCharacter(writer, "cbaé")
    for texts in ([""], ["a", "c"], ["ab", "ca", "aa"], ["cab", "aac"]):
        found = torch.tensor(after(texts))
        for text, row in zip(texts, found):
            codes = writer.spec.input.encode("\n" + text)  # type: ignore[attr-defined]
            expected = writer.network(codes[None])[0, -1].log_softmax(dim=0)[[6, 5, 4, 1]]  # 1 is the unknown character
            torch.testing.assert_close(row, expected, rtol=1e-4, atol=1e-5)


def test_a_reader_takes_a_language_model(writer: Artefact) -> None:
    spec = Spec(TextLine(32), Transcript("abc "))
    reader = CRNN(32, 4)
    artefact = Artefact("cnn", {}, spec, reader)
    line = np.full((32, 60), 255, np.uint8)
    line[10:20, 20:40] = 0
    answer = artefact(line, language_model=writer, n=3)
    assert answer["text"] == answer["readings"][0]["text"]
    plain = artefact(line, n=3)
    assert artefact(line, language_model=writer, language_weight=0.0, n=3) == plain
    with pytest.raises(SpecError, match="language model of characters"):
        artefact(line, language_model=artefact)
