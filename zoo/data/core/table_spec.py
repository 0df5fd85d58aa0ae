"""The spec of a table, from its training rows, and rows as examples.

Shape letters: N rows, E encoded columns, V values.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.data.core import kinds as column_kinds
from zoo.data.core.examples import Examples, MappedRows
from zoo.data.core.kinds import Kind
from zoo.errors import DataError
from zoo.spec import Classes, Features, MultiLabel, Output, Spec, Table, Values
from zoo.spec.cells import (
    FALSE_WORDS,
    MISSING_NAMES,
    PLAIN,
    TRUE_WORDS,
    booleans,
    days,
    distinct,
    factorized,
    is_missing,
    is_plain,
    numbers,
    words,
)
from zoo.spec.columns import Boolean, Category, Column, Date, Number, Time
from zoo.spec.dialect import Dialect, Say
from zoo.spec.mapped import is_large, let_go, new_map, one_by_one
from zoo.spec.table import AT_ONCE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)

UNSEEN = -1  # the code of a class that no training row has
MAX_CLASSES = 20  # a target with more different whole numbers is a quantity


def learn(
    frame: pd.DataFrame,
    target: str | Sequence[str],
    *,
    rows: np.ndarray | None = None,
    classes: bool,
    labels: bool = False,
    kinds: Mapping[str, Kind] | None = None,
    say: Say = log.info,
    na_values: tuple[str, ...] = (),
    dialect: Dialect | None = None,
) -> Spec:
    """The spec of a table, from its training rows.

    Args:
        frame: rows with their target.
        target: name of the target's column, or of several.
        rows: places of the rows for training; None for all.
        classes: whether the target is a class; otherwise it is a value.
        labels: whether the targets are labels of which a row may have several.
        kinds: of the columns; None to find them in these rows.
        say: is told which columns are dropped.
        na_values, dialect: as in `Table`.

    Raises:
        DataError: the target never changes, or no other column has information.
        SpecError: a cell does not have its column's kind.
    """
    import numpy as np
    import pandas as pd

    targets = [target] if isinstance(target, str) else list(target)
    if kinds is None:
        kinds = column_kinds.find(frame, {}, say, targets=targets)

    index = frame.index if rows is None else frame.index.take(rows)

    def train(cells: pd.Series) -> pd.Series:  # one column at a time, since a table may be large
        if rows is None:
            return cells
        values: Any = cells.to_numpy() if isinstance(cells.dtype, np.dtype) else cells.array
        taken = values.take(rows)
        let_go()
        return pd.Series(taken, index, name=cells.name, copy=False)

    def described(cells: pd.Series) -> Column | None:
        kind = kinds[str(cells.name)]
        of_words = cells.dtype.kind not in "iufMmb" and cells.dtype != object
        if rows is not None and of_words and kind.name in ("category", "boolean", "time"):
            return _column(_different(cells, rows), kind, say)
        return _column(train(cells), kind, say)

    found = [described(cells) for name, cells in one_by_one(frame) if name not in targets]
    columns = tuple(column for column in found if column is not None)
    if not columns:
        raise DataError(_nothing_left(frame, targets))
    output = MultiLabel(tuple(targets)) if labels else _output([train(frame[name]) for name in targets], classes, kinds)
    return Spec(Table(columns, na_values, dialect), output)


def examples(
    frame: pd.DataFrame, spec: Spec, target: str | Sequence[str], kinds: Mapping[str, Kind] | None = None
) -> Examples:
    """All rows of a table as one split; see `split_examples`."""
    import numpy as np

    return split_examples(frame, {"": np.arange(len(frame))}, spec, target, kinds)[""]


def split_examples(
    frame: pd.DataFrame,
    rows: Mapping[str, np.ndarray],
    spec: Spec,
    target: str | Sequence[str],
    kinds: Mapping[str, Kind] | None = None,
) -> dict[str, Examples]:
    """Rows and their target as columns: encoded (N, E), and classes (N,), labels (N, K) or standardised values
    (N, V), if any.

    Args:
        frame: the rows of all splits.
        rows: their places, by split.
        spec, target, kinds: of the table.

    Raises:
        SpecError: a cell does not have its column's kind.
        DataError: a row has a class that no training row has.
    """
    assert isinstance(spec.input, Table)
    targets = _targets(frame, spec, [target] if isinstance(target, str) else list(target), kinds)
    if targets is not None and isinstance(spec.output, Classes):
        _refuse_unseen(frame[target if isinstance(target, str) else target[0]], rows, targets)
    learned = {} if targets is None else {split: targets[torch.from_numpy(places)] for split, places in rows.items()}
    del targets  # a table may be large
    encoded = dict(zip(rows, _encoded(frame, spec.input, list(rows.values()))))
    return {split: Examples(part, *([learned[split]] if learned else [])) for split, part in encoded.items()}


def _encoded(frame: pd.DataFrame, table: Table, parts: Sequence[np.ndarray]) -> Sequence[Tensor | MappedRows]:
    """Parts of a table, each the places of its rows, encoded (N, E) in memory, or in a mapped file if it is large."""
    size = len(frame) * table.width * torch.float32.itemsize
    if not is_large(size):
        return table.encode_parts(frame, parts)
    mapped = new_map(size, "encoded rows of the table")
    rows = torch.frombuffer(mapped, dtype=torch.float32).view(len(frame), table.width)
    for start, block in table.encode_blocks(frame):
        rows[start : start + len(block)] = torch.from_numpy(block)
        let_go()
    return [MappedRows(rows, torch.from_numpy(places), mapped) for places in parts]


def _refuse_unseen(cells: pd.Series, rows: Mapping[str, np.ndarray], codes: Tensor) -> None:
    """Refuse rows of a class that no training row has, such as one of a later time or of another group."""
    for split, places in rows.items():
        unseen = (codes[torch.from_numpy(places)] == UNSEEN).nonzero()
        if len(unseen):
            place = places[int(unseen[0])]
            raise DataError(
                f"the target '{cells.name}', row {cells.index[place]}: {cells.iloc[place]!r} is in the {split} split "
                "and in no training row; leave such rows out, or split in another way"
            )


def _targets(
    frame: pd.DataFrame, spec: Spec, targets: Sequence[str], kinds: Mapping[str, Kind] | None
) -> Tensor | None:
    """The target of each row: classes (N,), labels (N, K) or standardised values (N, V); None without one."""
    import numpy as np

    if isinstance(spec.output, Classes):
        codes = {name: code for code, name in enumerate(spec.output.names)}
        labels = distinct(frame[targets[0]], lambda cells: words(cells).map(codes).fillna(UNSEEN).astype("int64"))
        return torch.from_numpy(labels.to_numpy("int64", copy=True))
    if isinstance(spec.output, MultiLabel):
        marks = [booleans(frame[name], name) for name in targets]  # -1 and 1
        return torch.from_numpy((np.stack(marks, axis=1) > 0).astype(np.float32))
    if not isinstance(spec.output, Values):
        return None
    notations = {name: kinds[name].notation if kinds else PLAIN for name in targets}
    columns = [numbers(frame[name], name, notations[name]).to_numpy() for name in targets]
    standardised = torch.empty(len(frame), len(targets))
    for start in range(0, len(frame), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        standardised[rows] = spec.output.standardise(torch.from_numpy(np.stack([c[rows] for c in columns], axis=1)))
    return standardised


def _output(train: Sequence[pd.Series], classes: bool, kinds: Mapping[str, Kind]) -> Output:
    """The output by the targets' cells for training."""
    targets = [str(cells.name) for cells in train]
    if not targets:
        return Features()
    if classes:
        return Classes(tuple(column_kinds.names_of(train[0], kinds[targets[0]])))
    columns = [numbers(cells, name, kinds[name].notation) for name, cells in zip(targets, train)]
    for name, values in zip(targets, columns):
        if values.nunique() < 2:
            raise DataError(f"the target '{name}' has the same value in all rows of the training split")
    means, stds = ([float(value) for value in part] for part in zip(*((v.mean(), v.std(ddof=0)) for v in columns)))
    return Values(tuple(targets), tuple(means), tuple(stds))


