"""The sizes of splits, as numbers or as fractions of all examples, and random splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from zoo import check
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


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


def random_split(
    count: int, fractions: tuple[float, float], seed: int, groups: Sequence[int] | None = None
) -> dict[str, list[int]]:
    """The rows of each split, drawn at random by the fractions of validation and test.

    Args:
        count: number of rows.
        fractions: of validation and test, at least one row each; 0 for none.
        seed: of the draw.
        groups: of each row, such as its class; each group is split by the fractions. None for one group of all.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    members: dict[int, list[int]] = {}
    for row in order:
        members.setdefault(0 if groups is None else groups[row], []).append(row)
    chosen: dict[int, str] = {}
    for rows in members.values():
        val, test = (size if fraction else 0 for size, fraction in zip(held_out_sizes(len(rows), fractions), fractions))
        chosen |= dict.fromkeys(rows[:val], "val") | dict.fromkeys(rows[val : val + test], "test")
    return {split: [row for row in order if chosen.get(row, "train") == split] for split in ("val", "test", "train")}


def split_rows(
    labels: pd.Series | None,
    count: int,
    fractions: tuple[float, float],
    seed: int,
    fold: tuple[int, int] | None = None,
) -> dict[str, np.ndarray]:
    """Positions of the rows of each split, in random order; each class has at least one row in each split. Of a fold,
    its number and how many there are, the test rows are its own."""
    import numpy as np

    random = np.random.default_rng(seed)
    order = random.permutation(count)
    groups = [order]
    if labels is not None:
        words_of_rows = labels.to_numpy()[order]
        groups = [order[words_of_rows == name] for name in labels.unique()]
    parts: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for group in groups:
        val, test = held_out_sizes(len(group), fractions)
        if fold is not None:
            first, last = (place * len(group) // fold[1] for place in (fold[0], fold[0] + 1))
            test, others = last - first, np.concatenate([group[:first], group[last:]])
            group = np.concatenate([others[:val], group[first:last], others[val:]])
        parts["val"].append(group[:val])
        parts["test"].append(group[val : val + test])
        parts["train"].append(group[val + test :])
    return {split: random.permutation(np.concatenate(part)) for split, part in parts.items()}


def split_in_order(
    when: pd.Series, fractions: tuple[float, float], name: str, fold: tuple[int, int] | None = None
) -> dict[str, np.ndarray]:
    """Positions of the rows (N,) of each split, by time: the first for training, the last for test.

    Rows of one time are in one split. Of a fold, its number and how many there are, the test rows are one of so many
    equal parts that follow each other up to the last row; later rows are in no split. The first part, which is as
    large, is never tested (as scikit-learn's TimeSeriesSplit has it).

    Raises:
        DataError: a time is missing, or there are too few different ones.
    """
    import numpy as np

    if when.isna().any():
        raise DataError(f"column '{name}', row {when.index[int(when.isna().to_numpy().argmax())]}: the cell is missing")
    values = when.to_numpy()
    order = np.argsort(values, kind="stable")
    end, (val, test) = len(values), held_out_sizes(len(values), fractions)
    if fold is not None:
        test = len(values) // (fold[1] + 1)
        end -= test * (fold[1] - 1 - fold[0])
        val, _ = held_out_sizes(end, fractions)
    places = [max(0, end - val - test), end - test, *([end] if end < len(values) else [])]
    ends = [np.searchsorted(values[order], values[order[place]]) for place in places]
    parts = dict(zip(("train", "val", "test"), np.split(order, ends)))
    if not all(map(len, parts.values())):
        raise DataError(f"column '{name}' has too few different values to split the rows by it")
    return parts


def split_groups(
    groups: pd.Series, fractions: tuple[float, float], seed: int, fold: tuple[int, int] | None = None
) -> dict[str, np.ndarray]:
    """Positions of the rows (N,) of each split, drawn at random by their groups; no group is in two splits. Of a fold,
    its number and how many there are, the test rows are those of its own groups.

    Raises:
        DataError: there are fewer than three groups, or fewer than folds.
    """
    import numpy as np
    import pandas as pd

    codes, names = pd.factorize(groups, use_na_sentinel=False)
    least = 3 if fold is None else max(3, fold[1])
    if len(names) < least:
        of = "three splits" if fold is None else f"{fold[1]} folds"
        raise DataError(f"column '{groups.name}' has {len(names)} groups; {of} need at least {least}")
    random = np.random.default_rng(seed)
    order = random.permutation(len(names))
    val, test = held_out_sizes(len(names), fractions)
    if fold is not None:
        first, last = (place * len(names) // fold[1] for place in (fold[0], fold[0] + 1))
        test, others = last - first, np.concatenate([order[:first], order[last:]])
        val = min(val, len(others) - 1)
        order = np.concatenate([others[:val], order[first:last], others[val:]])
    chosen = {"val": order[:val], "test": order[val : val + test], "train": order[val + test :]}
    return {split: random.permutation(np.flatnonzero(np.isin(codes, part))) for split, part in chosen.items()}
