"""Texts with classes: generated reviews, and sentence polarity.

Vocabularies come from the training split alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import torch

from zoo.data.batches import Examples, Ragged, TensorDataModule
from zoo.data.reviews import generate_reviews
from zoo.data.sequences import check_sizes
from zoo.errors import DataError
from zoo.spec import Classes, Spec, Text
from zoo.spec.files import read_text
from zoo.spec.text import learn_vocabulary

Labelled = tuple[Sequence[str], Sequence[int]]  # texts and their classes
POLARITY = ("negative", "positive")
FOLDS = 10


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
        ValueError: a size is below 1.
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
        self.data_seed = data_seed

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

        texts: list[str] = []
        labels: list[int] = []
        for label, ending in enumerate(("neg", "pos")):
            path = self.root / "rt-polarity" / f"rt-polarity.{ending}"
            lines = [line for line in read_text(path, encoding="cp1252").split("\n") if line.strip()]
            if len(lines) != 5_331:
                raise DataError(f"{path} holds {len(lines)} sentences, and sentence polarity v1.0 has 5331")
            texts += lines
            labels += [label] * len(lines)
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(texts, labels)
        rest, test = list(folds)[self.fold]
        train, val = train_test_split(
            rest, test_size=self.val_share, random_state=0, stratify=[labels[row] for row in rest]
        )
        rows = {"train": train, "val": val, "test": test}
        splits = {split: ([texts[i] for i in part], [labels[i] for i in part]) for split, part in rows.items()}
        return _labelled(splits, POLARITY, self.fewest)


def _labelled(
    splits: Mapping[str, Labelled], names: Sequence[str], fewest: int = 1
) -> tuple[Spec, dict[str, Examples]]:
    """Spec and examples of texts with classes; words that training has less than `fewest` times are unknown."""
    text = Text(learn_vocabulary(splits["train"][0], fewest=fewest), "words")
    examples = {
        split: Examples(Ragged.of([text.encode(raw) for raw in texts]), torch.tensor(labels))
        for split, (texts, labels) in splits.items()
    }
    return Spec(text, Classes(tuple(names))), examples
