"""Documents as word counts: generated newsletters, film reviews, the twenty newsgroups, and any folder of texts.

The vocabulary comes from the training split alone.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import torch

from zoo.data.core.loader import Examples, TensorDataModule
from zoo.data.core.splits import check_shares, check_sizes, divide, seed_of, whole_number
from zoo.data.text import polarity_sentences
from zoo.errors import DataError, unknown
from zoo.spec import Counts, Spec, Topics
from zoo.spec.files import read_text
from zoo.spec.text import tokenise

log = logging.getLogger(__name__)

Texts = Mapping[str, Sequence[str]]  # by split
STOP_WORDS = ("english",)
FEWEST = 10  # documents
SHORTEST = 3  # letters of a word that counts


class DocumentData(TensorDataModule):
    """Texts as counts of the words that most documents of the training split hold.

    Words have at least three letters and no digits. A document that holds none of those that count is left out, with a
    word in the log.

    Args:
        words: V, how many words count, at most.
        stop_words: `english` to leave out the most usual words of that language, or None.
        batch_size: documents a step.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(self, words: int = 2_000, stop_words: str | None = "english", batch_size: int = 100) -> None:
        super().__init__(batch_size)
        if stop_words is not None and stop_words not in STOP_WORDS:
            raise ValueError(unknown("stop_words", stop_words, STOP_WORDS))
        self.words = whole_number("words", words, 2, 2**20)
        self.stop_words = stop_words

    @abstractmethod
    def read(self) -> Texts:
        """The documents of `train`, `val` and `test`."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        texts = self.read()
        vocabulary = self._vocabulary(texts["train"])
        if len(vocabulary) < 2:
            raise DataError(f"the documents hold {len(vocabulary)} words that count; at least 2 are needed")
        counter = Counts(vocabulary, 1)
        splits = {}
        for split, documents in texts.items():
            counts = torch.stack([counter.count(text) for text in documents]) if documents else torch.zeros(0, 1)
            held = counts.sum(dim=1) > 0
            if not held.all():
                log.info("%d documents of %s hold no word that counts, and are left out", (~held).sum(), split)
            if not held.any():
                raise DataError(f"no document is left for {split}")
            splits[split] = Examples(counts[held])
        longest = max(int(examples.tensors[0].sum(dim=1).max()) for examples in splits.values())  # type: ignore[union-attr]
        return Spec(Counts(vocabulary, longest), Topics(vocabulary)), splits

    def _vocabulary(self, texts: Sequence[str]) -> tuple[str, ...]:
        """The words that most texts hold, the most frequent first."""
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        usual = ENGLISH_STOP_WORDS if self.stop_words else frozenset()
        held = Counter(token for text in texts for token in set(tokenise(text, "words")))
        words = [w for w in held if len(w) >= SHORTEST and w.isalpha() and w not in usual]
        return tuple(sorted(words, key=lambda word: (-held[word], word))[: self.words])


class Newsletters(DocumentData):
    """Newsletters of 30 to 80 words, each about one or two of eight subjects. Generated.

    A third of the words are such as stand in any newsletter, and the others come from the letter's subjects, in equal
    shares; the k-th word of a list (20 of each subject) has a probability in proportion to 1 / (k + 2).

    Args:
        train_size, val_size, test_size: documents of each split.
        batch_size: documents a step.
        data_seed: the seed of the documents.

    Raises:
        ValueError: a size is below 1, or the seed out of range.
    """

    general = 1 / 3  # the share of words that any newsletter may hold
    lengths = (30, 80)
    both = 0.5  # how often there are two subjects
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
        super().__init__(words=2_000, stop_words=None, batch_size=batch_size)
        self.sizes = check_sizes(train_size, val_size, test_size)
        self.data_seed = seed_of("data_seed", data_seed)

    def read(self) -> Texts:
        random = Random(self.data_seed)
        return {split: [self._letter(random) for _ in range(size)] for split, size in self.sizes.items()}

    def _letter(self, random: Random) -> str:
        chosen = random.sample(list(self.subjects.values()), 2 if random.random() < self.both else 1)
        lists = [words.split() for words in (self.usual, *chosen)]
        shares = [self.general, *[(1 - self.general) / len(chosen)] * len(chosen)]
        drawn = random.choices(lists, shares, k=random.randint(*self.lengths))
        return " ".join(random.choices(words, [1 / (rank + 3) for rank in range(len(words))])[0] for words in drawn)


class StoredDocuments(DocumentData):
    """A known set of documents in a folder, part of which is split off at random.

    Args:
        root: the folder.
        words, stop_words, batch_size: as in `DocumentData`.
        split_seed: the seed of the split.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        root: str,
        words: int = 2_000,
        stop_words: str | None = "english",
        batch_size: int = 100,
        split_seed: int = 0,
    ) -> None:
        super().__init__(words, stop_words, batch_size)
        self.root = Path(root).expanduser()
        self.split_seed = seed_of("split_seed", split_seed)


