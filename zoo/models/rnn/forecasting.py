"""The next values of a series: the network reads the past and predicts the whole horizon at once.

Shape letters: B batch, T steps, F numbers, H steps of the horizon, V values.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from zoo.models.rnn.recurrent import Recurrent, real_steps

fx.wrap("real_steps")  # one node of a traced graph


class Forecaster(nn.Module):
    """Predicts the next values of a series.

    The mean of the past is subtracted from the input and added to the output (as Kim et al., "Reversible instance
    normalization", 2022, but without the scale), so that a level never seen in training does no harm.

    Args:
        network: gives H * V numbers for (B, T, F).
        targets: positions of the V values among the F numbers.
    """

    def __init__(self, network: Recurrent, targets: Sequence[int]) -> None:
        super().__init__()
        self.network = network
        self.targets: Tensor
        # On the CPU even where a network is built on the meta device, to be filled from a file: this is in none
        self.register_buffer("targets", torch.tensor(list(targets), device="cpu"), persistent=False)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The next values (B, H, V) after standardised series (B, T, F), padded after their lengths (B,)."""
        if lengths is None:
            level = x.mean(dim=1)  # B, F
        else:
            x = x.masked_fill(~real_steps(x, lengths), 0)
            level = x.sum(dim=1) / lengths[:, None]
        outputs = self.network(x - level[:, None], lengths).unflatten(1, (-1, len(self.targets)))  # B, H, V
        return outputs + level[:, None, self.targets]
