"""The sizes of splits, as numbers or as fractions of all examples, and random splits."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo import check


def split_sizes(train: int, val: int, test: int) -> dict[str, int]:
    """The size of each split by its name, each at least 1."""
    sizes = {"train": train, "val": val, "test": test}
    return {split: check.whole(f"{split}_size", size) for split, size in sizes.items()}


def split_fractions(val: float, test: float) -> tuple[float, float]:
    """The fractions of validation and test, each above 0, which leave some examples for training."""
    if not (val > 0 and test > 0 and val + test < 1):
        raise ValueError(f"val_fraction and test_fraction are above 0, their sum below 1; got {val}, {test}")
    return val, test


def held_out_sizes(count: int, fractions: tuple[float, float]) -> tuple[int, int]:
    """How many of `count` examples are for validation and test: at least one each; with three or more one trains."""
    val, test = (max(1, round(fraction * count)) for fraction in fractions)
    val = min(val, max(1, count - 2))
    return val, min(test, max(1, count - val - 1))


def random_split(count: int, fractions: tuple[float, float], seed: int) -> dict[str, list[int]]:
    """The rows of each split, drawn at random by the fractions of validation and test (at least one row each)."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    val, test = held_out_sizes(count, fractions)
    return {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}


def stratified_split(labels: Tensor, fractions: tuple[float, float], seed: int) -> dict[str, Tensor]:
    """The rows of each split, in random order: of each class (N,) the fractions of validation and test."""
    random = torch.Generator().manual_seed(seed)
    parts: dict[str, list[Tensor]] = {"train": [], "val": [], "test": []}
    for label in labels.unique():
        rows = (labels == label).nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=random)]
        val, test = held_out_sizes(len(rows), fractions)
        for split, part in zip(("val", "test", "train"), rows.split([val, test, len(rows) - val - test])):
            parts[split].append(part)
    joined = {split: torch.cat(part) for split, part in parts.items()}
    return {split: rows[torch.randperm(len(rows), generator=random)] for split, rows in joined.items()}
