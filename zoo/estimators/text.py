"""A classifier of texts."""

from __future__ import annotations

from typing import Any

from zoo.data.core.examples import Ragged
from zoo.estimators.estimator import Classifier
from zoo.spec import Input, Text
from zoo.spec.text import learn_vocabulary


class TextClassifier(Classifier):
    """A recurrent network that classifies texts, word by word.

    X is a list, an array or a Series of texts, y a label each.

    Args:
        model: lstm, gru or rnn.
        min_freq: words that occur less often in the texts that are trained on are unknown.
        epochs: how often all texts are seen.
        batch_size: texts a step.
        learning_rate, weight_decay: of AdamW.
        validation_fraction: of the texts, by which the best epoch is chosen; 0 for none, and the last epoch.
        random_state: decides all random numbers.
    """

    task = "sentiment"

    def __init__(
        self,
        model: str = "lstm",
        *,
        min_freq: int = 1,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.min_freq = min_freq
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags

    def _inputs(self, X: Any, *, reset: bool) -> list[str]:
        if isinstance(X, str) or not hasattr(X, "__iter__") or getattr(X, "ndim", 1) != 1:
            raise ValueError("texts are a list of str, or a Series or an array (N,) of them")
        texts = list(X)
        if not texts:
            raise ValueError("there are 0 texts; give at least one")
        for place, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                fault = "is empty" if isinstance(text, str) else f"is a {type(text).__name__}, not a str"
                raise ValueError(f"text {place} (counted from 0) {fault}; give each at least a word")
        return [str(text) for text in texts]  # those of NumPy too

    def _learn(self, inputs: list[str]) -> Input:
        vocabulary = learn_vocabulary(inputs, min_freq=self.min_freq)
        if not vocabulary:
            raise ValueError(f"no word occurs {self.min_freq} times; give a smaller min_freq")
        return Text(vocabulary, "words")

    def _encode(self, inputs: list[str], described: Any) -> Ragged:
        return Ragged.of([described.encode(text) for text in inputs])
