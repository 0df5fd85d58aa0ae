"""Alignments: which tokens of a source a translation looks at.

Shape letters: T target tokens, S source tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

CELL = 0.24  # inches of a token


def alignments(
    sources: Sequence[Sequence[str]], targets: Sequence[Sequence[str]], attention: Sequence[Tensor], path: Path
) -> None:
    """Draw the attention (T, S) of each translation below each other: a row a target token, a column a source token."""
    widths, heights = ([max(4, len(tokens)) for tokens in texts] for texts in (sources, targets))
    size = 1.4 + CELL * max(widths), sum(heights) * CELL + 1.2 * len(targets)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(targets), 1, squeeze=False, height_ratios=[height + 4 for height in heights])[:, 0]
    for axes, source, target, weights in zip(panels, sources, targets, attention):
        axes.imshow(weights.float().cpu().numpy(), cmap="Blues", vmin=0, vmax=1, aspect="equal")
        turned = max(map(len, source)) > 1
        axes.set_xticks(range(len(source)), map(_shown, source), rotation=60 if turned else 0, parse_math=False)
        axes.set_yticks(range(len(target)), map(_shown, target), parse_math=False)
        axes.tick_params(length=0, labelsize=8, labelbottom=False, labeltop=True, bottom=False)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("left" if turned else "center")
        axes.set_xticks([place + 0.5 for place in range(len(source) - 1)], minor=True)
        axes.set_yticks([place + 0.5 for place in range(len(target) - 1)], minor=True)
        axes.grid(which="minor", color="0.9", linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    figure.savefig(path, dpi=100)


def _shown(token: str) -> str:
    return "␣" if token == " " else token
