"""Permutation importance: how much an error increases once a column is shuffled.

Breiman, "Random forests", 2001. Shape letters: N rows, E encoded columns.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.spec import Table

REPEATS = 5
MAX_ROWS = 10_000  # more would only cost time


@torch.inference_mode()
def permutation_importance(
    network: nn.Module, table: Table, rows: Tensor, targets: Tensor, error: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, list[float]]:
    """The increase of the error with each column shuffled among the rows, once a repeat.

    Args:
        network: in eval mode.
        table: whose columns are shuffled.
        rows: encoded, (N, E); of more than 10,000 the first.
        targets: (N, …), of those rows.
        error: of outputs and targets, a scalar.
    """
    rows, targets = rows[:MAX_ROWS], targets[:MAX_ROWS]
    random = torch.Generator().manual_seed(0)
    unshuffled = error(network(table.prepare(rows)), targets)
    increases: dict[str, list[float]] = {}
    for name, columns in table.slices.items():
        increases[name] = []
        for _ in range(REPEATS):
            shuffled = rows.clone()
            shuffled[:, columns] = rows[torch.randperm(len(rows), generator=random), columns]
            increases[name].append(float(error(network(table.prepare(shuffled)), targets) - unshuffled))
    return increases
