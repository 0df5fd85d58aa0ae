"""The lines of a page in reading order: pieces of ink are chained to lines, and lines ordered by where they lie.

The order is that of Breuel, "High performance document layout analysis", 2003: a line comes before those below it, and
before all to its right, unless a line that reaches over both lies between them. Tables, whose cells lie side by side in
rows, are read row by row.

Shape letters: H height, W width, N pieces of ink, L lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy import ndimage

from zoo.inference.pages.sheet import EIGHT, Sheet

SMALL = 0.55  # of the height of a letter: lower pieces are dots, accents and punctuation
SIGN = 0.825  # of the height of a letter: pieces up to this that are no line of their own may be signs beside one
GAP = 2.0  # heights of a letter: a wider gap ends a line, or a cell of a table
JUSTIFIED = 5.0  # heights of a letter: a gap up to this is part of a line if the lines around it have none there
TOUCHING = 1.9  # times the height of its line: a piece of ink higher than that belongs to two lines
CELL = 12.0  # heights of a letter: cells of a table are narrower, lines of columns wider


@dataclass
class Row:
    """A line on a sheet, in pixels.

    Args:
        left, top, right, bottom: of its ink.
        x_top, baseline: of its small letters.
        number: its number on the map of the sheet.
        block: number of the paragraph that it is part of.
        pieces, small: of ink, by their places in `Layout.boxes`: those as high as letters, and dots, accents and signs.
    """

    left: int
    top: int
    right: int
    bottom: int
    x_top: float
    baseline: float
    number: int
    block: int = 0
    pieces: list[int] = field(default_factory=list)
    small: list[int] = field(default_factory=list)

    @property
    def middle(self) -> float:
        return (self.x_top + self.baseline) / 2

    @property
    def x_height(self) -> float:
        return self.baseline - self.x_top

    def in_row_with(self, before: Row) -> bool:
        """Whether it is the cell of a table to the right of another."""
        return before.block == self.block and before.right <= self.left and _level(self, before)


class Layout:
    """Which line each pixel of ink belongs to.

    Attributes:
        rows: the lines, in no order; `ordered` gives that.
        owner: int (H, W): the number of the line whose ink a pixel is; -1 where there is none.
        slope: degrees, clockwise, by which the lines lie askew.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.letter = max(sheet.letter, 1.0)
        pieces, count = ndimage.label(sheet.ink, EIGHT)
        found = ndimage.find_objects(pieces)
        self.boxes = np.array([(b[1].start, b[0].start, b[1].stop, b[0].stop) for b in found]).reshape(-1, 4)
        chains = self._chains() if count else []
        numbers = np.full(count + 1, -1)
        self.rows: list[Row] = []
        signs: list[list[int]] = []
        lines: list[list[int]] = []
        for chain in chains:
            (signs if self._may_be_signs(chain) else lines).append(chain)
        self._number([self._row(chain) for chain in lines], numbers)
        self._attach_small(numbers)
        alone = [[i for i in chain if numbers[i + 1] < 0] for chain in signs]
        rows = [self._row(row.pieces, row.small) for row in self.rows] + [self._row(chain) for chain in alone if chain]
        self._number(self._joined(rows), numbers)  # by gaps between all ink
        self.owner = numbers[pieces]
        self._split_tall(numbers, pieces)
        self.slope = self._slope()
        self.rows = [row for row in self._measured() if row.bottom - row.top >= 0.5 * self.letter]

    def _may_be_signs(self, chain: list[int]) -> bool:
        """Whether these pieces may belong to the line beside them: a large comma, a pair of quotes, a raised digit."""
        _, top, _, bottom = self.boxes[chain].T
        return len(chain) <= 2 and bool((bottom - top < SIGN * self.letter).all())

    def _number(self, rows: list[Row], numbers: np.ndarray) -> None:
        """Take these as the lines, and give each its number, on its pieces of ink too."""
        self.rows = rows
        for number, row in enumerate(rows):
            row.number = number
            numbers[np.array(row.pieces + row.small) + 1] = number

    def _chains(self) -> list[list[int]]:
        """Pieces as high as letters, each linked to the next on its right; chains of them are lines."""
        left, top, right, bottom = self.boxes.T
        tall = bottom - top
        letters = np.flatnonzero((tall >= SMALL * self.letter) & (tall < 12 * self.letter))
        letters = letters[~self._touching(letters)]
        letters = letters[np.argsort(left[letters], kind="stable")]
        parent = {int(i): int(i) for i in letters}
        starts = left[letters]
        for place, i in enumerate(letters):
            size = max(self.letter, 0.7 * tall[i])
            until = np.searchsorted(starts, right[i] + GAP * size, side="right")
            near = letters[place + 1 : until]
            if not len(near):
                continue
            shared = np.minimum(bottom[i], bottom[near]) - np.maximum(top[i], top[near])
            alike = np.maximum(tall[i], tall[near]) < 3 * np.minimum(tall[i], tall[near])
            ahead = (left[near] + right[near]) > (left[i] + right[i])
            fits = near[(shared > 0.45 * np.minimum(tall[i], tall[near])) & alike & ahead]
            if len(fits):
                j = fits[np.argmin(np.maximum(left[fits], right[i]) + 0.2 * np.abs(bottom[fits] - bottom[i]))]
                parent[_root(parent, int(j))] = _root(parent, int(i))
        chains: dict[int, list[int]] = {}
        for i in letters:
            chains.setdefault(_root(parent, int(i)), []).append(int(i))
        return [row.pieces for row in self._joined([self._row(chain) for chain in chains.values()])]

    def _touching(self, letters: np.ndarray) -> np.ndarray:
        """Which of these pieces are letters of two or more lines that touch: high beside most that lie near them."""
        left, top, right, bottom = self.boxes.T
        tall = bottom - top
        result = np.zeros(len(letters), bool)
        for place in np.flatnonzero(tall[letters] > 2.2 * self.letter):
            i = letters[place]
            reach = 8 * self.letter
            beside = letters[
                (left[letters] < right[i] + reach)
                & (right[letters] > left[i] - reach)
                & (top[letters] < bottom[i])
                & (bottom[letters] > top[i])
            ]
            result[place] = tall[i] > 1.5 * np.quantile(tall[beside], 0.75) if len(beside) > 2 else False
        return result

    def _joined(self, rows: list[Row]) -> list[Row]:
        """What lies in one row is one line, where the lines around it show that its gap is no gutter."""
        rows = sorted(rows, key=lambda row: row.left)
        boxes = np.array([(row.left, row.right, row.x_top, row.baseline) for row in rows])
        gone = [False] * len(rows)
        for i, row in enumerate(rows):
            if gone[i]:
                continue
            for j in range(i + 1, len(rows)):
                other = rows[j]
                gap = other.left - row.right
                if gap > JUSTIFIED * self.letter:
                    break
                if gone[j] or not _level(row, other) or gap < -self.letter:
                    continue
                if gap > GAP * self.letter and not _bridged(boxes, row, other, self.letter):
                    continue
                row = self._row(row.pieces + other.pieces, row.small + other.small)
                rows[i], gone[j] = row, True
                boxes[i] = (row.left, row.right, row.x_top, row.baseline)
        return [row for row, left_out in zip(rows, gone) if not left_out]

    def _row(self, chain: list[int], small: Sequence[int] = ()) -> Row:
        """A line of pieces as high as letters, and of smaller ones, which only make it longer."""
        _, top, _, bottom = self.boxes[chain].T
        left, _, right, _ = self.boxes[[*chain, *small]].T
        tall = bottom - top
        usual = np.median(tall)
        low = tall <= 1.15 * usual
        baseline = float(np.median(bottom))
        x_top = float(np.median(top[low])) if low.any() else float(np.median(top))
        x_top = min(x_top, baseline - 0.5 * usual)
        ends = left.min(), top.min(), right.max(), bottom.max()
        return Row(*ends, x_top, baseline, number=0, pieces=list(chain), small=list(small))

    def _attach_small(self, numbers: np.ndarray) -> None:
        """Give each dot, accent and sign of punctuation to the line that it lies nearest to."""
        if not self.rows:
            return
        left, top, right, bottom = self.boxes.T
        edges = np.array([(row.left, row.right, row.x_top, row.baseline) for row in self.rows], float)
        small = np.flatnonzero((numbers[1:] < 0) & (bottom - top < SIGN * self.letter))
        for i in small[np.argsort(left[small], kind="stable")]:
            height = edges[:, 3] - edges[:, 2]
            middle = (top[i] + bottom[i]) / 2
            beside = np.maximum(0, np.maximum(edges[:, 0] - right[i], left[i] - edges[:, 1])) / height
            apart = np.maximum(edges[:, 2] - 0.15 * height - middle, middle - edges[:, 3] - 0.25 * height) / height
            cost = np.maximum(0, apart) + 0.2 * beside
            cost[(beside > 1.5) | (apart > 0.8)] = np.inf
            best = int(cost.argmin())
            if np.isfinite(cost[best]):
                numbers[i + 1] = self.rows[best].number
                self.rows[best].small.append(int(i))
                edges[best, 0] = min(edges[best, 0], left[i])
                edges[best, 1] = max(edges[best, 1], right[i])

    def _split_tall(self, numbers: np.ndarray, pieces: np.ndarray) -> None:
        """Cut pieces of ink that belong to no line, or reach into the next, halfway between the lines they touch."""
        left, top, right, bottom = self.boxes.T
        for i in np.flatnonzero((numbers[1:] < 0) & (bottom - top >= SMALL * self.letter)):
            touched = sorted(
                (
                    row
                    for row in self.rows
                    if row.left - self.letter < right[i]
                    and row.right + self.letter > left[i]
                    and row.x_top < bottom[i]
                    and row.baseline > top[i]
                ),
                key=lambda row: row.middle,
            )
            if not touched:
                continue
            box = (slice(top[i], bottom[i]), slice(left[i], right[i]))
            mine = pieces[box] == i + 1
            y = np.arange(top[i], bottom[i])
            limits = [(a.baseline + b.x_top) / 2 for a, b in pairwise(touched)]
            chosen = np.array([row.number for row in touched])[np.searchsorted(limits, y)]
            self.owner[box] = np.where(mine, chosen[:, None], self.owner[box])

    def _slope(self) -> float:
        """The angle in degrees, clockwise, by which the longer lines lie askew (Theil and Sen's slope of each)."""
        slopes, weights = [0.0], [0.0]
        for row in self.rows:
            boxes = self.boxes[row.pieces]
            if len(boxes) < 12:
                continue
            x, y = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]
            i, j = np.triu_indices(len(x), 1)
            far = np.abs(x[j] - x[i]) > 0.3 * (x.max() - x.min())
            slopes.append(float(np.median((y[j] - y[i])[far] / (x[j] - x[i])[far])))
            weights.append(float(x.max() - x.min()))
        order = np.argsort(slopes)
        total = np.cumsum(np.array(weights)[order])
        return float(np.degrees(np.arctan(np.array(slopes)[order][np.searchsorted(total, total[-1] / 2)])))

    def _measured(self) -> list[Row]:
        """The lines with the boxes of all their ink."""
        found = ndimage.find_objects(self.owner + 1, len(self.rows))
        for row, box in zip(self.rows, found):
            if box is not None:
                row.top, row.bottom, row.left, row.right = box[0].start, box[0].stop, box[1].start, box[1].stop
        return [row for row, box in zip(self.rows, found) if box is not None]


