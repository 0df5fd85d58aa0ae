"""Handwriting as the path of a pen: strokes that are read, and ink that is written.

A stroke is the path of a pen from where it touches the paper to where it leaves it. Raw strokes are lists of points
[x, y], in any unit, with y downwards as on a screen.

Shape letters: B batch, T points, N points after resampling.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoo.errors import SpecError
from zoo.spec import drawing
from zoo.spec.kind import InputKind
from zoo.spec.series import padded

if TYPE_CHECKING:
    import numpy as np

MAX_POINTS = 2**14  # of one ink
FLATTEST = 0.1  # of its width: the least height by which an ink is scaled, so that a dash stays a dash
PIXELS = 100  # of a character's height, in the strokes and the image of an answer
FORM = "give a list of strokes, each a list of points [x, y]"


@dataclass(frozen=True)
class Strokes(InputKind):
    """The strokes of a pen, stored as float32 (T, 3): x, y, and 1 where the pen leaves the paper after a point.

    The network sees them in a form that depends neither on size, place and unit, nor on how fast the pen went or how
    often it was looked at: N points at equal distances on the whole path, moves through the air included.

    Args:
        points: N; 64 are enough for a character.

    Raises:
        SpecError: the number is impossible.
    """

    word: ClassVar[str] = "strokes"
    takes: ClassVar[tuple[str, ...]] = ("strokes",)
    num_features: ClassVar[int] = 5  # of each way from point to point, as the network takes it

    points: int = 64

    def __post_init__(self) -> None:
        if type(self.points) is not int or not 4 <= self.points <= 1024:
            raise SpecError(f"points is a whole number from 4 to 1024, not {self.points!r}")

    def example(self) -> str:
        return "[[[2, 1], [6, 1], [4, 9]], [[3, 5], [6, 5]]]"

    def sample(self, random: np.random.Generator, *, length: int, side: int) -> tuple[Any]:
        return (random.normal(0, 1, (2, max(2, length), 2)).cumsum(axis=1).tolist(),)

    def is_several(self, raw: object) -> bool:
        """Whether raw input is a list of inks, and not one: its first numbers lie four lists deep."""
        if not isinstance(raw, (list, tuple)):
            return False
        first = raw[0] if raw else None
        return first is None or isinstance(first, (str, os.PathLike, Mapping)) or _depth(raw) > 3

    def encode(self, raw: Any) -> Tensor:
        """Turn strokes into float32 (T, 3): x and y from the first point on, in their own unit, and the pen's leaving.

        Args:
            raw: a list of strokes, each a list of points [x, y] or an array (T, 2); a dict that has them under
                `strokes`, or as Quick, Draw! has them under `drawing`; or the path of a JSON, InkML
                or CSV file (see `zoo.spec.ink_files`).

        Raises:
            SpecError: it is no such list, holds anything but finite numbers, is empty, or has a single point.
            DataError: the file cannot be read.
        """
        return encode_strokes(raw)

    def collate(self, encoded: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Turn B inks, each (T, 3), into (B, T, 3), padded with 0, and their lengths (B,).

        Raises:
            SpecError: the batch would not fit into memory.
        """
        return padded(encoded)

    def prepare(self, batch: Any) -> Tensor:
        """Turn points (B, T, 3) with lengths (B,) into float32 (B, N - 1, 5), as the network takes it.

        Each is the way from one of N points to the next: to the right, down, and through the air, as a multiple of the
        step that a path of four heights has; and where it leads, to the right and down from the ink's middle, in half
        heights.
        """
        steps, _ = steps_of(*batch)
        ways = resampled(steps, self.points)
        places = ways[..., :2].cumsum(dim=1)
        middle = (places.amax(dim=1, keepdim=True) + places.amin(dim=1, keepdim=True)) / 2
        return torch.cat([ways * ((self.points - 1) / 4), 2 * (places - middle)], dim=2)


