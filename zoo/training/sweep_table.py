"""What the runs of a sweep come to: `sweep.csv`, a ranking in `sweep.md` and on the console, and `sweep.png`."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zoo import plots
from zoo.errors import ZooError
from zoo.files import one_line, replacing

log = logging.getLogger(__name__)

RESULT = "result.json"  # of a run, in its own folder
SHOWN = 10
STATES = ("complete", "pruned", "failed")  # in the order in which they are ranked


@dataclass(frozen=True)
class Row:
    """One run of a sweep.

    Args:
        number: of the run.
        state: one of `STATES`.
        values: of the settings that the sweep is over, by name.
        score: of the validation metric; NaN where there is none.
        monitor, mode: the metric, and whether `min` or `max` of it is the best.
        reason: why it failed.
    """

    number: int
    state: str
    values: Mapping[str, str] = field(default_factory=dict)
    score: float = math.nan
    monitor: str = ""
    mode: str = "min"
    reason: str = ""


def reason(error: Exception) -> str:
    """Why a run failed, in one line."""
    return one_line(str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}")


def keep_row(folder: Path, row: Row) -> None:
    """Leave a run's row in its folder, for the process that writes the table."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / RESULT) as file:
        file.write(json.dumps(asdict(row)).encode())


def kept_rows(folder: Path) -> list[Row]:
    """The rows of the runs in the folders of a sweep, by number, with only what they differ in."""
    rows = [Row(**json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob(f"*/{RESULT}")]
    names = {name for row in rows for name in row.values if len({one.values.get(name) for one in rows}) > 1}
    rows = [Row(**{**asdict(row), "values": {k: v for k, v in row.values.items() if k in names}}) for row in rows]
    return sorted(rows, key=lambda row: row.number)


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Complete runs first, then pruned ones, then those that failed; of each the best first."""

    def rank(row: Row) -> tuple[int, bool, float]:
        sign = -1 if row.mode == "max" else 1
        return STATES.index(row.state), math.isnan(row.score), sign * row.score

    return sorted(rows, key=rank)


def write(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table, the ranking and the picture, and log the ranking and what failed."""
    if not rows:
        return
    names = sorted({name for row in rows for name in row.values})
    monitor = next((row.monitor for row in rows if row.monitor), "score")
    _write_csv(folder / "sweep.csv", rows, names, monitor)
    lines = [f"| run | state | {monitor} | " + " | ".join(names) + " |", "|---" * (3 + len(names)) + "|"]
    for row in ranked(rows):
        cells = [str(row.number), row.state, _number(row.score), *(row.values.get(name, "") for name in names)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    failed = [f"- run {row.number} failed: {row.reason}" for row in rows if row.state == "failed"]
    _write(folder / "sweep.md", "\n".join(["# Sweep", "", *lines, *([""] if failed else []), *failed, ""]))
    for line in [*lines[: SHOWN + 2], *failed]:
        log.info("%s", line)
    scored = [row for row in rows if math.isfinite(row.score) and row.state == "complete"]
    if scored:
        values = {name: [row.values.get(name, "") for row in scored] for name in names}
        scores = [row.score for row in scored]
        plots.sweep([row.number for row in scored], scores, values, monitor, folder / "sweep.png")
    log.info("Table: %s", folder / "sweep.csv")


def _write_csv(path: Path, rows: Sequence[Row], names: Sequence[str], monitor: str) -> None:
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["run", "state", monitor, *names, "reason"])
    for row in rows:
        score = "" if math.isnan(row.score) else repr(row.score)
        values = [row.values.get(name, "") for name in names]
        table.writerow([row.number, row.state, score, *values, one_line(row.reason)])
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


def _number(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.4g}"