def ordered(rows: list[Row], letter: float) -> list[Row]:
    """Rows in reading order, with the numbers of their blocks."""
    if not rows:
        return []
    groups = _cells_in_rows(sorted(rows, key=lambda row: (row.middle, row.left)), letter)
    left, right = (
        np.array([f(getattr(row, side) for row in group) for group in groups])
        for f, side in ((min, "left"), (max, "right"))
    )
    middle = np.array([np.mean([row.middle for row in group]) for group in groups])
    over = (np.minimum(right[:, None], right) - np.maximum(left[:, None], left)) > 0.3 * letter  # L, L
    before = over & (middle[:, None] < middle)
    beside = (right[:, None] <= left + 0.3 * letter) & ~over
    for i in np.flatnonzero(beside.any(axis=1)).tolist():
        before[i] |= beside[i] & ~_separated(i, over, middle)
    waiting = before.sum(axis=0)
    done = np.zeros(len(groups), bool)
    order: list[int] = []
    for _ in groups:
        ready = np.flatnonzero(~done & (waiting <= 0))
        if not len(ready):  # a circle: the highest of what is left
            ready = np.flatnonzero(~done)[np.argmin(middle[~done])][None]
        last = order[-1] if order else None
        below = [i for i in ready if last is not None and over[last, i] and middle[i] > middle[last]]
        chosen = min(below, key=lambda i: middle[i]) if below else min(ready, key=lambda i: (left[i], middle[i]))
        order.append(int(chosen))
        done[chosen] = True
        waiting = waiting - before[chosen]
    _number_blocks([groups[i] for i in order])
    return [row for i in order for row in groups[i]]


