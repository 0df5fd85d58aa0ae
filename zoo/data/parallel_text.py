"""Sentences of your own with their translations: two files, a line a sentence, or a table with a column for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import random_split, split_fractions
from zoo.data.core.text_rows import Row, lines_of, rows_of_json, rows_of_table
from zoo.data.csv_text import AUTO_VOCAB, first_level, most_tokens
from zoo.errors import DataError, unknown
from zoo.files import quoted, user_path
from zoo.spec import SourceText, Spec, TargetText, subwords
from zoo.spec.files import read_text
from zoo.spec.json_files import is_json
from zoo.spec.text import FIRST, LEVELS, UNKNOWN
from zoo.spec.translation import COPIED, tokens_of

SPLITS, SIDES = ("train", "val", "test"), ("source", "translation")
MIN_PAIRS = 10
MAX_WORDS = 30_000
LANGUAGES = ("de", "en")
LOOKED_AT = 100  # rows, to tell which columns hold texts
NAMES = {  # by which a first line of names is known
    *("source", "target", "src", "tgt", "text", "translation", "input", "output"),
    *("en", "de", "fr", "es", "it", "nl", "pt", "english", "german", "french", "spanish", "italian", "dutch"),
}


class Pair(NamedTuple):
    """A sentence and its translation, in tokens and as they were given."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    texts: tuple[str, str]

    @property
    def length(self) -> int:
        """The tokens of the longer one."""
        return max(len(self.source), len(self.target))


