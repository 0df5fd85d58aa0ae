"""Data that is given in Python: a DataFrame, rows of numbers with targets, and images with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.splits import random_split, split_fractions
from zoo.data.core.table_data import TableData
from zoo.data.core.targets import TARGET_KINDS, Targets
from zoo.errors import DataError
from zoo.files import quoted
from zoo.spec import Image, Spec
from zoo.spec.cells import plain_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MIN_IMAGES = 3  # of each class: one a split


class Frame(TableData):
    """A pandas DataFrame that was given in Python.

    Args:
        frame: a row an example; names of columns are taken as text.
        target, target_kind, kinds, na_values, decimal, thousands, dates: as in `TableData`.
        batch_size, val_fraction, test_fraction, split_seed, split_by, group, weight: as there.

    Raises:
        DataError: this is no DataFrame, or two of its columns have one name.
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        frame: Any,
        target: str | Sequence[str] | None,
        *,
        target_kind: str = "auto",
        kinds: Mapping[str, str] | None = None,
        na_values: Sequence[str | float] = (),
        decimal: str | None = None,
        thousands: str | None = None,
        dates: str | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
        split_by: str | None = None,
        group: str | None = None,
        weight: str | None = None,
    ) -> None:
        super().__init__(
            target,
            target_kind=target_kind,
            kinds=kinds,
            na_values=na_values,
            decimal=decimal,
            thousands=thousands,
            dates=dates,
            batch_size=batch_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            split_by=split_by,
            group=group,
            weight=weight,
        )
        if not is_frame(frame):
            raise not_at_hand(frame)
        names = [str(name) for name in frame.columns]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise DataError(f"two columns of the DataFrame are called {quoted(twice)}; each has a name of its own")
        self.frame = plain_columns(frame.set_axis(names, axis=1))

    def read(self) -> pd.DataFrame:
        index = self.frame.index
        named = ", ".join(quoted(name) for name in index.names if name is not None)
        if named or index.dtype.kind not in "iu":  # one of whole numbers is left by a choice of rows
            named = f", {named}," if named else ""
            self.note(f"the DataFrame's index{named} is not learned from; frame.reset_index() makes it a column")
        return self.frame


class Arrays(Frame):
    """Rows of numbers with a target each, given in Python as arrays; the columns are called x0, x1, …

    Args:
        inputs: numbers (N, F); NaN is missing.
        targets: a class or a number each, (N,), or several, (N, K); they are called target, or target0, target1, …
        target_kind, batch_size, val_fraction, test_fraction, split_seed: as in `TableData`.

    Raises:
        DataError: these are no such arrays, or not of one length.
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        *,
        target_kind: str = "auto",
        batch_size: int = 64,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        import pandas as pd

        numbers, columns = array(inputs, "inputs"), labels_of(targets, "targets")
        if numbers.ndim != 2 or numbers.dtype.kind not in "biuf":
            raise DataError(f"rows of a table are numbers N x F, not {_told(numbers)}; text goes into a DataFrame")
        check_lengths(numbers, "rows", columns, "targets")
        frame = pd.DataFrame(numbers, columns=[f"x{place}" for place in range(numbers.shape[1])])
        learned = named_columns(columns, "target")
        super().__init__(
            frame.assign(**learned),
            list(learned) if len(learned) > 1 else "target",
            target_kind=target_kind,
            batch_size=batch_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )


class ImageArrays(DataModule):
    """Images with a label each, several or values, given in Python as arrays. The random split is stratified by class.

    Args:
        images: (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3: uint8, or floats in 0..1.
        labels: a whole number or a text each (N,), which are classes; fractions (N,) or (N, V), which are values; or 0
            and 1 for each of several labels (N, K).
        target_kind: `classes`, `labels`, `values`, or `auto`, which goes by the type of the labels.
        batch_size, augment: as in `DataModule`.
        val_fraction, test_fraction: fractions of the images, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        DataError: these are no such arrays, they are not of one length, or a class has fewer than three images.
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        target_kind: str = "auto",
        batch_size: int = 64,
        augment: Callable[[Tensor], Tensor] | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)
        given, told = array(images, "images"), labels_of(labels, "labels")
        check_lengths(given, "images", told, "labels")
        self.images = pixels(given)
        self.targets = _targets(told, check.one_of("target_kind", target_kind, TARGET_KINDS))

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        groups = self.targets.codes.tolist() if self.targets.kind == "classes" else None
        rows = random_split(len(self.images), self.fractions, self.split_seed, groups=groups)
        output = self.targets.output(rows["train"])
        targets = self.targets.encoded(output)
        splits = {split: Examples(self.images[chosen], targets[chosen]) for split, chosen in rows.items()}
        mean, std = pixel_statistics(self.images[rows["train"]])
        channels, height, width = self.images.shape[1:]
        return Spec(Image(channels, height, width, mean, std), output), splits


def is_frame(data: Any) -> bool:
    """Whether it is a pandas DataFrame; pandas itself is not imported for the answer."""
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas" for kind in type(data).__mro__
    )


def not_at_hand(given: Any) -> DataError:
    """What a source of this file says where a config or a recipe asks for it, which holds a description alone."""
    if isinstance(given, str):
        return DataError(
            f"the data was given in Python ({quoted(given)}), and cannot be had again from its description"
        )
    return DataError(f"data of Python is wanted, as in zoo.train(data=…), not {quoted(given)}")


