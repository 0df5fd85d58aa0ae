"""Strokes as drawings: an image, an SVG that draws itself, and an animation in which they grow over time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, unknown
from zoo.files import user_path

if TYPE_CHECKING:
    import PIL.Image

SUFFIXES = (".svg", ".png", ".gif")
Drawn = Sequence[Sequence[Sequence[float]]]

MARGIN = 12.0  # pixels around the strokes
PEN = 5.0  # pixels of a line's width
FINER = 4  # as many pixels each way, while drawing, for smooth edges
POINTS = 100  # that are drawn a second, as a tablet records them
FRAMES = 60  # of an animation, at most
MAX_SIDE = 4096  # pixels of an image
STAYS = 2000  # milliseconds of the last frame


def placed(strokes: Drawn, margin: float = MARGIN) -> list[list[list[float]]]:
    """Strokes moved so that they begin at a margin from the left and from above, rounded to hundredths."""
    left, above, _, _ = _box(strokes)
    return [[[round(x - left + margin, 2), round(y - above + margin, 2)] for x, y in stroke] for stroke in strokes]


def image(strokes: Drawn, *, pen: float = PEN, until: int | None = None) -> PIL.Image.Image:
    """Draw placed strokes in black on white, in grey levels.

    Args:
        strokes: in pixels, with y downwards.
        pen: pixels of a line's width.
        until: only so many of their points; None for all.
    """
    import PIL.Image
    import PIL.ImageDraw

    width, height = size(strokes)
    canvas = PIL.Image.new("L", (width * FINER, height * FINER), 255)
    draw = PIL.ImageDraw.Draw(canvas)
    radius = pen * FINER / 2
    for stroke in strokes:
        shown = stroke if until is None else stroke[: max(0, until)]
        until = None if until is None else until - len(stroke)
        dots = [(x * FINER, y * FINER) for x, y in shown]
        if len(dots) > 1:
            draw.line(dots, fill=0, width=round(2 * radius))
        for x, y in dots:  # round joints and ends
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return canvas.resize((width, height), PIL.Image.Resampling.BOX)


def svg(strokes: Drawn, *, pen: float = PEN) -> str:
    """Placed strokes as an SVG in which each is drawn as long as the pen took, one after the other."""
    width, height = size(strokes)
    lines, begin = [], 0.0
    for stroke in strokes:
        seconds = max(1, len(stroke)) / POINTS
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in [*stroke, *stroke[: len(stroke) == 1]])
        times = f'begin="{begin:.2f}s" dur="{seconds:.2f}s" fill="freeze"'
        grows = f'<animate attributeName="stroke-dashoffset" from="1" to="0" {times}/>'
        lines.append(f'<path d="{path}" pathLength="1" stroke-dasharray="1" stroke-dashoffset="1">{grows}</path>')
        begin += seconds
    style = f'fill="none" stroke="black" stroke-width="{pen:g}" stroke-linecap="round" stroke-linejoin="round"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return "\n".join([head, f"<g {style}>", *lines, "</g>", "</svg>", ""])


def save(strokes: Drawn, path: str | os.PathLike[str]) -> None:
    """Write strokes to a file by the ending of its name: .svg and .gif draw themselves, .png does not.

        drawing.save(zoo.load("lstm.handwriting")("7", seed=3)["strokes"], "seven.svg")

    Raises:
        ConfigError: it has another ending, or cannot be written.
    """
    path = user_path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(unknown("ending", path.suffix, SUFFIXES))
    try:
        if path.suffix.lower() == ".svg":
            path.write_text(svg(strokes), encoding="utf-8")
        elif path.suffix.lower() == ".png":
            image(strokes).save(path)
        else:
            _save_gif(strokes, path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error


def _save_gif(strokes: Drawn, path: Path) -> None:
    points = sum(map(len, strokes))
    count = min(FRAMES, points)
    ends = [round((frame + 1) * points / count) for frame in range(count)]
    first, *others = [image(strokes, until=end) for end in ends]
    each = max(20, round(1000 * points / POINTS / count))
    first.save(path, save_all=True, append_images=others, duration=[each] * (count - 1) + [STAYS], loop=0)


def size(strokes: Drawn) -> tuple[int, int]:
    """Pixels of the width and height that placed strokes need, with a margin."""
    _, _, right, below = _box(strokes)
    return min(MAX_SIDE, round(right + MARGIN)), min(MAX_SIDE, round(below + MARGIN))


def _box(strokes: Drawn) -> tuple[float, float, float, float]:
    across, down = zip(*(point for stroke in strokes for point in stroke))
    return min(across), min(down), max(across), max(down)