def _number_blocks(groups: list[list[Row]]) -> None:
    """Lines that follow one another are of one paragraph if they are alike in size, and no further apart than usual."""
    gaps = [b[0].x_top - a[0].baseline for a, b in pairwise(groups)]
    sizes = [max(a[0].x_height, b[0].x_height) for a, b in pairwise(groups)]
    usual = np.median([gap / size for gap, size in zip(gaps, sizes) if 0 < gap < 5 * size] or [1.0])
    block = 0
    for row in groups[0]:
        row.block = block
    for above, below, gap, size in zip(groups, groups[1:], gaps, sizes):
        alike = size < 1.8 * min(above[0].x_height, below[0].x_height)
        over = min(above[-1].right, below[-1].right) > max(above[0].left, below[0].left)
        block += not (alike and over and -size < gap < (1.5 * usual + 0.3) * size)
        for row in below:
            row.block = block


def _separated(i: int, over: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """For each group (L,) whether one that reaches over both it and group i lies between the two."""
    shared = over[i][:, None] & over  # L, L: of the first, those that reach over both i and the second
    below = np.where(shared & (middle > middle[i])[:, None], middle[:, None], np.inf).min(axis=0)
    above = np.where(shared & (middle < middle[i])[:, None], middle[:, None], -np.inf).max(axis=0)
    return np.where(middle > middle[i], below < middle, above > middle)


def _cells_in_rows(rows: list[Row], letter: float) -> list[list[Row]]:
    """Rows as groups: each alone, or the cells of one row of a table from left to right."""
    groups: list[list[Row]] = []
    for row in rows:
        beside = [g for g in groups[-12:] if all(_level(row, each) and not _overlap(row, each) for each in g)]
        if beside:
            beside[-1].append(row)
        else:
            groups.append([row])
    # In columns of text, lines that are level are as wide as columns
    wide = {id(g): min(sorted((r.right - r.left for r in g), reverse=True)[:2]) for g in groups if len(g) > 1}
    result: list[list[Row]] = []
    for group in groups:
        width = wide.get(id(group), 0)
        near = [
            wide[id(other)]
            for other in groups
            if id(other) in wide and abs(other[0].middle - group[0].middle) < 12 * letter
        ]
        if len(group) > 1 and (float(np.median(near or [width])) > CELL * letter):
            result += [[row] for row in group]
        else:
            result.append(sorted(group, key=lambda row: row.left))
    return result


def _level(a: Row, b: Row) -> bool:
    """Whether two lines lie in one row."""
    shared = min(a.baseline, b.baseline) - max(a.x_top, b.x_top)
    return bool(shared > 0.5 * min(a.x_height, b.x_height))


def _overlap(a: Row, b: Row) -> bool:
    return min(a.right, b.right) > max(a.left, b.left)


def _bridged(boxes: np.ndarray, a: Row, b: Row, letter: float) -> bool:
    """Whether a line right above or below covers the gap between two lines that are level."""
    left, right, x_top, baseline = boxes.T
    near = (x_top > a.baseline - 0.2 * letter) & (x_top < a.baseline + 2.5 * letter)
    near |= (baseline < a.x_top + 0.2 * letter) & (baseline > a.x_top - 2.5 * letter)
    return bool((near & (left < a.right - 2 * letter) & (right > b.left + 2 * letter)).any())


def _root(parent: dict[int, int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
