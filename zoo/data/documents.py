"""Documents as word counts: generated newsletters, film reviews, the twenty newsgroups, and any folder of texts.

The vocabulary is learned from the training split alone.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

import torch

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.splits import random_split, split_fractions, split_sizes
from zoo.data.text import polarity_sentences
from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec import Counts, Spec, Topics
from zoo.spec.files import read_text
from zoo.spec.json_files import ENDINGS
from zoo.spec.text import tokenise

log = logging.getLogger(__name__)

Texts = Mapping[str, Sequence[str]]  # by split
STOP_WORDS = ("english",)
MIN_DOCUMENTS = 10
TABLES = (".csv", ".tsv", ".parquet", *ENDINGS)  # endings of files that are no lines of text
MIN_LETTERS = 3  # of a word in the vocabulary


class DocumentData(DataModule):
    """Texts as counts of the words that are in most documents of the training split.

    Words have at least three letters and no digits. Documents without a word of the vocabulary are dropped; the log
    says how many.

    Args:
        max_vocab: V, the largest size of the vocabulary.
        stop_words: `english` to exclude the most common words of that language, or None.
        batch_size: documents a batch.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(self, max_vocab: int = 2_000, stop_words: str | None = "english", batch_size: int = 100) -> None:
        super().__init__(batch_size)
        self.max_vocab = check.whole("max_vocab", max_vocab, 2, 2**20)
        self.stop_words = None if stop_words is None else check.one_of("stop_words", stop_words, STOP_WORDS)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(Counts(("one", "two"), 2), Topics(("one", "two")))]

    @abstractmethod
    def read(self) -> Texts:
        """The documents of `train`, `val` and `test`."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        texts = self.read()
        vocabulary = self._vocabulary(texts["train"])
        if len(vocabulary) < 2:
            raise DataError(f"the vocabulary has {len(vocabulary)} words; at least 2 are needed")
        counter = Counts(vocabulary, 1)
        splits = {}
        for split, documents in texts.items():
            counts = torch.stack([counter.count(text) for text in documents]) if documents else torch.zeros(0, 1)
            held = counts.sum(dim=1) > 0
            if not held.all():
                log.info("%d documents of %s have no word of the vocabulary, and are dropped", (~held).sum(), split)
            if not held.any():
                raise DataError(f"no document is left for {split}")
            splits[split] = Examples(counts[held])
        max_length = max(int(examples.columns[0].sum(dim=1).max()) for examples in splits.values())  # type: ignore[union-attr]
        return Spec(Counts(vocabulary, max_length), Topics(vocabulary)), splits

    def _vocabulary(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The words that are in most texts, the most frequent first."""
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        excluded = ENGLISH_STOP_WORDS if self.stop_words else frozenset()
        held = Counter(token for text in texts for token in set(tokenise(text, "words")))
        words = [w for w in held if len(w) >= MIN_LETTERS and w.isalpha() and w not in excluded]
        return tuple(sorted(words, key=lambda word: (-held[word], word))[: self.max_vocab])


class Newsletters(DocumentData):
    """Generated newsletters of 30 to 80 words, each about one or two of eight subjects.

    A third of the words could be in any newsletter; the others come from the letter's subjects, in equal parts. The
    k-th word of a list (20 for each subject) has a probability proportional to 1 / (k + 2).

    Args:
        train_size, val_size, test_size: documents in each split.
        batch_size: documents a batch.
        data_seed: seed of the documents.

    Raises:
        ValueError: a size is below 1, or the seed out of range.
    """

    general = 1 / 3  # fraction of words that could be in any newsletter
    lengths = (30, 80)
    both = 0.5  # probability of two subjects
    usual = (
        "issue month readers editor welcome news week event free question answer offer member subscribe website letter "
        "guide favourite simple local community popular annual special visit enjoy discover share idea review"
    )
    subjects: Mapping[str, str] = {
        "astronomy": "planet telescope galaxy star moon orbit comet eclipse saturn nebula astronomer meteor jupiter "
        "constellation observatory asteroid crater cosmos satellite supernova",
        "cooking": "recipe oven butter flour garlic onion sauce dough pepper roast simmer spice bake tomato basil "
        "kitchen pan whisk dessert vinegar",
        "cycling": "bicycle pedal helmet saddle gear tyre chain brake wheel rider sprint peloton handlebar climb "
        "descent spoke valley pannier cadence puncture",
        "finance": "market stock bond interest inflation bank loan tax dividend portfolio mortgage currency budget "
        "investor pension deposit yield credit asset bankruptcy",
        "gardening": "soil seed tulip compost prune rose mulch lawn shrub greenhouse weed blossom fertiliser hedge "
        "perennial bulb orchard trowel seedling pollen",
        "music": "guitar melody concert chord rhythm violin orchestra album piano singer drum choir harmony festival "
        "jazz lyric conductor trumpet quartet encore",
        "sailing": "boat anchor harbour mast rudder keel tide knot regatta skipper deck buoy lighthouse sail hull "
        "crew galley compass mooring yacht",
        "software": "server code python compiler database bug release keyboard algorithm interface network browser "
        "function memory developer script cloud encryption processor patch",
    }

    def __init__(
        self,
        train_size: int = 2_400,
        val_size: int = 300,
        test_size: int = 300,
        batch_size: int = 100,
        data_seed: int = 0,
    ) -> None:
        super().__init__(max_vocab=2_000, stop_words=None, batch_size=batch_size)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.data_seed = check.seed("data_seed", data_seed)

    def read(self) -> Texts:
        random = Random(self.data_seed)
        return {split: [self._letter(random) for _ in range(size)] for split, size in self.sizes.items()}

    def _letter(self, random: Random) -> str:
        chosen = random.sample(list(self.subjects.values()), 2 if random.random() < self.both else 1)
        lists = [words.split() for words in (self.usual, *chosen)]
        weights = [self.general, *[(1 - self.general) / len(chosen)] * len(chosen)]
        drawn = random.choices(lists, weights, k=random.randint(*self.lengths))
        return " ".join(random.choices(words, [1 / (rank + 3) for rank in range(len(words))])[0] for words in drawn)


