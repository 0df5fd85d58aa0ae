"""Rows of a table: a DataFrame with columns of any kind, or an array of numbers.

Shape letters: N rows, F columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data
from torch import Tensor

from zoo.data.arrays import is_frame
from zoo.data.core.kinds import Kind
from zoo.data.core.table_spec import learn
from zoo.estimators.estimator import Estimator, finite_numbers
from zoo.spec import Input

if TYPE_CHECKING:
    import pandas as pd

MIN_ROWS = 2  # one has no spread
ADVICE = "give a DataFrame, which may have missing cells and categories, or put an imputer or encoder before"


class TableEstimator(Estimator):
    """An estimator of rows.

    A DataFrame may have categories, booleans, dates, and missing cells, as tables on the command line. An array holds
    finite numbers.
    """

    _names: list[str]

    def _inputs(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Rows as a DataFrame whose columns have the names of the spec."""
        import pandas as pd

        least = MIN_ROWS if reset else 1
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            check_array(np.zeros(X.shape), ensure_min_samples=least, estimator=self)
            cells = X
        else:
            cells = finite_numbers(self, X, reset=reset, least=least, advice=ADVICE)
        if reset:
            columns = X.columns if is_frame(X) else getattr(self, "feature_names_in_", None)
            self._names = [f"x{place}" for place in range(cells.shape[1])] if columns is None else [*map(str, columns)]
        if len(set(self._names)) < len(self._names):
            raise ValueError("two columns of the DataFrame have one name; each has a name of its own")
        return cells.set_axis(self._names, axis=1) if is_frame(cells) else pd.DataFrame(cells, columns=self._names)

    def _learn(self, inputs: pd.DataFrame) -> Input:
        plain = {name: Kind("number") for name in inputs.columns if inputs[name].dtype.kind == "f"}
        found = plain if len(plain) == inputs.shape[1] else None  # to find them is slow
        return learn(inputs, (), classes=False, kinds=found).input

    def _encode(self, inputs: pd.DataFrame, described: Any) -> Tensor:
        column: Tensor = described.encode(inputs)
        return column
