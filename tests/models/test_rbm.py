"""Restricted Boltzmann machines, against sums over all their states."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zoo.errors import SpecError
from zoo.models import RBM
from zoo.models.rbm import (
    ClassRBM,
    TopicRBM,
    ValueRBM,
    annealed_importance_sampling,
    build,
    log_likelihood,
    log_partition,
)
from zoo.models.rbm.tempering import tempered_gibbs
from zoo.models.rbm.units import Counts, Mixed, Softmax, bernoulli
from zoo.spec import Classes, Features, Image, Spec, Table, Values
from zoo.spec.columns import Category, Number


def spread(rbm: RBM, scale: float = 0.7) -> RBM:
    """With parameters at random, far from where they start."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return rbm


def states(count: int) -> Tensor:
    """All 2**count vectors of 0.0 and 1.0."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=count)))


def one_hot_states(groups: int, count: int) -> Tensor:
    codes = torch.tensor(list(itertools.product(range(count), repeat=groups)))
    return functional.one_hot(codes, count).flatten(1).float()


def documents(words: int, vocabulary: int) -> Tensor:
    """The counts of all sequences of that many words, one row for each sequence."""
    sequences = torch.tensor(list(itertools.product(range(vocabulary), repeat=words)))
    return functional.one_hot(sequences, vocabulary).sum(dim=1).float()


def visible_states(rbm: RBM) -> Tensor:
    if isinstance(rbm.visible, Softmax):
        return one_hot_states(rbm.visible.width // rbm.visible.states, rbm.visible.states)
    if isinstance(rbm.visible, Counts):
        return documents(3, rbm.visible.width)
    if isinstance(rbm.visible, Mixed):
        first, second = states(2), one_hot_states(1, 3)
        return torch.cat([first.repeat_interleave(len(second), 0), second.repeat(len(first), 1)], dim=1)
    return states(rbm.visible.width)


DISCRETE = {
    "bernoulli": lambda: RBM(5, 4),
    "softmax": lambda: RBM(3, 4, visible="softmax", states=3),
    "ordinal": lambda: RBM(3, 4, visible="ordinal", states=3),
    "counts": lambda: RBM(4, 3, visible="counts"),
    "mixed": lambda: RBM(2, 4, categories=[3]),
}


@pytest.fixture(params=DISCRETE)
def discrete(request: pytest.FixtureRequest) -> RBM:
    """An RBM of each kind of visible unit that has states to add up."""
    return spread(DISCRETE[request.param]())


def test_free_energy_is_the_sum_over_hidden_states(discrete: RBM) -> None:
    h = states(len(discrete.hidden_bias))
    for v in visible_states(discrete)[:20]:
        energies = discrete.energy(v.expand(len(h), -1), h)
        torch.testing.assert_close(discrete.free_energy(v[None])[0], -torch.logsumexp(-energies, dim=0))


def test_log_partition_is_the_sum_over_visible_states(discrete: RBM) -> None:
    v = visible_states(discrete)
    words = 3 if isinstance(discrete.visible, Counts) else 1
    expected = torch.logsumexp(-discrete.free_energy(v).double(), dim=0).item()
    assert log_partition(discrete, words=words) == pytest.approx(expected, abs=1e-4)


def test_a_gaussian_s_partition_function_is_an_integral() -> None:
    rbm = spread(RBM(1, 3, visible="gaussian"))
    v = torch.linspace(-40, 40, 400_001)[:, None]
    step = 80 / 400_000
    expected = torch.logsumexp(-rbm.free_energy(v).double(), dim=0).item() + math.log(step)
    assert log_partition(rbm) == pytest.approx(expected, abs=1e-4)
    weights = (-rbm.energy(v, torch.tensor([[1.0, 0.0, 1.0]]).expand(len(v), -1)).double()).softmax(dim=0)
    h = torch.tensor([[1.0, 0.0, 1.0]])
    mean = rbm.visible.mean(h @ rbm.weight.t()).item()
    assert mean == pytest.approx((weights @ v[:, 0].double()).item(), abs=1e-4)
    variance = (weights @ (v[:, 0].double() - mean).square()).item()
    assert rbm.visible.log_variance.exp().item() == pytest.approx(variance, rel=1e-3)


def test_samples_have_the_conditional_distributions_of_the_energy(discrete: RBM) -> None:
    v, h = visible_states(discrete), states(len(discrete.hidden_bias))[5:6]
    torch.manual_seed(0)
    like = v[:1].expand(20_000, -1)
    shares = (-discrete.energy(v, h.expand(len(v), -1))).softmax(dim=0)
    drawn = discrete.sample_visible(h.expand(20_000, -1), like)
    torch.testing.assert_close(drawn.mean(dim=0), shares @ v, atol=0.03, rtol=0)
    assert (drawn[:, None] == v[None, :100]).all(dim=2).any(dim=1).all()  # nothing that is not a state
    every = states(len(discrete.hidden_bias))
    given = (-discrete.energy(v[2].expand(len(every), -1), every)).softmax(dim=0)
    torch.testing.assert_close(discrete.transform(v[2:3])[0], given @ every)
    hidden = discrete.sample_hidden(v[2].expand(20_000, -1))
    torch.testing.assert_close(hidden.mean(dim=0), given @ every, atol=0.02, rtol=0)


def test_gaussian_samples_have_mean_and_variance() -> None:
    rbm = spread(RBM(3, 4, visible="gaussian"))
    torch.manual_seed(0)
    h = states(4)[6].expand(50_000, -1)
    drawn = rbm.sample_visible(h)
    torch.testing.assert_close(drawn.mean(dim=0), h[0] @ rbm.weight.t() + rbm.visible.bias, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), rbm.visible.log_variance.exp(), atol=0, rtol=0.05)


def test_gibbs_sampling_ends_at_the_model_s_distribution() -> None:
    rbm = spread(RBM(4, 3))
    torch.manual_seed(0)
    v = rbm.gibbs(torch.zeros(20_000, 4), steps=30)
    shares = (-rbm.free_energy(states(4))).softmax(dim=0)
    torch.testing.assert_close(v.mean(dim=0), shares @ states(4), atol=0.02, rtol=0)


def bimodal() -> RBM:
    """Half of its vectors are nearly all on, and half nearly all off; Gibbs sampling stays where it is."""
    rbm = RBM(12, 2)
    with torch.no_grad():
        rbm.weight.copy_(torch.tensor([[8.0, 1.0], [8.0, -1.0]]).repeat(6, 1))
        rbm.visible.bias.fill_(-4.0)
        rbm.hidden_bias.copy_(torch.tensor([-48.3, 0.5]))
    return rbm


def test_parallel_tempering_gets_from_mode_to_mode() -> None:
    """All chains start in one of two; the distribution that they come to is that of the sum over all states."""
    rbm = bimodal()
    shares = (-rbm.free_energy(states(12))).softmax(dim=0).detach()
    on = states(12).mean(dim=1) > 0.5
    share = shares[on].sum().item()
    assert 0.2 < share < 0.8
    torch.manual_seed(0)
    stuck = rbm.gibbs(torch.zeros(2_000, 12), steps=100)
    assert (stuck.mean(dim=1) > 0.5).float().mean().item() < 0.01
    h = rbm.sample_hidden(torch.zeros(8, 2_000, 12))
    for _ in range(100):
        h, v = tempered_gibbs(rbm, h, torch.zeros(12))
    found = (v.mean(dim=1) > 0.5).float().mean().item()
    assert found == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / 2_000))
    torch.testing.assert_close(v.mean(dim=0), shares @ states(12), atol=0.06, rtol=0)
    assert h.shape == (8, 2_000, 2)


def test_what_is_missing_stays_missing_and_does_not_count() -> None:
    rbm = spread(RBM(3, 4, visible="softmax", states=3))
    v = one_hot_states(3, 3)[7:8].repeat(50, 1)
    v[:, 3:6] = 0
    drawn = rbm.gibbs(v, steps=2)
    assert not drawn[:, 3:6].any()
    assert (drawn.unflatten(1, (3, 3)).sum(dim=2)[:, [0, 2]] == 1).all()
    smaller = RBM(2, 4, visible="softmax", states=3)  # the same one without that unit
    rows = [0, 1, 2, 6, 7, 8]
    with torch.no_grad():
        smaller.weight.copy_(rbm.weight[rows])
        smaller.visible.bias.copy_(rbm.visible.bias[rows])
        smaller.hidden_bias.copy_(rbm.hidden_bias)
    torch.testing.assert_close(smaller.free_energy(v[:, rows]), rbm.free_energy(v))


def test_reconstruction_is_the_mean_field_mean() -> None:
    rbm = spread(RBM(4, 3))
    v = states(4)[[3, 9]]
    hidden = torch.sigmoid(v @ rbm.weight + rbm.hidden_bias)
    torch.testing.assert_close(rbm.reconstruct(v), torch.sigmoid(hidden @ rbm.weight.t() + rbm.visible.bias))
    counts = spread(RBM(4, 3, visible="counts"))
    torch.testing.assert_close(counts.reconstruct(v).sum(dim=1), v.sum(dim=1))


def test_the_stochastic_score_is_the_pseudo_likelihood_on_average() -> None:
    rbm = spread(RBM(5, 4))
    v = states(5)[11:12]
    exact = 0.0
    for unit in range(5):
        flipped = v.clone()
        flipped[0, unit] = 1 - flipped[0, unit]
        both = -torch.stack([rbm.free_energy(v), rbm.free_energy(flipped)])
        exact += both.log_softmax(dim=0)[0].item()
    scores = rbm.score(v.expand(20_000, -1))
    assert scores.mean().item() == pytest.approx(exact, abs=5 * scores.std().item() / math.sqrt(20_000))
    with pytest.raises(ValueError, match="Bernoulli"):
        RBM(3, 2, visible="gaussian").score(v)


def test_annealed_importance_sampling_finds_the_exact_partition_function() -> None:
    rbm = spread(RBM(30, 10), scale=0.5)
    torch.manual_seed(0)
    exact = log_partition(rbm)
    estimate, error = annealed_importance_sampling(rbm, torch.full((30,), 0.3), runs=200, temperatures=300)
    assert error < 0.1
    assert estimate == pytest.approx(exact, abs=4 * error)
    with pytest.raises(ValueError, match="2\\*\\*21 states are too many"):
        log_partition(RBM(5, 21))
    with pytest.raises(ValueError, match="runs"):
        annealed_importance_sampling(rbm, torch.full((30,), 0.3), runs=1)
    with pytest.raises(ValueError, match="Bernoulli"):
        annealed_importance_sampling(RBM(3, 2, visible="gaussian"), torch.full((3,), 0.3))


def test_annealed_importance_sampling_of_documents() -> None:
    rbm = spread(RBM(12, 5, visible="counts", max_length=20), scale=0.5)
    torch.manual_seed(0)
    rates = torch.linspace(1, 3, 12)
    for words in (1, 20):
        estimate, error = annealed_importance_sampling(rbm, rates, runs=200, temperatures=200, words=words)
        assert error < 0.1
        assert estimate == pytest.approx(log_partition(rbm, words=words), abs=4 * error)
    with pytest.raises(ValueError, match="words"):
        annealed_importance_sampling(rbm, rates, words=21)


def test_probabilities_of_all_states_add_up_to_one(discrete: RBM) -> None:
    words = 3 if isinstance(discrete.visible, Counts) else 1
    log_z = log_partition(discrete, words=words)
    total = log_likelihood(discrete, visible_states(discrete), log_z).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", ["bernoulli", "softmax", "ordinal", "mixed"])
def test_the_centred_gradient_is_that_of_a_centred_machine(kind: str) -> None:
    """Of a machine whose energy has (drive - μ)·W (h - λ), by autograd, its biases then shifted back to ours."""
    rbm = spread(DISCRETE[kind]())
    v = visible_states(rbm)
    sent = rbm.visible.sufficient_statistics(v)  # v itself, but of ordinal units
    generator = torch.Generator().manual_seed(1)
    mu, lam = (torch.rand(size, generator=generator) for size in rbm.weight.shape)
    weights = torch.rand(len(v), generator=generator).softmax(dim=0) - 1 / len(v)  # of a difference of two means

    (weights @ rbm.free_energy(v)).backward()
    rbm.center_gradients(mu, lam)

    layers = list(rbm.visible.layers) if isinstance(rbm.visible, Mixed) else [rbm.visible]
    a = torch.cat([layer.bias for layer in layers]).detach()
    weight = rbm.weight.detach().clone().requires_grad_()
    visible_bias = (
        a + rbm.visible.project_down(weight.detach() @ lam)
    ).requires_grad_()  # so that both are the same model
    hidden_bias = (rbm.hidden_bias.detach() + mu @ weight.detach()).requires_grad_()
    x = hidden_bias + (sent - mu) @ weight
    free = -v @ visible_bias - (functional.softplus(x) - x * lam).sum(dim=1)
    (weights @ free).backward()
    torch.testing.assert_close(rbm.weight.grad, weight.grad)
    torch.testing.assert_close(rbm.hidden_bias.grad, hidden_bias.grad - mu @ weight.grad)
    moved = visible_bias.grad - rbm.visible.project_down(weight.grad @ lam)
    torch.testing.assert_close(torch.cat([layer.bias.grad for layer in layers]), moved)


def test_a_class_rbm_knows_the_conditional_of_its_joint_distribution() -> None:
    rbm = spread(ClassRBM(4, 3, 5))
    v = states(4)
    joint = torch.stack([-rbm.free_energy(rbm.joint(v, torch.full((16,), label))) for label in range(3)], dim=1)
    torch.testing.assert_close(rbm(v).log_softmax(dim=1), joint.log_softmax(dim=1))
    labels = torch.arange(16) % 3
    expected = functional.cross_entropy(joint, labels)
    torch.testing.assert_close(rbm.conditional_loss(v, labels), expected)


def test_a_value_rbm_knows_the_conditional_of_its_joint_distribution() -> None:
    rbm = spread(ValueRBM(3, 4), scale=0.2)  # so that next to nothing lies beyond its 5 standard deviations
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    fine = torch.linspace(-5, 5, 1001)
    energies = torch.stack([rbm.free_energy(rbm.joint(x, y.expand(6, 1))) for y in fine], dim=1)
    density = (-energies.double()).softmax(dim=1)
    torch.testing.assert_close(rbm(x)[:, 0].double(), density @ fine.double(), atol=2e-3, rtol=0)
    at = torch.tensor([400, 500, 600, 450, 550, 500])[:, None]
    exact = (density.gather(1, at) / 0.01).log()
    assert rbm.conditional_loss(x, fine[at]).item() == pytest.approx(-exact.mean().item(), abs=2e-3)


def test_biases_start_where_the_data_s_means_are() -> None:
    v = visible_states(spread(DISCRETE["mixed"]()))[[0, 3, 4, 7, 11]]
    for kind, data in (("bernoulli", states(5)[3:9]), ("softmax", one_hot_states(3, 3)[2:19]), ("mixed", v)):
        rbm = DISCRETE[kind]()
        rbm.visible.start(data.mean(dim=0), data.var(dim=0))
        mean = rbm.visible.mean(torch.zeros(1, rbm.visible.width))[0]
        torch.testing.assert_close(mean, data.mean(dim=0), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"num_visible": 0}, "num_visible"),
        ({"num_hidden": 0}, "num_hidden"),
        ({"visible": "softmax", "states": 1}, "states"),
        ({"visible": "gausian"}, "unknown kind of visible unit 'gausian'; did you mean 'gaussian'"),
        ({"visible": "counts", "max_length": 0}, "max_length"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(options: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        RBM(**options)


def test_the_spec_decides_the_network() -> None:
    image = Image(1, 4, 4, (0.0,), (1.0,))
    table = Table((Number("a", 0.0, 1.0, True), Category("b", ("x", "y"))))
    assert build(Spec(image, Features()), num_hidden=8).weight.shape == (16, 8)
    assert build(Spec(table, Features()), num_hidden=8).weight.shape == (2 + 4, 8)
    assert type(build(Spec(image, Classes(("a", "b"))))) is ClassRBM
    assert type(build(Spec(table, Values(("y",), (0.0,), (1.0,))))) is ValueRBM
    for output in (image, Values(("y", "z"), (0.0, 0.0), (1.0, 1.0))):
        with pytest.raises(SpecError, match="rbm goes from"):
            build(Spec(image, output))


def test_draws_have_their_probabilities_and_certain_ones_are_certain() -> None:
    """Each is within 5 standard errors; those draws that no power of two divides, too."""
    probabilities = torch.tensor([0.0, 2e-6, 1e-4, 0.3, 0.5, 0.9999, 1.0])
    torch.manual_seed(0)
    drawn = torch.stack([bernoulli(probabilities.expand(1_001, 7)).double().sum(dim=0) for _ in range(2_000)])
    share, count = drawn.sum(dim=0) / 2_002_000, 2_002_000
    error = (probabilities * (1 - probabilities) / count).sqrt()
    assert ((share - probabilities).abs() <= 5 * error + 1e-9).all()
    pairs = bernoulli(torch.full((100_000, 4), 0.5)) @ torch.tensor([1.0, 2.0, 4.0, 8.0])  # of one word of 64 bits
    shares = pairs.long().bincount(minlength=16) / 100_000
    torch.testing.assert_close(shares, torch.full((16,), 1 / 16), atol=5 * math.sqrt(1 / 16 / 100_000), rtol=0)
    assert bernoulli(torch.zeros(0, 3)).shape == (0, 3)


def test_words_that_tell_of_a_topic_are_in_the_order_of_their_relevance() -> None:
    """By the probabilities of a word without topics, and with one of them alone."""
    rbm = spread(TopicRBM(40, 3), scale=1.5)
    alone, bias = rbm.visible.bias.softmax(dim=0)[:, None], rbm.visible.bias[:, None]
    given = (bias + rbm.weight).softmax(dim=0)
    relevance = 0.3 * given.log() + 0.7 * (given / alone).log()
    assert torch.equal(rbm.top_words(7), relevance.argsort(dim=0, descending=True)[:7].t())
