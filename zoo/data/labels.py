"""A table that labels images: which file each row names, and what its other columns say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo.data.layouts import NAMED, SPLITS, Layout, only
from zoo.errors import DataError, unknown
from zoo.files import one_line, quoted
from zoo.spec import Classes, Values

if TYPE_CHECKING:
    import pandas as pd

MAX_CLASSES = 20  # different whole numbers; of more they are quantities
LOOKED_AT = 100  # rows, to tell which column names files
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Labels:
    """What is to be learned of each image: the class of one column, or the values of one or more.

    Args:
        columns: names of the columns.
        classes: names of the classes, in order; None for values.
        codes: place of each image's class (N,), or its values, float64 (N, V).
    """

    columns: tuple[str, ...]
    classes: tuple[str, ...] | None
    codes: Tensor

    def output(self, train: Sequence[int]) -> Classes | Values:
        """The output of a spec; of values with the statistics of some rows.

        Raises:
            DataError: a value is the same in all of them.
        """
        if self.classes is not None:
            return Classes(self.classes)
        known = self.codes[list(train)]
        std, mean = torch.std_mean(known, dim=0, correction=0)
        for name, spread in zip(self.columns, std.tolist()):
            if not spread > 0:
                raise DataError(f"column '{name}' has the same value for all training images")
        return Values(self.columns, tuple(mean.tolist()), tuple(std.tolist()))

    def encoded(self, output: Classes | Values) -> Tensor:
        """As a network's targets: labels (N,), or standardised values (N, V)."""
        return self.codes if isinstance(output, Classes) else output.standardise(self.codes)


def of_folders(folders: Sequence[str]) -> Labels:
    """The class of each image, by the name of its folder."""
    names = tuple(sorted(set(folders)))
    places = {name: place for place, name in enumerate(names)}
    return Labels(("folder",), names, torch.tensor([places[name] for name in folders]))


def of_table(found: Layout, path: Path, target: str | Sequence[str] | None, kind: str) -> tuple[Layout, Labels]:
    """The images that a table names, in its order, and their labels.

    The column that names files is found by its cells: names below the table's folder, or the images' own names, with
    or without endings. A column called `split` (or `set`) says what each image is for.

    Args:
        found: the images of the folder.
        path: a CSV file.
        target: column or columns to learn; None for all others.
        kind: `classes`, `values`, or `auto`: numbers are values, unless they are up to 20 different whole ones.

    Raises:
        DataError: a row names no image, an image is named twice, a cell is empty or no number, or there is no column.
    """
    frame = _read(path)
    rows = _rows_of_names(found, path)
    naming = _naming_column(frame, rows, path)
    splits = next((name for name in frame if name.lower() in ("split", "set", "subset") and name != naming), None)
    targets = _targets(frame, target, {naming, splits}, path)
    chosen = _rows(frame[naming], rows, path)
    kept = only(found, chosen)
    learned = ", ".join(f"'{name}'" for name in targets[:NAMED]) + " …" * (len(targets) > NAMED)
    notes = [*found.notes, f"{path.name}: column '{naming}' names the images, and learned is {learned}"]
    if left := len(found.files.names) - len(chosen):
        notes.append(f"{left} images are not in {path.name} and are passed over")
    if splits is not None:
        kept = Layout(kept.files, _splits(frame[splits], path))
        notes.append(f"its column '{splits}' gives the splits")
    return Layout(kept.files, kept.splits, notes=tuple(notes)), _labels(frame, targets, kind, path)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        with path.open("rb") as file:
            start = file.readline().decode("utf-8-sig", errors="replace")
        separator = max(SEPARATORS, key=start.count)
        frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"there is no table of labels {path}") from None
    except (OSError, ValueError) as error:
        raise DataError(one_line(f"cannot read {path}, which is to be a CSV file in UTF-8: {error}")) from error
    if frame.empty:
        raise DataError(f"{path} has no rows")
    frame = frame.rename(columns=str.strip).apply(lambda cells: cells.str.strip())
    frame.index += 2  # the line in the file
    return frame


