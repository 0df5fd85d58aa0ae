"""What hands wrote: inks with their writers, lines of them, and digits as made-up writers write them.

Those are curves through a few points, which each hand places and slants in its own way. y is downwards, and a digit is
about 1 high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.spec.strokes import sizes_of

if TYPE_CHECKING:
    import numpy as np

STEPS = 12  # points of the finely drawn curve between two knots
SPACING = 0.09  # mean distance of two points
Curve = list[tuple[float, float]]
GAP = (0.15, 0.45)  # heights of the ink between two characters of a line

# The ways in which a digit is written; a writer has one of each. Each is a list of strokes, by their knots
WAYS: dict[int, list[list[Curve]]] = {
    0: [
        [[(0.6, 0.05), (0.2, 0.2), (0.1, 0.6), (0.3, 0.97), (0.6, 0.8), (0.68, 0.4), (0.55, 0.04)]],
        [[(0.35, 0.0), (0.08, 0.35), (0.15, 0.85), (0.45, 1.0), (0.7, 0.6), (0.62, 0.15), (0.3, 0.02)]],
    ],
    1: [[[(0.3, 0.0), (0.3, 0.5), (0.28, 1.0)]], [[(0.05, 0.35), (0.35, 0.0), (0.35, 0.02), (0.33, 0.5), (0.3, 1.0)]]],
    2: [
        [[(0.1, 0.25), (0.3, 0.0), (0.6, 0.2), (0.4, 0.6), (0.05, 1.0), (0.06, 1.0), (0.4, 0.97), (0.7, 0.98)]],
        [[(0.05, 0.2), (0.4, 0.0), (0.55, 0.35), (0.1, 0.95), (0.15, 0.85), (0.4, 0.9), (0.75, 1.0)]],
    ],
    3: [
        [[(0.1, 0.1), (0.45, 0.0), (0.5, 0.3), (0.22, 0.45), (0.24, 0.46), (0.6, 0.65), (0.45, 0.98), (0.05, 0.9)]],
        [[(0.1, 0.0), (0.6, 0.0), (0.6, 0.02), (0.25, 0.4), (0.27, 0.41), (0.6, 0.7), (0.4, 1.0), (0.05, 0.9)]],
    ],
    4: [
        [[(0.35, 0.0), (0.15, 0.35), (0.05, 0.6), (0.06, 0.61), (0.4, 0.6), (0.75, 0.57)], [(0.5, 0.3), (0.47, 1.0)]],
        [[(0.15, 0.0), (0.1, 0.5), (0.12, 0.5), (0.6, 0.5)], [(0.6, 0.0), (0.58, 0.5), (0.55, 1.0)]],
    ],
    5: [
        [[(0.2, 0.0), (0.12, 0.42), (0.13, 0.41), (0.5, 0.45), (0.55, 0.85), (0.05, 0.97)], [(0.2, 0.0), (0.65, 0.0)]],
        [[(0.65, 0.0), (0.2, 0.02), (0.19, 0.03), (0.12, 0.42), (0.13, 0.4), (0.55, 0.5), (0.5, 0.9), (0.05, 0.95)]],
    ],
    6: [
        [[(0.5, 0.0), (0.15, 0.4), (0.1, 0.8), (0.4, 1.0), (0.6, 0.75), (0.35, 0.55), (0.12, 0.75)]],
        [[(0.35, 0.0), (0.1, 0.5), (0.2, 0.97), (0.55, 0.9), (0.5, 0.6), (0.15, 0.7)]],
    ],
    7: [
        [[(0.05, 0.02), (0.6, 0.0), (0.6, 0.01), (0.4, 0.5), (0.25, 1.0)]],
        [[(0.05, 0.05), (0.6, 0.0), (0.6, 0.01), (0.4, 0.5), (0.25, 1.0)], [(0.15, 0.52), (0.6, 0.48)]],
    ],
    8: [
        [
            [
                (0.55, 0.12), (0.25, 0.02), (0.15, 0.25), (0.4, 0.48), (0.58, 0.75), (0.3, 1.0), (0.1, 0.78),
                (0.35, 0.5), (0.55, 0.25), (0.5, 0.08),
            ]
        ],
        [
            [
                (0.35, 0.48), (0.1, 0.25), (0.35, 0.0), (0.55, 0.22), (0.35, 0.48), (0.1, 0.78), (0.35, 1.0),
                (0.6, 0.78), (0.36, 0.5),
            ]
        ],
    ],
    9: [
        [[(0.55, 0.15), (0.25, 0.02), (0.1, 0.3), (0.35, 0.48), (0.55, 0.15), (0.56, 0.16), (0.5, 0.6), (0.4, 1.0)]],
        [[(0.5, 0.1), (0.2, 0.05), (0.12, 0.4), (0.5, 0.3), (0.55, 0.1), (0.55, 0.5), (0.45, 0.95), (0.1, 0.9)]],
    ],
}  # fmt: skip


def written(seed: int, writer: int, count: int) -> Iterator[tuple[int, list[list[list[float]]]]]:
    """The digits that a writer writes, in random order: each one's value and strokes."""
    import numpy as np

    random = np.random.default_rng((seed, writer))
    ways = {digit: int(random.integers(len(known))) for digit, known in WAYS.items()}
    slant, width = random.normal(0, 0.15), random.uniform(0.75, 1.2)
    habits = {digit: random.normal(0, 0.035, (16, 2)) for digit in WAYS}  # where this hand puts the knots
    for _ in range(count):
        digit = int(random.integers(10))
        own, turn = slant + random.normal(0, 0.05), random.normal(0, 0.04)
        strokes, used = [], 0
        for knots in WAYS[digit][ways[digit]]:
            points = np.asarray(knots) + habits[digit][used : used + len(knots)]
            points = points + random.normal(0, 0.02, points.shape)
            used += len(knots)
            points = points @ np.array([[width, turn], [-own, 1.0]])
            strokes.append(through(points, random).tolist())
        yield digit, strokes


