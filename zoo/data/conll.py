"""Sentences whose words are labelled, for parts of speech and entities, in files of CoNLL, CSV or JSON lines."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import random_split, split_fractions
from zoo.errors import DataError, unknown
from zoo.files import quoted, user_path
from zoo.spec import Labels, Sentence, Spec
from zoo.spec.dialect import split_rows
from zoo.spec.files import read_text
from zoo.spec.json_files import ENDINGS, is_json, read_json
from zoo.spec.sentence import normal

UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")  # columns of CoNLL-U
COLUMNS = (",", ";", "\t")  # what separates the cells of a CSV file
IN_CSV = ("sentence", "word")  # how names of its columns begin
IN_JSON = ("tokens", "words")  # what the list of a sentence's words is called
MAX_HEADER = 100_000  # characters; csv refuses longer cells
MIN_SENTENCES = 10


class Tagged(NamedTuple):
    """A sentence: its words and their labels."""

    words: tuple[str, ...]
    labels: tuple[str, ...]


class Conll(DataModule):
    """Sentences of labelled words: a word a line, with its columns, and an empty line after each sentence.

    Files of CoNLL-2000 to 2003 (columns by blanks or tabs, the word in the first and the label in the last) and of
    CoNLL-U are known; CSV files with a row a word, whose columns are called Word and Sentence, the latter's number in
    each row or in the first one of a sentence alone; and the Hub's JSON lines, an object for each sentence with a list
    of its tokens and lists of their labels. Sentences of the same words are in one split. The vocabulary is learned
    from the training split.

    Args:
        path: the file.
        column: of the label: a number from 1, a negative one from the last, or a name: of CoNLL-U such as upos, of a
            CSV file, or of a list in JSON; None for the last one, or upos.
        val_path, test_path: files of their own for these splits; None takes sentences of `path`.
        encoding: text encoding.
        min_freq: words that occur less often in the training split are unknown ones, known by their letters.
        batch_size: sentences a batch.
        val_fraction, test_fraction: fractions of the sentences, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: a file cannot be read, a line has another number of columns, or there are too few sentences.
    """

    def __init__(
        self,
        path: str,
        *,
        column: int | str | None = None,
        val_path: str | None = None,
        test_path: str | None = None,
        encoding: str = "utf-8",
        min_freq: int = 2,
        batch_size: int = 32,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        if column is not None and (type(column) not in (int, str) or column == 0):
            raise ValueError(f"column is a number of a column from 1, or its name, not {column!r}")
        self.paths = {"train": path, "val": val_path, "test": test_path}
        self.column = column
        self.encoding = encoding
        self.min_freq = check.whole("min_freq", min_freq)
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        given = {split: self._read(user_path(path)) for split, path in self.paths.items() if path is not None}
        parts = self._split(given)
        names = sorted({label for sentence in parts["train"] for label in sentence.labels})
        if len(names) < 2:
            raise DataError(f"all words of {self.paths['train']} have the label {quoted(names[0])} (data.column)")
        labels = Labels(tuple(names))
        for split, sentences in parts.items():
            if new := sorted({label for sentence in sentences for label in sentence.labels} - set(labels.names)):
                raise DataError(f"the label {quoted(new[0])} occurs for {split} alone; no sentence for training has it")
        spec = Spec(self._sentence(parts["train"]), labels)
        counts = ", ".join(f"{len(sentences)} for {split}" for split, sentences in parts.items())
        self.note(f"sentences: {counts}; {len(labels.names)} labels, {len(spec.input.vocabulary)} known words")  # type: ignore[union-attr]
        return spec, {split: _examples(spec, sentences) for split, sentences in parts.items()}

    def _sentence(self, train: Sequence[Tagged]) -> Sentence:
        """The spec of sentences, by those for training."""
        counts = Counter(normal(word) for sentence in train for word in sentence.words)
        known = sorted((word for word in counts if counts[word] >= self.min_freq), key=lambda w: (-counts[w], w))
        letters = Counter(letter for sentence in train for word in sentence.words for letter in word)
        return Sentence(tuple(known) or tuple(counts), tuple(sorted(letters, key=lambda each: (-letters[each], each))))

    def _split(self, given: dict[str, list[Tagged]]) -> dict[str, list[Tagged]]:
        """The sentences of each split; those that are not given are drawn from the ones for training."""
        held = {sentence.words for split in given if split != "train" for sentence in given[split]}
        source = [sentence for sentence in given["train"] if sentence.words not in held]
        if also := len(given["train"]) - len(source):
            self.note(f"{also} sentences for training are also in those for validation or test, and are left out")
        first: dict[tuple[str, ...], int] = {}
        for sentence in source:
            first.setdefault(sentence.words, len(first))
        if len(first) < MIN_SENTENCES:
            fault = f"{self.paths['train']} has {len(first)} different sentences; at least {MIN_SENTENCES} are needed"
            raise DataError(f"{fault}, and an empty line ends each")
        val, test = (part * (split not in given) for split, part in zip(("val", "test"), self.fractions))
        rows = random_split(len(first), (val, test), self.split_seed)
        chosen = {place: split for split, places in rows.items() for place in places}
        drawn: dict[str, list[Tagged]] = {"train": [], "val": [], "test": []}
        for sentence in source:
            drawn[chosen[first[sentence.words]]].append(sentence)
        return {split: given[split] if split in given and split != "train" else drawn[split] for split in drawn}

    def _read(self, path: Path) -> list[Tagged]:
        text = read_text(path, encoding=self.encoding)
        if path.suffix.lower() in ENDINGS or is_json(text):
            return self._of_json(path, text)
        lines = text.split("\n")
        for separator in COLUMNS:
            if (names := _names_of_csv(lines[0], separator)) is not None:
                return self._of_csv(path, names, text, separator)
        rows = [line.split("\t") if "\t" in line else line.split() for line in lines]
        first = next((row for row, line in zip(rows, lines) if row and not _passed(line)), [])
        universal = len(first) == len(UNIVERSAL) and first[0].partition("-")[0].isdigit()
        word = 1 if universal else 0
        place = self._place(path, len(first), word, UNIVERSAL if universal else (), UNIVERSAL.index("upos"))
        known = {row[place] for line, row in zip(lines, rows) if len(row) == len(first) and not _passed(line)}
        sentences: list[Tagged] = []
        words: list[str] = []
        labels: list[str] = []
        for number, (line, row) in enumerate(zip([*lines, ""], [*rows, []]), start=1):
            if not line.strip():
                if words:
                    sentences.append(Tagged(tuple(words), tuple(labels)))
                words, labels = [], []
                continue
            if universal and not row[0].isdigit():  # a comment; and 1-2 and 1.1 are no words of their own
                continue
            if _passed(line) and not (row[0] == "#" and len(row) == len(first) and row[place] in known):  # the word #
                continue
            if len(row) != len(first):
                raise DataError(
                    f"{path.name}, line {number} has {len(row)} columns, and the first has {len(first)}; a sentence is "
                    "a word a line, and an empty line ends it"
                )
            words.append(row[word])
            labels.append(row[place])
        if not sentences:
            raise DataError(f"{path} has no sentences")
        return sentences

    def _of_csv(self, path: Path, names: list[str], text: str, separator: str) -> list[Tagged]:
        """The sentences of a CSV file: one begins with each new cell of the column of sentences."""
        number, word = (next(place for place, name in enumerate(names) if name.startswith(one)) for one in IN_CSV)
        label = self._place(path, len(names), word, names)
        sentences: list[Tagged] = []
        words: list[tuple[str, str]] = []
        last = ""
        for line, row in islice(split_rows(text, separator), 1, None):
            if not row:
                continue
            if len(row) != len(names):
                raise DataError(f"{path.name}, line {line} has {len(row)} cells, and the header {len(names)}")
            if row[number].strip() not in ("", last):
                last = row[number].strip()
                sentences += [Tagged(*zip(*words))] if words else []
                words = []
            if row[word].strip():
                words.append((row[word].strip(), row[label].strip()))
        return [*sentences, Tagged(*zip(*words))] if words else sentences

    def _of_json(self, path: Path, text: str) -> list[Tagged]:
        """The sentences of a file of JSON: an object for each, with a list of words and lists of their labels."""
        frame, _ = read_json(path, text)
        names = [str(name) for name in frame if len(frame) and isinstance(frame[name].iloc[0], list)]
        words = next((name for name in IN_JSON if name in names), None)
        if words is None or len(names) < 2:
            raise DataError(
                f'{path} is JSON; a sentence in it is such as {{"tokens": ["Anna", "slept"], "ner_tags": ["PER", "O"]}}'
            )
        labels = names[self._place(path, len(names), names.index(words), names)]
        sentences: list[Tagged] = []
        for number, (its, tags) in enumerate(zip(frame[words], frame[labels]), start=1):
            if not isinstance(its, list) or not isinstance(tags, list) or len(its) != len(tags):
                raise DataError(f"{path.name}, sentence {number}: '{words}' and '{labels}' are no lists of one length")
            sentences += [Tagged(tuple(map(str, its)), tuple(map(str, tags)))] if its else []
        return sentences

    def _place(self, path: Path, width: int, word: int, names: Sequence[str] = (), usual: int = -1) -> int:
        """The place of the label's column.

        Args:
            path: the file.
            width: how many columns there are.
            word: the place of the words' column.
            names: of the columns, where they have any.
            usual: the place of the label's, unless `column` says another; without names it is the last.
        """
        column = self.column
        if isinstance(column, str):
            if not names:
                raise DataError(f"{path.name} is no CoNLL-U, whose columns have names; give data.column as a number")
            known = [name.lower() for name in names]
            if column.lower() not in known:
                raise DataError(f"{path.name}: {unknown('column', column, names)}")
            return known.index(column.lower())
        place = (usual if names else -1) if column is None else column - (column > 0)
        if width < 2 or not -width <= place < width or place % width == word:
            csv_file = "; a CSV file has columns Sentence and Word" if width == 1 else ""
            raise DataError(
                f"{path.name} has {width} columns; data.column={column} is none of them beside the word{csv_file}"
            )
        if names:
            self.note(f"{path.name}: learned is its column {names[place]}")
        return place


def _names_of_csv(line: str, separator: str) -> list[str] | None:
    """The names of columns, in lower case, in the first line of a CSV file with a row a word; None if it is none."""
    names = [name.strip().lower() for name in next(csv.reader([line[:MAX_HEADER]], delimiter=separator), [])]
    return names if len(names) > 2 and all(any(name.startswith(one) for name in names) for one in IN_CSV) else None


def _passed(line: str) -> bool:
    """Whether a line seems to be no word of a sentence, but a comment, or a mark of a new document."""
    return line.startswith(("# ", "-DOCSTART-")) or line == "#"


def _examples(spec: Spec, sentences: Sequence[Tagged]) -> Examples:
    assert isinstance(spec.input, Sentence) and isinstance(spec.output, Labels)  # noqa: PT018
    kind, codes = spec.input, {name: code for code, name in enumerate(spec.output.names)}
    words = kind.encode_words([word for sentence in sentences for word in sentence.words])
    labels = torch.tensor([codes[label] for sentence in sentences for label in sentence.labels])
    lengths = torch.tensor([len(sentence.words) for sentence in sentences])
    return Examples(Ragged(words, lengths), Ragged(labels, lengths))
