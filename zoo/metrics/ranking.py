"""The ranking of items: normalized discounted cumulative gain, recall, and the rank of the first good one.

Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002. Items of equal scores share the mean
of their gains, as in torchmetrics.

Shape letters: B batch, G items.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
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
        gains = gains.double().masked_fill(~mask, 0)
        ideal = self._dcg(gains, gains, mask)
        chosen = ideal > 0
        self.values.append((self._dcg(scores, gains, mask)[chosen] / ideal[chosen]).float())

    def _dcg(self, scores: Tensor, gains: Tensor, mask: Tensor) -> Tensor:
        """The discounted cumulative gain of each row (B,); the discount of an item is the mean of those of its equals.

        Those are the places in the row's ranking of the items whose scores are the same.
        """
        discounts = 1 / torch.arange(2, scores.shape[1] + 2, device=scores.device).double().log2()
        discounts[self.top_k :] = 0
        before = torch.cat([discounts.new_zeros(1), discounts.cumsum(0)])
        keys = (-scores).masked_fill(~mask, torch.inf).contiguous()
        ranking = keys.sort(dim=1).values
        first, end = (torch.searchsorted(ranking, keys, right=right) for right in (False, True))
        return (gains * (before[end] - before[first]) / (end - first)).sum(dim=1)

    def compute(self) -> Tensor:
        values = dim_zero_cat(self.values) if len(self.values) else torch.zeros(0, device=self.device)
        return values.mean() if len(values) else values.sum()


class _RowMean(Metric):
    """The mean over those rows of items that have a relevant one; 0 where there is no such row."""

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    total: Any
    rows: Any

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.tensor(0.0, dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("rows", default=torch.tensor(0), dist_reduce_fx="sum")

    def add(self, values: Tensor, relevant: Tensor) -> None:
        has_one = relevant.any(dim=1)
        self.total += values[has_one].double().sum()
        self.rows += has_one.sum()

    def compute(self) -> Tensor:
        return (self.total / self.rows.clamp(min=1)).float()


class Recall(_RowMean):
    """The share of a row's relevant items among the first `top_k`, as torchmetrics' `RetrievalRecall` has it.

    Args:
        top_k: the first items of a ranking that count, at least 1.

    Raises:
        ValueError: `top_k` is out of range.
    """

    def __init__(self, top_k: int = 10) -> None:
        super().__init__()
        self.top_k = check.whole("top_k", top_k)

    def update(self, scores: Tensor, relevant: Tensor) -> None:
        """Add rows of items: their scores, and which of them are relevant, bool, both (B, G)."""
        first = scores.topk(min(self.top_k, scores.shape[1]), dim=1).indices
        self.add(relevant.gather(1, first).sum(dim=1) / relevant.sum(dim=1), relevant)


class ReciprocalRank(_RowMean):
    """1 / rank of a row's first relevant item, as torchmetrics' `RetrievalMRR` has it; it is the last of equal ones."""

    def update(self, scores: Tensor, relevant: Tensor) -> None:
        """Add rows of items: their scores, and which of them are relevant, bool, both (B, G)."""
        best = scores.masked_fill(~relevant, float("-inf")).amax(dim=1, keepdim=True)
        better = ((scores >= best) & ~relevant).sum(dim=1)
        self.add(1 / (1 + better), relevant)
