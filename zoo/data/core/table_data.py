"""The base class of tables: rows are encoded once and stay in memory.

The kinds of columns, their statistics and their categories are learned from the training split alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo import check
from zoo.data.core import kinds as column_kinds
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.kinds import Kind
from zoo.data.core.splits import split_fractions, split_groups, split_in_order, split_rows
from zoo.data.core.table_spec import are_marks, class_labels, learn, missing_cells, split_examples
from zoo.data.core.targets import TARGET_KINDS, several_in_one
from zoo.errors import ConfigError, DataError, SpecError, unknown
from zoo.files import quoted
from zoo.spec import Classes, Features, Spec, Table, Values
from zoo.spec.cells import compact, days, numbers, words
from zoo.spec.columns import Number
from zoo.spec.date_forms import ORDERS
from zoo.spec.dialect import Dialect
from zoo.spec.known import Known
from zoo.spec.mapped import each_column, joined, let_go
from zoo.spec.table import hide

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SPLITS = ("train", "val", "test")
MIN_ROWS = 10


class TableData(DataModule):
    """Rows of a table, and a target column to predict from the other columns.

    The split into training, validation and test rows is random, and stratified if the target is a class. Rows without
    a target and columns without information are dropped. How cells were read is in the log and in the card.

    Args:
        target: column to predict; several make a regression of several values, or several labels; None for none, as
            features and anomalies need.
        target_kind: `classes`, `labels`, `values` or `auto`. `auto` takes text, booleans and up to 20 different whole
            numbers as classes, several columns of 0 and 1 as labels, and other numbers as values.
        kinds: number, category, boolean, date, time or ignore, for columns whose kind is not detected correctly.
        na_values: what else stands for a missing cell, such as -999.
        decimal, thousands: what stands before fractions and between thousands; None to find out.
        dates: `day_first` or `month_first`, where both fit.
        batch_size: rows a batch.
        val_fraction, test_fraction: fractions of the rows, above 0.
        split_seed: seed of the split.
        split_by: a column of dates or numbers: the first rows by it are for training, the last for test.
        group: a column, such as a patient's number; rows that share it are in one split.
        weight: a column of what each row counts in training, at least 0; it is no input.

    Raises:
        ValueError: an option is out of range.
        DataError: nothing can be learned from the table; the message names the column or the row.
    """

    def __init__(
        self,
        target: str | int | Sequence[str] | None,
        *,
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
        super().__init__(batch_size)
        if not isinstance(kinds, Mapping | None):
            raise ValueError(f"kinds are given by column, such as {{zip: category}}, not {kinds}")
        for kind in (kinds or {}).values():
            check.one_of("kind of column", kind, column_kinds.KINDS)
        if decimal not in (None, ".", ","):
            raise ValueError(f'decimal is "." or ",", not {decimal!r}')
        if dates is not None:
            check.one_of("dates", dates, ORDERS)
        if split_by is not None and group is not None:
            raise ValueError("split_by and group are two ways to split; give one of them")
        target = str(target) if isinstance(target, int) else target  # 2020 may be a name
        self.target = target
        self.targets = [] if target is None else [target] if isinstance(target, str) else list(map(str, target))
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.kinds = {str(name): kind for name, kind in (kinds or {}).items()}  # 2020 may be one
        self.na_values = tuple(map(str, na_values))
        self.notation: dict[str, str | None] = {"decimal": decimal, "thousands": thousands, "dates": dates}
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)
        self.split_by = split_by
        self.group = group
        self.weight = weight
        self.fold: tuple[int, int] | None = None
        self.one_encoding = False
        self.dialect: Dialect | None = None

    def expected_specs(self) -> Sequence[Spec]:
        rows = Table((Number("number", 0.0, 1.0, False),))
        if not self.targets:
            return [Spec(rows, Features())]
        count = len(self.targets)
        values = Spec(rows, Values(tuple(self.targets), (0.0,) * count, (1.0,) * count))
        return [Spec(rows, Classes(("one", "two"))), values]

    @abstractmethod
    def read(self) -> pd.DataFrame:
        """The whole table."""

    def take_fold(self, number: int, count: int, *, one_encoding: bool = False) -> None:
        """Test on the fold of this number, from 0, of so many; all rows are tested in one of them.

        By `split_by`, a fold is tested on what follows its training rows, and the earliest rows are never tested.

        Args:
            number, count: of folds.
            one_encoding: whether means, spreads and names are those of all rows, and so the same in all folds. Each
                fold's test is then of rows that its encoding has seen.

        Raises:
            ConfigError: one encoding for folds in the order of time.
        """
        if one_encoding and self.split_by is not None:
            raise ConfigError(
                f"keep=ensemble: by data.split_by={self.split_by}, the first folds learn from the earliest rows alone, "
                "and an average would count them as much as the last; leave keep away"
            )
        self.fold, self.one_encoding = (number, count), one_encoding

    def read_held_out(self) -> dict[str, pd.DataFrame]:
        """Tables of `val` or `test` that are files of their own."""
        return {}

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        import numpy as np
        import pandas as pd

        frame, ends = self._whole()
        try:
            columns = column_kinds.known_columns(frame)
            kinds = column_kinds.find(frame, self.kinds, self.note, columns, targets=self.targets, **self._notation())
            self._read_written(frame, columns, kinds)
            del columns
            known = {split: self._with_target(frame.iloc[begin:end], kinds) for split, (begin, end) in ends.items()}
            del frame  # a table may be large
            labels = self._labels(pd.concat([rows[self.targets] for rows in known.values()]), kinds)
            several = labels is None and self._are_labels(list(known.values()))
            of_rows = None if labels is None else labels.iloc[: len(known[""])]
            rows = self._split(known[""], of_rows, kinds)
            let_go()
            for split in list(known)[1:]:  # its share is for training
                rows["train"] = np.concatenate([rows["train"], rows[split]])
            whole, start = joined(list(known.values())) if len(known) > 1 else known[""], len(known[""])
            for split in list(known)[1:]:  # which follow the other rows
                rows[split] = np.arange(start, start := start + len(known[split]))
            for name in (self.group, self.weight):  # new groups come later
                if name is not None:
                    kinds[name] = column_kinds.IGNORED
            spec = learn(
                whole,
                self.targets,
                rows=None if self.one_encoding else rows["train"],
                classes=labels is not None,
                labels=several,
                kinds=kinds,
                say=self.note,
                na_values=self.na_values,
                dialect=self.dialect,
            )
            splits = split_examples(whole, rows, spec, self.targets, kinds)
            if self.weight is not None:
                weights = self._weights(whole[self.weight].iloc[rows["train"]])
                splits["train"] = Examples(*splits["train"].columns, weights)
            return spec, {split: splits[split] for split in SPLITS}
        except SpecError as error:
            raise DataError(str(error)) from error

    def _whole(self) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
        """All rows, and where those of `read`, under "", and of each file of its own begin and end."""
        import pandas as pd

        parts = {
            "": self._rows(self.read()),
            **{split: self._rows(part) for split, part in self.read_held_out().items()},
        }
        ends = list(accumulate(map(len, parts.values()), initial=0))
        frame = joined(list(parts.values())) if len(parts) > 1 else parts[""].copy(deep=False)
        places = dict(zip(parts, pairwise(ends)))
        del parts
        for name in frame.columns[[isinstance(dtype, pd.StringDtype) for dtype in frame.dtypes]]:
            frame[name] = compact(frame[name])
        return frame, places

    def _read_written(self, frame: pd.DataFrame, columns: dict[str, Known], kinds: Mapping[str, Kind]) -> None:
        """Read numbers and dates once, in columns of many different ones.

        A column with a cell that is none is left as it is, so that the cell is quoted; so is one of one date alone.
        """
        import pandas as pd

        others = {*self.targets, self.split_by, self.group, self.weight}
        for name, kind in kinds.items() if not self.na_values else ():
            known = columns.pop(name)
            if name in others or not known.is_whole:
                continue
            if kind.name == "number" and (values := known.numbers(kind.notation)) is not None:
                frame[name] = values
            elif kind.name == "date" and (times := known.times(kind.form)) is not None:
                read = pd.Series(times, frame.index, copy=False).dt.tz_localize("UTC")
                if read.min() < read.max():
                    frame[name] = read

    def _weights(self, cells: pd.Series) -> Tensor:
        """What each training row counts (N,), 1 in the mean.

        Raises:
            DataError: a cell is no number of at least 0, or all are 0.
        """
        values = numbers(cells, str(self.weight))
        wrong = ~(values >= 0)  # a missing one too
        if wrong.any() or not values.sum() > 0:
            row = wrong.idxmax() if wrong.any() else values.index[0]
            raise DataError(
                f"column '{self.weight}', row {row}: a weight is a number of at least 0, and some are above 0"
            )
        return torch.from_numpy((values / values.mean()).to_numpy("float32", copy=True))

    def _notation(self) -> dict[str, str | None]:
        """How numbers and dates are written, as far as it was given or the file as a whole has shown it."""
        commas = self.dialect is not None and self.dialect.decimal == ","
        return {**self.notation, "decimal": "," if commas else self.notation["decimal"]}

    def _rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table without the cells that `na_values` name."""
        asked = [name for name in (self.split_by, self.group, self.weight) if name is not None]
        for name in (*self.targets, *self.kinds, *asked):
            if name not in frame.columns:
                raise DataError(unknown("column", name, map(str, frame.columns)))
        if self.na_values:
            frame = each_column(frame, lambda cells: hide(cells, self.na_values))
        return frame

    def _with_target(self, frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
        for target in self.targets:
            known = ~missing_cells(frame[target], kinds[target])
            if not known.any():
                raise DataError(f"the target '{target}' is missing in all rows")
            if not known.all():
                self.note(f"{(~known).sum()} rows without '{target}' are dropped")
                frame = each_column(frame, itemgetter(known))
        if len(frame) < MIN_ROWS:
            more = "; where an empty cell means no, write 0" if len(self.targets) > 1 else ""
            raise DataError(f"at least {MIN_ROWS} rows with a target are needed, got {len(frame)}{more}")
        return frame

    def _labels(self, cells: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.Series | None:
        """The classes of the target as words; None if it is values, or none."""
        if len(self.targets) != 1:
            if self.target_kind == "classes" and self.targets:
                raise DataError("several targets are values or labels; give one target for classes")
            return None
        if self.target_kind == "labels":
            return None
        labels = class_labels(cells[self.targets[0]], self.target_kind, kinds[self.targets[0]])
        if labels is not None and (found := several_in_one(labels.unique().tolist())) is not None:
            one = quoted(found[0])
            self.note(f"{one} is one class; if it is several labels, give each a column of 0 and 1, data.target=[…]")
        return labels

    def _are_labels(self, frames: Sequence[pd.DataFrame]) -> bool:
        """Whether the targets are labels of which a row has any number: all cells are 0 or 1, or true or false."""
        if self.target_kind == "values" or len(self.targets) < 1 + (self.target_kind != "labels"):
            return False
        odd = next((name for name in self.targets for frame in frames if not are_marks(frame[name])), None)
        if odd is not None and self.target_kind == "labels":
            raise DataError(f"column '{odd}' is to be a label, and holds other cells than 0 and 1, or true and false")
        if odd is None:
            self._check_that_labels_differ(frames)
        if odd is None and self.target_kind == "auto":
            self.note(f"the targets hold 0 and 1 alone, and are {len(self.targets)} labels; data.target_kind=values")
        return odd is None

    def _check_that_labels_differ(self, frames: Sequence[pd.DataFrame]) -> None:
        for name in self.targets:
            if len({word for frame in frames for word in words(frame[name]).str.lower().unique()}) == 1:
                raise DataError(
                    f"the label '{name}' is {frames[0][name].iloc[0]} in all rows; leave it out of data.target"
                )

    def _split(self, frame: pd.DataFrame, labels: pd.Series | None, kinds: Mapping[str, Kind]) -> dict[str, np.ndarray]:
        """Positions of the rows of each split."""
        fractions = self.fractions
        if self.split_by is not None:
            cells, kind = frame[self.split_by], kinds[self.split_by]
            when = days(cells, self.split_by, kind.form) if kind.name == "date" else numbers(cells, self.split_by)
            return split_in_order(when, fractions, self.split_by, self.fold)
        if self.group is not None:
            return split_groups(words(frame[self.group]), fractions, self.split_seed, self.fold)
        return split_rows(labels, len(frame), fractions, self.split_seed, self.fold)
