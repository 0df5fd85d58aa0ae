"""A trained network as one program: raw tensors in, answers out, with all that is computed between them inside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo import models
from zoo.errors import ConfigError
from zoo.inference.answers import answers_of, outputs_of
from zoo.inference.raw import Encoded, Port, encoded, inputs_of, raw_of
from zoo.models import Captioner, Generator, LanguageModel, TopicRBM, Translator
from zoo.models.rnn.beam_search import log_probabilities
from zoo.spec import Seed, Tokens, Topics
from zoo.weights.artefact import Artefact


class Program(nn.Module):
    """Raw tensors to answers: `spec.input`'s normalisation, the network, and `spec.output`'s step to probabilities.

    Args:
        artefact: whose network it runs.

    Raises:
        ConfigError: the network writes word by word from an image or a sentence, which no single graph does.
    """

    def __init__(self, artefact: Artefact) -> None:
        super().__init__()
        if isinstance(artefact.network, Captioner):
            raise ConfigError(
                "a captioner writes word by word, looking at the image each time, which is no single graph"
            )
        if isinstance(artefact.network, Translator):
            raise ConfigError(
                "a translator writes token by token, looking at the source each time, which is no single graph"
            )
        self.network = artefact.network
        self.spec, self.calibration = artefact.spec, artefact.calibration
        self.inputs = self._noise() + inputs_of(artefact.spec.input)
        self.outputs: list[Port] = outputs_of(artefact.spec.output, artefact.calibration)

    def forward(self, *raw: Tensor) -> tuple[Tensor, ...]:
        """Raw tensors, as `inputs` describes them, to answers, as `outputs` does."""
        noise, raw = raw[: len(self._noise())], raw[len(self._noise()) :]
        prepared: Any = ()
        if not isinstance(self.spec.input, Seed):
            prepared = self.spec.input.prepare(encoded(self.spec.input, *raw))
        arguments = prepared if isinstance(prepared, tuple) else (prepared,)
        output = models.apply(self.network, (*noise, *arguments))
        if isinstance(self.spec.output, Tokens):
            return (self._next(output, arguments[1]),)
        return answers_of(self.spec.output, output, self.calibration)

    def raw(self, batch: Encoded) -> tuple[Tensor, ...]:
        """The raw tensors of an encoded batch; noise, where the network takes it, is that of the seeds 0, 1, ….."""
        given = () if isinstance(self.spec.input, Seed) else raw_of(self.spec.input, batch)
        if not isinstance(self.network, Generator):
            return given
        count = len(batch[0]) if isinstance(batch, tuple) else len(batch)
        return (self.network.noise(range(count)), *given)

    def about(self, artefact: Artefact) -> dict[str, Any]:
        """What another program must know: inputs and outputs, labels, thresholds, and the spec."""
        found = {
            "model": artefact.model,
            "inputs": [port.to_json() for port in self.inputs],
            "outputs": [port.to_json() for port in self.outputs],
            "spec": artefact.spec.to_json(),
            "calibration": artefact.calibration.to_json(),
            "metrics": artefact.metrics,
        }
        details = self.outputs[-1].details
        found |= {
            name: details[name]
            for name in ("labels", "threshold", "thresholds", "names", "units", "coverage")
            if name in details
        }
        if isinstance(self.network, TopicRBM) and isinstance(self.spec.output, Topics):
            found["topics"] = [self.spec.output.words(row) for row in self.network.top_words().tolist()]
        return found

    def _noise(self) -> list[Port]:
        if not isinstance(self.network, Generator):
            return []
        return [Port("noise", "float32", ("batch", self.network.latent_dim), "standard normal random numbers")]

    def _next(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """The probabilities (B, V) of the token after each text, from logits (B, T, V)."""
        assert isinstance(self.network, LanguageModel)
        last = (lengths - 1)[:, None, None].expand(-1, 1, logits.shape[2])
        return log_probabilities(logits.gather(1, last)[:, 0]).exp()


@torch.inference_mode()
def run(program: Program, raw: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The answers of a program."""
    found: tuple[Tensor, ...] = program(*raw)
    return found
