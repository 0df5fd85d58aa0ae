"""Sparse rows hold what dense ones do."""

from __future__ import annotations

import torch

from zoo.data.core.sparse import SparseRows


def test_rows_are_those_of_the_dense_table() -> None:
    random = torch.Generator().manual_seed(0)
    dense = torch.randint(0, 6, (30, 17), generator=random, dtype=torch.uint8)
    dense[torch.rand(30, 17, generator=random) < 0.7] = 0
    dense[4] = 0
    rows = SparseRows.of_dense(dense)
    assert torch.equal(rows.dense(), dense)
    chosen = torch.tensor([7, 4, 7, 29, 0])
    assert torch.equal(rows.index_select(0, chosen), dense[chosen])
    assert torch.equal(rows[7], dense[7])
    pairs = dense.nonzero()[torch.randperm(int((dense > 0).sum()), generator=random)]
    codes = dense[pairs[:, 0], pairs[:, 1]]
    shuffled = SparseRows.of_pairs(pairs[:, 0], pairs[:, 1], codes, (30, 17))
    assert torch.equal(shuffled.dense(), dense)
    kept, out, _ = rows.held_out(2, random)
    assert torch.equal(kept.dense() + out.dense(), dense)
    assert torch.equal(out.counts, (rows.counts // 2).clamp(max=2))


def test_the_last_of_a_pair_counts() -> None:
    rows = SparseRows.of_pairs(torch.tensor([0, 0, 1]), torch.tensor([2, 2, 0]), torch.tensor([1, 3, 2]), (2, 3))
    assert rows.dense().tolist() == [[0, 0, 3], [2, 0, 0]]


def test_the_last_by_an_order_are_held_out() -> None:
    rows = SparseRows.of_dense(torch.tensor([[1, 2, 3, 4]], dtype=torch.uint8))
    kept, out, _ = rows.held_out(2, torch.Generator(), torch.tensor([5.0, 9.0, 1.0, 7.0]))
    assert kept.dense().tolist() == [[1, 0, 3, 0]]
    assert out.dense().tolist() == [[0, 2, 0, 4]]


def test_many_pairs_take_no_dense_table() -> None:
    users = torch.arange(200_000).repeat_interleave(4)
    items = torch.arange(800_000) * 7919 % 100_000
    rows = SparseRows.of_pairs(users, items, torch.ones(800_000), (200_000, 100_000))
    kept, out, _ = rows.held_out(1, torch.Generator().manual_seed(0))
    assert len(kept.codes) + len(out.codes) == len(rows.codes)
    assert out.counts.unique().tolist() == [1]
