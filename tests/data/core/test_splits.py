"""Folds by time and by groups, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit

from zoo import DataError
from zoo.data.core.splits import split_groups, split_in_order

FRACTIONS = (0.2, 0.2)


def test_folds_by_time_test_what_follows_as_of_scikit_learn() -> None:
    when = pd.Series(np.random.default_rng(0).permutation(53) * 2.0, name="day")
    order = np.argsort(when.to_numpy())
    for number, (before, test) in enumerate(TimeSeriesSplit(4).split(order)):
        found = split_in_order(when, FRACTIONS, "day", (number, 4))
        assert found["test"].tolist() == order[test].tolist()
        assert [*found["train"], *found["val"]] == order[before].tolist()
        assert len(found["val"]) == round(0.2 * (len(before) + len(test)))


def test_rows_of_one_time_are_in_one_split_of_a_fold_and_tested_once() -> None:
    when = pd.Series(np.random.default_rng(0).integers(0, 30, 200), name="day")
    tested = []
    for number in range(4):
        found = split_in_order(when, FRACTIONS, "day", (number, 4))
        days = [set(when.iloc[found[split]]) for split in ("train", "val", "test")]
        assert max(days[0]) < min(days[1])
        assert max(days[1]) < min(days[2])
        tested += found["test"].tolist()
    assert len(tested) == len(set(tested))
    assert sorted(when.iloc[tested]) == sorted(when[when >= when.iloc[tested].min()])


@pytest.mark.parametrize("count", [5, 12])
def test_each_group_is_tested_in_one_fold_and_is_in_one_split(count: int) -> None:
    groups = pd.Series(np.random.default_rng(0).choice(list("abcdefghijkl"), 300), name="patient")
    tested: list[int] = []
    for number in range(count):
        found = split_groups(groups, FRACTIONS, 0, (number, count))
        members = [set(groups.iloc[found[split]]) for split in ("train", "val", "test")]
        assert all(members)
        assert sum(map(len, members)) == 12
        assert sum(map(len, found.values())) == 300
        tested += found["test"].tolist()
    assert sorted(tested) == list(range(300))


def test_fewer_groups_than_folds_are_one_line() -> None:
    with pytest.raises(DataError, match="'patient' has 3 groups; 4 folds need"):
        split_groups(pd.Series(list("abc") * 9, name="patient"), FRACTIONS, 0, (0, 4))
