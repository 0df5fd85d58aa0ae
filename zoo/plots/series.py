"""Drawings of forecasts.

Shape letters: N windows, T past steps, H steps of the horizon, V values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

Ends = tuple[Tensor, Tensor]  # of intervals


def forecasts(
    past: Tensor, predicted: Tensor, true: Tensor, names: Sequence[str], path: Path, ends: Ends | None = None
) -> None:
    """Draw N windows in rows and V values in columns: the past (N, T, V), the forecast and the truth (N, H, V), and the
    ends of its intervals."""
    horizon, shown = predicted.shape[1], min(past.shape[1], 4 * predicted.shape[1])
    figure = Figure(figsize=(6 * len(names), 2.2 * len(past)), layout="constrained")
    panels = figure.subplots(len(past), len(names), squeeze=False, sharex=True)
    steps = range(1, horizon + 1)
    for row, panel in enumerate(panels):
        for column, (axes, name) in enumerate(zip(panel, names)):
            axes.plot(range(1 - shown, 1), past[row, -shown:, column], color="grey", label="past")
            axes.plot(steps, true[row, :, column], color="black", label="true")
            axes.plot(steps, predicted[row, :, column], color="tab:red", label="forecast")
            if ends is not None:
                low, high = (end[row, :, column] for end in ends)
                axes.fill_between(steps, low, high, color="tab:red", alpha=0.2, linewidth=0, label="interval")
            axes.set_ylabel(name, parse_math=False)
            axes.grid(alpha=0.3)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=4)
    for axes in panels[-1]:
        axes.set_xlabel("steps from now")
    figure.savefig(path, dpi=100)


def lead_times(errors: Mapping[str, Tensor], names: Sequence[str], path: Path) -> None:
    """Draw the error of each method (H, V) by how many steps ahead it predicts, a panel for each of the V values."""
    figure = Figure(figsize=(5.5 * len(names), 3.6), layout="constrained")
    for column, (axes, name) in enumerate(zip(figure.subplots(1, len(names), squeeze=False)[0], names)):
        for method, its in errors.items():
            first = method == next(iter(errors))
            style = {"color": "tab:red", "linewidth": 2.2} if first else {"linewidth": 1.2}
            axes.plot(
                range(1, len(its) + 1), its[:, column], label=method, marker="." if len(its) < 3 else None, **style
            )
        axes.set_title(name, parse_math=False)
        axes.set(xlabel="steps ahead", ylabel="mean absolute error")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
