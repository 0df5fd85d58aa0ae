"""Sentences that are wrong by one word."""

from __future__ import annotations

import torch

from zoo.spec.text import PAD
from zoo.tasks.gan.near_misses import near_misses

A, BIG, SMALL, CAT, DOG, RUNS, SLEEPS = range(2, 9)


def test_a_word_takes_the_place_of_another_between_the_same_neighbours() -> None:
    """A small cat is seen elsewhere, and a cat that runs; but no big dog that sleeps."""
    codes = torch.tensor(
        [
            [A, BIG, CAT, RUNS],
            [A, BIG, CAT, SLEEPS],
            [A, SMALL, CAT, RUNS],
            [A, BIG, DOG, RUNS],
        ]
    )
    torch.manual_seed(0)
    drawn = [near_misses(codes) for _ in range(200)]
    seen = [{tuple(new[row].tolist()) for new, found in drawn if found[row]} for row in range(2)]
    assert seen[0] == {(A, SMALL, CAT, RUNS), (A, BIG, DOG, RUNS), (A, BIG, CAT, SLEEPS)}
    assert seen[1] == {(A, BIG, CAT, RUNS), (A, SMALL, CAT, SLEEPS)}


def test_where_no_word_fits_a_sentence_stays_as_it_is() -> None:
    codes = torch.tensor([[A, BIG, CAT, PAD, PAD], [SMALL, DOG, RUNS, A, SLEEPS]])
    new, found = near_misses(codes)
    assert torch.equal(new, codes)
    assert not found.any()


def test_each_differs_by_one_word_at_most_and_padding_is_none() -> None:
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 7, (64,), generator=random)
    codes = torch.randint(2, 12, (64, 6), generator=random).where(torch.arange(6) < lengths[:, None], PAD)
    new, found = near_misses(codes)
    assert torch.equal((new != codes).sum(dim=1), found.long())
    assert torch.equal(new == PAD, codes == PAD)
    assert 0 < found.sum() < 64
