"""A table that labels images: which file each row names, and what its other columns say of it."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.core.targets import Targets, may_be_several, of_columns
from zoo.data.layouts import NAMED, Layout, only, split_of
from zoo.errors import DataError, unknown
from zoo.files import one_line, quoted
from zoo.spec.dialect import BLANKS, encoding_of, split_rows
from zoo.spec.files import read_table
from zoo.spec.json_files import ENDINGS

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT = 100  # rows, to tell which column names files
WITH_COMMA = r"[+-]?\d+(?:,\d+)?"  # a number, in a file whose separator is none


def of_table(
    found: Layout, path: Path, target: str | Sequence[str] | None, kind: str, separator: str | None = None
) -> tuple[Layout, Targets]:
    """The images that a table names, in its order, and their labels.

    The column that names files is found by its cells: names below the table's folder, or the images' own names, with
    or without endings. A column called `split` (or `set`) says what each image is for.

    Args:
        found: the images of the folder.
        path: a CSV file.
        target: column or columns to learn; None for all others.
        kind, separator: as in `zoo.data.core.targets.of_columns`.

    Raises:
        DataError: a row names no image, an image is named twice, a cell is empty or no number, or there is no column.
    """
    rows = rows_of_names(found, path)
    frame = read_labels(path, rows)
    naming = naming_column(frame, rows, path, found.what)
    splits = split_column(frame, naming)
    targets = _targets(frame, target, {naming, splits}, path)
    if frame.attrs.get("separator", ",") != ",":
        frame = frame.apply(lambda cells: cells.str.replace(",", ".") if _have_commas(cells) else cells)
    chosen = _rows(frame[naming], rows, path, found.what)
    kept = only(found, chosen)
    learned = ", ".join(f"'{name}'" for name in targets[:NAMED]) + " …" * (len(targets) > NAMED)
    notes = [*found.notes, f"{path.name}: column '{naming}' names the {found.what}, and learned is {learned}"]
    if left := len(found.files.names) - len(chosen):
        notes.append(f"{left} {found.what} are not in {path.name} and are passed over")
    if splits is not None:
        kept = Layout(kept.files, splits_of(frame[splits], path), what=found.what)
        notes.append(f"its column '{splits}' gives the splits")
    labels = of_columns(frame, targets, kind, f"{path}, line", separator)
    if several := may_be_several(labels):
        notes.append(several)
    return Layout(kept.files, kept.splits, notes=tuple(notes), what=found.what), labels


def split_column(frame: pd.DataFrame, naming: str) -> str | None:
    """The column that says what each row is for, if there is one."""
    return next((name for name in frame if name.lower() in ("split", "set", "subset") and name != naming), None)


def read_labels(path: Path, rows: Container[str]) -> pd.DataFrame:
    """The cells of a table as text; its index is the line in the file.

    A first line that names a file is no header; the columns are called column_1, … then.

    Args:
        path: a CSV file, or JSON lines.
        rows: names of files.

    Raises:
        DataError: it cannot be read, has no rows, or rows of another length than its first.
    """
    import pandas as pd

    if path.suffix.lower() in ENDINGS:
        return read_table(path).astype("string").fillna("").astype(object)
    cells, separator = _cells(path)
    first = next(iter(cells))
    has_header = not any("." in cell and plain_name(cell, rows) in rows for cell in cells[first])
    names = _names(path, cells.pop(first)) if has_header else [f"column_{n + 1}" for n in range(len(cells[first]))]
    if not cells:
        raise DataError(f"{path} has no rows")
    for line, row in cells.items():
        while len(row) > len(names) and not row[-1]:
            row.pop()
        if len(row) != len(names):
            more = "; a text with commas stands in quotes" * (len(row) > len(names) and separator == ",")
            raise DataError(f"{path}, line {line} has {len(row)} cells, and the first line {len(names)}{more}")
    frame = pd.DataFrame(list(cells.values()), index=list(cells), columns=names, dtype=str)
    if has_header and not names[0] and len(names) > 2 and frame.iloc[:, 0].is_unique:
        frame = frame.iloc[:, 1:]  # it counts the rows
    frame.attrs["separator"] = separator
    return frame


def _cells(path: Path) -> tuple[dict[int, list[str]], str]:
    """The cells of each line of a CSV file that has any, and what separates them."""
    try:
        text = path.read_text(encoding_of(path)).removeprefix("\ufeff")
        start = text.partition("\n")[0]
        likely = max(",;|", key=start.count)  # captions have commas in them, beside a tab
        separator = "\t" if "\t" in start else likely if likely in start else BLANKS
        rows = {line: [cell.strip() for cell in cells] for line, cells in split_rows(text, separator)}
    except FileNotFoundError:
        raise DataError(f"there is no table of labels {path}") from None
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(one_line(f"cannot read {path}, which is to be a CSV file: {error}")) from error
    rows = {line: cells for line, cells in rows.items() if any(cells)}
    if not rows:
        raise DataError(f"{path} is empty")
    return rows, separator


def _names(path: Path, names: list[str]) -> list[str]:
    """The names of the columns, without those that have none at the end."""
    while len(names) > 1 and not names[-1]:
        names.pop()
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{path} has two columns named '{name}'; give them different names")
    return names


def _have_commas(cells: pd.Series) -> bool:
    """Whether cells are numbers, some with a comma before their fraction."""
    return bool(cells.str.fullmatch(WITH_COMMA).all() and cells.str.contains(",").any())


def rows_of_names(found: Layout, path: Path) -> dict[str, int | None]:
    """The row of each image by all names that a table may have for it; None for one of several images."""
    rows: dict[str, int | None] = {}
    here = path.resolve().parent
    for row, name in enumerate(found.files.names):
        file = found.files.root / name
        own = name.rsplit("/", 1)[-1]
        names = {name, own, own.rsplit(".", 1)[0], name.rsplit(".", 1)[0]}
        if here != found.files.root and file.is_relative_to(here):
            names.add(file.relative_to(here).as_posix())
        for one in names | set(map(_of_any_case, names)):
            rows[one] = None if one in rows and one not in (name,) else row
    return rows | {name: row for row, name in enumerate(found.files.names)}  # of its full name none is unsure


def naming_column(frame: pd.DataFrame, rows: dict[str, int | None], path: Path, what: str) -> str:
    """The column whose cells are names of files."""
    first = frame.head(LOOKED_AT)
    hits = {name: sum(plain_name(cell, rows) in rows for cell in first[name]) for name in first}
    best = max(hits, key=hits.__getitem__)
    if not hits[best]:
        seen = quoted(str(frame.iloc[0, 0]))
        raise DataError(f"no column of {path} names {what} of its folder; the first cell is {seen}")
    return best


def _rows(cells: pd.Series, rows: dict[str, int | None], path: Path, what: str) -> list[int]:
    chosen: dict[int, int] = {}
    for line, cell in cells.items():
        row = row_of(cell, rows, f"{path}, line {line}", what)
        if row in chosen:
            raise DataError(f"{path}, line {line}: {quoted(cell)} was named in line {chosen[row]} already")
        chosen[row] = int(str(line))
    return list(chosen)


def row_of(cell: str, rows: dict[str, int | None], where: str, what: str) -> int:
    """The row of the file that a cell names.

    Args:
        cell: the name.
        rows: as `rows_of_names` gives them.
        where: the table and the line, for the error.
        what: the files are, such as images.

    Raises:
        DataError: it is none of the folder, or may be one of several.
    """
    name = plain_name(cell, rows)
    row = rows.get(name)
    if row is None:
        several = f"may be one of several {what}; give its folder too"
        fault = several if name in rows else f"is no {what.removesuffix('s')} of the folder"
        raise DataError(f"{where}: {quoted(cell)} {fault}")
    return row


def plain_name(cell: str, rows: Container[str] = ()) -> str:
    """A file's name as `rows` has it; of a path from elsewhere, maybe another disk, the end that is there.

    Captions may be numbered: `1.jpg#0`.
    """
    name = cell.replace("\\", "/").removeprefix("./")
    if (numbered := re.fullmatch(r"(.+)#\d+", name)) and numbered[1] in rows:
        return numbered[1]
    parts = name.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))]
    found = (one for end in ends for one in (end, _of_any_case(end)) if one in rows)
    return next(found, name)


def _of_any_case(name: str) -> str:
    """A name whose ending is in small letters: some systems take .PNG for .png."""
    stem, point, ending = name.rpartition(".")
    return f"{stem}{point}{ending.lower()}" if point else name


def _targets(frame: pd.DataFrame, target: str | Sequence[str] | None, taken: set[str | None], path: Path) -> list[str]:
    others = [name for name in frame if name not in taken]
    wanted = others if target is None else [target] if isinstance(target, str) else list(target)
    for name in wanted:
        if name not in others:
            raise DataError(unknown(f"column of {path.name}", name, others))
    if not wanted:
        raise DataError(f"{path} has no column to learn, beside the one that names the images")
    return wanted


def splits_of(cells: pd.Series, path: Path, *, train: bool = True) -> tuple[str, ...]:
    """What each row is for; with `train` some must be for training."""
    splits = [split_of(cell) for cell in cells]
    if None in splits:
        line = cells.index[splits.index(None)]
        raise DataError(f"{path}, line {line}: {quoted(cells[line])} is no split: train, val or test")
    if train and "train" not in splits:
        raise DataError(f"{path}: no image is of the split train")
    return tuple(map(str, splits))