def encode_strokes(raw: Any) -> Tensor:
    """See `Strokes.encode`."""
    import numpy as np

    from zoo.spec.ink_files import read_ink

    if isinstance(raw, (str, os.PathLike)):
        raw = read_ink(raw)
    if isinstance(raw, Mapping):
        if "strokes" not in raw and "drawing" not in raw:
            raise SpecError(f"a dict of an ink has its strokes under 'strokes', not only {', '.join(map(str, raw))}")
        raw = raw["strokes"] if "strokes" in raw else _of_drawing(raw["drawing"])
    strokes = [_stroke(stroke, number) for number, stroke in enumerate(_strokes(raw), start=1)]
    if not strokes:
        raise SpecError(f"the ink is empty; {FORM}")
    points = np.concatenate(strokes)
    if len(points) < 2:
        raise SpecError("the ink is one point, which has no shape; give at least two points")
    if len(points) > MAX_POINTS:
        raise SpecError(f"the ink has {len(points):,} points; the limit is {MAX_POINTS:,}; give it in parts")
    with np.errstate(over="ignore"):
        points[:, :2] -= points[0, :2]
        encoded = torch.from_numpy(points.astype(np.float32))
    extent = encoded[:, :2].amax(dim=0) - encoded[:, :2].amin(dim=0)
    if not extent.isfinite().all():
        raise SpecError("its coordinates are too large; give them in another unit")
    if not extent.any():
        raise SpecError("all points of the ink are in one place, which has no shape")
    return encoded


def _of_drawing(raw: Any) -> list[Any]:
    """The strokes of a drawing of Google's Quick, Draw!, in which a stroke is its xs, its ys, and times or none."""
    strokes = raw if isinstance(raw, list) else [raw]
    for number, stroke in enumerate(strokes, start=1):
        rows = stroke if isinstance(stroke, list) else []
        if len(rows) not in (2, 3) or not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
            raise SpecError(f"stroke {number} of the drawing is not two lists of as many numbers, [[x, …], [y, …]]")
    return [list(zip(stroke[0], stroke[1])) for stroke in strokes]


def _strokes(raw: Any) -> Iterator[Any]:
    if isinstance(raw, (bytes, str)) or not hasattr(raw, "__len__") or not hasattr(raw, "__getitem__"):
        raise SpecError(f"an ink is a list of strokes, not {type(raw).__name__}; {FORM}")
    if hasattr(raw, "to_numpy") or isinstance(raw, Mapping) or getattr(raw, "ndim", 3) < 2:  # a table, a row of numbers
        raise SpecError(f"an ink is a list of strokes, not {type(raw).__name__}; {FORM}")
    first = raw[0] if len(raw) and not isinstance(raw[0], Mapping) else []
    if hasattr(first, "__len__") and len(first) and not getattr(first[0], "ndim", _depth(first[0])):
        raise SpecError(f"these are points without strokes: nothing tells where the pen leaves the paper; {FORM}")
    yield from raw


