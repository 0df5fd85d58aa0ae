"""Lines of text that were read: where each character was seen, and what differs from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from zoo.spec.ctc import BLANK

Edit = tuple[str, str]  # a true character and the one that was read; "" where there is none


@dataclass(frozen=True)
class Reading:
    """A line that was read.

    Args:
        image: uint8 (H, W).
        path: the likeliest symbol at each step (T,).
        stride: pixels from one step to the next.
        predicted, true: the texts.
    """

    image: Tensor
    path: Tensor
    stride: float
    predicted: str
    true: str

    @property
    def positions(self) -> list[float]:
        """Where each character was seen: the middle of its run of steps, in pixels from the left."""
        positions, step = [], 0
        for symbol, run in groupby(self.path.tolist()):
            length = len(list(run))
            if symbol != BLANK:
                positions.append((step + length / 2) * self.stride)
            step += length
        return positions

    @property
    def edits(self) -> list[Edit]:
        """The fewest edits from the true text to the one that was read."""
        return [pair for pair in align(self.true, self.predicted) if pair[0] != pair[1]]


def align(true: str, predicted: str) -> list[Edit]:
    """Pair the characters of two texts with the fewest edits (Levenshtein, 1966); "" stands for a missing one."""
    costs = [list(range(len(predicted) + 1))]  # costs[i][j]: of the first i characters against the first j
    for i, a in enumerate(true, start=1):
        row = [i]
        for j, b in enumerate(predicted, start=1):
            row.append(min(costs[-1][j - 1] + (a != b), costs[-1][j] + 1, row[-1] + 1))
        costs.append(row)
    pairs = []
    i, j = len(true), len(predicted)
    while i or j:
        if i and j and costs[i][j] == costs[i - 1][j - 1] + (true[i - 1] != predicted[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((true[i], predicted[j]))
        elif i and costs[i][j] == costs[i - 1][j] + 1:
            i -= 1
            pairs.append((true[i], ""))
        else:
            j -= 1
            pairs.append(("", predicted[j]))
    return pairs[::-1]
