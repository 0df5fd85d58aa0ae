"""Mixed precision beside float32: the same short runs in bf16 and in fp16 with a gradient scaler, three seeds of each.

It is real fp16, computed by the CPU's kernels: what leaves its range does so here as it does on a GPU. Printed is a
metric of validation after training, as its mean and range over the seeds. The scaler starts too high and skips steps
until it has found its scale; told is the share of steps that it skipped later.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision

from zoo.benchmarks import Row
from zoo.benchmarks.cells import made

SEEDS = 3
SETTLED = 100  # steps after which the scaler has found its scale
NARROW = "model.hidden_size=32", "model.widths=[8,16,24,32]"
CELLS: dict[str, tuple[str, int, list[str]]] = {  # the metric, epochs, and what else makes the run
    "mlp regression": ("r2", 20, ["data=diabetes", "data.batch_size=16"]),
    "rbm features": ("free_energy", 6, ["data=digits", "model.num_hidden=64"]),
    "cnn classification": ("accuracy", 6, ["data=digits"]),
    "lstm forecasting": ("mae", 4, ["model.hidden_size=32", "data.length=1500", "data.horizon=8"]),
    "lstm sentiment": ("accuracy", 8, ["model.hidden_size=32", "data.batch_size=32"]),
    "gan inpainting": ("psnr", 3, ["data=digits", "model.width=8", "task.discriminator.width=8", "data.batch_size=32"]),
    "cnn ocr": ("loss", 6, ["data=digit_lines", "data.rounds=8", "data.augment=null", "data.batch_size=16", *NARROW]),
}
PRECISIONS = "32-true", "bf16-mixed", "16-mixed"


class Scaler(torch.amp.GradScaler):
    """The gradient scaler of torch, and which steps it skipped."""

    def __init__(self) -> None:
        super().__init__("cpu")
        self.skipped: list[bool] = []

    def update(self, new_scale: Any = None) -> None:
        before = self.get_scale()
        super().update(new_scale)
        self.skipped.append(self.get_scale() < before)


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: fp16 and bf16, each beside float32."""
    print(f"| cell | metric | {' | '.join(PRECISIONS)} | skipped |")
    print(f"|---|---|{'---|' * len(PRECISIONS)}---|")
    rows = []
    for name, (metric, epochs, overrides) in CELLS.items():
        found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        skipped: list[bool] = []
        for seed in range(SEEDS):
            for precision in PRECISIONS:
                score, skips = _score(name, metric, epochs, overrides, precision, seed)
                found[precision].append(score)
                skipped += skips[SETTLED:]
        share = f"{statistics.mean(skipped):.1%} of {len(skipped)}" if skipped else "fewer steps"
        print(f"| {name} | {metric} | {' | '.join(map(_told, found.values()))} | {share} |", flush=True)
        rows += [Row(f"{name}, {precision}", found[precision], found["32-true"]) for precision in PRECISIONS[1:]]
    return rows


def _told(scores: list[float]) -> str:
    return f"{statistics.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"


def _score(
    name: str, metric: str, epochs: int, overrides: list[str], precision: str, seed: int
) -> tuple[float, list[bool]]:
    """The metric after a run, and for each step whether the scaler skipped it."""
    data, task = made(name, "cpu", overrides, seed)
    scaler = Scaler() if precision == "16-mixed" else None
    plugin = Precision() if precision == "32-true" else MixedPrecision(precision, "cpu", scaler)  # type: ignore[arg-type]
    trainer = L.Trainer(
        accelerator="cpu",
        plugins=[plugin],
        max_epochs=epochs,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data.trainer = trainer
    trainer.fit(task, data)
    return float(trainer.callback_metrics[f"val/{metric}"]), [] if scaler is None else scaler.skipped
