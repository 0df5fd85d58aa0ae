"""Tables: any CSV or Parquet file, and scikit-learn's small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import check
from zoo.data.core.notations import read_with_decimals
from zoo.data.core.table_data import TableData
from zoo.errors import ConfigError
from zoo.spec.dialect import AUTO, FIRST, Header
from zoo.spec.files import read_table

if TYPE_CHECKING:
    import pandas as pd


class Csv(TableData):
    """A file of delimited text (CSV) or a Parquet file.

    Args:
        path: the file; names that end in .parquet or .pq are read by pyarrow.
        separator: character between the cells of a CSV file, `\\t` for a tab, a blank for runs of blanks; None to find
            it.
        encoding: text encoding of a CSV file; None to find it.
        header: `first` if the first line holds the names of columns, None if it is data; `auto` finds out.
        val_path, test_path: files of their own for these splits; None takes them from the rows of `path`.
        target, target_kind, kinds, na_values, decimal, thousands, dates: as in `TableData`.
        batch_size, val_fraction, test_fraction, split_seed, split_by, group, weight: as in `TableData`.
    """

    def __init__(
        self,
        path: str,
        target: str | Sequence[str] | None,
        *,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        val_path: str | None = None,
        test_path: str | None = None,
        target_kind: str = "auto",
        kinds: Mapping[str, str] | None = None,
        na_values: Sequence[str | float] = (),
        decimal: str | None = None,
        thousands: str | None = None,
        dates: str | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        split_by: str | None = None,
        group: str | None = None,
        weight: str | None = None,
    ) -> None:
        super().__init__(
            target,
            target_kind=target_kind,
            kinds=kinds,
            na_values=na_values,
            decimal=decimal,
            thousands=thousands,
            dates=dates,
            batch_size=batch_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            split_by=split_by,
            group=group,
            weight=weight,
        )
        if header is not None:
            check.one_of("header", header, (AUTO, FIRST))
        self.path = path
        self.separator = separator
        self.encoding = encoding
        self.header = header
        self.held_out = {"val": val_path, "test": test_path}

    def read(self) -> pd.DataFrame:
        return self._read(self.path)

    def read_held_out(self) -> dict[str, pd.DataFrame]:
        return {split: self._read(path) for split, path in self.held_out.items() if path is not None}

    def take_fold(self, number: int, count: int, *, one_encoding: bool = False) -> None:
        if self.held_out["test"] is not None:
            raise ConfigError("folds are tested on rows of data.path: they do not go with data.test_path")
        super().take_fold(number, count, one_encoding=one_encoding)

    def _read(self, path: str) -> pd.DataFrame:
        options = {"separator": self.separator, "encoding": self.encoding, "header": self.header, "may_map": True}
        file = read_with_decimals(path, options, self.notation["decimal"])
        for note in file.notes:
            self.note(note)
        self.dialect = file.dialect
        return file.frame


class Admissions(TableData):
    """400 generated applications to a graduate school: admit (0 or 1), gre, gpa and rank; see `generate_admissions`.

    Args:
        batch_size, split_seed: as in `TableData`.
    """

    def __init__(self, batch_size: int = 64, split_seed: int = 0) -> None:
        super().__init__("admit", batch_size=batch_size, split_seed=split_seed)

    def read(self) -> pd.DataFrame:
        return read_table(Path(__file__).with_name("admissions.csv"))


class BreastCancer(TableData):
    """569 breast masses, malignant or benign, with 30 measurements of their cell nuclei; comes with scikit-learn.

    Source: Wolberg, Street, Mangasarian, "Breast cancer Wisconsin (diagnostic)", UCI, 1995.

    Args:
        batch_size, split_seed: as in `TableData`.
    """

    def __init__(self, batch_size: int = 64, split_seed: int = 0) -> None:
        super().__init__("diagnosis", batch_size=batch_size, split_seed=split_seed)

    def read(self) -> pd.DataFrame:
        from sklearn.datasets import load_breast_cancer

        return _named(load_breast_cancer(as_frame=True), self.targets[0])


class Wine(TableData):
    """178 Italian wines from three cultivars, with 13 chemical measurements; comes with scikit-learn.

    Source: Aeberhard, Forina, "Wine", UCI, 1992.

    Args:
        batch_size, split_seed: as in `TableData`.
    """

    def __init__(self, batch_size: int = 64, split_seed: int = 0) -> None:
        super().__init__("cultivar", batch_size=batch_size, split_seed=split_seed)

    def read(self) -> pd.DataFrame:
        from sklearn.datasets import load_wine

        return _named(load_wine(as_frame=True), self.targets[0])


class Diabetes(TableData):
    """442 diabetes patients with age, sex and 8 measurements, and the disease's progression after a year (25 to 346).

    Comes with scikit-learn. Source: Efron, Hastie, Johnstone, Tibshirani, "Least angle regression", 2004.

    Args:
        batch_size, split_seed: as in `TableData`.
    """

    def __init__(self, batch_size: int = 64, split_seed: int = 0) -> None:
        super().__init__("progression", target_kind="values", batch_size=batch_size, split_seed=split_seed)

    def read(self) -> pd.DataFrame:
        from sklearn.datasets import load_diabetes

        return load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": self.targets[0]})


def generate_admissions(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Generate the table of `Admissions`: random scores, and admission with a probability that is logistic in them.

    The columns follow the graduate admissions table of UCLA's statistics tutorials. Here
    P(admit) = 1 / (1 + exp(-(0.004 (gre - 600) + 1.2 (gpa - 3.4) - 0.6 (rank - 2) - 0.6))).
    """
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(seed)
    gre = (random.normal(590, 115, rows).clip(220, 800) / 20).round() * 20
    gpa = random.normal(3.4, 0.38, rows).clip(2.2, 4).round(2)
    rank = random.choice([1, 2, 3, 4], rows, p=[0.15, 0.38, 0.3, 0.17])
    logit = 0.004 * (gre - 600) + 1.2 * (gpa - 3.4) - 0.6 * (rank - 2) - 0.6
    admit = random.random(rows) < 1 / (1 + np.exp(-logit))
    return pd.DataFrame({"admit": admit.astype(int), "gre": gre.astype(int), "gpa": gpa, "rank": rank})


def _named(bunch: Any, target: str) -> pd.DataFrame:
    """A table of scikit-learn with the names of its classes."""
    names = dict(enumerate(map(str, bunch.target_names)))
    return bunch.frame.assign(target=bunch.target.map(names)).rename(columns={"target": target})
