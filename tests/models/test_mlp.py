"""The multilayer perceptron."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo import SpecError
from zoo.models import MLP
from zoo.models.mlp import ACTIVATIONS, build, defaults
from zoo.spec import Classes, Image, MaskedImage, Spec, Table, Values
from zoo.spec.columns import Category, Number

TABLE = Table((Number("a", 0.0, 1.0, True), Category("b", ("x", "y", "z")), Number("c", 0.0, 1.0, False)))
TWO, THREE = Classes(("no", "yes")), Classes(("p", "q", "r"))
VALUES = Values(("price",), (0.0,), (1.0,))


def test_layer_by_layer() -> None:
    network = MLP(3, 2, hidden_sizes=[4, 5], activation="tanh", output_activation="logistic").double()
    x = torch.randn(7, 3, dtype=torch.float64)
    first, second, last = (module for module in network.modules() if isinstance(module, nn.Linear))
    h = torch.tanh(x @ first.weight.T + first.bias)
    h = torch.tanh(h @ second.weight.T + second.bias)
    torch.testing.assert_close(network(x), torch.sigmoid(h @ last.weight.T + last.bias))


def test_no_hidden_layer_is_a_linear_model() -> None:
    network = MLP(3, 2, hidden_sizes=[])
    x = torch.randn(5, 3)
    torch.testing.assert_close(network(x), network.output(x))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations(name: str) -> None:
    x = torch.linspace(-3, 3, 12).view(2, 6)
    expected = {
        "linear": x,
        "logistic": 1 / (1 + torch.exp(-x)),
        "tanh": torch.tanh(x),
        "softmax": torch.exp(x) / torch.exp(x).sum(dim=1, keepdim=True),
        "relu": x.clamp(min=0),
        "gelu": x * (1 + torch.erf(x / math.sqrt(2))) / 2,
        "silu": x / (1 + torch.exp(-x)),
    }[name]
    torch.testing.assert_close(ACTIVATIONS[name]()(x), expected)


@pytest.mark.parametrize("output", [THREE, VALUES], ids=["classes", "values"])
def test_an_ensemble_learns_a_few_rows_by_heart(output: Classes | Values) -> None:
    """With any of 100 seeds the loss falls to less than a five-hundredth; of images, see test_models.py."""
    network = build(Spec(TABLE, output), hidden_sizes=[64], ensemble_size=4)
    x = TABLE.prepare(torch.stack([torch.linspace(-2, 2, 6), torch.arange(6) % 5, torch.randn(6)], dim=1))
    targets = torch.tensor([0.6, -0.2, 1.0, -1.0, 0.2, -0.6])[:, None] if output is VALUES else torch.arange(6) * 2 % 3
    criterion = functional.mse_loss if output is VALUES else functional.cross_entropy
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    first = criterion(network.eval()(x), targets).item()
    for _ in range(60):
        loss = criterion(network.train()(x).flatten(0, 1), targets.repeat_interleave(4, dim=0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert all(parameter.grad is not None for parameter in network.parameters())
    answers = network.eval()(x)
    assert answers.shape == (6, 1 if output is VALUES else 3)
    assert criterion(answers, targets) < first / 20


def test_members_answer_together() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3)
    values = MLP(3, 2, ensemble_size=5)
    torch.testing.assert_close(values.eval()(x), values.train()(x).mean(dim=1))
    classes = build(Spec(Table((Number("a", 0.0, 1.0, False),)), THREE), ensemble_size=5)
    x = torch.randn(6, 1)
    each = classes.train()(x)
    assert each.shape == (6, 5, 3)
    torch.testing.assert_close(classes.eval()(x).softmax(dim=1), each.softmax(dim=2).mean(dim=1))
    assert (each[:, 0] - each[:, 1]).abs().max() > 1e-3


def test_a_logistic_unit_for_two_classes() -> None:
    network = build(Spec(TABLE, TWO), output_activation="logistic", ensemble_size=3)
    x = TABLE.prepare(torch.tensor([[0.5, 2.0, 1.0], [math.nan, 0.0, -2.0]]))
    each = network.train()(x)
    assert each.shape == (2, 3, 2)
    assert each[:, :, 0].abs().max() == 0
    probability = torch.sigmoid(each[:, :, 1]).mean(dim=1)
    torch.testing.assert_close(network.eval()(x).softmax(dim=1)[:, 1], probability)
    assert network.output.weight.shape[-1] == 1


def test_categories_are_embedded_and_unknown_ones_start_at_zero() -> None:
    network = MLP(1, 2, categories=[5, 40], embedding_dim=16)
    assert [embedding.weight.shape for embedding in network.embeddings] == [(5, 5), (40, 16)]
    assert network.layers[0].in_features == 1 + 5 + 16
    for embedding in network.embeddings:
        assert embedding.weight[:2].abs().max() == 0
        assert embedding.weight[2:].abs().min() > 0
    known, unknown = torch.tensor([[0.0, 2, 2]]), torch.tensor([[0.0, 1, 1]])
    assert not torch.allclose(network.eval()(known), network(unknown))


def test_cosines_are_features_of_each_number_by_itself() -> None:
    network = MLP(2, 1, hidden_sizes=[], frequencies=3).double()
    cosines = network.cosines
    assert cosines is not None
    x = torch.randn(5, 2, dtype=torch.float64)
    for row in range(5):
        for place in range(2):
            frequency, phase = (part[place].tolist() for part in (cosines.frequency, cosines.phase))
            waves = [math.cos(2 * math.pi * f * float(x[row, place]) + p) for f, p in zip(frequency, phase)]
            expected = torch.tensor(waves, dtype=torch.float64) @ cosines.weight[place] + cosines.bias[place]
            torch.testing.assert_close(cosines(x)[row, 4 * place : 4 * place + 4], expected)
    torch.testing.assert_close(network(x), network.output(torch.cat([x, cosines(x)], dim=1)))  # type: ignore[misc]


def test_a_number_has_cosines_in_a_training_on_a_table_of_not_too_many() -> None:
    few, many = (Table(tuple(Number(str(place), 0.0, 1.0, False) for place in range(count))) for count in (3, 501))
    assert defaults(Spec(few, TWO))["frequencies"] > 0
    assert defaults(Spec(many, TWO))["frequencies"] == 0
    assert "frequencies" not in defaults(Spec(Image(1, 4, 4, (0.5,), (0.5,)), TWO))
    names = Table((Category("b", ("x", "y", "z")),))
    assert build(Spec(names, TWO), frequencies=4).cosines is None  # there is no number


@pytest.mark.parametrize(
    "options",
    [
        {"frequencies": -1},
        {"hidden_sizes": [0]},
        {"hidden_sizes": [3.5]},
        {"activation": "rleu"},
        {"output_activation": "sigmoid"},
        {"dropout": 1.0},
        {"ensemble_size": 0},
        {"embedding_dim": 0},
        {"in_features": 0},
        {"num_outputs": -1},
        {"categories": [0]},
    ],
    ids=str,
)
def test_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|unknown (output_)?activation"):
        MLP(**{"in_features": 3, "num_outputs": 2, **options})


def test_what_it_cannot_do() -> None:
    picture = (1, 4, 4, (0.5,), (0.5,))
    for spec in (Spec(MaskedImage(*picture), TWO), Spec(TABLE, Image(*picture))):
        with pytest.raises(SpecError, match="mlp goes from"):
            build(spec)
    for spec, activation in ((Spec(TABLE, THREE), "logistic"), (Spec(TABLE, TWO), "tanh")):
        with pytest.raises(ValueError, match="output_activation"):
            build(spec, output_activation=activation)


def test_names_of_published_weights() -> None:
    """These keys are those of files that people keep: changing one makes them unreadable."""
    named = build(Spec(TABLE, THREE), frequencies=2).state_dict()
    assert sorted(name for name in named if name.startswith("cosines.")) == [
        "cosines.bias",
        "cosines.frequency",
        "cosines.phase",
        "cosines.weight",
    ]
    network = build(Spec(TABLE, THREE), hidden_sizes=[4], ensemble_size=2)
    assert sorted(network.state_dict()) == [
        "embeddings.0.weight",
        "layers.0.bias",
        "layers.0.weight",
        "output.bias",
        "output.weight",
        "scales",
    ]
    assert sorted(build(Spec(TABLE, THREE), hidden_sizes=[4]).state_dict()) == [
        "embeddings.0.weight",
        "layers.0.bias",
        "layers.0.weight",
        "output.bias",
        "output.weight",
    ]