class ParallelText(DataModule):
    """Sentences with translations, for `task=translation`.

    Pairs whose sources are alike are in one split. The vocabularies are learned from the training split.

    Args:
        path: the file of the sources, one a line; or a table of tabs, commas or semicolons. Files may be compressed by
            gzip.
        target_path: the file of their translations, with as many lines; None where `path` is a table.
        source, target: columns of a table: names, or numbers from 1; None for the first and the second.
        val_path, val_target_path, test_path, test_target_path: files of their own for these splits; None takes pairs
            of `path`.
        level: the tokens are `words` (with punctuation marks), `characters` or `subwords`, which are learned from the
            training split, for each side.
        lowercase: whether capitals are taken for small letters; translations are then in small letters.
        min_freq: tokens that occur less often in the training split are unknown; of subwords as in `CsvText`.
        max_vocab: the most tokens of a vocabulary, the most frequent ones; None for no limit; `auto` for 30,000 words
            or characters, or 8,000 subwords.
        max_length: the most tokens of a sentence; pairs with a longer one are left out, and said.
        encoding: text encoding.
        batch_size: pairs a batch.
        val_fraction, test_fraction: fractions of the pairs, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: a file cannot be read, two files differ in length, a line is empty, or there are too few pairs.
    """

    def __init__(
        self,
        path: str,
        *,
        target_path: str | None = None,
        source: str | int | None = None,
        target: str | int | None = None,
        val_path: str | None = None,
        val_target_path: str | None = None,
        test_path: str | None = None,
        test_target_path: str | None = None,
        level: str = "words",
        lowercase: bool = True,
        min_freq: int = 2,
        max_vocab: int | str | None = AUTO_VOCAB,
        max_length: int = 100,
        encoding: str = "utf-8",
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.paths = {"train": path, "val": val_path, "test": test_path}
        self.target_paths = {"train": target_path, "val": val_target_path, "test": test_target_path}
        for split, its in self.target_paths.items():
            if its is not None and self.paths[split] is None:
                raise ValueError(f"{split}_target_path is given, and {split}_path is not")
        if (source, target) != (None, None) and not any(
            its is None for split, its in self.target_paths.items() if self.paths[split] is not None
        ):
            raise ValueError("source and target are columns of a table; path and target_path are two files of lines")
        self.columns = (source, target)
        self.level = check.one_of("level", level, LEVELS)
        self.lowercase = lowercase
        self.min_freq = check.whole("min_freq", min_freq)
        self.max_vocab = most_tokens(max_vocab, self.level, MAX_WORDS)
        self.max_length = check.whole("max_length", max_length)
        self.encoding = encoding
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def expected_specs(self) -> Sequence[Spec]:
        level = first_level(self.level)
        return [Spec(SourceText(("a",), level), TargetText(("b",), level, 1))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        given = {split: self._read(path, self.target_paths[split]) for split, path in self.paths.items() if path}
        pairs = self._split({split: self._tokenised(split, texts) for split, texts in given.items()})
        tokenizer = ""
        if self.level == "subwords":
            tokenizer, known, pairs = self._in_subwords(pairs)
        else:
            trained = pairs["train"]
            known = [self._vocabulary(side, (pair[place] for pair in trained)) for place, side in enumerate(SIDES)]
        for split, its in pairs.items():
            if not its:
                raise DataError(f"no pair is left for {split}")
        longest = max(len(pair.target) for pair in pairs["train"])
        source = SourceText(
            known[0], self.level, tokenizer=tokenizer, lowercase=self.lowercase, max_length=self.max_length
        )
        spec = Spec(source, TargetText(known[1], self.level, longest + longest // 4 + 1))
        counts = ", ".join(f"{len(its)} for {split}" for split, its in pairs.items())
        self.note(f"pairs: {counts}; {len(known[0])} {self.level} of the source are known, {len(known[1])} to write")
        return spec, {
            split: Examples(*(_codes([pair[place] for pair in its], known[place]) for place in (0, 1)))
            for split, its in pairs.items()
        }

    # Reading

    def _read(self, path: str, target_path: str | None) -> list[tuple[str, str]]:
        """The pairs of texts of a table, or of two files."""
        text = read_text(path, encoding=self.encoding)
        if target_path is None:
            if is_json(text):
                return self._of_rows(Path(path).name, rows_of_json(Path(path), text), named=True)
            named = any(isinstance(column, str) for column in self.columns)
            return self._of_rows(Path(path).name, rows_of_table(Path(path).name, text), named=named)
        names = Path(path).name, Path(target_path).name
        sources, targets = lines_of(text), lines_of(read_text(target_path, encoding=self.encoding))
        for lines, others in ((sources, targets), (targets, sources)):
            while len(lines) > len(others) and not lines[-1].strip():
                lines.pop()
        if len(sources) != len(targets):
            raise DataError(
                f"{names[0]} has {len(sources):,} lines and {names[1]} {len(targets):,}; each line of the one is "
                "the translation of that line of the other"
            )
        return self._complete(enumerate(zip(sources, targets), start=1), names)

    def _of_rows(self, name: str, rows: Sequence[Row], *, named: bool) -> list[tuple[str, str]]:
        """The pairs of a table, whose first row holds names if it is `named`, or looks like it."""
        header = [cell.strip() for cell in rows[0][1]]
        if len(header) == 1:
            raise DataError(
                f"{name} has one column, {quoted(header[0])}; one of sentences and one of translations is needed"
            )
        defaults = _texts_of([cells for _, cells in rows])
        places = [self._place(name, header, column, default) for column, default in zip(self.columns, defaults)]
        guessed = not named and len(header) > 1 and {header[place].lower() for place in places} <= NAMES
        skipped = int(named or guessed)
        if guessed:
            self.note(f"the first line of {name} holds names: {', '.join(header)}")
        if None in self.columns:
            told = [header[place] if named else f"column {place + 1}" for place in places]
            self.note(f"{name}: {told[0]} is the source, and {told[1]} its translation")
        filled = [(number, row) for number, row in rows[skipped:] if len(row) > 1 or any(map(str.strip, row))]
        usual = Counter(len(row) for _, row in filled).most_common(1)
        width = max([max(places) + 1, *(count for count, _ in usual)])
        for number, row in filled:
            if len(row) != width:
                advice = "; a text that holds the separator stands in quotes" * (len(row) > width)
                raise DataError(f"{name}, line {number} has {len(row)} columns, and {width} are needed{advice}")
        return self._complete(((number, (row[places[0]], row[places[1]])) for number, row in filled), (name, name))

    def _place(self, name: str, header: Sequence[str], column: str | int | None, default: int) -> int:
        """The place of a column, by its name or its number."""
        if isinstance(column, str):
            if column not in header:
                raise DataError(f"{name}: {unknown('column', column, header)}")
            return header.index(column)
        if column is not None and not 1 <= column <= len(header):
            raise DataError(f"{name} has {len(header)} columns, and no column {column}")
        return default if column is None else column - 1

    def _complete(self, given: Iterable[tuple[int, tuple[str, str]]], names: tuple[str, str]) -> list[tuple[str, str]]:
        """The pairs, each given with its line, without those of two empty lines."""
        pairs = []
        for number, (one, other) in given:
            pairs.append((one, other))
            if bool(one.strip()) != bool(other.strip()):
                empty, text = (names[1], one) if one.strip() else (names[0], other)
                what = "translation" if one.strip() else "source"
                raise DataError(f"{empty}, line {number}: the {what} of {quoted(text.strip())} is empty")
        kept = [pair for pair in pairs if pair[0].strip()]
        if empty_lines := len(pairs) - len(kept):
            self.note(f"{empty_lines} lines of {names[0]} and their translations are empty and left out")
        if kept and all(one.strip() == other.strip() for one, other in kept):
            wanted = "two files, or two columns: data.source and data.target"
            raise DataError(
                f"each translation in {names[1]} is the very sentence that is to be translated; give {wanted}"
            )
        return kept

    # Tokens

    def _tokenised(self, split: str, texts: Iterable[tuple[str, str]]) -> list[Pair]:
        level = first_level(self.level)

        def cut(text: str) -> tuple[str, ...]:
            return tuple(tokens_of(text, level, self.lowercase))

        pairs = [Pair(cut(source), cut(target), (source, target)) for source, target in texts]
        return self._short(split, [pair for pair in pairs if pair.source and pair.target], level)

    def _short(self, split: str, pairs: list[Pair], level: str) -> list[Pair]:
        """The pairs without those that are too long."""
        kept = [pair for pair in pairs if pair.length <= self.max_length]
        if long := len(pairs) - len(kept):
            self.note(
                f"{long} pairs of {self.paths[split] or self.paths['train']} have a sentence of more than "
                f"{self.max_length} {level} and are left out (data.max_length)",
                warn=split != "train",
            )
        return kept

    def _in_subwords(self, pairs: dict[str, list[Pair]]) -> tuple[str, list[tuple[str, ...]], dict[str, list[Pair]]]:
        """The tokenizer of sources, the subwords of both sides, and the pairs in subwords."""
        assert self.max_vocab is not None
        learned = [
            subwords.learned(
                (pair.texts[side] for pair in pairs["train"]), self.max_vocab, self.min_freq, self.lowercase
            )
            for side in (0, 1)
        ]
        tokenizers = [subwords.loaded(each) for each in learned]
        cut = {}
        for split, its in pairs.items():
            encoded = (tokenizers[side].encode_batch([pair.texts[side] for pair in its]) for side in (0, 1))
            both = zip(*encoded, its)
            found = [Pair(tuple(source.tokens), tuple(target.tokens), pair.texts) for source, target, pair in both]
            cut[split] = self._short(split, found, self.level)
        return learned[0], [subwords.vocabulary_of(each) for each in learned], cut

    def _vocabulary(self, side: str, texts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
        counts = Counter(token for text in texts for token in text)
        counts.pop(COPIED, None)
        frequent = sorted((t for t, n in counts.items() if n >= self.min_freq), key=lambda t: (-counts[t], t))
        if not frequent:
            raise DataError(f"no {self.level} of the {side} occur {self.min_freq} times; give data.min_freq=1")
        return tuple(frequent[: self.max_vocab])

    def _split(self, given: dict[str, list[Pair]]) -> dict[str, list[Pair]]:
        """The pairs of each split; those that are not given are drawn from the ones for training."""
        held = {pair.source for split in given if split != "train" for pair in given[split]}
        pairs = [pair for pair in given["train"] if pair.source not in held]
        if also := len(given["train"]) - len(pairs):
            self.note(f"{also} sources for training are also in those for validation or test, and are left out")
        first: dict[tuple[str, ...], int] = {}
        for pair in pairs:
            first.setdefault(pair.source, len(first))
        if len(first) < MIN_PAIRS:
            others = " that are not for validation or test" if also else ""
            found = f"{len(first)} different sources of at most {self.max_length} {self.level}{others}"
            raise DataError(f"{self.paths['train']} has {found}; {MIN_PAIRS} are needed")
        val, test = (part * (split not in given) for split, part in zip(("val", "test"), self.fractions))
        rows = random_split(len(first), (val, test), self.split_seed)
        chosen = {place: split for split, places in rows.items() for place in places}
        drawn: dict[str, list[Pair]] = {split: [] for split in SPLITS}
        for pair in pairs:
            drawn[chosen[first[pair.source]]].append(pair)
        return {split: given[split] if split in given and split != "train" else drawn[split] for split in drawn}


def _texts_of(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    """The places of the first two columns that are no numbers of sentences; else 0 and 1."""
    looked_at = rows[1 : 1 + LOOKED_AT] or rows
    texts = [
        place
        for place in range(len(rows[0]))
        if not all(row[place].strip().isdecimal() for row in looked_at if len(row) > place)
    ]
    return (texts[0], texts[1]) if len(texts) > 1 else (0, 1)


def _codes(texts: Sequence[tuple[str, ...]], vocabulary: tuple[str, ...]) -> Ragged:
    """Texts as codes, int32; tokens that the vocabulary has not are unknown."""
    known = {token: code for code, token in enumerate(vocabulary, start=FIRST)}
    codes = [known.get(token, UNKNOWN) for text in texts for token in text]
    return Ragged(torch.tensor(codes, dtype=torch.int32), torch.tensor([len(text) for text in texts]))


class Multi30k(ParallelText):
    """Captions of photographs in English and German: 29,000 pairs, and 1,014 and 1,000 for validation and test.

    Source: Elliott et al., "Multi30K: multilingual English-German image descriptions", 2016, for research, not for
    commercial use. The test is `test_2016_flickr`.

    Args:
        root: folder with `multi30k`, which has the files `train`, `val` and `test_2016_flickr` of both languages, such
            as `train.en.gz`.
        source, target: `en` and `de`, or the other way round.
        min_freq, max_vocab, batch_size: as in `ParallelText`.

    Raises:
        ValueError: an option is out of range.
        DataError: a file is missing or damaged.
    """

    def __init__(
        self,
        root: str,
        source: str = "en",
        target: str = "de",
        min_freq: int = 2,
        max_vocab: int | None = None,
        batch_size: int = 64,
    ) -> None:
        if {check.one_of("source", source, LANGUAGES), check.one_of("target", target, LANGUAGES)} != set(LANGUAGES):
            raise ValueError(f"source and target are en and de, or de and en, not {source} twice")
        folder = user_path(root) / "multi30k"
        paths = {
            f"{name}{kind}": str(folder / f"{part}.{language}.gz")
            for name, part in (("", "train"), ("val_", "val"), ("test_", "test_2016_flickr"))
            for kind, language in (("path", source), ("target_path", target))
        }
        super().__init__(min_freq=min_freq, max_vocab=max_vocab, max_length=50, batch_size=batch_size, **paths)  # type: ignore[arg-type]
