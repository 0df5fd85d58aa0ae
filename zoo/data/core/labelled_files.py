"""Files of a folder with what is to be learned of each: a folder a class, or a `labels.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.core.splits import random_split
from zoo.data.core.targets import Targets, of_names
from zoo.data.labels import of_table
from zoo.data.layouts import LABELS, layout, table_of
from zoo.errors import DataError

HELD_OUT = ("val", "test")


@dataclass(frozen=True)
class LabelledFiles:
    """The files, the split that each is given ("" where it is drawn), what is learned, and what was recognised."""

    paths: list[Path]
    splits: tuple[str, ...]
    targets: Targets
    notes: tuple[str, ...]


def labelled_files(
    root: Path,
    endings: Sequence[str],
    what: str,
    *,
    target: str | Sequence[str] | None = None,
    target_kind: str = "auto",
    separator: str | None = None,
) -> LabelledFiles:
    """The files of a folder, as those of `zoo.data.photos.ImageFolder` are found.

    Args:
        root: the folder.
        endings: of the files, such as `.csv`.
        what: they are, for messages.
        target, target_kind, separator: of a table of labels, as in `ImageFolder`.

    Raises:
        DataError: there are none, or nothing says what is to be learned of them.
    """
    if (table := table_of(root)) is not None:
        found, targets = of_table(layout(root, "images", endings, what), table, target, target_kind, separator)
    else:
        found = layout(root, "auto", endings, what)
        if found.folders is None:
            raise DataError(f"{root} has neither a folder of {what} for each class nor a {LABELS}")
        targets = of_names(found.folders)
    splits = tuple("" if split == "train" else split for split in found.splits or ("train",) * len(found.files.names))
    return LabelledFiles([found.files.root / name for name in found.files.names], splits, targets, found.notes)


def draw_splits(
    given: Sequence[str], targets: Targets | None, fractions: tuple[float, float], seed: int, what: str
) -> dict[str, np.ndarray]:
    """The rows of each split: those that are given, the others drawn from the rest, class by class.

    Args:
        given: `val`, `test` or "" of each row.
        targets: of all rows; None for no classes.
        fractions: of validation and test.
        seed: of the draw.
        what: the rows are, for messages.

    Raises:
        DataError: a class has too few rows.
    """
    splits = np.array(given, dtype=object)
    held = {split: np.flatnonzero(splits == split) for split in HELD_OUT}
    source = np.flatnonzero(splits == "")
    drawn = [fraction * (not len(held[split])) for split, fraction in zip(HELD_OUT, fractions)]
    groups = None
    if targets is not None and targets.kind == "classes":
        groups = targets.codes[source].tolist()
        check_counts(groups, targets.names, 1 + sum(map(bool, drawn)), what)
    chosen = random_split(len(source), (drawn[0], drawn[1]), seed, groups)
    parts = {split: source[chosen[split]] for split in ("train", *HELD_OUT)}
    parts |= {split: rows for split, rows in held.items() if len(rows)}
    for split, rows in parts.items():
        if not len(rows):
            raise DataError(f"{len(splits)} {what} are too few for three splits: none is left for {split}")
    return parts


def check_counts(groups: Sequence[int], names: Sequence[str], needed: int, what: str) -> None:
    """See that each class has an example for each split.

    Raises:
        DataError: one has not.
    """
    for name, count in zip(names, np.bincount(groups, minlength=len(names)).tolist()):
        if count < needed:
            shown = what if count != 1 else what.removesuffix("s")
            raise DataError(
                f"class '{name}' has {count} {shown}, and each split needs one: add some, or leave the class out"
            )