def through(knots: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A smooth curve through knots (K, 2), as points (T, 2) that a pen of uneven speed leaves.

    Catmull and Rom, "A class of local interpolating splines", 1974.
    """
    import numpy as np

    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    at = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * at + (2 * a - 5 * b + 4 * c - d) * at**2 + (3 * b - a - 3 * c + d) * at**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:])
    ]
    dense = np.concatenate([*parts, knots[-1:]])
    passed = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(dense, axis=0).T))])
    count = max(3, round(passed[-1] / SPACING))
    speeds = np.exp(random.normal(0, 0.2, count)).cumsum()
    wanted = np.concatenate([[0], speeds / speeds[-1]]) * passed[-1]
    return np.stack([np.interp(wanted, passed, dense[:, axis]) for axis in (0, 1)], axis=1)


@dataclass
class Written:
    """N inks, their labels, and who wrote each.

    Args:
        points: of each ink, as `Strokes.encode` gives them.
        labels: the text of each.
        writers: a name or number of each one's writer.
    """

    points: list[Tensor]
    labels: list[str]
    writers: list[Any]

    def rows(self, rows: Sequence[int]) -> Written:
        points, labels, writers = zip(*((self.points[row], self.labels[row], self.writers[row]) for row in rows))
        return Written(list(points), list(labels), list(writers))

    def __len__(self) -> int:
        return len(self.points)


def lines_of(inks: Written, count: int, longest: int, seed: int = 0) -> Written:
    """Lines of 1 to `longest` inks, each by one writer, all heights made alike and baselines nearly so."""
    random = torch.Generator().manual_seed(seed)
    by_writer: dict[Any, list[int]] = {}
    for row, writer in enumerate(inks.writers):
        by_writer.setdefault(writer, []).append(row)
    rows_of = list(by_writer.values())

    def below(limit: int) -> int:
        return int(torch.randint(limit, (), generator=random))

    made = Written([], [], [])
    for _ in range(count):
        rows = rows_of[below(len(rows_of))]
        chosen = [rows[below(len(rows))] for _ in range(1 + below(longest))]
        made.points.append(_side_by_side([inks.points[row] for row in chosen], random))
        made.labels.append("".join(inks.labels[row] for row in chosen))
        made.writers.append(inks.writers[chosen[0]])
    return made


def _side_by_side(inks: Sequence[Tensor], random: torch.Generator) -> Tensor:
    right, parts = 0.0, []
    for ink in inks:
        places = ink[:, :2] / sizes_of(ink[None], torch.tensor([len(ink)]))
        places = places - torch.stack([places[:, 0].min(), places[:, 1].max()])
        gap, lower, larger = torch.rand(3, generator=random).tolist()
        places = places * (1 + 0.1 * (larger - 0.5)) + torch.tensor([right, 0.06 * (lower - 0.5)])
        right = float(places[:, 0].max()) + GAP[0] + gap * (GAP[1] - GAP[0])
        parts.append(torch.cat([places, ink[:, 2:]], dim=1))
    line = torch.cat(parts)
    line[:, :2] -= line[0, :2].clone()
    return line
