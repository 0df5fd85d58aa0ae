"""A forecaster of series.

Shape letters: T steps, H steps of the horizon, F columns.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from zoo import check
from zoo.data.core.examples import Examples
from zoo.estimators.estimator import Estimator, finite_numbers, value_errors
from zoo.spec import Forecast, Series, Spec


class Forecaster(Estimator):
    """A recurrent network that predicts the next values of a series, or of several that go together: it adds to a
    linear forecast what is not linear, where that helps.

    A series is an array (T,) or (T, F), or a DataFrame or a Series of pandas, with finite numbers that are evenly
    spaced in time; all of its columns are read and predicted. The last part of it is held out for validation.

    `score` compares the steps that follow the series of `fit` with what is predicted for them, so that
    `cross_val_score(Forecaster(24, 12), series, cv=TimeSeriesSplit())` works.

    Args:
        context_length: steps that the network reads.
        horizon: H, steps that it predicts at once.
        model: lstm, gru or rnn.
        epochs: how often all windows are seen.
        batch_size: windows a step.
        learning_rate, weight_decay: of AdamW.
        validation_fraction: of the series, by which the best epoch is chosen; 0 for none, and the last epoch.
        random_state: decides all random numbers.
    """

    task = "forecasting"

    def __init__(
        self,
        context_length: int = 96,
        horizon: int = 24,
        *,
        model: str = "lstm",
        epochs: int | None = None,
        batch_size: int = 64,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = None,
    ) -> None:
        self.context_length = context_length
        self.horizon = horizon
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # rows of it are no examples
        tags.input_tags.one_d_array = True
        return tags

    def fit(self, X: Any, y: Any = None) -> Forecaster:
        """Train on a series (T,) or (T, F); y is not used.

        Raises:
            ValueError: it is no series, or too short.
        """
        fraction = check.fraction("validation_fraction", float(self.validation_fraction), one=False)
        context = check.whole("context_length", int(self.context_length))
        horizon = check.whole("horizon", int(self.horizon))
        with value_errors():
            series = self._inputs(X, reset=True)
            val = max(round(fraction * len(series)), horizon) if fraction else 0
            ends = {"train": len(series) - val, **({"val": len(series)} if val else {})}
            if ends["train"] < context + horizon:
                fault = f"{len(series)} steps, of which {val} are for validation, are too few for"
                raise ValueError(f"{fault} context_length={context} and horizon={horizon}; give smaller ones")
            known = series[: ends["train"]]
            names = [*map(str, getattr(self, "feature_names_in_", [f"x{place}" for place in range(series.shape[1])]))]
            means, stds = known.mean(axis=0), known.std(axis=0)
            for name, std in zip(names, stds):
                if not std > 0:
                    raise ValueError(f"column {name!r} never changes in the part that is trained on; remove it")
            scales = tuple(names), tuple(means.tolist()), tuple(stds.tolist())
            spec = Spec(Series(*scales, context_length=context), Forecast(*scales, horizon))
            splits, begin = {}, context
            for split, end in ends.items():
                splits[split] = windows(torch.tensor(series), begin, end, context, spec.output)
                begin = end
            self._train(spec, splits, self._seed())
            self._last = series[-context:]
        return self

    def predict(self, horizon: int | None = None, *, context: Any = None) -> np.ndarray:
        """The next values: (H,) of a series (T,), (H, F) of several.

        Args:
            horizon: how many steps; None for the horizon of the estimator. More of them follow from what is predicted
                for the first.
            context: the steps after which they come, (T,) or (T, F); None for the series of `fit`.

        Raises:
            ValueError: the number or the context is not what it should be.
        """
        check_is_fitted(self)
        output: Any = self.artefact_.spec.output
        try:
            steps = output.horizon if horizon is None else check.whole("horizon", operator.index(horizon))
        except TypeError as error:
            raise ValueError("predict takes a number of steps, such as predict(12)") from error
        known = self._last if context is None else self._inputs(context, reset=False)
        found = known
        while len(found) - len(known) < steps:
            column = torch.tensor(found[-int(self.context_length) :])[None].float()
            following = output.restore(output.central(torch.from_numpy(self._outputs(column)))).numpy()[0]
            found = np.concatenate([found, following])
        following = found[len(known) :][:steps]
        return following[:, 0] if self._single else following

    def score(self, X: Any, y: Any = None) -> float:
        """R² of what is predicted for the steps X (T,) or (T, F) that follow the series of `fit`."""
        check_is_fitted(self)
        true = self._inputs(X, reset=False)
        return float(r2_score(true, self.predict(len(true)).reshape(true.shape)))

    def _inputs(self, X: Any, *, reset: bool) -> np.ndarray:
        """A series as float64 (T, F)."""
        single = getattr(X, "ndim", 2) == 1 or (isinstance(X, list) and not hasattr((X or [0])[0], "__len__"))
        if single:
            X = X.to_frame() if hasattr(X, "to_frame") else np.asarray(X)[:, None]
        if reset:
            self._single = single
        return finite_numbers(self, X, reset=reset, least=1, advice="give numbers, and fill gaps first")

    def _learn(self, inputs: Any) -> Any:
        raise NotImplementedError

    def _encode(self, inputs: Any, described: Any) -> Any:
        raise NotImplementedError


def windows(series: Tensor, begin: int, end: int, context_length: int, forecast: Any) -> Examples:
    """The windows of a series (T, F) whose steps to predict lie from `begin` on and before `end`."""
    first = torch.arange(begin, end - forecast.horizon + 1)[:, None]
    contexts = series[first - context_length + torch.arange(context_length)].float()
    return Examples(contexts, forecast.standardise(series[first + torch.arange(forecast.horizon)]))
