"""Gates of recurrent layers, against torch's own layers and cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.models.rnn.gates import gates


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_states_are_those_of_torch(kind: type[nn.RNNBase]) -> None:
    layer = kind(5, 7, batch_first=True)
    x = torch.randn(11, 5)
    with torch.no_grad():
        expected, last = layer(x[None])
    found = gates(layer, x)
    torch.testing.assert_close(found["hidden"], expected[0], rtol=1e-5, atol=1e-6)
    if kind is nn.LSTM:
        torch.testing.assert_close(found["cell"][-1], last[1][0, 0], rtol=1e-5, atol=1e-6)
    for name in {"input", "forget", "output", "reset", "update"} & found.keys():
        assert ((found[name] > 0) & (found[name] < 1)).all()


def test_gates_of_an_lstm_do_what_they_are_called_for() -> None:
    """Each is forced open or shut by its bias (in torch's order: input, forget, cell, output)."""
    layer = nn.LSTM(3, 4)
    x = torch.randn(6, 3)
    for place, name in enumerate(("input", "forget", None, "output")):
        if name is None:
            continue
        with torch.no_grad():
            layer.bias_ih_l0[4 * place : 4 * place + 4] = -50.0
        found = gates(layer, x)
        assert found[name].max() < 1e-6
        empty = {"input": found["cell"], "output": found["hidden"]}.get(name)
        if empty is not None:
            assert empty.abs().max() < 1e-6
        with torch.no_grad():
            layer.bias_ih_l0[4 * place : 4 * place + 4] = 0.0
