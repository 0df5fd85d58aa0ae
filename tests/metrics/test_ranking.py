"""NDCG of whole rows is that of torchmetrics on numbered queries."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchmetrics.retrieval import RetrievalMRR, RetrievalNormalizedDCG, RetrievalRecall

from zoo.metrics.ranking import NDCG, Recall, ReciprocalRank


def rows(ties: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of 40 users and 60 items; one user has no item at all, one none with a gain."""
    random = torch.Generator().manual_seed(0)
    scores = torch.rand(40, 60, generator=random)
    if ties:
        scores = (4 * scores).round()
    gains = 2 ** torch.randint(0, 5, (40, 60), generator=random) - 1
    mask = torch.rand(40, 60, generator=random) < torch.linspace(0.02, 0.9, 40)[:, None]
    mask[3] = False
    gains[7] = 0
    return scores, gains, mask


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("top_k", [1, 10, 100])
def test_it_is_that_of_torchmetrics(ties: bool, top_k: int) -> None:
    scores, gains, mask = rows(ties)
    metric, theirs = NDCG(top_k), RetrievalNormalizedDCG(top_k=top_k, empty_target_action="skip")
    for part in torch.arange(40).split(16):
        metric.update(scores[part], gains[part], mask[part])
    theirs.update(scores[mask], gains[mask], mask.nonzero()[:, 0])
    assert metric.compute().item() == pytest.approx(theirs.compute().item(), rel=1e-6)


def test_several_processes_count_as_one() -> None:
    scores, gains, mask = rows(ties=True)
    first, second, whole = NDCG(), NDCG(), NDCG()
    first.update(scores[:30], gains[:30], mask[:30])
    second.update(scores[30:], gains[30:], mask[30:])
    whole.update(scores, gains, mask)
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute())


def test_rows_without_gains_are_skipped() -> None:
    metric = NDCG()
    metric.update(torch.rand(2, 4), torch.zeros(2, 4, dtype=torch.long), torch.ones(2, 4, dtype=torch.bool))
    assert metric.compute() == 0


def test_its_length_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match="top_k"):
        NDCG(0)


@pytest.mark.parametrize("top_k", [1, 10, 100])
def test_recall_and_the_rank_of_the_first_are_those_of_torchmetrics(top_k: int) -> None:
    scores, gains, mask = rows(ties=False)
    relevant = mask & (gains > 2)
    recall, rank = Recall(top_k), ReciprocalRank()
    for part in torch.arange(40).split(16):
        recall.update(scores[part], relevant[part])
        rank.update(scores[part], relevant[part])
    queries = torch.arange(40)[:, None].expand(40, 60).flatten()
    for ours, theirs in (
        (recall, RetrievalRecall(top_k=top_k, empty_target_action="skip")),
        (rank, RetrievalMRR(empty_target_action="skip")),
    ):
        theirs.update(scores.flatten(), relevant.flatten(), queries)
        assert ours.compute() == pytest.approx(theirs.compute())
