"""Lines of text as images, with their transcripts.

A line is stored as its pixel columns (W, H), uint8, dark on bright; a text as its symbols (L,). Both are ragged; see
`zoo.spec.lines`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Joined, Ragged
from zoo.data.core.splits import random_split, split_fractions
from zoo.data.distortions import Scan
from zoo.data.fonts import Font, bundled_fonts, by_family, distinct, fonts_of, set_alone, set_line, set_small
from zoo.data.images import MNIST, Digits
from zoo.data.labels import naming_column, read_labels, row_of, rows_of_names
from zoo.data.layouts import layout, table_of
from zoo.data.phrases import ALPHABET, LATIN, accented, excerpt, phrase
from zoo.errors import ConfigError, DataError, SpecError, unknown
from zoo.files import user_path
from zoo.spec import Spec, TextLine, Transcript
from zoo.spec.files import read_text

if TYPE_CHECKING:
    import numpy as np

DIGITS = "0123456789"
HEIGHT = 32  # pixels, of all lines
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
GAP = 3  # largest number of pixels on either side of a digit
MARGIN = 6  # more pixels before and after a string of digits
ACCENTED = 0.3  # of the lines, where there are accents
SMALL, ALONE = 0.3, 0.3  # of the lines of documents
FEWEST_WORDS = 100  # of a running text
RUNNING = 0.5  # of the training lines, where there is a running text
CHUNK = 64  # lines of validation and test that are distorted together


class TextLines(DataModule):
    """Synthetic lines of 1 to 40 characters in many fonts: words, names, numbers, dates, prices, codes.

    Training, validation and test have fonts of different families, and different texts. Lines of validation and test
    are distorted once, like scans and photographs; training lines are distorted differently in each epoch.

    Args:
        train_size: lines for training.
        eval_size: lines for validation, and the same number for test.
        fonts: a folder of more fonts for training, in addition to those of Matplotlib and Pillow; None for no more.
        val_families, test_families: families of fonts that only validation and only test use.
        documents: whether there are also small type (from 11 pixels a line) and ligatures; and fonts of the folder
            whose capitals look like small letters are left out.
        accents: whether there are also letters with accents and the signs of typesetters (`LATIN`).
        texts: a file of running text in UTF-8, of which half of the training lines are excerpts, so that a network
            learns which letters follow one another in languages; None for generated lines alone.
        augment: distortion of the lines; None leaves them unchanged.
        batch_size: as in `DataModule`.
        seed: seed of the texts and of their rendering.

    Raises:
        ValueError: a number is not positive.
        ConfigError: no font has one of the families, none is left for training, or a family is held out twice.
        DataError: the folder of fonts is missing, or has no suitable font; the file of running text cannot be read, or
            has too few words.
    """

    def __init__(
        self,
        train_size: int = 20_000,
        eval_size: int = 1_000,
        fonts: str | None = None,
        val_families: Sequence[str] = ("cmss10",),
        test_families: Sequence[str] = ("STIXGeneral", "Aileron"),
        documents: bool = False,
        accents: bool = False,
        texts: str | None = None,
        batch_size: int = 32,
        augment: Scan | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        for family in set(val_families) & set(test_families):
            raise ConfigError(f"{family} is held out twice, for validation and for test")
        self.train_size = check.whole("train_size", train_size)
        self.eval_size = check.whole("eval_size", eval_size)
        self.fonts = fonts
        self.documents = documents
        self.accents = accents
        self.texts = texts
        self.alphabet = LATIN if accents else ALPHABET
        self.families = {"val": tuple(val_families), "test": tuple(test_families)}
        self.seed = check.seed("seed", seed)

    def setup(self, stage: str | None = None) -> None:
        """Render the lines; for `test` only those of the test split, which need no folder of fonts."""
        if stage != "test" and "train" not in self.splits:
            self.splits = {}
        if not self.splits:
            self.spec, self.splits = self._load(("test",) if stage == "test" else ("train", "val", "test"))

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(TextLine(HEIGHT), Transcript(self.alphabet))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        return self._load(("train", "val", "test"))

    def _load(self, splits: Sequence[str]) -> tuple[Spec, dict[str, Examples]]:
        fonts = {split: self._fonts(split) for split in splits}  # before a line is drawn
        return self.expected_specs()[0], {split: self._set(split, fonts[split]) for split in splits}

    def _set(self, split: str, fonts: Sequence[Font]) -> Examples:
        """The lines of a split; each family of fonts is equally likely."""
        families = by_family(fonts)
        names, transcript = sorted(families), Transcript(self.alphabet)
        random = Random(3 * self.seed + ("train", "val", "test").index(split))
        lines: list[Tensor] = []
        texts: list[Tensor] = []
        while len(lines) < (self.train_size if split == "train" else self.eval_size):
            running = bool(split == "train" and self._words) and random.random() < RUNNING
            text = excerpt(self._words, random) if running else phrase(random)
            font = random.choice(families[random.choice(names)])
            if self.accents and not running and random.random() < ACCENTED:
                text = accented(text, random)
            if font.characters.issuperset(text):
                line = self._setting(random)(text, font, HEIGHT, random)
                lines.append(torch.from_numpy(line.T.copy()))
                texts.append(transcript.encode(text))
        examples = Examples(Ragged.of(lines), Ragged.of(texts))
        return examples if split == "train" else self._distorted(examples)

    @cached_property
    def _words(self) -> list[str]:
        """The words of the running text that the alphabet can write; none without a text."""
        if self.texts is None:
            return []
        words = [word for word in read_text(self.texts).split() if set(word) <= set(self.alphabet)]
        if len(words) < FEWEST_WORDS:
            raise DataError(f"{self.texts} has {len(words)} words in Latin letters; at least {FEWEST_WORDS} are needed")
        return words

    def _setting(self, random: Random) -> Callable[[str, Font, int, Random], np.ndarray]:
        """How a line is set: of documents, some are small, and some are cropped from a larger image."""
        kind = random.random() if self.documents else 1.0
        return set_small if kind < SMALL else set_alone if kind < SMALL + ALONE else set_line

    def _distorted(self, examples: Examples) -> Examples:
        """The examples with distorted lines, the same ones in each call."""
        lines, texts = examples.columns
        if self.augment is None:
            return examples
        changed: list[Tensor] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for rows in torch.arange(len(examples)).split(CHUNK):
                padded, lengths = self.augment(lines.index_select(0, rows))
                changed += [line[:length] for line, length in zip(padded, lengths.tolist())]
        return Examples(Ragged.of(changed), texts)

    def _fonts(self, split: str) -> list[Font]:
        """The fonts of a split; a family of Matplotlib or Pillow is never taken from the folder of fonts."""
        fonts = bundled_fonts(self.alphabet)
        bundled = {font.family for font in fonts}
        asked = {family for families in self.families.values() for family in families}
        needed = asked if split == "train" else set(self.families[split])
        if self.fonts is not None and (split == "train" or not needed <= bundled):
            fonts += [font for font in self._of_folder if font.family not in bundled]
        known = {font.family for font in fonts}
        for family in sorted(needed - known):
            raise ConfigError(unknown("family of fonts", family, known))
        wanted = known - asked if split == "train" else needed
        if not wanted:
            raise ConfigError(f"no family of fonts is left for {split}; there are {', '.join(sorted(known))}")
        return [font for font in fonts if font.family in wanted]

    @cached_property
    def _of_folder(self) -> list[Font]:
        """The fonts of the folder; of documents, those whose characters can be told apart."""
        assert self.fonts is not None
        fonts = fonts_of(self.fonts, self.alphabet)
        return [each for font in fonts if (each := distinct(font))] if self.documents else fonts


class LineFolder(DataModule):
    """A folder of images of one line each, with their texts in `labels.csv`, or each in a .txt file of the same name.

    `labels.csv`, or a table of the Hub, has a column that names the files, and one of texts. The split is random.

    Args:
        path: the folder.
        alphabet: characters that texts may have; None for those of `TextLines`.
        val_fraction, test_fraction: fractions of the lines, above 0 and together below 1.
        split_seed: seed of the split.
        batch_size: as in `DataModule`.
        augment: distortion of the training lines; None leaves them unchanged.

    Raises:
        ValueError: the fractions leave no line for training.
        DataError: there is no such folder; an image or text is missing or cannot be read; a text is empty, has a
            character outside the alphabet, or is too long for its image.
    """

    def __init__(
        self,
        path: str,
        alphabet: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        batch_size: int = 32,
        augment: Scan | None = None,
    ) -> None:
        super().__init__(batch_size, augment)
        self.path = user_path(path)
        self.alphabet = ALPHABET if alphabet is None else alphabet
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(TextLine(HEIGHT), Transcript(self.alphabet))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        line, transcript = TextLine(HEIGHT), Transcript(self.alphabet)
        read = [_labelled(file, text, line, transcript) for file, text in _labels(self.path)]
        if len(read) < 3:
            raise DataError(f"{self.path} has {len(read)} lines; at least 3 are needed")
        lines, texts = zip(*read)
        rows = random_split(len(lines), self.fractions, self.split_seed)
        return Spec(line, transcript), {
            split: Examples(Ragged.of([lines[i] for i in rows[split]]), Ragged.of([texts[i] for i in rows[split]]))
            for split in ("train", "val", "test")
        }


class DigitLines(DataModule):
    """Strings of 3 to 8 of scikit-learn's real handwritten digits, side by side; see `zoo.data.images.Digits`.

    Each digit of validation and test is in one string. Strings are joined when a batch is indexed, so that many of them
    take little memory.

    Args:
        batch_size: as in `DataModule`.
        augment: distortion of the training strings; None leaves them unchanged.
        rounds: strings that each training digit is in.
        seed: seed of the order of digits, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: the digits are missing or damaged.
    """

    def __init__(self, batch_size: int = 64, augment: Scan | None = None, rounds: int = 24, seed: int = 0) -> None:
        super().__init__(batch_size, augment)
        self.rounds = check.whole("rounds", rounds)
        self.seed = check.seed("seed", seed)
        self.source: Digits | MNIST = Digits(split_seed=seed)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(TextLine(HEIGHT), Transcript(DIGITS))]

    def prepare_data(self) -> None:
        self.source.prepare_data()

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        self.source.setup()
        splits = {}
        for number, split in enumerate(("train", "val", "test")):
            digits = self.source.splits[split]
            images, labels = digits.__getitems__(range(len(digits)))
            assert isinstance(images, Tensor)
            assert isinstance(labels, Tensor)
            rounds = self.rounds if split == "train" else 1
            random = torch.Generator().manual_seed(3 * self.seed + number)  # val and test do not depend on rounds
            splits[split] = side_by_side(images, labels, rounds, random)
        return self.expected_specs()[0], splits


class MNISTLines(DigitLines):
    """Strings of 3 to 8 of MNIST's handwritten digits, side by side; test strings consist of test digits.

    Args:
        root: folder with `MNIST/raw`, as in `zoo.data.images.MNIST`.
        batch_size, augment, rounds, seed: as in `DigitLines`.

    Raises:
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self, root: str, batch_size: int = 64, augment: Scan | None = None, rounds: int = 8, seed: int = 0
    ) -> None:
        super().__init__(batch_size, augment, rounds, seed)
        self.source = MNIST(root, split_seed=seed)


