"""Series of numbers, videos, and labels for their steps.

Shape letters: B batch, T steps, H steps to come, F numbers a step, K of the calendar, G known ahead, V values, Q
quantiles, C channels or features, H and W height and width of a frame, K classes of labels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from zoo.errors import SpecError
from zoo.spec.calibration import UNCALIBRATED, Calibration
from zoo.spec.cells import Notation
from zoo.spec.clock import Clock, clock_from
from zoo.spec.dialect import Dialect, dialect_from
from zoo.spec.image import Image
from zoo.spec.image_files import frames_of
from zoo.spec.kind import InputKind
from zoo.spec.series_parts import Part, parts_of
from zoo.spec.values import ENDS, Values

if TYPE_CHECKING:
    import numpy as np

MAX_NUMBERS = 2**26  # in a padded batch


@dataclass(frozen=True)
class Series(Values, InputKind):
    """Numbers over time, stored as float32 (T, F) in their own units and given to the network standardised.

    With a `context_length` T, it is the context of a forecast: the last T steps, and where something is known of the
    H steps that follow, these too, (T + H, F + K), with K numbers of the calendar.

    Args:
        names: names of the F numbers.
        mean, std: statistics of each number in the training split.
        log: as in `Values`.
        notations: how each number is written in files, as in `zoo.spec.cells.Notation`; none for plain ones.
        filled: whether a number that is missing is the one before it, as in training.
        id: the column of a file that tells several series apart, or several columns; "" for none.
        dialect: of the file that was learned from; similar files are read alike.
        context_length: T, steps that the network reads; 0 for any number of them.
        horizon: H, steps after the context of which something is known; 0 for none.
        future: names among the F that are known of the steps to come; all others are known of the past alone.
        masked: whether a number may be missing, NaN: the network is told that it is, and takes the one before it.
        clock: of the times; None for a series without.

    Raises:
        SpecError: there is no name, a name occurs twice, or the statistics or other arguments do not fit.
    """

    word: ClassVar[str] = "series"
    takes: ClassVar[tuple[str, ...]] = ("series",)

    notations: tuple[Notation, ...] = ()
    filled: bool = False
    id: str | tuple[str, ...] = ""
    dialect: Dialect | None = None
    context_length: int = 0
    horizon: int = 0
    future: tuple[str, ...] = ()
    masked: bool = False
    clock: Clock | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = [tuple(notation) for notation in self.notations]
        if not all(len(part) == 3 and all(isinstance(text, str) for text in part) for part in parts):
            raise SpecError("a notation of a series has a decimal, a sign between thousands and a unit")
        if len(parts) not in (0, len(self.names)):
            raise SpecError("a series has a notation for each of its numbers, or none")
        if not all(isinstance(flag, bool) for flag in (self.filled, self.masked)) or not _are_names(self.id):
            raise SpecError("whether a series is filled or masked is true or false, and its id the name of a column")
        object.__setattr__(self, "id", self.id if isinstance(self.id, str) else tuple(self.id))
        object.__setattr__(self, "notations", tuple(Notation(*part) for part in parts))
        object.__setattr__(self, "dialect", dialect_from(self.dialect))
        object.__setattr__(self, "clock", clock_from(self.clock))
        if not isinstance(self.future, (list, tuple)) or not set(self.future) <= set(self.names):
            raise SpecError(f"what is known of the steps to come is among {', '.join(self.names[:5])}")
        object.__setattr__(self, "future", tuple(self.future))
        if any(type(length) is not int or length < 0 for length in (self.context_length, self.horizon)):
            raise SpecError("the lengths of a context and of a horizon are whole numbers")
        if not self.context_length and (self.horizon or self.masked):
            raise SpecError("a series with a horizon or a mask has a context_length")
        if bool(self.horizon) != bool(self.known):
            raise SpecError("a series has a horizon where something is known of it, and only there")

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns that tell several series apart."""
        return self.id if isinstance(self.id, tuple) else (self.id,) if self.id else ()

    @property
    def known(self) -> int:
        """G, how many numbers are known of each step to come."""
        return len(self.future) + (self.clock.width if self.clock else 0)

    @property
    def features(self) -> int:
        """C, how many numbers the network is given for each step of the past."""
        return len(self.names) * (1 + self.masked) + (self.clock.width if self.clock else 0)

    def example(self) -> str:
        if self.context_length and self.clock:
            return '"series.csv"'
        columns = self.restore(torch.tensor([[-1.0], [0.0], [1.0]]).expand(3, len(self.names))).T.tolist()
        shown = {name: [float(f"{x:.4g}") for x in column] for name, column in zip(self.names, columns)}
        if self.context_length <= 3:
            return repr(shown)
        times = math.ceil(self.context_length / 3)
        return "{" + ", ".join(f"{name!r}: {numbers} * {times}" for name, numbers in shown.items()) + "}"

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[Any]:
        import numpy as np

        numbers = self._sample(random, self.context_length or length)
        if not self.horizon:
            return (numbers,)
        assert self.clock is not None or self.future
        steps = self.context_length + self.horizon
        numbers = self._sample(random, steps)
        missing = [place for place, name in enumerate(self.names) if name not in self.future]
        numbers[self.context_length :, missing] = np.nan
        table: dict[str, Any] = dict(zip(self.names, numbers.T))
        return ({**self.clock.sample(steps), **table} if self.clock else table,)

    def _sample(self, random: np.random.Generator, steps: int) -> np.ndarray:
        numbers = torch.from_numpy(random.normal(self.mean, self.std, (steps, len(self.names))))
        return self.raise_logs(numbers).numpy()

    def encode(self, raw: Any) -> Tensor:
        """Turn numbers into float32 (T, F), or (T + H, F + K).

        Args:
            raw: an array (T, F), or (T,) if F is 1; or columns by name: a dict of lists, a DataFrame, or the path of a
                CSV file. Of a longer one, the last steps are taken.

        Raises:
            SpecError: it has another shape, is empty, or holds anything but finite numbers.
            DataError: the file cannot be read.
        """
        parts = self.parts(raw)
        if len(parts) > 1:
            few = ", ".join(" ".join(map(str, part.id.values())) for part in parts[:3])
            raise SpecError(
                f"these are several series, told apart by '{', '.join(self.ids)}' ({few}, …); give one of them"
            )
        return parts[0].encoded

    def parts(self, raw: Any) -> list[Part]:
        """The series of raw input as `encode` takes it: one, or several that a column tells apart.

        Raises:
            SpecError, DataError: as `encode`.
        """
        return parts_of(self, raw)

    def collate(self, encoded: Sequence[Tensor]) -> Any:
        """Turn B series, each (T, F), into (B, T, F), padded with 0, and their lengths (B,); those with a context are
        of one length, and come without.

        Raises:
            SpecError: the batch would not fit into memory.
        """
        return torch.stack(list(encoded)) if self.context_length else padded(encoded)

    def prepare(self, batch: Any) -> Any:
        """Standardise (B, T, F), with lengths beside it or not, as the network takes it.

        With a context these are the past (B, T, C): numbers, calendar, and which numbers are missing; and where
        something is known of the steps to come, (B, H, G): numbers and calendar. Nothing else of them is passed on.
        """
        if not isinstance(batch, Tensor):
            series, lengths = batch
            return self.standardise(series), lengths
        if not self.context_length:
            return self.standardise(batch)
        count = len(self.names)
        numbers, calendar = self.standardise(batch[..., :count]), batch[..., count:]
        past = numbers[:, : self.context_length]
        parts = [forward_filled(past) if self.masked else past, calendar[:, : self.context_length]]
        if self.masked:
            parts.append(past.isnan().float())
        joined = torch.cat(parts, dim=2)
        if not self.horizon:
            return joined
        columns = [self.names.index(name) for name in self.future]
        ahead = numbers[:, self.context_length :, columns]
        ahead = torch.where(ahead.isnan(), 0.0, ahead)
        return joined, torch.cat([ahead, calendar[:, self.context_length :]], dim=2)


