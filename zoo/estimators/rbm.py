"""Restricted Boltzmann machines of tables without labels: features, and rows that are odd.

Shape letters: N rows, F columns, H hidden units.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from zoo import check
from zoo.estimators.estimator import value_errors
from zoo.estimators.tables import TableEstimator
from zoo.spec import Calibration, Table

if TYPE_CHECKING:
    import pandas as pd


class RBM(TableEstimator):
    """What both share.

    Args:
        num_hidden: hidden units.
        epochs: how often all rows are seen.
        batch_size: rows a step.
        learning_rate: of the optimizer.
        validation_fraction: of the rows, by which the best epoch is chosen; 0 for none, and the last epoch.
        random_state: decides all random numbers.
    """

    model = "rbm"
    settings: ClassVar[dict[str, str]] = {
        "num_hidden": "model.num_hidden",
        "epochs": "epochs",
        "learning_rate": "task.optimizer.lr",
    }

    def __init__(
        self,
        num_hidden: int | None = None,
        *,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        self.num_hidden = num_hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Any:
        """Train on rows X (N, F), a DataFrame or an array of numbers; y is not used.

        Raises:
            ValueError: they are not what they should be.
        """
        with value_errors():
            self._fit(self._inputs(X, reset=True))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """The log-likelihood of each row up to a constant (nats): its negative free energy (N,)."""
        return -self._outputs(self._column(X), _free_energy)

    def _column(self, X: Any) -> Tensor:
        check_is_fitted(self)
        with value_errors():
            return self._encode(self._inputs(X, reset=False), self.artefact_.spec.input)


class RBMTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, RBM):
    """Features of rows: the probabilities of the hidden units of a restricted Boltzmann machine.

    X is a DataFrame or an array of numbers (N, F). Parameters are those of `RBM`.
    """

    task = "features"

    def transform(self, X: Any) -> np.ndarray:
        """The probabilities of the hidden units (N, H), in 0..1."""
        return self._outputs(self._column(X))

    @property
    def _n_features_out(self) -> int:
        network: Any = self.artefact_.network
        return len(network.hidden_bias)


class RBMAnomalyDetector(OutlierMixin, RBM):
    """Odd rows: those to which a restricted Boltzmann machine of all rows gives a high free energy. It needs no labels.

    X is a DataFrame or an array of numbers (N, F). `contributions` says which columns make a row odd.

    Args:
        contamination: the share of odd rows among those of `fit`, above 0 and up to 0.5.
        num_hidden, epochs, batch_size, learning_rate, validation_fraction, random_state: as in `RBM`.
    """

    task = "anomaly_detection"
    settings: ClassVar[dict[str, str]] = {**RBM.settings, "contamination": "task.false_positive_rate"}

    def __init__(
        self,
        num_hidden: int | None = None,
        *,
        contamination: float = 0.05,
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            num_hidden,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            validation_fraction=validation_fraction,
            random_state=random_state,
        )
        self.contamination = contamination

    def fit(self, X: Any, y: Any = None) -> RBMAnomalyDetector:
        """Train on rows X (N, F), most of which are normal; y is not used. The threshold is `offset_`.

        Raises:
            ValueError: they are not what they should be.
        """
        check.fraction("contamination", float(self.contamination), zero=False)
        check.between("contamination", float(self.contamination), 0, 0.5)
        super().fit(X)
        self.offset_ = float(np.quantile(self.score_samples(X), self.contamination))
        self.artefact_.calibration = Calibration(threshold=-self.offset_)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """How normal each row is (N,): `score_samples` above the threshold, negative for odd rows (nats)."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """1 for a normal row and -1 for an odd one: (N,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any) -> pd.DataFrame:
        """By how much each column makes each row odd: (N, F), nats, large for what is odd.

        That is what the free energy of the row falls by, where the column takes the value that the machine expects
        from the others. A column that never changed in `fit` is not among them.
        """
        import pandas as pd

        column = self._column(X)
        table: Any = self.artefact_.spec.input
        whole = self._outputs(column, _free_energy)
        fallen = {name: whole - self._outputs(column, partial(_without, its)) for name, its in _places(table).items()}
        return pd.DataFrame(fallen, index=getattr(X, "index", None))


def _free_energy(network: Any) -> Any:
    return lambda x: network.free_energy(network.vector(x))


def _without(places: list[int], network: Any) -> Any:
    """The free energy of rows whose units at these places have the means that the others give them."""

    def run(x: Tensor) -> Tensor:
        v = network.vector(x)
        v[:, places] = 0  # the mean of a standardised number, and no category
        v[:, places] = network.reconstruct(v)[:, places]
        energy: Tensor = network.free_energy(v)
        return energy

    return run


def _places(table: Table) -> dict[str, list[int]]:
    """The visible units of each column: numbers, then indicators of missing numbers, then a group a category."""
    columns: tuple[Any, ...] = table.columns
    places: dict[str, list[int]] = {column.name: [] for column in columns}
    numbers = [column for column in columns if column.kind != "category"]
    wide = [column.name for column in numbers for _ in column.inputs]
    wide += [column.name for column in numbers if column.missing]
    for column in columns:
        if column.kind == "category":
            wide += [column.name] * column.codes
    for place, name in enumerate(wide):
        places[name].append(place)
    return places