def _nothing_left(train: pd.DataFrame, targets: Sequence[str]) -> str:
    what = f" from which to learn '{', '.join(targets)}'" if targets else ""
    for name in train.columns:
        cells = train[name]
        if name not in targets and cells.dtype.kind not in "iufbM" and column_kinds.is_text(words(cells.dropna())):
            label = f" data.label={targets[0]}" if targets else ""
            return (
                f"column '{name}' holds texts, and no other column is left{what}; "
                f"use data=csv_text data.text={name}{label}"
            )
    return f"no column is left{what}"


def class_labels(cells: pd.Series, target_kind: str, kind: Kind) -> pd.Series | None:
    """The classes of the target's cells as words; None if they are values.

    Raises:
        DataError: all cells are the same, or a class has too few rows to be split.
    """
    if not (cells != cells.iloc[0]).any():
        raise DataError(f"the target '{cells.name}' has the same value in all rows: {words(cells[:1]).iloc[0]}")
    is_number = kind.name == "number"
    if target_kind == "values" or (target_kind == "auto" and is_number and _is_quantity(cells, kind)):
        return None
    labels = words(cells)
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(f"the target '{cells.name}' has the same value in all rows: {counts.index[0]}")
    if counts.min() < 3:
        remedy = "merge small ones, or drop their rows" + (", or set data.target_kind=values" if is_number else "")
        raise DataError(
            f"the target '{cells.name}' has {len(counts)} classes in {len(cells)} rows, and {counts.index[-1]!r} only "
            f"{counts.min()}; each class needs at least 3 rows: {remedy}"
        )
    return labels


