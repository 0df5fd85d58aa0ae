"""Texts: with classes (generated reviews, sentence polarity), and by characters.

Vocabularies come from the training split alone.
"""

from __future__ import annotations

import tarfile
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import torch

from zoo.data.core.loader import Examples, Ragged, TensorDataModule
from zoo.data.core.splits import check_sizes, seed_of
from zoo.data.reviews import generate_reviews
from zoo.errors import DataError
from zoo.spec import Classes, Spec, Text, Tokens
from zoo.spec.files import read_text
from zoo.spec.text import MAX_TOKENS, learn_vocabulary

Labelled = tuple[Sequence[str], Sequence[int]]  # texts and their classes
POLARITY = ("negative", "positive")
FOLDS = 10
IMDB_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
IMDB_MD5 = "7c2ac02c03563afcf9b574c7e56c153a"
IMDB_FILES = 12_500  # of each kind in each part


class Reviews(TensorDataModule):
    """Sentences about films whose polarity follows from their structure, not from their words. Generated.

    Negation, contrast, quotation, disappointed hope and doubt, nested in each other. The test split holds longer
    sentences (2 to 4 constructions around the innermost one, where training has up to 2), built of adjectives in
    constructions where training never had them; no sentence is in two splits.

    Args:
        train_size, val_size, test_size: sentences of each split.
        batch_size: sentences a step.
        data_seed: the seed of the sentences.

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
        self.sizes = check_sizes(train_size, val_size, test_size)
        self.data_seed = seed_of("data_seed", data_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        random = Random(self.data_seed)
        known = generate_reviews(self.sizes["train"] + self.sizes["val"], random, depths=(0, 1, 2), reserved=False)
        unseen = generate_reviews(self.sizes["test"], random, depths=(2, 3, 4), reserved=True)
        parts = {"train": known[: self.sizes["train"]], "val": known[self.sizes["train"] :], "test": unseen}
        return _labelled(
            {split: ([s.text for s in part], [int(s.positive) for s in part]) for split, part in parts.items()},
            POLARITY,
        )


class RtPolarity(TensorDataModule):
    """10,662 sentences of film reviews, half of them positive: sentence polarity v1.0, for 10-fold cross-validation.

    Source: Pang and Lee, "Seeing stars", 2005. One of ten folds, drawn with a fixed seed and stratified, is the test
    split; of the rest a share is kept for validation.

    Args:
        root: the folder that holds `rt-polarity/rt-polarity.pos` and `.neg`, a sentence a line, in cp1252.
        fold: which fold is tested on, 0 to 9.
        fewest: how often a word must be in the training split to be known.
        val_share: of the nine other folds, above 0 and below 1.
        batch_size: sentences a step.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing or not what they should be.
    """

    def __init__(self, root: str, fold: int = 0, fewest: int = 1, val_share: float = 0.1, batch_size: int = 64) -> None:
        super().__init__(batch_size)
        if type(fold) is not int or not 0 <= fold < FOLDS:
            raise ValueError(f"fold must be a whole number from 0 to {FOLDS - 1}, got {fold}")
        if type(fewest) is not int or fewest < 1:
            raise ValueError(f"fewest must be a whole number of at least 1, got {fewest}")
        if not 0 < val_share < 1:
            raise ValueError(f"val_share must be above 0 and below 1, got {val_share}")
        self.root = Path(root).expanduser()
        self.fold = fold
        self.fewest = fewest
        self.val_share = val_share

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.model_selection import StratifiedKFold, train_test_split

        texts, labels = polarity_sentences(self.root)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(texts, labels)
        rest, test = list(folds)[self.fold]
        train, val = train_test_split(
            rest, test_size=self.val_share, random_state=0, stratify=[labels[row] for row in rest]
        )
        rows = {"train": train, "val": val, "test": test}
        splits = {split: ([texts[i] for i in part], [labels[i] for i in part]) for split, part in rows.items()}
        return _labelled(splits, POLARITY, self.fewest)


class Imdb(TensorDataModule):
    """50,000 reviews of films, half of them positive: 25,000 to train and validate on, the official 25,000 to test.

    Source: Maas et al., "Learning word vectors for sentiment analysis", 2011. Long reviews are cut to their last words,
    where most of them conclude.

    Args:
        root: the folder that holds, or will hold, `aclImdb`; what is missing is downloaded (84 MB), its md5 checked.
        fewest: how often a word must be in the training split to be known.
        longest: words of a review that are read.
        val_size: how many of the 25,000 are kept for validation.
        batch_size: reviews a step.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self, root: str, fewest: int = 5, longest: int = 400, val_size: int = 2_500, batch_size: int = 64
    ) -> None:
        super().__init__(batch_size)
        for name, number in (("fewest", fewest), ("longest", longest), ("val_size", val_size)):
            if type(number) is not int or number < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {number}")
        if val_size >= 2 * IMDB_FILES:
            raise ValueError(f"val_size must be below {2 * IMDB_FILES}, got {val_size}")
        self.root = Path(root).expanduser()
        self.fewest = fewest
        self.longest = longest
        self.val_size = val_size

    def prepare_data(self) -> None:
        if (self.root / "aclImdb").is_dir():
            return
        from torchvision.datasets.utils import download_url

        archive = self.root / "aclImdb_v1.tar.gz"
        try:
            download_url(IMDB_URL, str(self.root), archive.name, md5=IMDB_MD5)
            with tarfile.open(archive) as file:
                file.extractall(self.root, filter="data")
        except (OSError, RuntimeError, tarfile.TarError) as error:
            raise DataError(
                f"aclImdb is not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to a folder that holds it"
            ) from error

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.model_selection import train_test_split

        texts, labels = self._read("train")
        test = self._read("test")
        train, val = train_test_split(range(len(texts)), test_size=self.val_size, random_state=0, stratify=labels)
        rows = {"train": train, "val": val}
        splits = {split: ([texts[i] for i in part], [labels[i] for i in part]) for split, part in rows.items()}
        return _labelled({**splits, "test": test}, POLARITY, self.fewest, self.longest)

    def _read(self, part: str) -> tuple[list[str], list[int]]:
        texts: list[str] = []
        labels: list[int] = []
        for label, kind in enumerate(("neg", "pos")):
            folder = self.root / "aclImdb" / part / kind
            files = sorted(folder.glob("*.txt"))
            if len(files) != IMDB_FILES:
                raise DataError(f"{folder} holds {len(files)} reviews, not {IMDB_FILES}; delete aclImdb to get it anew")
            texts += [read_text(file).replace("<br />", " ") for file in files]
            labels += [label] * len(files)
        return texts, labels