def _rows_of_names(found: Layout, path: Path) -> dict[str, int | None]:
    """The row of each image by all names that a table may have for it; None for one of several images."""
    rows: dict[str, int | None] = {}
    here = path.resolve().parent
    for row, name in enumerate(found.files.names):
        file = found.files.root / name
        own = name.rsplit("/", 1)[-1]
        names = {name, own, own.rsplit(".", 1)[0], name.rsplit(".", 1)[0]}
        if here != found.files.root and file.is_relative_to(here):
            names.add(file.relative_to(here).as_posix())
        for one in names:
            rows[one] = None if one in rows and one not in (name,) else row
    return rows | {name: row for row, name in enumerate(found.files.names)}  # of its full name none is unsure


def _naming_column(frame: pd.DataFrame, rows: dict[str, int | None], path: Path) -> str:
    first = frame.head(LOOKED_AT)
    hits = {name: sum(_plain(cell) in rows for cell in first[name]) for name in first}
    best = max(hits, key=hits.__getitem__)
    if not hits[best]:
        seen = quoted(str(frame.iloc[0, 0]))
        raise DataError(f"no column of {path} names images of its folder; the first cell is {seen}")
    return best


def _rows(cells: pd.Series, rows: dict[str, int | None], path: Path) -> list[int]:
    chosen: dict[int, int] = {}
    for line, cell in cells.items():
        name = _plain(cell)
        row = rows.get(name)
        if row is None:
            fault = "may be one of several images; give its folder too" if name in rows else "is no image of the folder"
            raise DataError(f"{path}, line {line}: {quoted(cell)} {fault}")
        if row in chosen:
            raise DataError(f"{path}, line {line}: {quoted(cell)} was named in line {chosen[row]} already")
        chosen[row] = int(str(line))
    return list(chosen)


def _plain(cell: str) -> str:
    return cell.replace("\\", "/").removeprefix("./")


def _targets(frame: pd.DataFrame, target: str | Sequence[str] | None, taken: set[str | None], path: Path) -> list[str]:
    others = [name for name in frame if name not in taken]
    wanted = others if target is None else [target] if isinstance(target, str) else list(target)
    for name in wanted:
        if name not in others:
            raise DataError(unknown(f"column of {path.name}", name, others))
    if not wanted:
        raise DataError(f"{path} has no column to learn, beside the one that names the images")
    return wanted


def _splits(cells: pd.Series, path: Path) -> tuple[str, ...]:
    splits = [SPLITS.get(cell.lower()) for cell in cells]
    if None in splits:
        line = cells.index[splits.index(None)]
        raise DataError(f"{path}, line {line}: {quoted(cells[line])} is no split: train, val or test")
    if "train" not in splits:
        raise DataError(f"{path}: no image is of the split train")
    return tuple(map(str, splits))


def _labels(frame: pd.DataFrame, targets: list[str], kind: str, path: Path) -> Labels:
    import pandas as pd

    for name in targets:
        if (empty := frame[name] == "").any():
            raise DataError(f"{path}, line {frame.index[empty.argmax()]}: '{name}' is empty; leave such rows out")
    numbers = frame[targets].apply(pd.to_numeric, errors="coerce").to_numpy("float64")
    values = torch.tensor(numbers)
    quantities = [name for place, name in enumerate(targets) if _is_quantity(values[:, place])]
    if kind == "values" or (kind == "auto" and (quantities or len(targets) > 1) and values.isfinite().all()):
        if not values.isfinite().all():
            row, column = (~values.isfinite()).nonzero()[0].tolist()
            cell = quoted(frame[targets].iloc[row, column])
            raise DataError(f"{path}, line {frame.index[row]}: '{targets[column]}' is {cell}, not a number")
        return Labels(tuple(targets), None, values)
    if len(targets) > 1:
        shown = ", ".join(targets[:NAMED]) + " …" * (len(targets) > NAMED)
        raise DataError(
            f"{path} has several columns that are no numbers ({shown}); choose one: data.target={targets[0]}"
        )
    cells = frame[targets[0]].tolist()
    if len(set(cells)) < 2:
        raise DataError(f"{path}: '{targets[0]}' is the same for all images: {quoted(cells[0])}")
    labels = of_folders(cells)
    if values.isfinite().all() and labels.classes is not None:  # 2 before 10
        by_number = tuple(sorted(labels.classes, key=float))
        places = torch.tensor([by_number.index(name) for name in labels.classes])
        return Labels(tuple(targets), by_number, places[labels.codes])
    return Labels(tuple(targets), labels.classes, labels.codes)


def _is_quantity(values: Tensor) -> bool:
    if not values.isfinite().all():
        return False
    return len(values.unique()) > MAX_CLASSES or bool((values % 1 != 0).any())