def _is_quantity(cells: pd.Series, kind: Kind) -> bool:
    values = numbers(cells, str(cells.name), kind.notation)
    return any(bool((part % 1 != 0).any()) for part in (values.head(1000), values)) or values.nunique() > MAX_CLASSES


def are_marks(cells: pd.Series) -> bool:
    """Whether cells are 0 or 1, or words for false and true."""
    return bool(words(cells).str.lower().isin(TRUE_WORDS + FALSE_WORDS).all())


def missing_cells(cells: pd.Series, kind: Kind) -> pd.Series:
    """Whether cells are missing, or words for that; which words, depends on the kind."""
    if kind.name == "number":
        return cells.isna() if cells.dtype.kind in "iuf" else is_missing(cells)
    return cells.isna() | words(cells).str.lower().isin(MISSING_NAMES).astype(bool)


def _different(cells: pd.Series, rows: np.ndarray) -> pd.Series:
    """The different cells of some rows, a missing one among them."""
    import numpy as np

    places, different = factorized(cells)  # -1 is missing
    counts = np.bincount(places[rows] + 1, minlength=len(different) + 1)
    kept = [*np.flatnonzero(counts[1:]), *([len(different)] if counts[0] else [])]  # beyond the last one is missing
    return different.reindex(kept).rename(cells.name)


def _column(cells: pd.Series, kind: Kind, say: Say) -> Column | None:
    """The description of a column, from its training cells; None if it has no information."""
    name = str(cells.name)
    if kind.name == "number" and is_plain(cells):
        return _number(cells.to_numpy(), cells, kind, say)
    known = cells.dropna()
    changes = len(known) > 0 and any(bool((part != known.iloc[0]).any()) for part in (known[:100], known))
    if kind.name == "ignore" and changes:
        return None
    is_ticked = not changes and 0 < len(known) < len(cells)  # one word, or nothing
    if is_ticked and kind.name in ("number", "category"):
        return _one_or_none(cells, kind, say)
    if not changes and not (is_ticked and kind.name == "boolean"):
        _drop(name, say, "it never changes" if len(known) else "it is empty")
        return None
    if kind.name == "number":
        values = numbers(cells, name, kind.notation)
        known = values.dropna()
        if not known.min() < known.max():
            _drop(name, say)
            return None
        return Number(name, float(known.mean()), float(known.std(ddof=0)), len(known) < len(values), *kind.notation)
    if kind.name == "category":
        return Category(name, tuple(column_kinds.names_of(cells, kind)), kind.exact)
    missing = bool((is_missing(cells) if cells.dtype.kind not in "Mb" else cells.isna()).any())
    if kind.name == "boolean":
        return Boolean(name, missing)
    if kind.name == "time":
        return Time(name, missing)
    values = days(cells, name, kind.form).dropna()
    return Date(name, float(values.mean()), float(values.std(ddof=0)), missing, kind.form)


def _number(values: np.ndarray, cells: pd.Series, kind: Kind, say: Say) -> Column | None:
    """The description of a column of numbers, none of which is missing; its statistics are those of pandas."""
    import numpy as np

    name, low, high = str(cells.name), values.min(), values.max()
    if not float(low) < float(high):
        _drop(name, say)
        return None
    if np.isinf([low, high]).any():
        numbers(cells, name)  # names the row
    known = values.astype(np.float64, copy=False)
    return Number(name, float(np.mean(known)), float(np.std(known)), False, *kind.notation)


def _drop(name: str, say: Say, why: str = "it never changes") -> None:
    """Say of a column without information that it is left out."""
    say(f"column '{name}' is dropped: {why}")


def _one_or_none(cells: pd.Series, kind: Kind, say: Say) -> Column:
    """A column that has one word or number, or nothing, as boxes that are ticked or not."""
    names = tuple(column_kinds.names_of(cells, kind))
    say(f"column '{cells.name}' is a category: {', '.join(map(repr, names))}, or nothing")
    return Category(str(cells.name), names, kind.exact)
