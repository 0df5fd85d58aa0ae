"""The ranking of items: normalized discounted cumulative gain.

Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002. Items of equal scores share the mean
of their gains, as in torchmetrics.

Shape letters: B batch, G items.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.retrieval import retrieval_normalized_dcg
from torchmetrics.utilities import dim_zero_cat

from zoo import check


class NDCG(Metric):
    """The mean NDCG of rows, of those that have an item with a gain; 0 where there is no such row.

    It is torchmetrics' `RetrievalNormalizedDCG(top_k, empty_target_action="skip")` for data that comes a row a query,
    so that queries need no numbers; it keeps a number a row.

    Args:
        top_k: the first items of a ranking that count, at least 1.

    Raises:
        ValueError: `top_k` is out of range.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    values: Any  # a list of tensors, and one tensor once gathered

    def __init__(self, top_k: int = 10) -> None:
        super().__init__()
        self.top_k = check.whole("top_k", top_k)
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, scores: Tensor, gains: Tensor, mask: Tensor) -> None:
        """Add rows of items: their scores, their gains (whole numbers from 0) and which of them count, all (B, G)."""
        for row in range(len(mask)):
            row_scores, row_gains = scores[row, mask[row]], gains[row, mask[row]]
            if row_gains.any():
                self.values.append(retrieval_normalized_dcg(row_scores, row_gains, self.top_k)[None])

    def compute(self) -> Tensor:
        return dim_zero_cat(self.values).mean() if len(self.values) else torch.zeros((), device=self.device)