class StoredDocuments(DocumentData):
    """A well-known set of documents in a folder, split at random.

    Args:
        root: the folder.
        max_vocab, stop_words, batch_size: as in `DocumentData`.
        split_seed: seed of the split.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        root: str,
        max_vocab: int = 2_000,
        stop_words: str | None = "english",
        batch_size: int = 100,
        split_seed: int = 0,
    ) -> None:
        super().__init__(max_vocab, stop_words, batch_size)
        self.root = user_path(root)
        self.split_seed = check.seed("split_seed", split_seed)


class RtPolarityWords(StoredDocuments):
    """10,662 sentences of film reviews as word counts: sentence polarity v1.0, a tenth each for validation and test.

    Source: Pang and Lee, "Seeing stars", 2005.

    Args:
        root: folder with `rt-polarity/rt-polarity.pos` and `.neg`, one sentence a line, in cp1252.
        max_vocab, stop_words, batch_size: as in `DocumentData`.
        split_seed: seed of the split.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing or damaged.
    """

    def read(self) -> Texts:
        texts, _ = polarity_sentences(self.root)
        rows = random_split(len(texts), (0.1, 0.1), self.split_seed)
        return {split: [texts[row] for row in chosen] for split, chosen in rows.items()}


class TwentyNewsgroups(StoredDocuments):
    """About 18,800 messages to twenty newsgroups, without headers, signatures and quotes; with the official test set.

    Source: Lang, "NewsWeeder: learning to filter netnews", 1995. Read by scikit-learn, which downloads it (14 MB) and
    checks its sha256. A tenth of the training set is held out for validation.

    Args:
        root: folder of scikit-learn's copy; it is downloaded there if it is missing.
        max_vocab, stop_words, batch_size: as in `DocumentData`.
        split_seed: seed of the validation split.

    Raises:
        ValueError: an option is out of range.
        DataError: the data is missing and cannot be downloaded.
    """

    def prepare_data(self) -> None:
        self._part("train", download=True)

    def read(self) -> Texts:
        known = self._part("train", download=False)
        random = torch.Generator().manual_seed(self.split_seed)
        order = torch.randperm(len(known), generator=random).tolist()
        rows = {"val": order[: len(known) // 10], "train": order[len(known) // 10 :]}
        return {
            **{split: [known[row] for row in chosen] for split, chosen in rows.items()},
            "test": self._part("test", download=False),
        }

    def _part(self, part: str, *, download: bool) -> list[str]:
        from sklearn.datasets import fetch_20newsgroups

        try:
            removed = ("headers", "footers", "quotes")
            found = fetch_20newsgroups(
                data_home=str(self.root), subset=part, remove=removed, download_if_missing=download
            )
        except OSError as error:
            raise DataError(
                f"the twenty newsgroups are not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to the folder of scikit-learn's copy"
            ) from error
        texts: list[str] = found.data
        return texts


class TextFolder(DocumentData):
    """Any folder of texts, where each .txt file, also in subfolders, is a document; or a file with one document a line.

    Args:
        path: the folder or the file.
        encoding: text encoding.
        max_vocab, stop_words, batch_size: as in `DocumentData`.
        val_fraction, test_fraction: fractions of the documents, above 0.
        split_seed: seed of the split.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such folder or file, there are too few documents, or one has another encoding.
    """

    def __init__(
        self,
        path: str,
        encoding: str = "utf-8",
        max_vocab: int = 2_000,
        stop_words: str | None = "english",
        batch_size: int = 100,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(max_vocab, stop_words, batch_size)
        self.path = user_path(path)
        self.encoding = encoding
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def read(self) -> Texts:
        if self.path.is_dir():
            files = sorted(file for file in self.path.rglob("*.txt") if file.stat().st_size)
            texts = [read_text(file, encoding=self.encoding) for file in files]
        else:
            if self.path.suffix.lower() in TABLES:
                raise DataError(f"{self.path} is a table, and a document a line is wanted; write its texts as lines")
            # Not splitlines, which also splits at form feeds
            texts = [line for line in read_text(self.path, encoding=self.encoding).split("\n") if line.strip()]
        if len(texts) < MIN_DOCUMENTS:
            raise DataError(
                f"{self.path} has {len(texts)} documents (.txt, or lines); at least {MIN_DOCUMENTS} are needed"
            )
        rows = random_split(len(texts), self.fractions, self.split_seed)
        return {split: [texts[row] for row in chosen] for split, chosen in rows.items()}