def _are_names(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value))


def forward_filled(numbers: Tensor) -> Tensor:
    """Numbers (B, T, F), in which one that is NaN is the one before it, at the beginning the first that is known, and 0
    where none is."""
    for _ in range(2):  # forwards, and then backwards for what is missing at the beginning
        step = 1
        while step < numbers.shape[1]:  # by doubling, which an exported program can hold
            before = torch.cat([numbers[:, :1].expand(-1, step, -1), numbers[:, :-step]], dim=1)
            numbers = torch.where(numbers.isnan(), before, numbers)
            step *= 2
        numbers = numbers.flip(1)
    return torch.where(numbers.isnan(), 0.0, numbers)


@dataclass(frozen=True)
class Forecast(Values):
    """The values of the next H steps; the network gives them standardised, as (B, H, V), or quantiles, as (B, H, V Q).

    Args:
        names: names of the V values.
        mean, std: statistics of each value in the training split.
        horizon: H, at least 1.
        quantiles, log: as in `Values`.

    Raises:
        SpecError: the names or the statistics do not fit, or the horizon is impossible.
    """

    word: ClassVar[str] = "forecast"

    horizon: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.horizon) is not int or self.horizon < 1:
            raise SpecError(f"horizon must be a whole number of at least 1, not {self.horizon!r}")

    def decode(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> list[list[dict[str, Any]]]:  # type: ignore[override]
        """Turn a network's output (B, H, V Q) into B answers in the values' own units.

        An answer has a row a step: `time`, which counts the steps from 1, and each value by its name with `value`, and,
        where the network is calibrated for intervals, `low` and `high`.
        """
        found = self.interval(output, calibration) or (self.restore(self.central(output)),)
        rows = torch.stack(found, dim=-1).tolist()  # B, H, V, 1 or 3
        return [
            [
                {"time": step, **{name: dict(zip(ENDS, ends)) for name, ends in zip(self.names, values)}}
                for step, values in enumerate(answer, start=1)
            ]
            for answer in rows
        ]


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