class RtPolarityWords(StoredDocuments):
    """10,662 sentences of film reviews, as word counts: sentence polarity v1.0, a tenth each to validate and to test.

    Source: Pang and Lee, "Seeing stars", 2005.

    Args:
        root: the folder that holds `rt-polarity/rt-polarity.pos` and `.neg`, a sentence a line, in cp1252.
        words, stop_words, batch_size: as in `DocumentData`.
        split_seed: the seed of the split.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing or not what they should be.
    """

    def read(self) -> Texts:
        texts, _ = polarity_sentences(self.root)
        rows = divide(len(texts), (0.1, 0.1), self.split_seed)
        return {split: [texts[row] for row in chosen] for split, chosen in rows.items()}


class TwentyNewsgroups(StoredDocuments):
    """About 18,800 messages to twenty newsgroups, without headers, signatures and quotations; the official test part.

    Source: Lang, "NewsWeeder: learning to filter netnews", 1995. Read by scikit-learn, which downloads it (14 MB) and
    checks its sha256. A tenth of the training part is kept for validation.

    Args:
        root: the folder that holds, or will hold, scikit-learn's copy.
        words, stop_words, batch_size: as in `DocumentData`.
        split_seed: the seed of what is kept for validation.

    Raises:
        ValueError: an option is out of range.
        DataError: it is missing and cannot be downloaded.
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
            left_out = ("headers", "footers", "quotes")
            found = fetch_20newsgroups(
                data_home=str(self.root), subset=part, remove=left_out, download_if_missing=download
            )
        except OSError as error:
            raise DataError(
                f"the twenty newsgroups are not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to a folder that holds scikit-learn's copy"
            ) from error
        texts: list[str] = found.data
        return texts


class TextFolder(DocumentData):
    """Any folder of texts: each .txt file in it, however deep, is a document. Or a file with a document a line.

    Args:
        path: of the folder, or of the file.
        encoding: of the texts.
        words, stop_words, batch_size: as in `DocumentData`.
        val_share, test_share: of the documents, above 0.
        split_seed: the seed of the split.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such folder or file, there are too few documents, or one of another encoding.
    """

    def __init__(
        self,
        path: str,
        encoding: str = "utf-8",
        words: int = 2_000,
        stop_words: str | None = "english",
        batch_size: int = 100,
        val_share: float = 0.1,
        test_share: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(words, stop_words, batch_size)
        self.path = Path(path).expanduser()
        self.encoding = encoding
        self.shares = check_shares(val_share, test_share)
        self.split_seed = seed_of("split_seed", split_seed)

    def read(self) -> Texts:
        if self.path.is_dir():
            files = sorted(file for file in self.path.rglob("*.txt") if file.stat().st_size)
            texts = [read_text(file, encoding=self.encoding) for file in files]
        else:
            # Not by splitlines, for which a form feed ends a line too
            texts = [line for line in read_text(self.path, encoding=self.encoding).split("\n") if line.strip()]
        if len(texts) < FEWEST:
            raise DataError(f"{self.path} holds {len(texts)} documents; at least {FEWEST} are needed")
        rows = divide(len(texts), self.shares, self.split_seed)
        return {split: [texts[row] for row in chosen] for split, chosen in rows.items()}
