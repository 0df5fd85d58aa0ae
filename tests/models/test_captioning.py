"""Captions: what is written is what is likeliest, by enumeration, and each token sees those before it alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from zoo.models import build
from zoo.models.rnn import Captioner
from zoo.models.rnn.beam_search import write
from zoo.spec import Image, Spec, Tokens
from zoo.spec.text import FIRST, PAD, UNKNOWN

LENGTH, CODES = 4, 5  # so few that all texts can be listed


@pytest.fixture(params=["rnn", "gru", "lstm"])
def captioner(request: pytest.FixtureRequest) -> Captioner:
    torch.manual_seed(0)
    network = Captioner(request.param, 1, CODES, LENGTH, width=2, embedding_dim=4, hidden_size=5, num_layers=2)
    with torch.no_grad():
        for parameter in (network.output.weight, network.embedding.vectors.weight, network.start.weight):
            parameter.mul_(4)  # so that it has opinions
    return network.eval()


def pictures() -> Tensor:
    return torch.randn(3, 1, 12, 10, generator=torch.Generator().manual_seed(1))


def all_texts() -> Tensor:
    """Every text of up to four tokens, none of them unknown, padded with 0: (N, 4)."""
    tokens = range(FIRST, CODES)
    texts = [text for length in range(LENGTH + 1) for text in itertools.product(tokens, repeat=length)]
    return torch.tensor([[*text, *[PAD] * (LENGTH - len(text))] for text in texts])


def likelihoods(network: Captioner, picture: Tensor) -> Tensor:
    """The log-probability of each of `all_texts` for one picture, summed by hand."""
    texts = all_texts()
    logits = network(picture.expand(len(texts), -1, -1, -1), texts)
    logits[:, :, UNKNOWN] = float("-inf")
    steps = logits.log_softmax(dim=2)[:, :LENGTH].gather(2, texts[:, :, None])[:, :, 0]
    ended = torch.nn.functional.pad(texts == PAD, (1, -1))
    return steps.masked_fill(ended, 0).sum(dim=1)


@torch.inference_mode()
def test_probabilities_of_all_texts_add_up_to_one(captioner: Captioner) -> None:
    for picture in pictures():
        assert likelihoods(captioner, picture).exp().sum().item() == pytest.approx(1, abs=1e-4)


@torch.inference_mode()
def test_a_wide_beam_finds_the_likeliest_text(captioner: Captioner) -> None:
    written, found = captioner.generate(pictures(), num_beams=100)
    for picture, text, likelihood in zip(pictures(), written, found):
        expected = likelihoods(captioner, picture)
        assert text.tolist() == all_texts()[expected.argmax()][: len(text)].tolist()
        assert likelihood.item() == pytest.approx(expected.max().item(), abs=1e-4)


@torch.inference_mode()
def test_more_beams_find_no_less_likely_text_here(captioner: Captioner) -> None:
    greedy, few, many = (captioner.generate(pictures(), num_beams=beams)[1] for beams in (1, 3, 100))
    assert (many >= greedy - 1e-4).all()
    assert (many >= few - 1e-4).all()


@torch.inference_mode()
def test_greedy_takes_the_likeliest_token_each_time(captioner: Captioner) -> None:
    written, _ = captioner.generate(pictures())
    logits = captioner(pictures(), written)
    logits[:, :, UNKNOWN] = float("-inf")
    ended = torch.nn.functional.pad(written == PAD, (1, -1)).cummax(dim=1)[0]
    likeliest = logits[:, : written.shape[1]].argmax(dim=2).masked_fill(ended, PAD)
    assert torch.equal(written, likeliest)


@torch.inference_mode()
def test_sampling_draws_each_text_as_often_as_its_probability_says(captioner: Captioner) -> None:
    torch.manual_seed(0)
    picture, draws = pictures()[0], 4_000
    written, found = captioner.generate(picture.expand(draws, -1, -1, -1), temperature=1.0)
    expected = likelihoods(captioner, picture)
    places = (written[:, None] == all_texts()[:, : written.shape[1]]).all(dim=2).int().argmax(dim=1)
    torch.testing.assert_close(found, expected[places], atol=1e-3, rtol=1e-3)
    counts, probabilities = torch.bincount(places, minlength=len(expected)), expected.exp()
    error = (draws * probabilities * (1 - probabilities)).sqrt()
    assert ((counts - draws * probabilities).abs() < 5 * error + 5).all()


@torch.inference_mode()
def test_the_picture_matters(captioner: Captioner) -> None:
    logits = captioner(pictures(), torch.full((3, 2), FIRST))
    assert not torch.allclose(logits[0], logits[1], atol=1e-3)


@torch.inference_mode()
def test_a_token_sees_only_those_before_it(captioner: Captioner) -> None:
    first, second = torch.tensor([[2, 3, 4, 2]] * 3), torch.tensor([[2, 3, 2, 4]] * 3)
    ours, theirs = captioner(pictures(), first), captioner(pictures(), second)
    torch.testing.assert_close(ours[:, :3], theirs[:, :3])
    assert not torch.allclose(ours[:, 3], theirs[:, 3])


@torch.inference_mode()
def test_attention_is_shared_out_and_explains_the_logits(captioner: Captioner) -> None:
    maps = captioner.attention(pictures(), torch.full((3, 2), FIRST))
    assert maps.shape == (3, 3, 8, 8)
    torch.testing.assert_close(maps.sum(dim=(2, 3)), torch.ones(3, 3))


def test_every_parameter_gets_a_gradient(captioner: Captioner) -> None:
    captioner.train()(pictures(), torch.tensor([[2, 3, 4, 2]] * 3)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in captioner.parameters())


def test_finished_texts_stay_as_they_are() -> None:
    """A script instead of a network: text 0 ends at once, text 1 goes on."""
    script = torch.tensor([[PAD, 2, 2], [3, 2, PAD]])

    def step(last: Tensor, memory: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        row, at = memory
        return torch.nn.functional.one_hot(script[row, at.clamp(max=2)], CODES) * 50.0, (row, at + 1)

    memory = (torch.arange(2), torch.zeros(2, dtype=torch.long))
    codes, likelihoods = write(step, memory, torch.zeros(2, dtype=torch.long), length=9, num_beams=2)
    assert codes[:, :3].tolist() == [[0, 0, 0], [3, 2, 0]]
    assert not codes[:, 3:].any()
    torch.testing.assert_close(likelihoods, torch.zeros(2))


def test_an_unknown_token_is_never_written(captioner: Captioner) -> None:
    with torch.no_grad():
        captioner.output.bias[UNKNOWN] = 100.0
    for options in ({}, {"num_beams": 3}, {"temperature": 5.0}):
        assert not (captioner.generate(pictures(), **options)[0] == UNKNOWN).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_beams": 0}, "num_beams"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"num_beams": 2, "temperature": 1.0}, "one of them"),
    ],
)
def test_what_cannot_work_is_refused(captioner: Captioner, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        captioner.generate(pictures(), **options)


def test_it_is_built_for_a_spec() -> None:
    image = Image(3, 16, 16, (0.5,) * 3, (0.5,) * 3)
    network = build("gru", Spec(image, Tokens(("a", "b"), "words", 6)), hidden_size=8, embedding_dim=4)
    assert isinstance(network, Captioner)
    assert network.max_length == 6
    assert network(torch.zeros(2, 3, 16, 16), torch.tensor([[2], [3]])).shape == (2, 2, 4)
