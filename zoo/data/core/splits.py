"""Whole numbers and seeds that are given, and how many examples each split has: as numbers, or as shares of all."""

from __future__ import annotations

import torch


def whole_number(name: str, number: int, smallest: int, largest: int) -> int:
    if type(number) is not int or not smallest <= number <= largest:
        raise ValueError(f"{name} must be a whole number from {smallest} to {largest}, got {number}")
    return number


def seed_of(name: str, seed: int) -> int:
    """A seed: the same random numbers for the same one, by any of Python's, NumPy's and torch's generators."""
    return whole_number(name, seed, 0, 2**32 - 1)


def check_sizes(train: int, val: int, test: int) -> dict[str, int]:
    """The sizes of the splits, each at least 1."""
    sizes = {"train": train, "val": val, "test": test}
    for split, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ValueError(f"{split}_size must be a whole number of at least 1, got {size}")
    return sizes


def check_shares(val: float, test: float) -> tuple[float, float]:
    """The shares of validation and test, each above 0, which leave some for training."""
    if not (val > 0 and test > 0 and val + test < 1):
        raise ValueError(f"val_share and test_share are above 0, their sum below 1; got {val}, {test}")
    return val, test


def held_out(count: int, shares: tuple[float, float]) -> tuple[int, int]:
    """How many of so many examples validate and test: by their shares, at least one each, and of three one trains."""
    val, test = (max(1, round(share * count)) for share in shares)
    val = min(val, max(1, count - 2))
    return val, min(test, max(1, count - val - 1))


def divide(count: int, shares: tuple[float, float], seed: int) -> dict[str, list[int]]:
    """Divide so many examples at random, by the shares of validation and test (at least one each): rows by split."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    val, test = held_out(count, shares)
    return {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
