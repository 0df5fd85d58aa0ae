"""What happens within a recurrent layer at each step: its gates, its memory and its state.

Shape letters: T steps, F features, H units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def gates(layer: nn.RNNBase, x: Tensor) -> dict[str, Tensor]:
    """The gates and states of a layer in one direction as it reads a sequence, each (T, H).

    An LSTM has `input`, `forget` and `output` gates (0..1), its memory `cell`, and its state `hidden`; a GRU the gates
    `reset` and `update` (0..1; where it is 1, the old state stays), and `hidden`; a plain RNN `hidden` alone. States
    start at 0, and `hidden` is what the layer itself gives.

    Args:
        layer: `nn.LSTM`, `nn.GRU` or `nn.RNN` (tanh); only its first layer and direction is read.
        x: (T, F), on its device.
    """
    w_x, w_h, b_x, b_h = (getattr(layer, f"{part}_l0") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    hidden = cell = x.new_zeros(layer.hidden_size)
    steps: list[dict[str, Tensor]] = []
    for given in x @ w_x.t() + b_x:  # T, gates * H
        recalled = w_h @ hidden + b_h
        if isinstance(layer, nn.LSTM):
            opened, kept, candidate, shown = (given + recalled).chunk(4)
            now = {"input": opened.sigmoid(), "forget": kept.sigmoid(), "output": shown.sigmoid()}
            cell = now["forget"] * cell + now["input"] * candidate.tanh()
            hidden = now["output"] * cell.tanh()
            now |= {"cell": cell, "hidden": hidden}
        elif isinstance(layer, nn.GRU):
            (r, z, n), (r_h, z_h, n_h) = given.chunk(3), recalled.chunk(3)
            now = {"reset": (r + r_h).sigmoid(), "update": (z + z_h).sigmoid()}
            hidden = (1 - now["update"]) * (n + now["reset"] * n_h).tanh() + now["update"] * hidden
            now["hidden"] = hidden
        else:
            hidden = (given + recalled).tanh()
            now = {"hidden": hidden}
        steps.append(now)
    return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
