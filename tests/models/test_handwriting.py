"""The handwriter: its density is one, padding and the future change nothing, and what it draws fits its density."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.models.rnn.handwriting import ENDS, MAX_STEPS, Handwriter, Pens
from zoo.spec import Text

TEXT = Text(("1", "2", "3"), "characters", closed=True)


def writer(cell: str = "lstm", **options: Any) -> Handwriter:
    torch.manual_seed(0)
    return Handwriter(cell, TEXT.codes, 0.1, hidden_size=12, num_components=3, **options).eval()


def texts(*raw: str) -> tuple[Tensor, Tensor]:
    return TEXT.collate([TEXT.encode(text) for text in raw])


def steps(count: int, length: int) -> Tensor:
    ways = torch.randn(count, length, 2) * 0.1
    return torch.cat([ways, (torch.rand(count, length, 1) < 0.2).float()], dim=2)


def pens(*shape: int) -> Pens:
    pair = (*shape, 4, 2)
    parts = torch.randn(*shape, 4), torch.randn(pair), torch.rand(pair) + 0.3, torch.rand(*shape, 4) * 1.8 - 0.9
    return Pens(*parts, torch.randn(*shape, 3))


def test_the_density_is_that_of_torch() -> None:
    found = pens(5)
    ways = torch.randn(5, 2)
    covariances = torch.diag_embed(found.deviations.square())
    covariances[..., 0, 1] = covariances[..., 1, 0] = found.correlations * found.deviations.prod(dim=-1)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=found.weights),
        torch.distributions.MultivariateNormal(found.means, covariances),
    )
    torch.testing.assert_close(found.log_density(ways), mixture.log_prob(ways), atol=1e-4, rtol=1e-4)


def test_what_is_drawn_has_the_moments_of_the_density() -> None:
    one, count = pens(1), 100_000
    many = Pens(*(part.expand(count, *part.shape[1:]) for part in one))
    noise = torch.cat([torch.rand(count, 2), torch.randn(count, 2)], dim=1)
    ways, pen = many.draw(noise, 0.0)
    weights = one.weights.softmax(dim=1)[0, :, None]
    mean = (weights * one.means[0]).sum(dim=0)
    square = (weights * (one.deviations[0].square() + one.means[0].square())).sum(dim=0)
    torch.testing.assert_close(ways.mean(dim=0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(ways.square().mean(dim=0), square, atol=0.1, rtol=0)
    product = one.correlations[0] * one.deviations[0].prod(dim=1) + one.means[0].prod(dim=1)
    torch.testing.assert_close(ways.prod(dim=1).mean(), (weights[:, 0] * product).sum(), atol=0.06, rtol=0)
    torch.testing.assert_close(pen.bincount() / count, one.pen[0].softmax(dim=0), atol=0.01, rtol=0)
    neat, _ = many.draw(noise, 5.0)
    assert neat.std(dim=0).max() < ways.std(dim=0).min()


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_padding_and_the_future_change_nothing(cell: str) -> None:
    network = writer(cell)
    codes, lengths = texts("1", "321")
    path = steps(2, 9)
    whole = network(codes, lengths, path)
    alone = network(codes[:1, :1], lengths[:1], path[:1])
    torch.testing.assert_close(whole[:1], alone, atol=1e-5, rtol=1e-4)
    changed = path.clone()
    changed[:, 5:] = 7
    torch.testing.assert_close(whole[:, :5], network(codes, lengths, changed)[:, :5], atol=1e-5, rtol=1e-4)


def test_steps_one_by_one_are_those_of_a_whole_path() -> None:
    network = writer()
    (codes, lengths), path = texts("12", "3"), steps(2, 6)
    whole = network(codes, lengths, path)
    text, state = network._text(codes, lengths), network._start(2, path)
    for place in range(6):
        one, state = network._step(path[:, place], text, state)
        torch.testing.assert_close(one, whole[:, place], atol=1e-5, rtol=1e-4)


def test_only_a_conditional_network_sees_the_text() -> None:
    path = steps(1, 5)
    for conditional in (True, False):
        network = writer(conditional=conditional)
        one, other = (network(*texts(text), path) for text in ("12", "31"))
        assert torch.equal(one, other) is not conditional


def test_the_window_only_moves_on() -> None:
    network = writer()
    text, state = network._text(*texts("123")), network._start(1, torch.zeros(1))
    places = []
    for step in steps(1, 8).unbind(dim=1):
        state = network._advance(step, text, state)
        places.append(state.position)
    assert (torch.stack(places).diff(dim=0) > 0).all()


def test_every_parameter_gets_a_gradient_and_one_path_is_learned() -> None:
    network = writer().train()
    (codes, lengths), path = texts("12"), steps(1, 12)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    losses = []
    for _ in range(30):
        pens = Pens.of(network(codes, lengths, path[:, :-1]))
        loss = -pens.log_density(path[:, 1:, :2] / network.std).mean()
        optimizer.zero_grad()
        (loss + pens.pen.square().mean()).backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters() if p.numel() > 20)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1


def test_one_seed_writes_one_ink_and_batches_do_not_matter() -> None:
    network = writer()
    codes, lengths = texts("1", "23", "1")
    ways, counts = network.generate(codes, lengths, seed=5)
    assert ways.shape[2] == 3
    assert (counts >= 2).all()
    assert (counts <= MAX_STEPS * (1 + lengths) + 1).all()
    assert ways.shape[1] == counts.max()
    last, count = network.generate(codes[2:, :1], lengths[2:], seed=7)
    assert count == counts[2]
    torch.testing.assert_close(last[0], ways[2, : counts[2]], atol=1e-4, rtol=1e-3)
    other, _ = network.generate(codes[2:, :1], lengths[2:], seed=8)
    assert other.shape != last.shape or not torch.equal(other, last)
    assert network.generate(codes, lengths)[0].isfinite().all()


def test_it_ends_where_the_pen_says_so() -> None:
    network = writer()
    with torch.no_grad():
        network.output.bias[-1] = 50  # ends at once
        assert network.generate(*texts("1", "2"))[1].tolist() == [2, 2]
        network.output.bias[-1] = -50
        assert network.generate(*texts("1"))[1].tolist() == [2 * MAX_STEPS + 1]
    assert ENDS == 2


def test_a_prime_is_gone_on_from() -> None:
    network = writer()
    ink = [[[0, 0], [1, 9], [5, 3]]]
    codes, lengths = texts("12")
    plain, primed = network.generate(codes, lengths, seed=1), network.generate(codes, lengths, seed=1, prime=ink)
    assert plain[0][0, 0].tolist() == [0, 0, 0]
    assert not torch.equal(primed[0][0, 0, :2], torch.zeros(2))
    assert primed[1] >= 1


def test_impossible_options_are_one_line() -> None:
    network = writer()
    for wrong in ({"seed": 1.5}, {"bias": -1}, {"bias": math.nan}, {"bias": "neat"}, {"prime": [[[0, 0]]]}):
        with pytest.raises(SpecError, match=r"seed|bias|one point"):
            network.generate(*texts("1"), **wrong)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="65 characters is too long"):
        network.generate(*texts("1" * 65))
    for options in ({"hidden_size": 0}, {"num_components": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Handwriter("lstm", 5, 0.1, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cell"):
        Handwriter("mlp", 5, 0.1)