def _stroke(raw: Any, number: int) -> np.ndarray:
    """The points of a stroke with the pen's leaving, float64 (T, 3)."""
    import numpy as np

    try:
        points = np.asarray(raw.detach().cpu() if isinstance(raw, Tensor) else raw, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SpecError(f"stroke {number} holds something else than points of two numbers; {FORM}") from None
    if not points.size:
        raise SpecError(f"stroke {number} is empty; leave it out, or give its points")
    if points.ndim != 2 or points.shape[1] != 2:
        raise SpecError(
            f"stroke {number} is no list of points [x, y], but {' x '.join(map(str, points.shape))} numbers"
        )
    if not np.isfinite(points).all():
        place = int(np.argwhere(~np.isfinite(points))[0, 0]) + 1
        raise SpecError(f"stroke {number}, point {place}: {points[place - 1].tolist()} is not two finite numbers")
    leaves = np.zeros((len(points), 1))
    leaves[-1] = 1
    return np.concatenate([points, leaves], axis=1)


def _depth(raw: Any) -> int:
    """How many lists deep the first number lies."""
    depth = 0
    while isinstance(raw, (list, tuple)) and raw:
        depth, raw = depth + 1, raw[0]
    return depth + int(getattr(raw, "ndim", isinstance(raw, (list, tuple))))


def sizes_of(points: Tensor, lengths: Tensor) -> Tensor:
    """The height of each ink (B,), or a tenth of its width if that is more.

    Args:
        points: (B, T, 3), padded after their lengths (B,).
        lengths: at least 1 each.
    """
    places = last_repeated(points[..., :2], lengths)
    width, height = (places.amax(dim=1) - places.amin(dim=1)).unbind(dim=1)
    return torch.maximum(height, FLATTEST * width).clamp(min=1e-12)


def last_repeated(values: Tensor, lengths: Tensor) -> Tensor:
    """Values (B, T, F) where those beyond the lengths (B,) are the last before."""
    steps = torch.minimum(torch.arange(values.shape[1], device=values.device), lengths[:, None] - 1)
    return values.gather(1, steps[:, :, None].expand(-1, -1, values.shape[2]))


def steps_of(points: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Points (B, T, 3) as steps (B, T, 3) in heights of their ink, and whether the pen leaves after each, (B, T).

    A step is the way from the point before, to the right, down and through the air; that of the first point is 0, and
    so is padding.
    """
    places = last_repeated(points[..., :2], lengths) / sizes_of(points, lengths)[:, None, None]
    ways = after_zero(places[:, 1:] - places[:, :-1])  # B, T, 2
    real = torch.arange(points.shape[1], device=points.device) < lengths[:, None]
    leaves = points[..., 2] * real
    lifted = after_zero(leaves[:, :-1, None])[..., 0]
    air = ways.square().sum(dim=2).sqrt() * lifted
    return torch.cat([ways, air[:, :, None]], dim=2), leaves


def after_zero(values: Tensor) -> Tensor:
    """Values (B, T, F) with a 0 before the first step."""
    return torch.nn.functional.pad(values, (0, 0, 1, 0))


def resampled(steps: Tensor, count: int) -> Tensor:
    """Steps (B, T, 3) as `count - 1` steps of equal length along the path, (B, count - 1, 3)."""
    passed = steps[..., :2].square().sum(dim=2).sqrt().cumsum(dim=1)  # B, T: length of the path so far
    places = steps.cumsum(dim=1)
    wanted = torch.linspace(0, 1, count, device=steps.device) * passed[:, -1:]  # B, N
    after = (passed[:, None, :] <= wanted[:, :, None]).sum(dim=2).clamp(1, steps.shape[1] - 1)
    low, high = passed.gather(1, after - 1), passed.gather(1, after)
    share = ((wanted - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)[:, :, None]
    index = after[:, :, None].expand(-1, -1, 3)
    found = places.gather(1, index - 1).lerp(places.gather(1, index), share)  # B, N, 3
    return found[:, 1:] - found[:, :-1]


@dataclass(frozen=True)
class Ink:
    """Handwriting; the network gives its steps (B, T, 3), in heights of a character, and their lengths (B,).

    A step is the way from the point before, to the right and down, and 1 where the pen leaves the paper after it.

    Args:
        std: the root of the mean square of a step's coordinates in the training split.

    Raises:
        SpecError: it is not above 0.
    """

    word: ClassVar[str] = "ink"

    std: float

    def __post_init__(self) -> None:
        if not isinstance(self.std, float) or not 0 < self.std < float("inf"):
            raise SpecError(f"the spread of an ink's steps is a number above 0, not {self.std!r}")

    def decode(self, output: tuple[Tensor, Tensor]) -> list[dict[str, Any]]:
        """Turn steps and lengths into B answers: `strokes`, of points [x, y] in pixels, and `image`, their drawing.

        A character is about 100 pixels high. `zoo.spec.drawing` writes strokes as SVG, PNG and GIF.

        Raises:
            SpecError: a step is not a number.
        """
        steps, lengths = output
        if not steps.isfinite().all():
            raise SpecError("the network's answer is not a number; its weights are far too large")
        answers = []
        for row, length in zip(steps.double().cpu(), lengths.tolist()):
            strokes = drawing.placed(strokes_of(row[:length], PIXELS))
            answers.append({"strokes": strokes, "image": drawing.image(strokes)})
        return answers


def strokes_of(steps: Tensor, scale: float) -> list[list[list[float]]]:
    """Steps (T, 3) of an ink as strokes, times a scale."""
    places = (steps[:, :2].cumsum(dim=0) * scale).tolist()
    strokes: list[list[list[float]]] = [[]]
    for place, leaves in zip(places, steps[:, 2].tolist()):
        strokes[-1].append(place)
        if leaves:
            strokes.append([])
    return [stroke for stroke in strokes if stroke]
