"""Tasks of text.

Shape letters: B batch, T tokens, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import nn

from zoo.errors import SpecError
from zoo.spec import Spec, Text
from zoo.tasks.supervised import Classification
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder


class Sentiment(Classification):
    """The class of a text, such as whether it praises or blames; a bag of words is trained beside it.

    Logs what `Classification` does. The baseline is a logistic regression on the TF-IDF of words and pairs of words
    (scikit-learn's, with sublinear frequencies).

    Args:
        loss, spec, network, optimiser, schedule, max_grad_norm, ema: as in `Classification`.

    Raises:
        SpecError: the data is no text with classes.
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        loss: nn.Module | None = None,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.input, Text):
            raise SpecError(f"sentiment needs data of texts with classes, and this is {spec}")
        super().__init__(spec, network, optimiser, loss=loss, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        model = make_pipeline(
            TfidfVectorizer(analyzer=words_and_pairs, sublinear_tf=True), LogisticRegression(C=10, max_iter=1_000)
        )
        columns = {split: examples.tensors for split, examples in splits.items()}
        texts = {split: rows(column[0]) for split, column in columns.items()}
        model.fit(texts["train"], columns["train"][1].numpy())
        return {"accuracy of a bag of words": model.score(texts["test"], columns["test"][1].numpy())}


def rows(column: Any) -> list[list[int]]:
    """The codes of each text of a ragged column."""
    return [part.tolist() for part in column.values.split(column.lengths.tolist())]


def words_and_pairs(codes: list[int]) -> list[tuple[int, ...]]:
    """What a bag of words holds: each code alone, and each pair of neighbours."""
    return [*zip(codes), *pairwise(codes)]
