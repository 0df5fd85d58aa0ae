"""A trained character language model as a search through texts asks it: what comes after each of several texts.

Shape letters: N texts, K characters of an alphabet, V codes of the language model.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.models.rnn import LanguageModel
from zoo.spec import Text, Tokens
from zoo.spec.text import FIRST, UNKNOWN
from zoo.weights.artefact import Artefact

BEFORE = ("\n", " ")  # what a line begins after, as far as the language model knows it


class NextCharacter:
    """The log-probabilities of the K characters of an alphabet after each text (`zoo.spec.ctc.NextCharacter`).

    States of the network are kept by text, until "" is asked for again.

    Args:
        artefact: a language model of characters.
        alphabet: the characters; those that the language model does not know are as likely as its unknown one.

    Raises:
        SpecError: the artefact is no such language model.
    """

    def __init__(self, artefact: Artefact, alphabet: str) -> None:
        text, network = artefact.spec.input, artefact.network
        if not (isinstance(text, Text) and text.level == "characters" and isinstance(artefact.spec.output, Tokens)):
            raise SpecError(f"a language model of characters is needed (task=language_modelling); this is {artefact}")
        assert isinstance(network, LanguageModel)
        self.network = network
        codes = {character: code for code, character in enumerate(text.vocabulary, start=FIRST)}
        self.codes = {character: codes.get(character, UNKNOWN) for character in alphabet}
        self.device = network.output.weight.device
        self.columns = torch.tensor(list(self.codes.values()), device=self.device)
        self.begin = next((codes[character] for character in BEFORE if character in codes), UNKNOWN)
        self.states: dict[str, list[Tensor]] = {}

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> list[list[float]]:
        if "" in texts:
            self.states = {}
        last = torch.tensor([self.codes[text[-1]] if text else self.begin for text in texts], device=self.device)
        before = [self.states[text[:-1]] if text else self.network.stack.start(1) for text in texts]
        logits, states = self.network.step(last, [torch.cat(layer) for layer in zip(*before)])
        self.states.update((text, [layer[row, None] for layer in states]) for row, text in enumerate(texts))
        found: list[list[float]] = logits.float().log_softmax(dim=1)[:, self.columns].tolist()
        return found
