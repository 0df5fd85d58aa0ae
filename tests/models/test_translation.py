"""Translations: beams find what is likeliest, by enumeration; padding and batch mates change nothing."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.models import build
from zoo.models.rnn import Translator
from zoo.spec import SourceText, Spec, TargetText
from zoo.spec.text import FIRST, PAD, UNKNOWN

LENGTH, CODES = 4, 5  # so few that all texts can be listed
SOURCES = torch.tensor([[3, 2, 4, 5, 2], [4, 5, 0, 0, 0], [2, 2, 3, 0, 0]])
LENGTHS = torch.tensor([5, 2, 3])


@pytest.fixture(params=["rnn", "gru", "lstm"])
def translator(request: pytest.FixtureRequest) -> Translator:
    torch.manual_seed(0)
    network = Translator(request.param, 6, CODES, LENGTH, embedding_dim=4, hidden_size=5, num_layers=2)
    with torch.no_grad():
        for parameter in (network.embedding.vectors.weight, network.source.vectors.weight, network.start.weight):
            parameter.mul_(12)  # so that it has opinions
    return network.eval()


def all_texts() -> Tensor:
    """Every text of up to four tokens, none of them unknown, padded with 0: (N, 4)."""
    tokens = range(FIRST, CODES)
    texts = [text for length in range(LENGTH + 1) for text in itertools.product(tokens, repeat=length)]
    return torch.tensor([[*text, *[PAD] * (LENGTH - len(text))] for text in texts])


def likelihoods(network: Translator, row: int) -> tuple[Tensor, Tensor]:
    """The log-probability of each of `all_texts` for one source, summed by hand, and its number of tokens and ends."""
    texts = all_texts()
    source, length = SOURCES[row, : LENGTHS[row]], LENGTHS[row]
    logits = network(source.expand(len(texts), -1), length.expand(len(texts)), texts)
    logits[:, :, UNKNOWN] = float("-inf")
    steps = logits.log_softmax(dim=2)[:, :LENGTH].gather(2, texts[:, :, None])[:, :, 0]
    after = torch.nn.functional.pad(texts == PAD, (1, -1))
    return steps.masked_fill(after, 0).sum(dim=1), (~after).sum(dim=1)


@torch.inference_mode()
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_text(translator: Translator, penalty: float) -> None:
    written, found = translator.generate(SOURCES, LENGTHS, num_beams=200, length_penalty=penalty)
    for row, (text, likelihood) in enumerate(zip(written, found)):
        totals, counts = likelihoods(translator, row)
        assert totals.exp().sum().item() == pytest.approx(1, abs=1e-4)
        best = (totals / counts**penalty).argmax()
        assert text.tolist() == all_texts()[best][: len(text)].tolist()
        assert likelihood.item() == pytest.approx(totals[best].item(), abs=1e-4)


@torch.inference_mode()
def test_one_beam_is_greedy(translator: Translator) -> None:
    written, _ = translator.generate(SOURCES, LENGTHS, num_beams=1)
    logits = translator(SOURCES, LENGTHS, written)
    logits[:, :, UNKNOWN] = float("-inf")
    ended = torch.nn.functional.pad(written == PAD, (1, -1)).cummax(dim=1)[0]
    assert torch.equal(written, logits[:, : written.shape[1]].argmax(dim=2).masked_fill(ended, PAD))


@torch.inference_mode()
def test_an_answer_does_not_depend_on_its_batch_mates(translator: Translator) -> None:
    target = torch.tensor([[2, 3, 4], [3, 0, 0], [4, 4, 0]])
    together = translator(SOURCES, LENGTHS, target)
    written, found = translator.generate(SOURCES, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = SOURCES[row : row + 1, :length], LENGTHS[row : row + 1]
        torch.testing.assert_close(translator(*alone, target[row : row + 1]), together[row : row + 1])
        text, likelihood = translator.generate(*alone)
        padded = torch.nn.functional.pad(text[0], (0, written.shape[1] - text.shape[1]))
        assert torch.equal(padded, written[row])
        torch.testing.assert_close(likelihood[0], found[row])


@torch.inference_mode()
def test_attention_adds_up_to_one_and_leaves_padding_out(translator: Translator) -> None:
    attention = translator.attention(SOURCES, LENGTHS, torch.full((3, 2), FIRST))
    assert attention.shape == (3, 3, 5)
    torch.testing.assert_close(attention.sum(dim=2), torch.ones(3, 3))
    padding = torch.arange(5) >= LENGTHS[:, None]
    assert (attention.transpose(1, 2)[padding] == 0).all()
    assert (attention.transpose(1, 2)[~padding] > 0).all()


@torch.inference_mode()
def test_a_token_sees_only_those_before_it_and_all_of_the_source(translator: Translator) -> None:
    first, second = torch.tensor([[2, 3, 4, 2]] * 3), torch.tensor([[2, 3, 2, 4]] * 3)
    ours, theirs = (translator(SOURCES, LENGTHS, target) for target in (first, second))
    torch.testing.assert_close(ours[:, :3], theirs[:, :3])
    assert not torch.allclose(ours[:, 3], theirs[:, 3])
    for place in range(5):
        changed = SOURCES.clone()
        changed[0, place] = 5 if changed[0, place] != 5 else 2
        assert not torch.allclose(translator(changed, LENGTHS, first)[0, 0], ours[0, 0])


def test_every_parameter_gets_a_gradient(translator: Translator) -> None:
    translator.train()(SOURCES, LENGTHS, torch.tensor([[2, 3, 4, 2]] * 3)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in translator.parameters())


@torch.inference_mode()
def test_unknown_words_are_copied_where_attention_is(translator: Translator) -> None:
    translator.bias[UNKNOWN] = 100.0
    assert not (translator.generate(SOURCES, LENGTHS)[0] == UNKNOWN).any()
    with pytest.raises(SpecError, match="copy_unknown is true or false, not 'no'"):
        translator.generate(SOURCES, LENGTHS, copy_unknown="no")
    written, _ = translator.generate(SOURCES, LENGTHS, copy_unknown=True)
    assert written.shape == (3, LENGTH)
    attention = translator.attention(SOURCES, LENGTHS, torch.full((3, LENGTH), UNKNOWN))[:, :-1]
    assert torch.equal(written, -1 - attention.argmax(dim=2))
    strange = SOURCES.clone()
    strange[0, 1] = strange[0, 3] = UNKNOWN  # where words of the source are unknown, one of them
    assert set(translator.generate(strange, LENGTHS, copy_unknown=True)[0][0].tolist()) <= {-2, -4}


def test_without_attention() -> None:
    network = Translator("gru", 6, CODES, LENGTH, attend=False, embedding_dim=4, hidden_size=5).eval()
    assert network(SOURCES, LENGTHS, torch.full((3, 2), FIRST)).shape == (3, 3, CODES)
    assert network.generate(SOURCES, LENGTHS, copy_unknown=True)[0].shape[0] == 3
    with pytest.raises(ValueError, match="no attention"):
        network.attention(SOURCES, LENGTHS, torch.full((3, 2), FIRST))


@pytest.mark.parametrize(
    ("options", "message"), [({"num_beams": 0}, "num_beams"), ({"length_penalty": -1.0}, "length_penalty")]
)
def test_what_cannot_work_is_refused(translator: Translator, options: dict[str, float], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        translator.generate(SOURCES, LENGTHS, **options)  # type: ignore[arg-type]


def test_it_is_built_from_a_spec() -> None:
    spec = Spec(SourceText(("a", "b"), "words"), TargetText(("c", "d"), "words", 6))
    assert isinstance(build("gru", spec, hidden_size=8, embedding_dim=4, bidirectional=True), Translator)
    assert build("lstm", spec, hidden_size=8, attend=False).query is None
