"""What is to be learned of each example, from the columns of a table: a class, several labels, or values.

Shape letters: N examples, K labels, V values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.errors import DataError
from zoo.files import quoted
from zoo.spec import Classes, MultiLabel, Values

if TYPE_CHECKING:
    import pandas as pd

TARGET_KINDS = ("auto", "classes", "labels", "values")
MAX_CLASSES = 20  # different whole numbers; of more they are quantities
NAMED = 5  # names that a message holds
_LISTED = re.compile(r"\s*\[.*\]\s*")  # ["a", "b"], as in JSON and in Python
_ITEM = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,'"\[\]]+))\s*(?:,|$)""")


@dataclass(frozen=True)
class Targets:
    """What is to be learned of each of N examples.

    Args:
        kind: `classes` (one of several), `labels` (any number of several) or `values`.
        names: of the classes, of the K labels, or of the V values.
        codes: place of each example's class (N,); 0 or 1 for each label, uint8 (N, K); or values, float64 (N, V).
    """

    kind: str
    names: tuple[str, ...]
    codes: Tensor

    def output(self, train: Any) -> Classes | MultiLabel | Values:
        """The output of a spec; of values with the statistics of some rows, given by their places.

        Raises:
            DataError: a value is the same in all of them.
        """
        if self.kind == "classes":
            return Classes(self.names)
        if self.kind == "labels":
            return MultiLabel(self.names)
        std, mean = torch.std_mean(self.codes[torch.as_tensor(train)], dim=0, correction=0)
        for name, spread in zip(self.names, std.tolist()):
            if not spread > 0:
                raise DataError(f"column '{name}' has the same value in all examples for training")
        return Values(self.names, tuple(mean.tolist()), tuple(std.tolist()))

    def encoded(self, output: Classes | MultiLabel | Values) -> Tensor:
        """As a network's targets: classes (N,), labels (N, K), or standardised values (N, V)."""
        if self.kind == "classes":
            return self.codes
        return output.standardise(self.codes) if isinstance(output, Values) else self.codes.float()


def may_be_several(targets: Targets) -> str:
    """What is to be said where names of classes look like several labels each; "" where none does."""
    if targets.kind != "classes" or (found := several_in_one(targets.names)) is None:
        return ""
    return f"{quoted(found[0])} is one class; if it is several labels, give data.label_separator='{found[1]}'"


def several_in_one(names: Sequence[str]) -> tuple[str, str] | None:
    """The first name that looks like several, and what separates them; None if none does."""
    for sign in ";|,":
        parts = [part.strip() for name in names for part in name.split(sign)]
        repeated = sign != "," or len(set(parts)) < len(parts)  # Bonn, Germany is one
        if len(parts) > len(names) and repeated:
            return next(name for name in names if sign in name), sign
    return None


def of_names(names: Sequence[str]) -> Targets:
    """The class of each example, by its name; classes that are numbers are in their order."""
    different = set(names)
    try:
        classes = tuple(sorted(different, key=lambda name: (float(name), name)))
    except ValueError:
        classes = tuple(sorted(different))
    places = {name: place for place, name in enumerate(classes)}
    return Targets("classes", classes, torch.tensor([places[name] for name in names], dtype=torch.long))


def of_columns(
    frame: pd.DataFrame, columns: Sequence[str], kind: str, place: str, separator: str | None = None
) -> Targets:
    """What the columns of a table say.

    Args:
        frame: cells as text, empty ones for nothing, its index as a message names a row.
        columns: those to learn.
        kind: `classes`, `labels`, `values`, or `auto`: a column of lists, or several of 0 and 1, are labels; numbers
            are values, unless they are up to 20 different whole ones.
        place: where rows stand, for messages, such as "labels.csv, line".
        separator: between the labels of a cell, which are then several.

    Raises:
        DataError: a cell is empty, or no number, or all examples have the same class.
    """
    import pandas as pd

    if len(columns) == 1 and (labels := _lists(frame[columns[0]], kind, separator)) is not None:
        return labels
    for name in columns:
        if (empty := frame[name] == "").any():
            raise DataError(f"{place} {frame.index[empty.argmax()]}: '{name}' is empty; leave such rows out")
    numbers = frame[list(columns)].apply(pd.to_numeric, errors="coerce").to_numpy("float64")
    values = torch.tensor(numbers)
    finite = bool(values.isfinite().all())
    is_marked = finite and bool(((values == 0) | (values == 1)).all())
    if kind == "labels" or (kind == "auto" and len(columns) > 1 and is_marked):
        if not is_marked:
            raise DataError(f"{place.split(',')[0]}: the columns of several labels hold 0 and 1")
        return Targets("labels", tuple(columns), values.to(torch.uint8))
    quantities = [name for column, name in enumerate(columns) if _is_quantity(values[:, column])]
    if kind == "values" or (kind == "auto" and (quantities or len(columns) > 1) and finite):
        if not finite:
            row, column = (~values.isfinite()).nonzero()[0].tolist()
            cell = quoted(frame[list(columns)].iloc[row, column])
            raise DataError(f"{place} {frame.index[row]}: '{columns[column]}' is {cell}, not a number")
        return Targets("values", tuple(columns), values)
    if len(columns) > 1:
        several = ", ".join(columns[:NAMED]) + " …" * (len(columns) > NAMED)
        where = place.split(",")[0]
        likely = next(name for column, name in enumerate(columns) if not values[:, column].isfinite().all())
        raise DataError(
            f"{where} has several columns, and not all are numbers ({several}); choose one: data.target={likely}"
        )
    cells = frame[columns[0]].tolist()
    if len(set(cells)) < 2:
        raise DataError(f"{place.split(',')[0]}: '{columns[0]}' is the same for all examples: {quoted(cells[0])}")
    return of_names(cells)


def _lists(cells: pd.Series, kind: str, separator: str | None) -> Targets | None:
    """The labels of each cell, where a cell is a list of them; None if cells are none."""
    if separator is not None:
        several = [[part.strip() for part in cell.split(separator) if part.strip()] for cell in cells]
    elif kind in ("auto", "labels") and cells.map(lambda cell: not cell or bool(_LISTED.fullmatch(cell))).all():
        several = [["".join(parts).strip() for parts in _ITEM.findall(cell.strip()[1:-1])] for cell in cells]
    else:
        return None
    names = tuple(sorted({name for labels in several for name in labels}))
    if not names:
        return None
    places = {name: place for place, name in enumerate(names)}
    codes = torch.zeros(len(several), len(names), dtype=torch.uint8)
    for row, labels in enumerate(several):
        codes[row, [places[name] for name in labels]] = 1
    return Targets("labels", names, codes)


def _is_quantity(values: Tensor) -> bool:
    if not values.isfinite().all():
        return False
    return len(values.unique()) > MAX_CLASSES or bool((values % 1 != 0).any())
