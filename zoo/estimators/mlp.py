"""Multilayer perceptrons of tables, as classifier and as regressor.

Shape letters: N rows, F columns, V values.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data
from torch import Tensor

from zoo.estimators.estimator import Classifier, Estimator, value_errors
from zoo.estimators.tables import TableEstimator
from zoo.spec import Output, Values


class MLP(TableEstimator):
    """The parameters of both.

    Args:
        hidden_sizes: units of each hidden layer; an empty list gives a linear model.
        activation: of the hidden layers; see `zoo.models.MLP`.
        dropout: probability of zeroing a hidden unit.
        ensemble_size: networks in one, which are averaged.
        epochs: how often all rows are seen.
        batch_size: rows a step.
        learning_rate, weight_decay: of AdamW.
        validation_fraction: of the rows, by which the best epoch is chosen; 0 for none, and the last epoch.
        random_state: decides all random numbers.
    """

    model = "mlp"
    task = "supervised"
    settings: ClassVar[dict[str, str]] = {
        "hidden_sizes": "model.hidden_sizes",
        "activation": "activation",
        "dropout": "model.dropout",
        "ensemble_size": "model.ensemble_size",
        **Estimator.settings,
    }

    def __init__(
        self,
        hidden_sizes: Any = None,
        *,
        activation: str | None = None,
        dropout: float | None = None,
        ensemble_size: int | None = None,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.activation = activation
        self.dropout = dropout
        self.ensemble_size = ensemble_size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.random_state = random_state


class MLPClassifier(Classifier, MLP):
    """A multilayer perceptron that classifies rows.

    X is a DataFrame or an array of numbers (N, F), y a label each.
    """


class MLPRegressor(RegressorMixin, MLP):
    """A multilayer perceptron that predicts a number, or several, for each row.

    X is a DataFrame or an array of numbers (N, F), y numbers (N,) or (N, V).
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train on rows X (N, F) and their values y (N,) or (N, V).

        Args:
            X: a DataFrame or an array of numbers.
            y: finite numbers.
            sample_weight: what each row counts in the loss (N,), or None for all the same; 0 leaves one out.

        Raises:
            ValueError: they are not what they should be.
        """
        with value_errors():
            values = validate_data(self, X="no_validation", y=y, multi_output=True, y_numeric=True)
            if values.ndim == 2 and values.shape[1] == 1:
                values = validate_data(self, X="no_validation", y=y, y_numeric=True)  # which warns
            rows = self._inputs(X, reset=True)
            check_consistent_length(rows, values)
            self._single = values.ndim == 1
            self._targets = _names(y, 1 if self._single else values.shape[1])
            self._fit(rows, values.astype(np.float64).reshape(len(values), -1), sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The values of each row in their own units: (N,), or (N, V) where y had several columns."""
        check_is_fitted(self)
        with value_errors():
            spec: Any = self.artefact_.spec
            outputs = self._outputs(self._encode(self._inputs(X, reset=False), spec.input))
        values: np.ndarray = spec.output.restore(torch.from_numpy(outputs)).numpy()
        return values[:, 0] if self._single else values

    def _output(self, targets: Any) -> Output:
        means, stds = targets.mean(axis=0), targets.std(axis=0)
        return Values(tuple(self._targets), tuple(means.tolist()), tuple(np.where(stds > 0, stds, 1.0).tolist()))

    def _encode_targets(self, targets: Any, described: Any) -> Tensor:
        column: Tensor = described.standardise(torch.from_numpy(targets))
        return column


def _names(y: Any, count: int) -> list[str]:
    """The names of the values: those of a Series or DataFrame, or `target`, or `target0`, `target1`, …"""
    if count == 1:
        return [str(getattr(y, "name", None) or "target")]
    columns = [*map(str, getattr(y, "columns", ()))]
    return columns if len(set(columns)) == count else [f"target{place}" for place in range(count)]
