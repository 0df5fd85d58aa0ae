"""What all estimators share: settings, validation, training, pickling; and what all classifiers do with labels.

Shape letters: N examples, K classes, F outputs.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data
from torch import Tensor

from zoo import check
from zoo.data.core.examples import Examples
from zoo.errors import DataError
from zoo.estimators.fitting import fit
from zoo.models import apply
from zoo.spec import Classes, Encoded, Features, Input, Output, Spec
from zoo.training.compose import overrides_of
from zoo.weights.artefact import Artefact, from_bytes, to_bytes

BATCH = 256  # rows that are answered at once


class Estimator(ABC, BaseEstimator):
    """An estimator whose network is trained as the command line trains it.

    Parameters that are None take what the command line takes. After `fit` there is `artefact_`, the trained network
    with its spec, which `zoo.save` writes to a file.
    """

    model: Any  # a file of conf/model: of the class, or a parameter
    task: ClassVar[str]  # a file of conf/task
    settings: ClassVar[dict[str, str]] = {  # of the command line, by the parameter that gives them
        "epochs": "epochs",
        "learning_rate": "task.optimizer.lr",
        "weight_decay": "task.optimizer.weight_decay",
    }

    artefact_: Artefact

    @abstractmethod
    def _inputs(self, X: Any, *, reset: bool) -> Any:
        """Inputs, validated; with `reset` they are those of `fit`."""

    @abstractmethod
    def _learn(self, inputs: Any) -> Input:
        """The description of inputs, from those that are trained on."""

    @abstractmethod
    def _encode(self, inputs: Any, described: Any) -> Any:
        """Inputs as a column of examples."""

    def _output(self, targets: Any) -> Output:
        """The description of what the data gives besides its inputs, from what is trained on."""
        return Features()

    def _encode_targets(self, targets: Any, described: Any) -> Tensor:
        """Targets as a column of examples."""
        raise NotImplementedError

    def _fit(self, inputs: Any, targets: Any = None, sample_weight: Any = None, *, stratify: bool = False) -> None:
        """Train on inputs that are validated, and choose the best epoch on a part of them."""
        fraction = check.fraction("validation_fraction", float(self.validation_fraction), one=False)
        weights = (
            None
            if sample_weight is None
            else _check_sample_weight(sample_weight, np.empty(len(inputs)), dtype=np.float64, ensure_non_negative=True)
        )
        if weights is not None:  # a weight of 0 leaves a row out
            kept = np.flatnonzero(weights)
            inputs, targets, weights = _safe_indexing(inputs, kept), targets[kept], weights[kept]
        seed = self._seed()
        groups = targets if stratify else np.zeros(len(inputs), dtype=int)
        rows = held_out(groups, fraction, seed)
        described = self._learn(_safe_indexing(inputs, rows["train"]))
        output = self._output(None if targets is None else targets[rows["train"]])
        splits = {}
        for split, its in rows.items():
            columns = [self._encode(_safe_indexing(inputs, its), described)]
            if targets is not None:
                columns.append(self._encode_targets(targets[its], output))
            if weights is not None and split == "train":
                columns.append(torch.from_numpy(weights[its] / weights[its].mean()).float())
            splits[split] = Examples(*columns)
        self._train(Spec(described, output), splits, seed)

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _train(self, spec: Spec, splits: dict[str, Examples], seed: int) -> None:
        given = {setting: getattr(self, name) for name, setting in self.settings.items()}
        named = {setting: value for setting, value in given.items() if value is not None}
        overrides = overrides_of({"model": self.model, "task": self.task, **named})
        batch_size = check.whole("batch_size", int(self.batch_size))
        self.artefact_ = fit(tuple(overrides), spec, splits, batch_size, seed)

    @torch.inference_mode()
    def _outputs(self, column: Any, run: Any = None) -> np.ndarray:
        """The network's outputs (N, F) for a column of inputs.

        They are computed in float64, so that a row's answer does not depend on the rows beside it.
        """
        network = copy.deepcopy(self.artefact_.network).double()
        described: Any = self.artefact_.spec.input
        outputs = []
        for rows in torch.arange(len(column)).split(BATCH):
            prepared = described.prepare(column.index_select(0, rows))
            outputs.append(apply(network if run is None else run(network), _double(prepared)))
        return torch.cat(outputs).double().numpy()

    # Pickling: the artefact as what `zoo.save` writes, so that no class of a network is in the pickle

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "artefact_" in state:
            state = {**state, "artefact_": to_bytes(state["artefact_"])}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "artefact_" in state:
            self.artefact_ = from_bytes(state["artefact_"])


class Classifier(ClassifierMixin, Estimator):
    """What all classifiers do with labels, which may be numbers or texts: `classes_` has them in order."""

    classes_: np.ndarray

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train on inputs X (N, …) and their labels y (N,).

        Args:
            X: as the class says.
            y: a label each.
            sample_weight: what each counts in the loss (N,), or None for all the same; 0 leaves one out.

        Raises:
            ValueError: they are not what they should be.
        """
        with value_errors():
            labels = validate_data(self, X="no_validation", y=y)
            inputs = self._inputs(X, reset=True)
            check_consistent_length(inputs, labels)
            check_classification_targets(labels)
            self.classes_, codes = np.unique(labels, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(
                    f"labels are of one class, {self.classes_[0]}; {type(self).__name__} needs two or more"
                )
            self._fit(inputs, codes, sample_weight, stratify=True)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, in the order of `classes_`: (N, K)."""
        check_is_fitted(self)
        with value_errors():
            column = self._encode(self._inputs(X, reset=False), self.artefact_.spec.input)
            return torch.from_numpy(self._outputs(column)).softmax(dim=1).numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most likely label of each input: (N,)."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _output(self, targets: Any) -> Output:
        return Classes(tuple(map(str, self.classes_.tolist())))

    def _encode_targets(self, targets: Any, described: Any) -> Tensor:
        return torch.from_numpy(targets).long()


def finite_numbers(estimator: Any, X: Any, *, reset: bool, least: int, advice: str) -> np.ndarray:
    """X as finite numbers, float64 (N, F), once scikit-learn has validated it.

    Args:
        estimator: that is given X, and whose `n_features_in_` and `feature_names_in_` are set or compared.
        X: what is given.
        reset: whether they are set.
        least: rows there must be.
        advice: what would be right, for what holds text or gaps.

    Raises:
        ValueError: these are no finite numbers, or not of the columns of `fit`.
    """
    if isinstance(X, np.ma.MaskedArray):  # whose cells np.asarray takes as they were
        X = np.ma.filled(X.astype(np.float64), np.nan)
    raw = np.asarray(X) if isinstance(X, list | tuple | np.ndarray) else np.empty(0)
    text = next((cell for cell in raw.flat if isinstance(cell, str)), None) if raw.dtype.kind in "OU" else None
    if text is not None:
        raise ValueError(f"X holds text, such as {text[:20]!r}, and no numbers; {advice}")
    numbers: np.ndarray = validate_data(
        estimator, X, reset=reset, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=least
    )
    if not (finite := np.isfinite(numbers)).all():
        row, place = np.argwhere(~finite)[0].tolist()
        what = "NaN" if np.isnan(numbers[row, place]) else "infinity"
        raise ValueError(f"X holds {what} in row {row}, column {place} (counted from 0); {advice}")
    return numbers


def held_out(groups: np.ndarray, fraction: float, seed: int) -> dict[str, np.ndarray]:
    """The rows of `train` and, where the fraction leaves any, `val`: of each group (N,) its share, at random."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(groups))
    parts = [order[groups[order] == group] for group in np.unique(groups)]
    sizes = [min(round(fraction * len(part)), len(part) - 1) for part in parts]
    val = np.concatenate([part[:size] for part, size in zip(parts, sizes)])
    train = np.sort(np.concatenate([part[size:] for part, size in zip(parts, sizes)]))
    return {"train": train, **({"val": val} if len(val) else {})}


@contextmanager
def value_errors() -> Iterator[None]:
    """Turn what zoo says of wrong data into the ValueError that users of scikit-learn expect."""
    try:
        yield
    except DataError as error:
        raise ValueError(str(error)) from error


def _double(prepared: Encoded) -> Encoded:
    if isinstance(prepared, tuple):
        return tuple(part.double() if part.is_floating_point() else part for part in prepared)
    return prepared.double()