class CharacterData(TensorDataModule):
    """A text by characters, cut into windows: what comes next after each character?

    The first 80 % of the text are trained on, the next 10 % validated and the last tested. A batch is one tensor of
    codes (B, T + 1): T characters, and the one that follows each.

    Args:
        window: T, characters that are read in a row.
        batch_size: windows a step.

    Raises:
        ValueError: an option is out of range.
        DataError: the text is too short.
    """

    def __init__(self, window: int = 128, batch_size: int = 16) -> None:
        super().__init__(batch_size)
        if type(window) is not int or window < 1:
            raise ValueError(f"window must be a whole number of at least 1, got {window}")
        self.window = window

    @abstractmethod
    def read(self) -> str:
        """The whole text."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        text = self.read()
        first, second = int(len(text) * 0.8), int(len(text) * 0.9)
        parts = {"train": text[:first], "val": text[first:second], "test": text[second:]}
        if min(map(len, parts.values())) <= self.window:
            raise DataError(
                f"a text of {len(text)} characters is too short to be cut into windows of {self.window} in three parts"
            )
        characters = Text(learn_vocabulary([parts["train"]], "characters"), "characters")
        splits = {}
        for split, part in parts.items():
            codes = characters.encode(part)
            starts = torch.arange(0, len(codes) - self.window, self.window)
            splits[split] = Examples(codes[starts[:, None] + torch.arange(self.window + 1)])
        return Spec(characters, Tokens(characters.vocabulary, "characters", MAX_TOKENS)), splits


class TextFile(CharacterData):
    """Any text file, by characters: the first 80 % are trained on, the next 10 % validated, the last tested.

    Args:
        path: of the file.
        encoding: of it.
        window, batch_size: as in `CharacterData`.

    Raises:
        ValueError: an option is out of range.
        DataError: the file is missing, empty, too short or of another encoding.
    """

    def __init__(self, path: str, encoding: str = "utf-8", window: int = 128, batch_size: int = 16) -> None:
        super().__init__(window, batch_size)
        self.path = path
        self.encoding = encoding

    def read(self) -> str:
        return read_text(self.path, encoding=self.encoding)


class ReviewText(CharacterData):
    """The generated sentences of `Reviews`, one a line, by characters: 80 % trained on, 10 % validated, 10 % tested.

    Args:
        sentences: how many.
        window, batch_size: as in `CharacterData`.
        data_seed: the seed of the sentences.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(self, sentences: int = 6_000, window: int = 128, batch_size: int = 16, data_seed: int = 0) -> None:
        super().__init__(window, batch_size)
        if type(sentences) is not int or sentences < 1:
            raise ValueError(f"sentences must be a whole number of at least 1, got {sentences}")
        self.sentences = sentences
        self.data_seed = seed_of("data_seed", data_seed)

    def read(self) -> str:
        drawn = generate_reviews(self.sentences, Random(self.data_seed), depths=(0, 1, 2), reserved=False)
        return "\n".join(sentence.text for sentence in drawn)


def polarity_sentences(root: Path) -> Labelled:
    """The sentences of `rt-polarity`, and of each whether it is positive: 1, or 0.

    Raises:
        DataError: the files are missing or not what they should be.
    """
    texts: list[str] = []
    labels: list[int] = []
    for label, ending in enumerate(("neg", "pos")):
        path = root / "rt-polarity" / f"rt-polarity.{ending}"
        if not path.is_file():
            raise DataError(
                f"no such file: {path}; set data.root to a folder that holds rt-polarity, which is sentence "
                "polarity v1.0 from www.cs.cornell.edu/people/pabo/movie-review-data"
            )
        lines = [line for line in read_text(path, encoding="cp1252").split("\n") if line.strip()]
        if len(lines) != 5_331:
            raise DataError(f"{path} holds {len(lines)} sentences, and sentence polarity v1.0 has 5331")
        texts += lines
        labels += [label] * len(lines)
    return texts, labels


def _labelled(
    splits: Mapping[str, Labelled], names: Sequence[str], fewest: int = 1, longest: int | None = None
) -> tuple[Spec, dict[str, Examples]]:
    """Spec and examples of texts with classes, of each text the last `longest` words.

    Words that training has less than `fewest` times are unknown.
    """
    text = Text(learn_vocabulary(splits["train"][0], fewest=fewest), "words")
    examples = {
        split: Examples(Ragged.of([text.encode(raw)[-(longest or 0) :] for raw in texts]), torch.tensor(labels))
        for split, (texts, labels) in splits.items()
    }
    return Spec(text, Classes(tuple(names))), examples
