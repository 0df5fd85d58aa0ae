"""Sequences of numbers with a class, labels or values each: a table in long format, or a folder with a file for each.

Shape letters: N sequences, T steps, F numbers a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.labelled_files import draw_splits, labelled_files
from zoo.data.core.notes import listed
from zoo.data.core.splits import split_fractions
from zoo.data.core.targets import TARGET_KINDS, Targets, of_columns
from zoo.errors import DataError, SpecError, unknown
from zoo.files import user_path
from zoo.spec import Series, Spec
from zoo.spec.cells import days, numbers, words
from zoo.spec.dialect import AUTO, Header
from zoo.spec.files import read_file

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".tsv", ".txt", ".parquet")


class CsvSequences(DataModule):
    """Sequences of numbers, and what is to be learned of each.

    Args:
        path: a CSV or Parquet file with a row for each step, or a folder with a file for each sequence, in folders of
            classes or beside a `labels.csv`.
        id: the column that tells sequences apart; not for a folder.
        target: the column to learn, or several, which have one cell in all steps of a sequence; of a folder those of
            its `labels.csv`, None for all.
        columns: the numbers of a step; None for all other columns of numbers.
        time: a column of numbers or dates by which the steps are ordered; None for the order of rows.
        target_kind: `classes`, `labels`, `values` or `auto`, as in `zoo.data.csv_text.CsvText`.
        label_separator: between the labels of a cell.
        separator, encoding, header: as in `zoo.data.tables.Csv`.
        batch_size: sequences a batch.
        val_fraction, test_fraction: fractions of the sequences, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: a file cannot be read, a column is missing or has gaps, or there are too few sequences.
    """

    def __init__(
        self,
        path: str,
        *,
        id: str | None = "id",  # noqa: A002  # as csv_series calls it
        target: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        time: str | None = None,
        target_kind: str = "auto",
        label_separator: str | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        batch_size: int = 32,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.path = user_path(path)
        self.id = id
        self.targets = None if target is None else [target] if isinstance(target, str) else list(map(str, target))
        self.columns = None if columns is None else list(map(str, columns))
        self.time = time
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.label_separator = label_separator
        self.file = {"separator": separator, "encoding": encoding, "header": header}
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        frame, lengths, given, targets = self._of_folder() if self.path.is_dir() else self._of_table()
        names = self.columns or self._numbers_of(frame)
        values = torch.from_numpy(np.stack([self._finite(frame[name], name) for name in names], axis=1)).float()
        rows = draw_splits(given, targets, self.fractions, self.split_seed, "sequences")
        sequences = Ragged(values, torch.from_numpy(lengths))
        columns = {split: _chosen(sequences, part) for split, part in rows.items()}
        std, mean = torch.std_mean(columns["train"].values.double(), dim=0, correction=0)
        still = [name for name, spread in zip(names, std.tolist()) if not spread > 0]
        if still:
            raise DataError(f"column '{still[0]}' never changes in the sequences for training; leave it out")
        output = targets.output(rows["train"])
        encoded = targets.encoded(output)
        counts = ", ".join(f"{len(part)} for {split}" for split, part in rows.items())
        self.note(f"sequences of {lengths.min()} to {lengths.max()} steps of {listed(names)}: {counts}")
        told_apart = "" if self.path.is_dir() or self.id is None else self.id
        series = Series(tuple(names), tuple(mean.tolist()), tuple(std.tolist()), id=told_apart)
        return Spec(series, output), {split: Examples(columns[split], encoded[rows[split]]) for split in rows}

    def _of_table(self) -> tuple[pd.DataFrame, np.ndarray, Sequence[str], Targets]:
        """The steps of all sequences one after the other, how many each has, and what is learned of each."""
        frame = self._read(self.path)
        if self.id is None or self.targets is None:
            raise DataError("give data.id=COLUMN, which tells sequences apart, and data.target=COLUMN, to be learned")
        for name in (self.id, *self.targets, *([self.time] if self.time else []), *(self.columns or [])):
            if name not in frame:
                raise DataError(f"{self.path.name}: {unknown('column', name, frame.columns)}")
        ids = words(frame[self.id])
        if ids.isna().any():
            raise DataError(f"{self.path.name}, row {frame.index[ids.isna()][0]}: the id '{self.id}' is missing")
        codes, different = ids.factorize()
        keys = (codes,) if self.time is None else (self._times(frame[self.time], self.time), codes)
        order = np.lexsort(keys)
        frame = frame.iloc[order]
        lengths = np.bincount(codes)
        first = np.cumsum(lengths) - lengths
        cells = frame[self.targets].apply(lambda column: words(column).fillna("").astype(object))
        for name in self.targets:
            changed = cells[name].to_numpy() != np.repeat(cells[name].to_numpy()[first], lengths)
            if changed.any():
                place = int(changed.argmax())
                raise DataError(
                    f"{self.path.name}, row {frame.index[place]}: '{name}' changes within the sequence "
                    f"'{different[codes[order][place]]}'; it is one for all its steps"
                )
        told = cells.iloc[first]
        targets = of_columns(told, self.targets, self.target_kind, f"{self.path.name}, row", self.label_separator)
        left = frame.drop(columns=[self.id, *self.targets, *([self.time] if self.time else [])])
        return left, lengths, [""] * len(lengths), targets

    def _of_folder(self) -> tuple[pd.DataFrame, np.ndarray, Sequence[str], Targets]:
        import pandas as pd

        options: dict[str, Any] = {"target_kind": self.target_kind, "separator": self.label_separator}
        found = labelled_files(self.path, ENDINGS, "tables", target=self.targets, **options)
        for note in found.notes:
            self.note(note)
        frames = [self._read(path) for path in found.paths]
        names = list(frames[0].columns)
        for path, frame in zip(found.paths, frames):
            if missing := [name for name in self.columns or names if name not in frame]:
                raise DataError(f"{path.name} has no column '{missing[0]}', which {found.paths[0].name} has")
        if self.time is not None:
            orders = [np.argsort(self._times(frame[self.time], self.time), kind="stable") for frame in frames]
            frames = [frame.iloc[order] for frame, order in zip(frames, orders)]
            frames = [frame.drop(columns=self.time) for frame in frames]
        return pd.concat(frames), np.array(list(map(len, frames))), found.splits, found.targets

    def _read(self, path: Path) -> pd.DataFrame:
        file = read_file(path, **self.file)
        for note in file.notes if path == self.path else ():
            self.note(note)
        return file.frame.rename(columns=str)

    def _times(self, cells: pd.Series, name: str) -> np.ndarray:
        try:
            values = numbers(cells, name) if cells.dtype.kind in "iuf" else days(cells, name)
        except SpecError as error:
            raise DataError(str(error)) from error
        if values.isna().any():
            raise DataError(f"column '{name}', row {values.index[values.isna()][0]}: the time of a step is missing")
        return values.to_numpy()

    def _numbers_of(self, frame: pd.DataFrame) -> list[str]:
        """The columns of numbers; others are named and left out."""
        found = [str(name) for name in frame if frame[name].dtype.kind in "iuf"]
        if others := [str(name) for name in frame if name not in found]:
            self.note(f"columns without numbers are left out: {listed(others)}")
        if not found:
            raise DataError(f"{self.path.name} has no column of numbers for the steps")
        return found

    def _finite(self, cells: pd.Series, name: str) -> np.ndarray:
        """The numbers of a column."""
        try:
            values = numbers(cells, name)
        except SpecError as error:
            raise DataError(f"{self.path.name}: {error}") from error
        if missing := int(values.isna().sum()):
            raise DataError(
                f"{self.path.name}, row {values.index[values.isna()][0]}: '{name}' is missing ({missing} in all); fill "
                "the gaps, or leave the column out by data.columns"
            )
        array: np.ndarray = values.to_numpy("float64")
        return array


def _chosen(sequences: Ragged, rows: np.ndarray) -> Ragged:
    """Some of the sequences."""
    return Ragged.of([sequences[row] for row in rows.tolist()])
