"""Sequences of numbers and of pictures, and a label for each of their steps.

Shape letters: B batch, T steps, F numbers in each, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError
from zoo.spec.files import read_table
from zoo.spec.image import Image
from zoo.spec.table import Values

if TYPE_CHECKING:
    import numpy as np

MAX_NUMBERS = 2**26  # of a padded batch


@dataclass(frozen=True)
class Series(Values):
    """Numbers over time, held as float32 (T, F) in their own units and given to the network standardised.

    Args:
        names: of the F numbers.
        mean, std: of each, in the training split.

    Raises:
        SpecError: no name, a name twice, or statistics that do not fit.
    """

    word: ClassVar[str] = "series"
    takes: ClassVar[tuple[str, ...]] = ("series",)
    example: ClassVar[str] = "numpy.array([[1.0], [2.0]])"

    def encode(self, raw: Any) -> Tensor:
        """Turn numbers into float32 (T, F).

        Args:
            raw: an array (T, F), or (T,) where F is 1; a DataFrame with those columns, or the path of such a CSV file.

        Raises:
            SpecError: it is of another shape, empty, or holds something else than finite numbers.
            DataError: the file cannot be read.
        """
        import numpy as np

        if isinstance(raw, (str, os.PathLike)):
            raw = read_table(raw)
        if hasattr(raw, "columns"):
            for name in self.names:
                if name not in raw.columns:
                    raise SpecError(f"the table has no column {name}; its columns must be: {', '.join(self.names)}")
            raw = raw[list(self.names)]
        try:
            array = np.asarray(raw, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpecError(f"a series is an array of numbers: {error}") from error
        if array.ndim == 1 and len(self.names) == 1:
            array = array[:, None]
        if array.ndim != 2 or array.shape[1] != len(self.names):
            raise SpecError(
                f"a series is an array of steps x {len(self.names)} numbers ({', '.join(self.names[:5])}), "
                f"not {' x '.join(map(str, array.shape)) or 'one number'}"
            )
        if len(array) == 0:
            raise SpecError("the series is empty; give at least one step")
        with np.errstate(over="ignore"):
            array = array.astype(np.float32, copy=True)
        if not np.isfinite(array).all():
            step, column = np.argwhere(~np.isfinite(array))[0]
            raise SpecError(f"step {step + 1} of the series has no finite {self.names[column]}; fill gaps first")
        return torch.from_numpy(array)

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
        names: of the V values.
        mean, std: of each, in the training split.
        horizon: H, at least 1.

    Raises:
        SpecError: names or statistics that do not fit, or an impossible horizon.
    """

    word: ClassVar[str] = "forecast"

    horizon: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.horizon) is not int or self.horizon < 1:
            raise SpecError(f"horizon must be a whole number of at least 1, not {self.horizon!r}")

    def decode(self, output: Tensor) -> list[dict[str, Any]]:
        """Turn a network's output (B, H, V) into B answers: for each value a list of the next H, in its own unit."""
        columns = self.restore(output).transpose(1, 2).tolist()  # B, V, H
        return [dict(zip(self.names, values)) for values in columns]


@dataclass(frozen=True)
class Video:
    """Pictures of one size in a row, held as uint8 (T, C, H, W) and given to the network as normalised floats.

    Args:
        channels: 1 (grey) or 3 (RGB).
        height, width: pixels.
        mean, std: one number a channel, of the training split, with pixels scaled to 0..1.

    Raises:
        SpecError: where one of them is impossible.
    """

    word: ClassVar[str] = "video"
    takes: ClassVar[tuple[str, ...]] = ("video",)
    example: ClassVar[str] = '"video.gif"'

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        image = self.image  # which checks them
        image.size  # noqa: B018  # a video's pictures are of one size
        object.__setattr__(self, "mean", image.mean)
        object.__setattr__(self, "std", image.std)

    @cached_property
    def image(self) -> Image:
        """One of its pictures, as an `Image`."""
        return Image(self.channels, self.height, self.width, self.mean, self.std)

    def encode(self, raw: str | os.PathLike[str] | np.ndarray) -> Tensor:
        """Turn a video into uint8 (T, C, H, W); each picture is resized and its colours converted to fit.

        Args:
            raw: the path of an animated picture (GIF, WebP, APNG, TIFF), or an array T x H x W or T x H x W x C, uint8
                0..255 or float 0..1.

        Raises:
            SpecError: it cannot be read, or is no video.
        """
        image = self.image
        return torch.stack([image.encode(picture) for picture in _pictures(raw)])  # one at a time in its own size

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B videos, each (T, C, H, W), into (B, T, C, H, W), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        return padded(encoded)

    def prepare(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Turn uint8 (B, T, C, H, W) into normalised float32, with lengths (B,), as the network takes it."""
        pictures, lengths = batch
        return self.image.prepare(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2]), lengths


@dataclass(frozen=True)
class Labels:
    """A label for each step, by name; the network gives logits (B, T, K) and lengths (B,).

    Raises:
        SpecError: fewer than two names, or a name twice.
    """

    word: ClassVar[str] = "labels"

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        from zoo.spec import Classes

        object.__setattr__(self, "names", Classes(self.names).names)

    def decode(self, output: tuple[Tensor, Tensor]) -> list[list[dict[str, Any]]]:
        """Turn logits (B, T, K) and lengths (B,) into B answers: for each step the label and its probability."""
        logits, lengths = output
        probabilities, codes = logits.double().softmax(dim=2).max(dim=2)
        return [
            [{"label": self.names[code], "probability": share} for code, share in zip(row[:length], shares)]
            for row, shares, length in zip(codes.tolist(), probabilities.tolist(), lengths.tolist())
        ]


def _pictures(raw: Any) -> Iterator[Any]:
    import PIL.Image
    import PIL.ImageSequence

    if isinstance(raw, (str, os.PathLike)):
        try:
            with PIL.Image.open(raw) as file:
                for picture in PIL.ImageSequence.Iterator(file):
                    yield picture.copy()
                return
        except FileNotFoundError:
            raise SpecError(f"no such video: {raw}") from None
        except Exception as error:  # each of Pillow's readers fails on damaged files in ways of its own
            raise SpecError(f"cannot read {raw} as an animated picture: {error}") from error
    if not hasattr(raw, "__array__") or getattr(raw, "ndim", 0) not in (3, 4):
        raise SpecError("a video is the path of an animated picture, or an array T x H x W or T x H x W x C")
    if len(raw) == 0:
        raise SpecError("the video has no pictures")
    yield from raw


def padded(encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """B sequences, each (T, …), as one batch (B, T, …) with 0 after their ends, and their lengths (B,)."""
    lengths = torch.tensor([len(example) for example in encoded])
    size = len(encoded) * int(lengths.max()) * encoded[0][0].numel()
    if size > MAX_NUMBERS:
        raise SpecError(
            f"{len(encoded)} sequences, the longest of {int(lengths.max()):,} steps, hold {size:,} numbers together, "
            f"and {MAX_NUMBERS:,} is the limit; give long ones one at a time, or in parts"
        )
    return pad_sequence(list(encoded), batch_first=True), lengths
