"""The plane of two columns of a table, and what a network answers there, as a playground shows it.

Shape letters: N rows, E encoded columns, G grid points each way.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.data.core.examples import in_memory
from zoo.models import apply
from zoo.spec import Classes, Table, Values
from zoo.spec.columns import Category, Number
from zoo.tasks.supervised import Supervised
from zoo.training.report import Evaluation, View
from zoo.training.reports.supervised import importance_of, targets

GRID = 120  # points each way
SHOWN = 300  # rows over it
MARGIN = 0.08  # of the range, around it


def views(task: Supervised, evaluation: Evaluation) -> dict[str, View]:
    """Those of a network of tables with two columns of numbers or more, by name."""
    return {"decision border": partial(border, task, evaluation)} if len(numbers_of(task)) > 1 else {}


def numbers_of(task: Supervised) -> list[Number]:
    assert isinstance(task.spec.input, Table)
    return [column for column in task.spec.input.columns if isinstance(column, Number)]


@torch.no_grad()
def border(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw the answers over the plane of two columns, the most important ones, and rows of the test split over it."""
    table, described = task.spec.input, task.spec.output
    assert isinstance(table, Table)
    columns = _chosen(task, evaluation)
    rows = in_memory(evaluation.splits["test"].columns[0])
    grid, ranges = plane(table, columns, rows)
    network = task.trained_network.eval()
    device = next(network.parameters()).device
    outputs = apply(network, table.prepare(grid.to(device))).float().cpu()
    places = [table.slices[column.name].start for column in columns]
    points = torch.stack([column.unscaled(rows[:SHOWN, [place]]) for column, place in zip(columns, places)], dim=1)
    known = ~points.isnan().any(dim=1)
    points, truths = points[known], targets(evaluation, "test")[:SHOWN][known]
    names = [column.name for column in columns]
    if isinstance(described, Classes):
        probabilities = described.probabilities(outputs, evaluation.calibration).view(GRID, GRID, -1)
        threshold = 0.5 if evaluation.calibration.threshold is None else evaluation.calibration.threshold
        plots.decision_border(
            probabilities, ranges, points, truths, described.names, names, folder / "border.png", threshold
        )
        what = "The class that is answered, by colour, the paler the less sure, with the border in black"
    else:
        assert isinstance(described, Values)
        values = described.restore(described.central(outputs))[:, 0].view(GRID, GRID)
        true = described.restore(truths)[:, 0]
        plots.value_surface(values, ranges, points, true, described.names[0], names, folder / "border.png")
        what = f"The {described.names[0]} that is answered, by colour"
    others = [column for column in table.columns if column.name not in names]
    return {"border.png": f"{what}. Points are rows of the test split, in the colour of the truth. {_caption(others)}"}


def _caption(others: list[Any]) -> str:
    look = "Look how it bends: where it winds around single points, the network has learned them by heart."
    if not others:
        return look
    rest = "the other column is" if len(others) == 1 else f"the {len(others)} other columns are"
    kept = "at its median" if len(others) == 1 else "at their medians (categories at the most frequent one)"
    return f"These two columns matter most; {rest} held {kept}, so that a point's own answer may differ. {look}"


def _chosen(task: Supervised, evaluation: Evaluation) -> list[Number]:
    """The two columns of numbers by which the error rises most once they are shuffled."""
    numbers = numbers_of(task)
    if len(numbers) == 2:
        return numbers
    rises = importance_of(task, evaluation)
    strongest = sorted(numbers, key=lambda column: -sum(rises[column.name]))[:2]
    return [column for column in numbers if column in strongest]


def plane(table: Table, columns: list[Number], rows: Tensor) -> tuple[Tensor, list[tuple[float, float]]]:
    """Encoded rows (G * G, E) of a plane, upwards by the second column and within that to the right by the first, and
    the ranges of both in their own units.

    The other columns are held at the median of `rows` (N, E), and categories at the most frequent one.
    """
    middle = rows.nanmedian(dim=0).values
    for column in table.columns:
        if isinstance(column, Category):
            place = table.slices[column.name].start
            middle[place] = rows[:, place].mode().values
    grid = middle.repeat(GRID * GRID, 1)
    ranges = []
    steps = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    for column, step in zip(columns, (steps[1], steps[0])):
        place = table.slices[column.name].start
        known = rows[:, place][~rows[:, place].isnan()]
        low, high = (float(known.quantile(share)) for share in (0.01, 0.99))
        edge = MARGIN * (high - low) or 1.0
        line = torch.linspace(low - edge, high + edge, GRID)
        grid[:, place] = line[step.flatten()]
        ends = column.unscaled(line[[0, -1], None]).tolist()
        ranges.append((ends[0], ends[1]))
    return grid, ranges
