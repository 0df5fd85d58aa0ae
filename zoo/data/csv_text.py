"""Texts of your own with a class, labels or values each: a table with a column of texts, or a folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.labelled_files import HELD_OUT, check_counts, labelled_files
from zoo.data.core.notes import listed
from zoo.data.core.splits import random_split, split_fractions
from zoo.data.core.targets import TARGET_KINDS, Targets, may_be_several, of_columns
from zoo.data.core.vocabulary import TokenisedTexts
from zoo.errors import DataError, unknown
from zoo.files import user_path
from zoo.spec import Spec, subwords
from zoo.spec.cells import words
from zoo.spec.dialect import AUTO, Header
from zoo.spec.files import read_file, read_text
from zoo.spec.text import LEVELS
from zoo.spec.text_tables import TEXT, words_by_column

if TYPE_CHECKING:
    import pandas as pd

LABEL, SPLIT = "label", "split"  # beside TEXT, columns of a folder's files
MIN_TEXTS = 10
AUTO_VOCAB, MAX_WORDS, MAX_SUBWORDS = "auto", 50_000, 8_000  # known words or characters, and subwords


class CsvText(DataModule):
    """Texts with what is to be learned of each.

    Splits are drawn at random, class by class. Texts of the same tokens are in one split, and count once in validation
    and test. The vocabulary is learned from the training split alone.

    Args:
        path: a CSV file, Parquet or JSON lines; or a folder with a folder of .txt files for each class, which may
            stand in folders `train`, `val` and `test`.
        text: the column of texts; None for the one whose cells have most words.
        label: the column to learn, or several of them.
        target_kind: `classes`, `labels` (any number of them a text), `values`, or `auto`: lists and several columns of
            0 and 1 are labels, numbers are values, unless they are up to 20 different whole ones.
        label_separator: between the labels of a cell, such as `;`, where a text has several.
        level: the tokens are `words`, `characters` or `subwords`, which are learned from the training split.
        min_freq: tokens that occur less often in the training split are unknown; subwords are joined from pieces that
            stand side by side at least that often.
        max_vocab: the largest number of known tokens, of which the most frequent are taken; None for no limit; `auto`
            for 50,000 words or characters, or 8,000 subwords.
        max_length: tokens of a text that are kept, the last ones.
        separator, encoding, header: as in `zoo.data.tables.Csv`.
        val_path, test_path: files of their own for these splits.
        batch_size: texts a batch.
        val_fraction, test_fraction: fractions of the texts, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: the file cannot be read, a column is missing, or there are too few texts.
    """

    def __init__(
        self,
        path: str,
        *,
        text: str | None = None,
        label: str | Sequence[str] = LABEL,
        target_kind: str = "auto",
        label_separator: str | None = None,
        level: str = "words",
        min_freq: int = 1,
        max_vocab: int | str | None = AUTO_VOCAB,
        max_length: int = 400,
        separator: str | None = None,
        encoding: str | None = None,
        header: Header = AUTO,
        val_path: str | None = None,
        test_path: str | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.path = user_path(path)
        self.text = text
        self.labels = [label] if isinstance(label, str) else list(map(str, label))
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.label_separator = label_separator
        self.level = check.one_of("level", level, LEVELS)
        self.min_freq = check.whole("min_freq", min_freq)
        self.max_vocab = most_tokens(max_vocab, self.level, MAX_WORDS)
        self.max_length = check.whole("max_length", max_length)
        self.file = {"separator": separator, "encoding": encoding, "header": header}
        self.held_out = {"val": val_path, "test": test_path}
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        frame = self._frame()
        targets = of_columns(frame, self.labels, self.target_kind, f"{self.path.name}, row", self.label_separator)
        if several := may_be_several(targets):
            self.note(several)
        given = frame[self.text].tolist()
        texts = TokenisedTexts(given, first_level(self.level), self.max_length)
        rows = self._split(frame[SPLIT].to_numpy(), texts.first_alike(), targets)
        if self.level == "subwords":
            assert self.max_vocab is not None
            learned = subwords.learned((given[row] for row in rows["train"]), self.max_vocab, self.min_freq)
            texts = TokenisedTexts(given, self.level, self.max_length, learned)
        self._say_cut(texts)
        text, output = texts.learn(rows["train"], self.min_freq, self.max_vocab), targets.output(rows["train"])
        encoded = targets.encoded(output)
        splits = {split: Examples(texts.encoded(text, part), encoded[part]) for split, part in rows.items()}
        self.note(
            f"{len(frame)} texts ('{self.text}') with {targets.kind} ({listed(self.labels)}): "
            f"{', '.join(f'{len(part)} for {split}' for split, part in rows.items())}; "
            f"{len(text.vocabulary)} different {self.level}"
        )
        return Spec(text, output), splits

    # Reading

    def _frame(self) -> pd.DataFrame:
        """Texts and what is learned of them as text, and the split, "" where it is to be drawn; all cells are there."""
        import pandas as pd

        frame = pd.concat(self._parts())
        blank = frame[self.text].str.strip() == ""
        unlabelled = (frame[self.labels] == "").all(axis=1) & (self.label_separator is None)
        for missing, what in ((blank, "text"), (unlabelled & ~blank, "label")):
            if missing.any():
                self.note(f"{missing.sum()} rows have no {what} and are left out, first row {frame.index[missing][0]}")
        frame = frame[~blank & ~unlabelled]
        if len(frame) < MIN_TEXTS:
            raise DataError(f"{self.path.name} has {len(frame)} texts with a label; at least {MIN_TEXTS} are needed")
        return frame

    def _parts(self) -> list[pd.DataFrame]:
        """The same by files, some cells of which may be empty."""
        if self.path.is_dir():
            frame, notes = _of_folder(self.path, self.file["encoding"])
            for note in notes:
                self.note(note)
            self.text, self.labels = TEXT, [LABEL]
            return [frame]
        paths = {"": str(self.path), **{split: path for split, path in self.held_out.items() if path is not None}}
        return [self._read(path).assign(**{SPLIT: split}) for split, path in paths.items()]

    def _read(self, path: str) -> pd.DataFrame:
        file = read_file(path, **self.file, text=[self.text or TEXT])
        for note in file.notes:
            self.note(note)
        frame = file.frame.rename(columns=str)
        for name in (*self.labels, *([self.text] if self.text else [])):
            if name not in frame:
                setting = "data.label" if name in self.labels else "data.text"
                raise DataError(
                    f"{Path(path).name}: {unknown('column', name, frame.columns)}; {setting} names it, and "
                    "data.header=null is for a file whose first line is a row"
                )
        if self.text is None:
            self.text = _most_wordy(frame.drop(columns=self.labels), path)
            self.note(f"column '{self.text}' holds the texts")
        cells = {name: words(frame[name]).fillna("").astype(object) for name in self.labels}
        return frame[[self.text]].astype("string").fillna("").astype(object).assign(**cells)

    def _say_cut(self, texts: TokenisedTexts) -> None:
        if cut := int((texts.full_lengths > self.max_length).sum()):
            self.note(
                f"{cut} texts of more than {self.max_length} {self.level} are cut to their last ones; the longest has "
                f"{texts.full_lengths.max()} (data.max_length)"
            )

    # Splits

    def _split(self, given: np.ndarray, alike: np.ndarray, targets: Targets) -> dict[str, np.ndarray]:
        """The rows of each split; texts that are alike are in one, and once in validation and test."""
        held = {split: _firsts(np.flatnonzero(given == split), alike) for split in HELD_OUT}
        held["val"] = held["val"][~np.isin(alike[held["val"]], alike[held["test"]])]
        source = np.flatnonzero(given == "")
        also = np.isin(alike[source], alike[np.concatenate(list(held.values()))])
        if also.any():
            self.note(f"{also.sum()} texts for training are also in those for validation or test, and are left out")
            source = source[~also]
        drawn = [fraction * (not len(held[split])) for split, fraction in zip(HELD_OUT, self.fractions)]
        firsts = _firsts(source, alike)
        if repeated := len(source) - len(firsts):
            self.note(f"{repeated} rows repeat the text of another; no text is in two splits")
        groups = None
        if targets.kind == "classes":
            groups = targets.codes[firsts].tolist()
            check_counts(groups, targets.names, 1 + sum(map(bool, drawn)), "different texts")
        chosen = random_split(len(firsts), (drawn[0], drawn[1]), self.split_seed, groups)
        parts = {split: firsts[chosen[split]] if not len(held[split]) else held[split] for split in HELD_OUT}
        train = np.isin(alike[source], alike[firsts[chosen["train"]]])
        return {"train": source[train], **parts}


def first_level(level: str) -> str:
    """The level at which texts are cut before anything is learned from them: subwords are learned from words."""
    return "words" if level == "subwords" else level


def most_tokens(given: int | str | None, level: str, words: int) -> int | None:
    """The largest number of known tokens, where `auto` stands for so many words or characters, or 8,000 subwords.

    Raises:
        ValueError: it is out of range.
    """
    if given == AUTO_VOCAB:
        return MAX_SUBWORDS if level == "subwords" else words
    if level == "subwords":
        return subwords.MAX_VOCAB if given is None else check.whole("max_vocab", given, 1, subwords.MAX_VOCAB)
    return None if given is None else check.whole("max_vocab", given)


def _firsts(rows: np.ndarray, alike: np.ndarray) -> np.ndarray:
    """The first of those rows that are alike."""
    return rows[np.sort(np.unique(alike[rows], return_index=True)[1])]


def _most_wordy(frame: pd.DataFrame, path: str) -> str:
    """The column whose cells have most words."""
    counts = words_by_column(frame)
    if not counts:
        raise DataError(f"{Path(path).name} has no column of texts beside the labels; give data.text=COLUMN")
    return max(counts, key=counts.__getitem__)


def _of_folder(root: Path, encoding: str | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The texts of a folder with a folder of .txt files for each class, in folders for the splits or not."""
    import pandas as pd

    found = labelled_files(root, (".txt",), "texts")
    codes = found.targets.codes.tolist()
    texts = [read_text(path, encoding=encoding or "utf-8") if path.stat().st_size else "" for path in found.paths]
    labels = [found.targets.names[code] for code in codes]
    frame = pd.DataFrame({TEXT: texts, LABEL: labels, SPLIT: found.splits})
    frame.index += 1
    return frame, found.notes
