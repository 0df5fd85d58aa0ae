"""Tables: any CSV or Parquet file, and scikit-learn's small ones. Rows are encoded once and stay in memory.

The kinds of columns, their statistics and their categories are learned from the training split alone.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.columns import Examples
from zoo.data.core.data_module import DataModule
from zoo.data.core.splits import held_out_sizes, split_fractions
from zoo.errors import DataError, SpecError, unknown
from zoo.spec import Classes, Output, Spec, Table, Values
from zoo.spec.files import read_table
from zoo.spec.table import FALSE_WORDS, TRUE_WORDS, Boolean, Category, Column, Date, Number, days, numbers, words

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)

KINDS = ("number", "category", "boolean", "date", "ignore")
TARGET_KINDS = ("auto", "classes", "values")
MIN_ROWS = 10
MAX_CLASSES = 20  # a target with more different whole numbers is a quantity


class TableData(DataModule):
    """Rows of a table, and a target column to predict from the other columns.

    The split into training, validation and test rows is random, and stratified if the target is a class. Rows without
    a target and columns without information are dropped; the log names them.

    Args:
        target: column to predict.
        target_kind: `classes`, `values` or `auto`. `auto` takes text, booleans and up to 20 different whole numbers as
            classes, and other numbers as values.
        kinds: number, category, boolean, date or ignore, for columns whose kind is not detected correctly.
        batch_size: rows a batch.
        val_fraction, test_fraction: fractions of the rows, above 0.
        split_seed: seed of the split.

    Raises:
        ValueError: an option is out of range.
        DataError: nothing can be learned from the table; the message names the column or the row.
    """

    def __init__(
        self,
        target: str,
        *,
        target_kind: str = "auto",
        kinds: Mapping[str, str] | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        if not isinstance(kinds, Mapping | None):
            raise ValueError(f"kinds are given by column, such as {{zip: category}}, not {kinds}")
        for kind in (kinds or {}).values():
            check.one_of("kind of column", kind, KINDS)
        self.target = target
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.kinds = {str(name): kind for name, kind in (kinds or {}).items()}  # 2020 may be one
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The whole table."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        frame = self.read()
        for name in (self.target, *self.kinds):
            if name not in frame.columns:
                raise DataError(unknown("column", name, map(str, frame.columns)))
        known = frame[self.target].notna()
        if not known.any():
            raise DataError(f"the target '{self.target}' is missing in all rows")
        if not known.all():
            log.info("%d rows without '%s' are dropped", (~known).sum(), self.target)
            frame = frame[known]
        if len(frame) < MIN_ROWS:
            raise DataError(f"at least {MIN_ROWS} rows with a target are needed, got {len(frame)}")
        try:
            labels = _labels(frame[self.target], self.target_kind)
            rows = _split(labels, len(frame), self.fractions, self.split_seed)
            frames = {split: frame.iloc[chosen] for split, chosen in rows.items()}
            spec = learn(frames["train"], self.target, classes=labels is not None, kinds=self.kinds)
            return spec, {split: examples(part, spec, self.target) for split, part in frames.items()}
        except SpecError as error:
            raise DataError(str(error)) from error


class Csv(TableData):
    """A CSV or Parquet file with a header.

    Args:
        path: the file; names that end in .parquet or .pq are read by pyarrow.
        separator: character between the cells of a CSV file; `\\t` for a tab.
        encoding: text encoding of a CSV file.
        target, target_kind, kinds, batch_size, val_fraction, test_fraction, split_seed: as in `TableData`.
    """

    def __init__(
        self,
        path: str,
        target: str,
        *,
        separator: str = ",",
        encoding: str = "utf-8",
        target_kind: str = "auto",
        kinds: Mapping[str, str] | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        super().__init__(
            target,
            target_kind=target_kind,
            kinds=kinds,
            batch_size=batch_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )
        self.path = path
        self.separator = separator
        self.encoding = encoding

    def read(self) -> pd.DataFrame:
        return read_table(self.path, separator=self.separator, encoding=self.encoding)


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

        return _named(load_breast_cancer(as_frame=True), self.target)


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

        return _named(load_wine(as_frame=True), self.target)


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

        return load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": self.target})


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


def learn(train: pd.DataFrame, target: str, *, classes: bool, kinds: Mapping[str, str]) -> Spec:
    """The spec of a table, from its training rows.

    Args:
        train: rows with their target.
        target: name of the target's column.
        classes: whether the target is a class; otherwise it is a value.
        kinds: as in `TableData`.

    Raises:
        DataError: the target never changes, or no other column has information.
        SpecError: a cell does not have its column's kind.
    """
    found = [_column(train[name], kinds.get(str(name))) for name in train.columns if name != target]
    columns = tuple(column for column in found if column is not None)
    if not columns:
        raise DataError(f"no column is left from which to learn '{target}'")
    if classes:
        output: Output = Classes(tuple(_in_order(words(train[target]))))
    else:
        values = numbers(train[target], target)
        if values.nunique() < 2:
            raise DataError(f"the target '{target}' has the same value in all rows of the training split")
        output = Values((target,), (float(values.mean()),), (float(values.std(ddof=0)),))
    return Spec(Table(columns), output)


def examples(frame: pd.DataFrame, spec: Spec, target: str) -> Examples:
    """Rows and their target as columns: encoded (N, E), and labels (N,) or standardised values (N, 1).

    Raises:
        SpecError: a cell does not have its column's kind.
    """
    assert isinstance(spec.input, Table)
    return Examples(spec.input.encode(frame), _targets(frame[target], spec.output, target))


def _targets(cells: pd.Series, output: Output, target: str) -> Tensor:
    if isinstance(output, Classes):
        codes = {name: code for code, name in enumerate(output.names)}
        return torch.from_numpy(words(cells).map(codes).to_numpy("int64", copy=True))
    assert isinstance(output, Values)
    return output.standardise(torch.from_numpy(numbers(cells, target).to_numpy(copy=True))[:, None])


def _labels(cells: pd.Series, kind: str) -> pd.Series | None:
    """The classes of the target's cells as words; None if they are values.

    Raises:
        DataError: all cells are the same, or a class has too few rows to be split.
    """
    labels = words(cells)
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(f"the target '{cells.name}' has the same value in all rows: {counts.index[0]}")
    if kind == "values" or (kind == "auto" and _is_quantity(cells)):
        return None
    if counts.min() < 3:
        raise DataError(
            f"the target '{cells.name}' has {len(counts)} classes in {len(cells)} rows, and {counts.index[-1]!r} only "
            f"{counts.min()}; each class needs at least 3 rows (merge or drop small ones, or set target_kind=values)"
        )
    return labels


def _is_quantity(cells: pd.Series) -> bool:
    if cells.dtype.kind not in "iuf":
        return False
    return cells.nunique() > MAX_CLASSES or bool((cells % 1 != 0).any())


def _split(labels: pd.Series | None, count: int, fractions: tuple[float, float], seed: int) -> dict[str, np.ndarray]:
    """Positions of the rows of each split, in random order; each class has at least one row in each split."""
    import numpy as np

    random = np.random.default_rng(seed)
    order = random.permutation(count)
    groups = [order] if labels is None else [order[labels.to_numpy()[order] == name] for name in labels.unique()]
    parts: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for group in groups:
        val, test = held_out_sizes(len(group), fractions)
        parts["val"].append(group[:val])
        parts["test"].append(group[val : val + test])
        parts["train"].append(group[val + test :])
    return {split: random.permutation(np.concatenate(part)) for split, part in parts.items()}


def _column(cells: pd.Series, kind: str | None) -> Column | None:
    """The description of a column, from its training cells; None if it has no information."""
    known, name = cells.dropna(), str(cells.name)
    missing = len(known) < len(cells)
    if kind == "ignore":
        return None
    if known.nunique() < 2:
        log.info("column '%s' is dropped: %s", name, "it never changes" if len(known) else "it is empty")
        return None
    kind = kind or _kind(known)
    if kind == "number":
        values = numbers(known, name)
        return Number(name, float(values.mean()), float(values.std(ddof=0)), missing)
    if kind == "boolean":
        return Boolean(name, missing)
    if kind == "date":
        values = days(known, name)
        return Date(name, float(values.mean()), float(values.std(ddof=0)), missing)
    if kind == "category":
        return Category(name, tuple(_in_order(words(known))))
    log.info("column '%s' is dropped: it is text, and no two rows have the same", name)
    return None


def _kind(known: pd.Series) -> str:
    """The kind that known cells seem to have, or `text` if all of them differ."""
    import pandas as pd

    if known.dtype.kind in "iuf":
        return "number"
    if known.dtype.kind == "M":
        return "date"
    different = words(known).drop_duplicates()
    if different.str.lower().isin(TRUE_WORDS + FALSE_WORDS).all():
        return "boolean"
    if pd.to_numeric(different, errors="coerce").notna().all():
        return "number"
    if pd.to_datetime(different, format="ISO8601", errors="coerce", utc=True).notna().all():
        return "date"
    return "text" if len(different) == len(known) else "category"


def _in_order(cells: pd.Series) -> list[str]:
    """The different words in order; numbers by value."""
    different = cells.dropna().unique().tolist()
    try:
        return sorted(different, key=float)
    except ValueError:
        return sorted(different)


def _named(bunch: Any, target: str) -> pd.DataFrame:
    """A table of scikit-learn with the names of its classes."""
    names = dict(enumerate(map(str, bunch.target_names)))
    return bunch.frame.assign(target=bunch.target.map(names)).rename(columns={"target": target})
