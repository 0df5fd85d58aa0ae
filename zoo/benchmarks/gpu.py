"""Training on a CUDA GPU, in mixed precision: examples a second, and what keeps a step from being faster.

Beside ours is a loop of the same steps without Lightning, seeds, schedules and logs: the loss of the task, backward and
a fused AdamW. GANs, which take the steps of two optimizers themselves, have none beside them. The share of time in
kernels and their number are those of torch.profiler, in a round of its own; operators are what PyTorch is asked for in
a step, forward, backward and optimizer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.benchmarks import Row
from zoo.benchmarks.cells import made
from zoo.data.core.data_module import DataModule
from zoo.hardware import check_gpu, precision
from zoo.tasks.task import Task

CELLS: dict[str, list[str]] = {
    "cnn classification": ["data=digits"],
    "cnn ocr": ["data.train_size=2048"],
    "gan inpainting": ["data=digits"],
    "gan super_resolution": [],
    "mlp regression": ["data=diabetes"],
    "rbm features": ["data=digits"],
    "lstm sentiment": [],
    "gru forecasting": [],
}
ROUNDS = 3  # that are timed, after one to warm up
BATCHES = 50  # of a round, at most
PROFILED = ProfilerActivity.CUDA
DEVICE = torch.device("cuda", 0)


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: examples a second.

    Raises:
        ConfigError: there is no GPU.
    """
    check_gpu(1, "mixed")
    print(f"{torch.cuda.get_device_name()}, {precision('mixed', 'gpu')}, torch {torch.__version__}")
    titles = ["cell", "a step", "examples/s", "bare loop", "ratio", "in kernels", "kernels a step", "operators a step"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    rows = []
    for name, overrides in CELLS.items():
        data, task = made(name, "gpu", overrides)
        watch, count = Watch(), Operators()
        _fit(task, data, ROUNDS + 2, BATCHES, watch)
        bare = _bare(task, data) if task.automatic_optimization else []
        _fit(task, data, 1, 2, count)
        ours, theirs = watch.speeds, f"{statistics.median(bare):,.0f}" if bare else "-"
        ratio = f"{statistics.median(ours) / statistics.median(bare):.2f}" if bare else "-"
        share, kernels = (f"{watch.share:.0%}", f"{watch.kernels:,.0f}") if watch.kernels else ("-", "-")
        told = [name, data.batch_size, f"{statistics.median(ours):,.0f}", theirs, ratio, share, kernels, count.last]
        print(f"| {' | '.join(map(str, told))} |", flush=True)
        rows.append(Row(f"{name}, examples a second", ours, bare))
    return rows


def _fit(task: Task, data: DataModule, epochs: int, batches: int, watch: Callback) -> None:
    trainer = L.Trainer(
        accelerator="gpu",
        devices=1,
        precision=precision("mixed", "gpu"),  # type: ignore[arg-type]
        benchmark=True,
        max_epochs=epochs,
        limit_train_batches=batches,
        limit_val_batches=0,
        callbacks=[watch],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    data.trainer = trainer
    trainer.fit(task, data)


def _bare(task: Task, data: DataModule) -> list[float]:
    """Examples a second of each round."""
    optimizer = torch.optim.AdamW(task.to(DEVICE).train().network.parameters(), fused=True)
    dtype = torch.bfloat16 if precision("mixed", "gpu") == "bf16-mixed" else torch.float16
    loader = data.train_dataloader()
    speeds = []
    for _ in range(ROUNDS + 1):
        began, steps = _now(), 0
        for number, batch in enumerate(islice(loader, BATCHES)):
            there = task.transfer_batch_to_device(batch, DEVICE, 0)
            if data.augment is not None:
                there = (data.augment(there[0]), *there[1:])
            with torch.autocast("cuda", dtype):
                loss: Any = task.training_step(there, number)
            optimizer.zero_grad()
            (loss["loss"] if isinstance(loss, dict) else loss).backward()
            optimizer.step()
            steps += 1
        speeds.append(steps * data.batch_size / (_now() - began))
    return speeds[1:]


def _now() -> float:
    """Seconds, once the device has done all that it was asked for."""
    torch.cuda.synchronize()
    return time.perf_counter()


class Watch(Callback):
    """Examples a second of each epoch but the first, and what the profiler saw of the last one."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.share = self.kernels = 0.0
        self.profile: Any = None

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == ROUNDS + 1:
            self.profile = profile(activities=[PROFILED])
            self.profile.start()
        self.began = _now()

    def on_train_epoch_end(self, trainer: Any, pl_module: L.LightningModule) -> None:
        seconds, steps = _now() - self.began, int(trainer.num_training_batches)
        if self.profile is not None:
            self.profile.stop()
            spent = _kernels(self.profile.events())
            self.share, self.kernels = sum(spent) / seconds, len(spent) / steps
        elif trainer.current_epoch:
            self.speeds.append(steps * trainer.datamodule.batch_size / seconds)


def _kernels(events: Iterable[Any]) -> list[float]:
    """Seconds of each kernel that ran; copies and ranges that a program names are none."""
    return [
        event.time_range.elapsed_us() / 1e6
        for event in events
        if event.device_type == DeviceType.CUDA
        and not event.is_user_annotation
        and not event.name.startswith(("Memcpy", "Memset"))
    ]


class Operators(Callback):
    """How many operators each step has."""

    class Counter(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen += 1
            return func(*args, **(kwargs or {}))

    def __init__(self) -> None:
        self.last = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self.counter = self.Counter()
        self.counter.__enter__()

    def on_train_batch_end(self, *_: Any) -> None:
        self.counter.__exit__(None, None, None)
        self.last = self.counter.seen
