"""Series of numbers, videos, and labels for their steps.

Shape letters: B batch, T steps, F numbers a step, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError
from zoo.spec.cells import PLAIN, Notation, numbers
from zoo.spec.dialect import Dialect, dialect_from
from zoo.spec.files import read_table
from zoo.spec.image import Image
from zoo.spec.image_files import frames_of
from zoo.spec.kind import InputKind
from zoo.spec.values import Values

if TYPE_CHECKING:
    import numpy as np

MAX_NUMBERS = 2**26  # in a padded batch


@dataclass(frozen=True)
class Series(Values, InputKind):
    """Numbers over time, stored as float32 (T, F) in their own units and given to the network standardised.

    Args:
        names: names of the F numbers.
        mean, std: statistics of each number in the training split.
        notations: how each number is written in files, as in `zoo.spec.cells.Notation`; none for plain ones.
        filled: whether a number that is missing is the one before it, as in training.
        id: the column of a file that tells several series apart; "" for none.
        dialect: of the file that was learned from; similar files are read alike.

    Raises:
        SpecError: there is no name, a name occurs twice, or the statistics or notations do not fit.
    """

    word: ClassVar[str] = "series"
    takes: ClassVar[tuple[str, ...]] = ("series",)

    notations: tuple[Notation, ...] = ()
    filled: bool = False
    id: str = ""
    dialect: Dialect | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = [tuple(notation) for notation in self.notations]
        if not all(len(part) == 3 and all(isinstance(text, str) for text in part) for part in parts):
            raise SpecError("a notation of a series has a decimal, a sign between thousands and a unit")
        if len(parts) not in (0, len(self.names)):
            raise SpecError("a series has a notation for each of its numbers, or none")
        if not isinstance(self.filled, bool) or not isinstance(self.id, str):
            raise SpecError("whether a series is filled is true or false, and its id the name of a column")
        object.__setattr__(self, "notations", tuple(Notation(*part) for part in parts))
        object.__setattr__(self, "dialect", dialect_from(self.dialect))

    def example(self) -> str:
        columns = [(mean - std, mean, mean + std) for mean, std in zip(self.mean, self.std)]
        return repr({name: [float(f"{x:.4g}") for x in column] for name, column in zip(self.names, columns)})

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[np.ndarray]:
        return (random.normal(self.mean, self.std, (length, len(self.names))),)

    def encode(self, raw: Any) -> Tensor:
        """Turn numbers into float32 (T, F).

        Args:
            raw: an array (T, F), or (T,) if F is 1; or columns by name: a dict of lists, a DataFrame, or the path of a
                CSV file.

        Raises:
            SpecError: it has another shape, is empty, or holds anything but finite numbers.
            DataError: the file cannot be read.
        """
        import numpy as np
        import pandas as pd

        if isinstance(raw, (str, os.PathLike)):
            raw = read_table(raw, like=self.dialect, names=self.names)
        by_name = isinstance(raw, Mapping) or hasattr(raw, "columns")
        for name in self.names if by_name else ():
            if name not in raw:
                raise SpecError(f"the table has no column {name}; its columns must be: {', '.join(self.names)}")
        if hasattr(raw, "columns") and self.id and self.id in raw and raw[self.id].nunique() > 1:
            few = ", ".join(map(str, raw[self.id].unique()[:3]))
            raise SpecError(f"these are several series, told apart by '{self.id}' ({few}, …); give one of them")
        try:
            columns = np.stack(self._columns(raw), axis=1) if by_name else raw
            array = np.asarray(columns, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpecError(f"a series is an array of numbers: {error}") from error
        if array.ndim == 1 and len(self.names) == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != len(self.names):
            raise SpecError(
                f"a series is an array of steps x {len(self.names)} numbers ({', '.join(self.names[:5])}), "
                f"not {' x '.join(map(str, array.shape)) or 'a number'}"
            )
        if len(array) == 0:
            raise SpecError("the series is empty; give at least one step")
        if self.filled:
            array = pd.DataFrame(array).ffill().bfill().to_numpy()
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=True)
        if not np.isfinite(array).all():
            step, column = np.argwhere(~np.isfinite(array))[0]
            raise SpecError(f"step {step + 1} of the series has no finite {self.names[column]}; fill gaps first")
        return torch.from_numpy(array)

    def _columns(self, raw: Any) -> list[Any]:
        """The numbers by name; text of a table is read as in training."""
        columns = []
        for name, notation in zip(self.names, self.notations or [PLAIN] * len(self.names)):
            cells = raw[name]
            is_text = hasattr(cells, "astype") and cells.dtype.kind in "OU"
            columns.append(numbers(cells, name, notation) if is_text else cells)
        return columns

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B series, each (T, F), into (B, T, F), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        return padded(encoded)

    def prepare(self, batch: Any) -> Any:
        """Standardise (B, T, F), with lengths beside it or not, as the network takes it."""
        if isinstance(batch, Tensor):
            return self.standardise(batch)
        series, lengths = batch
        return self.standardise(series), lengths


@dataclass(frozen=True)
class Forecast(Values):
    """The values of the next H steps; the network gives them standardised, as (B, H, V).

    Args:
        names: names of the V values.
        mean, std: statistics of each value in the training split.
        horizon: H, at least 1.

    Raises:
        SpecError: the names or the statistics do not fit, or the horizon is impossible.
    """

    word: ClassVar[str] = "forecast"

    horizon: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.horizon) is not int or self.horizon < 1:
            raise SpecError(f"horizon must be a whole number of at least 1, not {self.horizon!r}")

    def decode(self, output: Tensor) -> list[dict[str, Any]]:
        """Turn a network's output (B, H, V) into B answers: for each value a list of its next H, in its own unit."""
        columns = self.restore(output).transpose(1, 2).tolist()  # B, V, H
        return [dict(zip(self.names, values)) for values in columns]


