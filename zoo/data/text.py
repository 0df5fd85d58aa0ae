"""Texts with classes (generated reviews, sentence polarity, IMDB), and texts by characters.

Vocabularies are learned from the training split alone.
"""

from __future__ import annotations

import tarfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import split_sizes
from zoo.data.reviews import generate_fragments, generate_reviews
from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec import Classes, Spec, Text, Tokens
from zoo.spec.files import read_text
from zoo.spec.text import MAX_TOKENS, learn_vocabulary

Labelled = tuple[Sequence[str], Sequence[int]]  # texts and their classes
POLARITY = ("negative", "positive")
POLAR_TEXTS = (Spec(Text(("one", "two"), "words"), Classes(POLARITY)),)  # but for the vocabulary
FOLDS = 10
IMDB_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
IMDB_MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
IMDB_FILES = 12_500  # of each class in each set


class Reviews(DataModule):
    """Generated sentences about films, whose polarity depends on their structure, not on single words.

    Negation, contrast, quotation, disappointed hope and doubt are nested in each other. Sentences of the test split are
    longer (2 to 4 constructions around the innermost one, up to 2 in training), and combine adjectives with
    constructions that never go together in training. No sentence is in two splits.

    Args:
        train_size, val_size, test_size: sentences in each split.
        batch_size: sentences a batch.
        data_seed: seed of the sentences.

    Raises:
        ValueError: a size is below 1, or the seed out of range.
    """

    def __init__(
        self,
        train_size: int = 12_000,
        val_size: int = 1_500,
        test_size: int = 1_500,
        batch_size: int = 64,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.data_seed = check.seed("data_seed", data_seed)

    def expected_specs(self) -> Sequence[Spec]:
        return POLAR_TEXTS

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = Random(self.data_seed)
        known = generate_reviews(self.sizes["train"] + self.sizes["val"], random, depths=(0, 1, 2), reserved=False)
        unseen = generate_reviews(self.sizes["test"], random, depths=(2, 3, 4), reserved=True)
        parts = {"train": known[: self.sizes["train"]], "val": known[self.sizes["train"] :], "test": unseen}
        return _labelled(
            {split: ([s.text for s in part], [int(s.positive) for s in part]) for split, part in parts.items()},
            POLARITY,
        )


class RtPolarity(DataModule):
    """10,662 sentences of film reviews, half of them positive: sentence polarity v1.0, for 10-fold cross-validation.

    Source: Pang and Lee, "Seeing stars", 2005. One of ten stratified folds, drawn with a fixed seed, is the test split;
    a fraction of the others is held out for validation.

    Args:
        root: folder with `rt-polarity/rt-polarity.pos` and `.neg`, one sentence a line, in cp1252.
        fold: the fold for test, 0 to 9.
        min_freq: words that occur less often in the training split are unknown.
        val_fraction: fraction of the nine other folds for validation, above 0 and below 1.
        fragments: short generated judgements that are added to the training split, a quarter of them negated. The
            reviews hold too few plain negations ("never boring") to learn from.
        batch_size: sentences a batch.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing or damaged.
    """

    def __init__(
        self,
        root: str,
        fold: int = 0,
        min_freq: int = 1,
        val_fraction: float = 0.1,
        fragments: int = 0,
        batch_size: int = 64,
    ) -> None:
        super().__init__(batch_size)
        self.root = user_path(root)
        self.fold = check.whole("fold", fold, 0, FOLDS - 1)
        self.min_freq = check.whole("min_freq", min_freq)
        self.val_fraction = check.fraction("val_fraction", val_fraction, zero=False, one=False)
        self.fragments = check.whole("fragments", fragments, 0)

    def expected_specs(self) -> Sequence[Spec]:
        return POLAR_TEXTS

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.model_selection import StratifiedKFold, train_test_split

        texts, labels = polarity_sentences(self.root)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(texts, labels)
        rest, test = list(folds)[self.fold]
        train, val = train_test_split(
            rest, test_size=self.val_fraction, random_state=0, stratify=[labels[row] for row in rest]
        )
        rows = {"train": train, "val": val, "test": test}
        splits = {split: ([texts[i] for i in part], [labels[i] for i in part]) for split, part in rows.items()}
        for text, positive in generate_fragments(self.fragments, Random(0)):
            splits["train"][0].append(text)
            splits["train"][1].append(int(positive))
        return _labelled(splits, POLARITY, self.min_freq)


class Imdb(DataModule):
    """50,000 film reviews, half of them positive: 25,000 for training and validation, the official 25,000 for test.

    Source: Maas et al., "Learning word vectors for sentiment analysis", 2011. Long reviews are truncated to their last
    words, which usually hold the conclusion.

    Args:
        root: folder with `aclImdb`; it is downloaded there if it is missing (84 MB), and its md5 is checked.
        min_freq: words that occur less often in the training split are unknown.
        max_length: words of a review that are kept.
        val_size: reviews of the 25,000 that are held out for validation.
        batch_size: reviews a batch.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self, root: str, min_freq: int = 5, max_length: int = 400, val_size: int = 2_500, batch_size: int = 64
    ) -> None:
        super().__init__(batch_size)
        self.root = user_path(root)
        self.min_freq = check.whole("min_freq", min_freq)
        self.max_length = check.whole("max_length", max_length)
        self.val_size = check.whole("val_size", val_size, 1, 2 * IMDB_FILES - 1)

    def expected_specs(self) -> Sequence[Spec]:
        return POLAR_TEXTS

    def prepare_data(self) -> None:
        if (self.root / "aclImdb").is_dir():
            return
        from torchvision.datasets.utils import download_url

        archive = self.root / "aclImdb_v1.tar.gz"
        try:
            download_url(IMDB_URL, str(self.root), archive.name, md5=IMDB_MD5)
            # Python before 3.10.12 and 3.11.4 has no filters. The checksum says that this is the known archive
            options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            with tarfile.open(archive) as file:
                file.extractall(self.root, **options)
        except (OSError, RuntimeError, tarfile.TarError) as error:
            raise DataError(
                f"aclImdb is not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to the folder that has it"
            ) from error

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.model_selection import train_test_split

        texts, labels = self._read("train")
        test = self._read("test")
        train, val = train_test_split(range(len(texts)), test_size=self.val_size, random_state=0, stratify=labels)
        rows = {"train": train, "val": val}
        splits = {split: ([texts[i] for i in part], [labels[i] for i in part]) for split, part in rows.items()}
        return _labelled({**splits, "test": test}, POLARITY, self.min_freq, self.max_length)

    def _read(self, part: str) -> tuple[list[str], list[int]]:
        texts: list[str] = []
        labels: list[int] = []
        for label, kind in enumerate(("neg", "pos")):
            folder = self.root / "aclImdb" / part / kind
            files = sorted(folder.glob("*.txt"))
            if len(files) != IMDB_FILES:
                raise DataError(
                    f"{folder} has {len(files)} reviews, not {IMDB_FILES}; delete aclImdb to download it again"
                )
            texts += [read_text(file).replace("<br />", " ") for file in files]
            labels += [label] * len(files)
        return texts, labels


class CharacterData(DataModule):
    """A text by characters, cut into windows; the target of each character is the next one.

    The first 80 % of the text are for training, the next 10 % for validation and the last for test. A batch is one
    tensor of codes (B, T + 1): the first T are inputs, the last T are targets.

    Args:
        context_length: T, characters in a window.
        batch_size: windows a batch.

    Raises:
        ValueError: an option is out of range.
        DataError: the text is too short.
    """

    def __init__(self, context_length: int = 128, batch_size: int = 16) -> None:
        super().__init__(batch_size)
        self.context_length = check.whole("context_length", context_length)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(Text(("a", "b"), "characters"), Tokens(("a", "b"), "characters", MAX_TOKENS))]

    @abstractmethod
    def read(self) -> str:
        """The whole text."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        text = self.read()
        first, second = int(len(text) * 0.8), int(len(text) * 0.9)
        parts = {"train": text[:first], "val": text[first:second], "test": text[second:]}
        if min(map(len, parts.values())) <= self.context_length:
            raise DataError(
                f"a text of {len(text)} characters is too short for three splits with windows of "
                f"context_length={self.context_length}"
            )
        characters = Text(learn_vocabulary([parts["train"]], "characters"), "characters")
        splits = {}
        for split, part in parts.items():
            codes = characters.encode(part)
            starts = torch.arange(0, len(codes) - self.context_length, self.context_length)
            splits[split] = Examples(codes[starts[:, None] + torch.arange(self.context_length + 1)])
        return Spec(characters, Tokens(characters.vocabulary, "characters", MAX_TOKENS)), splits


class TextFile(CharacterData):
    """Any text file by characters: the first 80 % for training, the next 10 % for validation, the last for test.

    Args:
        path: the file.
        encoding: text encoding.
        context_length, batch_size: as in `CharacterData`.

    Raises:
        ValueError: an option is out of range.
        DataError: the file is missing, empty, too short or of another encoding.
    """

    def __init__(self, path: str, encoding: str = "utf-8", context_length: int = 128, batch_size: int = 16) -> None:
        super().__init__(context_length, batch_size)
        self.path = path
        self.encoding = encoding

    def read(self) -> str:
        return read_text(self.path, encoding=self.encoding)


class ReviewText(CharacterData):
    """The generated sentences of `Reviews`, one a line, by characters.

    Args:
        sentences: number of sentences.
        context_length, batch_size: as in `CharacterData`.
        data_seed: seed of the sentences.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self, sentences: int = 6_000, context_length: int = 128, batch_size: int = 16, data_seed: int = 0
    ) -> None:
        super().__init__(context_length, batch_size)
        self.sentences = check.whole("sentences", sentences)
        self.data_seed = check.seed("data_seed", data_seed)

    def read(self) -> str:
        generated = generate_reviews(self.sentences, Random(self.data_seed), depths=(0, 1, 2), reserved=False)
        return "\n".join(sentence.text for sentence in generated)


def polarity_sentences(root: Path) -> Labelled:
    """The sentences of `rt-polarity` and their labels: 1 for positive, 0 for negative.

    Raises:
        DataError: the files are missing or damaged.
    """
    texts: list[str] = []
    labels: list[int] = []
    for label, ending in enumerate(("neg", "pos")):
        path = root / "rt-polarity" / f"rt-polarity.{ending}"
        if not path.is_file():
            raise DataError(
                f"no such file: {path}; set data.root to the folder with rt-polarity, which is sentence "
                "polarity v1.0 from www.cs.cornell.edu/people/pabo/movie-review-data"
            )
        lines = [line for line in read_text(path, encoding="cp1252").split("\n") if line.strip()]
        if len(lines) != 5_331:
            raise DataError(f"{path} has {len(lines)} sentences, and sentence polarity v1.0 has 5331")
        texts += lines
        labels += [label] * len(lines)
    return texts, labels


def _labelled(
    splits: Mapping[str, Labelled], names: Sequence[str], min_freq: int = 1, max_length: int | None = None
) -> tuple[Spec, dict[str, Examples]]:
    """The spec and the examples of texts with classes; only the last `max_length` words of a text are kept.

    Words that occur less than `min_freq` times in the training split are unknown.
    """
    text = Text(learn_vocabulary(splits["train"][0], min_freq=min_freq), "words")
    examples = {
        split: Examples(Ragged.of([text.encode(raw)[-(max_length or 0) :] for raw in texts]), torch.tensor(labels))
        for split, (texts, labels) in splits.items()
    }
    return Spec(text, Classes(tuple(names))), examples
