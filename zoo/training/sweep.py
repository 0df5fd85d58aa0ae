"""What several runs show together: a metric of each against a setting, a line for each model."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from zoo import plots
from zoo.training import sweep_table
from zoo.weights.artefact import load

log = logging.getLogger(__name__)


class Table(Callback):
    """Writes the table of `--multirun` once its runs are done; ends the command with exit code 1 if one failed."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        rows = sweep_table.kept_rows(folder)
        sweep_table.write(folder, rows)
        if any(row.state == "failed" for row in rows):
            sys.exit(1)  # Hydra calls the callbacks of its own config last, so that the others have been


class Drawing(Callback):
    """Draws `lines.png` in the folder of a sweep once its runs are done, and prints the metrics.

    Args:
        setting: what the runs differ in besides the model, such as `data.length`.
        metric: its name, such as `test/rmse`.
        baseline: a metric that is drawn beside it, from the first run of each setting; None for none.
    """

    def __init__(self, setting: str, metric: str, baseline: str | None = None) -> None:
        self.setting = setting
        self.metric = metric
        self.baseline = baseline

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        lines: dict[str, dict[float, float]] = defaultdict(dict)
        for file in sorted(folder.glob("*/model.safetensors")):
            artefact = load(file)
            value: Any = artefact.recipe["config"]
            for name in self.setting.split("."):
                value = value[name]
            lines[artefact.model][float(value)] = artefact.metrics[self.metric]
            if self.baseline is not None:
                lines[self.baseline.removeprefix("baseline/")].setdefault(float(value), artefact.metrics[self.baseline])
        for name, points in lines.items():
            log.info("%s: %s", name, ", ".join(f"{x:g} {y:.4g}" for x, y in sorted(points.items())))
        if lines:
            plots.line_chart(lines, self.setting, self.metric, folder / "lines.png")
            log.info("Drawn in %s", folder / "lines.png")
