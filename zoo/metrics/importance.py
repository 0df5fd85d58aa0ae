"""Permutation importance: how much worse the answers are once a column is shuffled (Breiman, "Random forests", 2001).

Shape letters: N rows, E encoded columns.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.spec import Table

REPEATS = 5
MOST_ROWS = 10_000  # more would only cost time


@torch.inference_mode()
def permutation_importance(
    network: nn.Module, table: Table, rows: Tensor, targets: Tensor, error: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, list[float]]:
    """The rise of the error with each column shuffled among the rows, once a repeat.

    Args:
        network: in evaluation mode.
        table: whose columns are shuffled.
        rows: encoded, (N, E).
        targets: (N, …), of those rows.
        error: of outputs and targets, a scalar.
    """
    rows, targets = rows[:MOST_ROWS], targets[:MOST_ROWS]
    random = torch.Generator().manual_seed(0)
    before = error(network(table.prepare(rows)), targets)
    rises: dict[str, list[float]] = {}
    for name, place in table.slices.items():
        rises[name] = []
        for _ in range(REPEATS):
            shuffled = rows.clone()
            shuffled[:, place] = rows[torch.randperm(len(rows), generator=random), place]
            rises[name].append(float(error(network(table.prepare(shuffled)), targets) - before))
    return rises
