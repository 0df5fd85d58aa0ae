"""Images of your own with sentences: for captioning, and for text to image.

Shape letters: N images, R captions of an image, T tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.cache import DecodedImages, decoded
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.labelled_files import draw_splits
from zoo.data.core.notes import listed
from zoo.data.core.splits import split_fractions
from zoo.data.image_columns import SizedImages
from zoo.data.labels import naming_column, read_labels, row_of, rows_of_names, split_column, splits_of
from zoo.data.layouts import DESCRIBED, ImageFiles, layout
from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec import Image, Spec, Tokens
from zoo.spec.image import FITS
from zoo.spec.text import FIRST, UNKNOWN, learn_vocabulary, tokenise

log = logging.getLogger(__name__)

NAMES = ("captions.csv", "captions.txt", "labels.csv", *DESCRIBED)
_NUMBER = r"[-+]?[\d.]*"  # such as how many liked it, or nothing
MOST = 10  # captions of an image that are kept


class CaptionFolder(DataModule):
    """The images of a folder, and a table of their captions: a row for each, or several columns of them.

    A batch is (images, captions): uint8 (B, 3, S, S) and codes (B, R, T) of all captions of each image, padded with 0;
    an image that has fewer captions than another has some of its own several times.

    Args:
        root: the folder.
        captions: the table; None for `captions.csv`, `captions.txt`, `labels.csv` or the Hub's `metadata.csv` in the
            folder. One of its columns names the images, one may be called `split`, and all others of words hold
            captions.
        size: S, height and width of an image.
        fit: how images of other proportions are resized: `stretch`, `crop` or `pad`.
        min_freq: words that occur less often in the training split are unknown.
        max_length: words of a caption that are kept, the first ones.
        batch_size: images a batch.
        val_fraction, test_fraction: fractions of the images, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.
        cache: folder for decoded images, as in `ImageFolder`.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such folder or table, a row names no image, or an image cannot be read.
    """

    def __init__(
        self,
        root: str,
        *,
        captions: str | None = None,
        size: int = 64,
        fit: str = "crop",
        min_freq: int = 2,
        max_length: int = 30,
        batch_size: int = 32,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        cache: str | None = None,
    ) -> None:
        super().__init__(batch_size)
        self.root = user_path(root)
        self.table = None if captions is None else user_path(captions)
        self.size = check.whole("size", size, 8, 1024)
        self.fit = check.one_of("fit", fit, FITS)
        self.min_freq = check.whole("min_freq", min_freq)
        self.max_length = check.whole("max_length", max_length)
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)
        self.cache = cache

    def prepare_data(self) -> None:
        """Decode the images, on one process of all; the others find them in the cache."""
        _ = self._images

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        (_, given, captions), images = self._captions, self._images
        rows = draw_splits(given, None, self.fractions, self.split_seed, "images")
        train = [text for row in rows["train"] for text in captions[row]]
        vocabulary = learn_vocabulary(train, "words", self.min_freq)
        if not vocabulary:
            raise DataError(f"no word occurs {self.min_freq} times in the captions; give data.min_freq=1")
        codes = _codes(captions, vocabulary, self.max_length)
        counts = ", ".join(f"{len(part)} for {split}" for split, part in rows.items())
        self.note(f"{sum(map(len, captions))} captions of {len(captions)} images: {counts}; {len(vocabulary)} words")
        image = Image(3, self.size, self.size, *images.statistics(rows["train"].tolist()), fit=self.fit)
        spec = Spec(image, Tokens(vocabulary, "words", codes.shape[2]))
        return spec, {
            split: Examples(SizedImages(images, part.tolist()), codes[torch.from_numpy(part)])
            for split, part in rows.items()
        }

    @cached_property
    def _captions(self) -> tuple[ImageFiles, tuple[str, ...], list[list[str]]]:
        """The images that have captions, their splits, and their captions."""
        found = layout(self.root, "images")
        table = self.table or next((self.root / name for name in NAMES if (self.root / name).is_file()), None)
        if table is None:
            raise DataError(f"{self.root} has no {NAMES[0]}; data.captions=FILE is a table of images and captions")
        rows = rows_of_names(found, table)
        frame = read_labels(table, rows)
        naming = naming_column(frame, rows, table, "images")
        split = split_column(frame, naming)
        others = [name for name in frame if name not in (naming, split)]
        texts = [name for name in others if not frame[name].str.fullmatch(_NUMBER).all()]
        if numbers := [name for name in others if name not in texts]:
            self.note(f"columns without words are left out: {listed(numbers)}")
        if not texts:
            raise DataError(f"{table} has no column of captions, beside the one that names the images")
        captions: dict[int, list[str]] = {}
        splits: dict[int, str] = {}
        told = [""] * len(frame) if split is None else splits_of(frame[split], table)
        for (line, name), its, sentences in zip(frame[naming].items(), told, frame[texts].to_numpy().tolist()):
            row = row_of(name, rows, f"{table}, line {line}", "images")
            captions.setdefault(row, []).extend(text for text in sentences if tokenise(text, "words"))
            splits[row] = "" if its == "train" else its
        kept = [row for row, its in captions.items() if its]
        if left := len(found.files.names) - len(kept):
            self.note(f"{left} images have no caption in {table.name} and are passed over")
        files = found.files
        chosen = ImageFiles(files.root, [files.names[row] for row in kept], files.sizes[kept], files.times[kept])
        return chosen, tuple(splits[row] for row in kept), [captions[row][:MOST] for row in kept]

    @cached_property
    def _images(self) -> DecodedImages:
        half = (0.5,) * 3
        image = Image(3, self.size, self.size, half, half, fit=self.fit)
        return decoded(self._captions[0], image, smallest=0, draft=True, cache=self.cache, stop=True)


def _codes(captions: Sequence[Sequence[str]], vocabulary: tuple[str, ...], longest: int) -> Tensor:
    """Captions as codes (N, R, T), padded with 0."""
    places = {word: code for code, word in enumerate(vocabulary, start=FIRST)}
    coded = [
        [[places.get(word, UNKNOWN) for word in tokenise(text, "words")[:longest]] for text in its] for its in captions
    ]
    count, length = max(map(len, coded)), max(len(text) for its in coded for text in its)
    codes = torch.zeros(len(coded), count, length, dtype=torch.long)
    for row, its in enumerate(coded):
        for place in range(count):
            text = its[place % len(its)]
            codes[row, place, : len(text)] = torch.tensor(text)
    return codes