def array(given: Any, name: str) -> np.ndarray:
    """What is given as an array of NumPy.

    Raises:
        DataError: it is none, or the arrays in a list differ in shape.
    """
    import numpy as np

    if isinstance(given, str) or given is None:
        raise not_at_hand(given)
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float() if given.dtype == torch.bfloat16 else given  # NumPy has no such type
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} make no array: {' '.join(str(error).split())}") from error


def pixels(images: Any) -> Tensor:
    """Images that are given as an array, as `ImageArrays` takes them, as uint8 (N, C, H, W).

    Raises:
        DataError: they are no such array.
    """
    return _channels_first(_bytes(array(images, "images")))


def labels_of(given: Any, name: str) -> np.ndarray:
    """Labels or targets (N,), or several of each example (N, K)."""
    labels = array(given, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2) or 0 in labels.shape[1:]:
        raise DataError(f"{name} are one an example, (N,), or several, (N, K), not {_told(labels)}")
    return labels


def named_columns(columns: np.ndarray, name: str, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Targets (N,) or (N, K) by their names."""
    if columns.ndim == 1:
        return {names[0] if names else name: columns}
    return dict(zip(names or [f"{name}{place}" for place in range(columns.shape[1])], columns.T))


def _targets(labels: np.ndarray, kind: str) -> Targets:
    """What is to be learned of each image.

    Raises:
        DataError: the labels are of no such kind.
    """
    if kind == "classes" or (kind == "auto" and labels.ndim == 1 and labels.dtype.kind != "f"):
        return Targets("classes", *_classes(labels))
    if labels.dtype.kind not in "biuf":
        raise DataError(f"several labels or values of an image are numbers (N, K), not {_told(labels)}")
    numbers = torch.from_numpy(labels.astype("float64")).reshape(len(labels), -1)
    if not numbers.isfinite().all():
        row = int((~numbers.isfinite()).any(dim=1).int().argmax())
        raise DataError(f"labels, row {row}: {numbers[row].tolist()} is not finite")
    names = tuple(named_columns(labels, "label" if kind == "labels" else "value"))
    marked = bool(((numbers == 0) | (numbers == 1)).all())
    if kind == "labels" and not marked:
        raise DataError("several labels of an image are 0 and 1 (N, K)")
    if kind == "labels" or (kind == "auto" and labels.ndim == 2 and marked):
        return Targets("labels", tuple(named_columns(labels, "label")), numbers.to(torch.uint8))
    return Targets("values", names, numbers)


def check_lengths(inputs: Any, of: str, labels: np.ndarray, name: str) -> None:
    if inputs.ndim == 0 or len(inputs) != len(labels):
        count = 0 if inputs.ndim == 0 else len(inputs)
        raise DataError(f"{count} {of} and {len(labels)} {name}; there is one of each for an example")


def _bytes(images: np.ndarray) -> np.ndarray:
    """Images as uint8."""
    import numpy as np

    if images.dtype.kind == "f":
        low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
        if not (low >= 0 and high <= 1):  # NaN fails too
            raise DataError(f"float images lie in 0..1, not {low:g}..{high:g}")
        return (images * 255).round().astype(np.uint8)
    if images.dtype == bool:
        return images.astype(np.uint8) * 255
    if images.dtype != np.uint8:
        raise DataError(f"images are uint8 (0..255) or floats (0..1), not {images.dtype}")
    return images


def _channels_first(images: np.ndarray) -> Tensor:
    """Images as (N, C, H, W)."""
    shape = images.shape
    if images.ndim == 3:
        first = images[:, None]
    else:
        before, after = (images.ndim == 4 and shape[place] in (1, 3) for place in (1, 3))
        if before and after:
            raise DataError(f"images of {_told(images)} may have their channels first or last; give N x H x W x 3 ones")
        if not (before or after):
            raise DataError(
                f"images are N x H x W, or N x H x W x C or N x C x H x W with C 1 or 3; got {_told(images)}"
            )
        first = images if before else images.transpose(0, 3, 1, 2)
    if 0 in shape:
        raise DataError(f"images of {_told(images)} have no pixels")
    return torch.tensor(first).contiguous()  # a copy, which nobody else writes to


def _classes(labels: np.ndarray) -> tuple[tuple[str, ...], Tensor]:
    """The classes' names in order, numbers by value, and the class of each label (N,)."""
    import numpy as np

    if labels.ndim != 1:
        raise DataError(f"classes are one an image, (N,), not {_told(labels)}")
    texts = labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels)
    if labels.dtype.kind not in "biuU" and not texts:
        odd = next((label for label in labels if not isinstance(label, str)), labels.dtype)
        raise DataError(f"labels are whole numbers or texts, not {quoted(odd)} ({labels.dtype})")
    names, codes, counts = np.unique(labels.astype(str) if texts else labels, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise DataError(f"all images have the same label: {', '.join(map(quoted, names.tolist())) or 'none'}")
    if counts.min() < MIN_IMAGES:
        rare = quoted(names[counts.argmin()].item())
        raise DataError(f"label {rare} has {counts.min()} images; each needs at least {MIN_IMAGES}, one for each split")
    return tuple(map(str, names.tolist())), torch.from_numpy(codes.reshape(-1)).long()


def pixel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images (N, C, H, W), with pixels scaled to 0..1."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images.unbind(1):
        shares = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
        means.append(float(shares @ levels))
        stds.append(float((shares @ (levels - means[-1]).square()).sqrt()))
    if min(stds) == 0:
        raise DataError("all pixels of the training images are the same; there is nothing to learn from")
    return tuple(means), tuple(stds)


def _told(given: np.ndarray) -> str:
    return f"{' x '.join(map(str, given.shape)) or 'a single value'} ({given.dtype})"
