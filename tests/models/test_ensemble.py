"""Networks averaged: by the probabilities or values that they stand for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zoo import models
from zoo.errors import SpecError
from zoo.models.ensemble import Ensemble, average_for, mean_of_classes, mean_of_labels
from zoo.spec import Classes, Features, MultiLabel, Spec, Table, Values
from zoo.spec.columns import Number

TABLE = Table((Number("a", 0.0, 1.0, False), Number("b", 0.0, 1.0, False)))


def test_probabilities_of_classes_and_of_labels_are_averaged() -> None:
    logits = torch.randn(5, 3, 4, dtype=torch.float64) * 4
    torch.testing.assert_close(mean_of_classes(logits).exp(), logits.softmax(dim=2).mean(dim=1))
    torch.testing.assert_close(mean_of_labels(logits).sigmoid(), logits.sigmoid().mean(dim=1))
    far = torch.tensor([[[200.0], [200.0]]])  # whose probabilities are 1 in float32
    torch.testing.assert_close(mean_of_labels(far), far[:, 0])


@pytest.mark.parametrize("output", [Classes(("x", "y")), MultiLabel(("x",)), Values(("x",), (0.0,), (1.0,))])
def test_an_ensemble_is_the_mean_of_its_members(output: Classes | MultiLabel | Values) -> None:
    spec = Spec(TABLE, output)
    ensemble = models.build("mlp", spec, num_members=3, hidden_sizes=[4]).eval()
    assert isinstance(ensemble, Ensemble)
    x = torch.randn(6, 2)
    each = torch.stack([member(x) for member in ensemble.members])
    kind = {Classes: lambda y: y.softmax(dim=-1), MultiLabel: torch.sigmoid, Values: lambda y: y}[type(output)]
    torch.testing.assert_close(kind(ensemble(x)), kind(each).mean(dim=0))  # type: ignore[operator]


def test_members_within_one_network_are_averaged_alike() -> None:
    x = torch.randn(6, 2)
    outputs: list[Any] = [Classes(("x", "y", "z")), MultiLabel(("x", "y")), Values(("x",), (0.0,), (1.0,))]
    for output in outputs:
        spec = Spec(TABLE, output)
        network = models.build("mlp", spec, ensemble_size=3, hidden_sizes=[4])
        each = network.train()(x)  # B, M, K
        assert each.shape == (6, 3, len(output.names))
        torch.testing.assert_close(network.eval()(x), average_for(spec)(each))


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(SpecError, match="averaged"):
        Ensemble(Spec(TABLE, Features()), [])
    with pytest.raises(ValueError, match="num_members"):
        models.build("mlp", Spec(TABLE, Classes(("x", "y"))), num_members=0)