@dataclass(frozen=True)
class Video(InputKind):
    """Frames of one size, stored as uint8 (T, C, H, W) and given to the network as normalised floats.

    Args:
        channels: 1 (grey) or 3 (RGB).
        height, width: pixels of a frame.
        mean, std: statistics of each channel in the training split, with pixels scaled to 0..1.

    Raises:
        SpecError: an argument is impossible.
    """

    word: ClassVar[str] = "video"
    takes: ClassVar[tuple[str, ...]] = ("video",)
    reads_files: ClassVar[bool] = True

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        image = self.image  # checks the arguments
        image.size  # noqa: B018  # frames have one size
        object.__setattr__(self, "mean", image.mean)
        object.__setattr__(self, "std", image.std)

    @cached_property
    def image(self) -> Image:
        """The description of a frame."""
        return Image(self.channels, self.height, self.width, self.mean, self.std)

    def example(self) -> str:
        return '"video.gif"'

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[np.ndarray]:
        return (random.integers(0, 256, (length, self.height, self.width, self.channels), dtype="uint8"),)

    def encode(self, raw: str | os.PathLike[str] | bytes | np.ndarray) -> Tensor:
        """Turn a video into uint8 (T, C, H, W), with the size and the channels of this spec.

        Args:
            raw: the path or the bytes of an animated image (GIF, WebP, APNG, TIFF), or an array T x H x W or
                T x H x W x C, uint8 0..255 or float 0..1.

        Raises:
            SpecError: it cannot be read, or is not a video.
        """
        image = self.image
        return torch.stack([image.encode(frame) for frame in _frames(raw)])  # one at a time, as large as it is

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B videos, each (T, C, H, W), into (B, T, C, H, W), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        return padded(encoded)

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Turn uint8 (B, T, C, H, W) into normalised float32, with lengths (B,), as the network takes it."""
        frames, lengths = batch
        prepared = self.image.prepare(frames.flatten(0, 1))
        return prepared.reshape(*frames.shape[:2], self.channels, self.height, self.width), lengths


@dataclass(frozen=True)
class Labels:
    """One of K named classes for each step; the network gives logits (B, T, K) and lengths (B,).

    Raises:
        SpecError: there are fewer than two names, or a name occurs twice.
    """

    word: ClassVar[str] = "labels"

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        from zoo.spec import Classes

        object.__setattr__(self, "names", Classes(self.names).names)

    def decode(self, output: tuple[Tensor, Tensor]) -> list[list[dict[str, Any]]]:
        """Turn logits (B, T, K) and lengths (B,) into B answers: the label of each step and its probability."""
        logits, lengths = output
        probabilities, codes = logits.double().softmax(dim=2).max(dim=2)
        return [
            [{"label": self.names[code], "probability": p} for code, p in zip(row[:length], likelihoods)]
            for row, likelihoods, length in zip(codes.tolist(), probabilities.tolist(), lengths.tolist())
        ]


def _frames(raw: Any) -> Iterator[Any]:
    if isinstance(raw, (str, os.PathLike, bytes)):
        yield from frames_of(raw)
        return
    if not hasattr(raw, "__array__") or getattr(raw, "ndim", 0) not in (3, 4):
        raise SpecError("a video is the path of an animated image, or an array T x H x W or T x H x W x C")
    if len(raw) == 0:
        raise SpecError("the video has no frames")
    yield from raw


def padded(encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """B sequences, each (T, …), as one batch (B, T, …), padded with 0, and their lengths (B,)."""
    lengths = torch.tensor([len(example) for example in encoded])
    size = len(encoded) * int(lengths.max()) * encoded[0][0].numel()
    if size > MAX_NUMBERS:
        raise SpecError(
            f"{len(encoded)} sequences, the longest of {int(lengths.max()):,} steps, take {size:,} numbers together; "
            f"the limit is {MAX_NUMBERS:,}; give long sequences one at a time, or in parts"
        )
    return pad_sequence(list(encoded), batch_first=True), lengths
