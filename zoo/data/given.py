"""Objects that are given in Python as data: which source takes them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils.data import Dataset

from zoo.data.arrays import array, check_lengths, is_frame, labels_of, named_columns
from zoo.errors import DataError
from zoo.files import quoted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def given_as(data: Any) -> tuple[str, dict[str, Any]]:
    """Which source (a file of conf/data) takes an object, and its arguments.

    Raises:
        DataError: none does.
    """
    if (frame := _as_frame(data)) is not None:
        return "frame", {"frame": frame}
    if isinstance(data, Dataset) and hasattr(data, "__len__"):
        data = _pairs(data)
    if not isinstance(data, tuple | list) or len(data) != 2:
        kinds = "a name, a DataFrame or rows of one, a pair of arrays (inputs, targets), a Dataset of PyTorch"
        raise DataError(f"data is {kinds}, or a data module of zoo.data, not {quoted(type(data).__name__)}")
    inputs, targets = data
    _refuse_texts(inputs)
    if (frame := _as_frame(inputs)) is not None:
        names = [str(name) for name in targets.columns] if is_frame(targets) else []
        columns = labels_of(targets, "targets")
        check_lengths(frame, "rows", columns, "targets")
        learned = named_columns(columns, str(getattr(targets, "name", None) or "target"), names)
        return "frame", {
            "frame": frame.assign(**learned),
            "target": [*learned] if len(learned) > 1 else next(iter(learned)),
        }
    rows = array(inputs, "inputs")
    if rows.ndim == 2:
        return "arrays", {"inputs": rows, "targets": targets}
    return "image_arrays", {"images": rows, "labels": targets}


def _as_frame(data: Any) -> pd.DataFrame | None:
    """A DataFrame, another library's table, a list of dicts, a dict of columns or an array with names as a DataFrame;
    None for what is none of these."""
    if is_frame(data):
        found: pd.DataFrame = data
        return found
    if hasattr(data, "to_pandas"):  # of Arrow, Polars and others
        return _as_frame(data.to_pandas())
    is_rows = isinstance(data, list) and len(data) > 0 and all(isinstance(row, dict) for row in data)
    if not is_rows and not isinstance(data, dict) and getattr(getattr(data, "dtype", None), "names", None) is None:
        return None
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except ValueError as error:
        raise DataError(f"data makes no table: {' '.join(str(error).split())}") from error


def _pairs(data: Any) -> tuple[np.ndarray, list[Any]]:
    """The inputs and the targets of a dataset of PyTorch, whose items are pairs.

    Raises:
        DataError: they are not, or its inputs differ in shape.
    """
    import numpy as np

    items = [data[place] for place in range(len(data))]
    if not items or not all(isinstance(item, tuple | list) and len(item) == 2 for item in items):
        raise DataError(
            f"the items of a dataset are pairs (input, target), not {describe(items[0]) if items else 'none'}"
        )
    _refuse_texts([item[0] for item in items])
    inputs = [array(item[0], "an input") for item in items]
    if len(shapes := {one.shape for one in inputs}) > 1:
        raise DataError(f"the inputs of a dataset have one shape, not {quoted(sorted(shapes))}")
    return np.stack(inputs), [item[1].tolist() if isinstance(item[1], Tensor) else item[1] for item in items]


def _refuse_texts(inputs: Any) -> None:
    """Say where texts with labels, or the names of files, go: neither makes an array of numbers.

    Raises:
        DataError: these are such.
    """
    one_each = isinstance(inputs, list | tuple) or getattr(inputs, "ndim", 0) == 1
    if one_each and len(inputs) > 0 and isinstance(next(iter(inputs)), str | os.PathLike):
        raise DataError(
            "a list of texts with labels goes to zoo.estimators.TextClassifier().fit(texts, labels), or as a CSV file "
            'to data="csv_text"; names of images go with their labels into a labels.csv, for data="image_folder"'
        )


def describe(given: Any) -> str:
    """An object in a few words: `DataFrame 60 x 5`; a name is its own."""
    if isinstance(given, str):
        return given
    shape = getattr(given, "shape", None)
    if shape is None:
        return f"{type(given).__name__} {len(given)}" if hasattr(given, "__len__") else type(given).__name__
    return f"{type(given).__name__} {' x '.join(map(str, shape))}"