def side_by_side(digits: Tensor, labels: Tensor, rounds: int, random: torch.Generator) -> Examples:
    """Join images of digits (N, 1, h, w), bright on dark, to lines of 3 to 8 digits, each digit in `rounds` lines.

    Digits are scaled to 28 pixels, moved up or down by up to 2, cropped to their ink and placed 0 to 6 pixels apart,
    with a margin at both ends.
    """
    side = 28
    if digits.shape[2:] != (side, side):
        scaled = functional.interpolate(digits.float(), (side, side), mode="bilinear", align_corners=False)
        digits = scaled.round().to(torch.uint8)
    inked = digits[:, 0].amax(dim=1) > 40  # N, side: which columns have ink
    first = inked.int().argmax(dim=1)
    ink_width = side - inked.flip(1).int().argmax(dim=1) - first
    columns = torch.full((len(digits), side, HEIGHT), 255, dtype=torch.uint8)
    tops = torch.randint(0, HEIGHT - side + 1, (len(digits),), generator=random)
    for top in tops.unique().tolist():
        columns[tops == top, :, top : top + side] = 255 - digits[tops == top, 0].transpose(1, 2)
    place = torch.arange(side) - first[:, None]
    ink = columns[(place >= 0) & (place < ink_width[:, None])]
    gaps = torch.arange(GAP + MARGIN + 1)
    blank = torch.full((int(gaps.sum()), HEIGHT), 255, dtype=torch.uint8)
    pieces = Ragged(torch.cat([ink, blank]), torch.cat([ink_width, gaps]))

    order = torch.cat([torch.randperm(len(digits), generator=random) for _ in range(rounds)])
    lengths = torch.randint(3, 9, (len(order) // 3 + 1,), generator=random)  # digits in a line
    lengths = lengths[lengths.cumsum(0) <= len(order)]
    order = order[: lengths.sum()]
    before, after = torch.randint(0, GAP + 1, (2, len(order)), generator=random)
    ends = lengths.cumsum(0)
    before[ends - lengths] += MARGIN
    after[ends - 1] += MARGIN
    chosen = torch.stack([len(digits) + before, order, len(digits) + after], dim=1).int().flatten()
    return Examples(Joined(pieces, Ragged(chosen, 3 * lengths)), Ragged(labels[order] + 1, lengths))


def _labels(folder: Path) -> Iterator[tuple[Path, str]]:
    """The images of a folder and their texts."""
    if not folder.is_dir():
        raise DataError(f"no such folder: {folder}")
    if (table := table_of(folder)) is not None:
        yield from _of_table(folder, table)
        return
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_ENDINGS and not file.name.startswith(".")  # macOS leaves ._line.png
    )
    if not files:
        raise DataError(f"{folder} has neither a labels.csv nor images ({', '.join(IMAGE_ENDINGS)})")
    for file in files:
        text = file.with_suffix(".txt")
        if not text.is_file():
            raise DataError(f"{file} has no text: there is neither a labels.csv nor {text.name}")
        try:
            yield file, text.read_text(encoding="utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(f"{text} is not UTF-8: {error}") from error


def _of_table(folder: Path, table: Path) -> Iterator[tuple[Path, str]]:
    """The images that a table names, and what it says of each: its column `text`, or the only other one."""
    found = layout(folder, "images")
    rows = rows_of_names(found, table)
    frame = read_labels(table, rows)
    naming = naming_column(frame, rows, table, "images")
    others = [name for name in frame if name != naming]
    texts = [name for name in others if name.lower() == "text"] or others
    if len(texts) != 1:
        raise DataError(f"{table} has {len(texts)} columns beside '{naming}'; that of the texts is called text")
    for line, name, text in zip(frame.index, frame[naming], frame[texts[0]]):
        row = row_of(name, rows, f"{table}, line {line}", "images")
        yield found.files.root / found.files.names[row], text


def _labelled(file: Path, text: str, line: TextLine, transcript: Transcript) -> tuple[Tensor, Tensor]:
    """The pixel columns of a line, and the symbols of its text."""
    try:
        columns, symbols = line.encode(file), transcript.encode(text)
    except SpecError as error:
        named = str(error) if str(file) in str(error) else f"{file}: {error}"
        raise DataError(named) from error
    if not text:
        raise DataError(f"the text of {file} is empty")
    needed = len(text) + sum(a == b for a, b in pairwise(text))  # steps of CTC, of two pixels each
    if 2 * needed > len(columns):
        raise DataError(f"{file} is too narrow for its text of {len(text)} characters, {text!r}")
    return columns, symbols
