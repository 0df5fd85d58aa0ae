"""The overhead of training: our epochs beside bare loops on the same tensors, and beside torchvision's data path.

Times are those of training alone, in seconds an epoch: the median of several, in alternation, since machines are
noisy. What counts is the ratio. On one thread (OMP_NUM_THREADS=1) they are seconds of the CPU.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from zoo.benchmarks import Row
from zoo.data.core.data_module import DataModule
from zoo.data.images import MNIST
from zoo.hardware import precision
from zoo.models import CNN
from zoo.optim.options import TrainingOptions
from zoo.private import keep_freed_memory, look_for_gpus_once
from zoo.spec import Image, Spec
from zoo.tasks.supervised import Classification
from zoo.tasks.task import Task
from zoo.training.progress import progress_bar

BATCH = 256
ROUNDS = 3  # of each, in alternation; the first epoch of each is a warm-up
EPOCHS = 3

Build = Callable[[Spec], nn.Module]
Batches = Iterator[tuple[Tensor, Tensor]]


def cnn(spec: Spec) -> nn.Module:
    return CNN(1, 10)


def perceptron(spec: Spec) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows."""
    data = MNIST(str(root), batch_size=BATCH)
    data.prepare_data()
    data.setup()
    images, labels = data.splits["train"].columns
    image = data.spec.input
    assert isinstance(image, Image)
    assert isinstance(images, Tensor)
    assert isinstance(labels, Tensor)

    def in_memory() -> Batches:
        order = torch.randperm(len(images))[: len(images) // BATCH * BATCH]
        for rows in order.split(BATCH):
            yield image.prepare(images[rows]), labels[rows]

    def torchvision() -> Batches:
        steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(image.mean, image.std)])
        examples = torch.utils.data.Subset(datasets.MNIST(root, transform=steps), range(len(images)))
        yield from DataLoader(examples, batch_size=BATCH, shuffle=True, drop_last=True)

    rows = [
        ("cnn", "bare loop", cnn, in_memory, 1.05),
        ("perceptron", "bare loop", perceptron, in_memory, 1.1),
        ("cnn, images", "ToTensor and DataLoader", cnn, torchvision, 1 / 3),
    ]
    measured = []
    print(f"{'ours, s an epoch':24}{'s':>7}  {'beside':30}{'s':>7}{'ratio':>8}{'goal':>8}")
    for name, beside, build, batches, goal in rows:
        mine, theirs = [], []
        for _ in range(ROUNDS):
            mine += _ours(data, build)
            theirs += _bare(build, data.spec, batches, EPOCHS if batches is in_memory else 1)
        a, b = statistics.median(mine), statistics.median(theirs)
        print(f"{name:24}{a:7.2f}  {beside:30}{b:7.2f}{a / b:8.2f}{f'<= {goal:.2f}':>8}", flush=True)
        measured.append(Row(name, mine, theirs))
    return measured


def now() -> float:
    """The time in seconds: on one thread that of the CPU, which other programs change little."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def _bare(build: Build, spec: Spec, batches: Callable[[], Batches], epochs: int) -> list[float]:
    """Seconds of each epoch of a loop as short as it gets, in the precision that `trainer=auto` has here."""
    network = build(spec)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    bf16 = precision("auto", "cpu") == "bf16-mixed"
    seconds = []
    for epoch in range(epochs + (epochs > 1)):
        start = now()
        for x, y in batches():
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch or epochs == 1:
            seconds.append(now() - start)
    return seconds


class Clock(Callback):
    """Seconds of each epoch's training, without validation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.start = now()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds.append(now() - self.start)


def fit(task: Task, data: DataModule, epochs: int) -> list[float]:
    """Seconds of each epoch of a task under Lightning's Trainer, on a CPU, with what shows progress, and loggers."""
    keep_freed_memory()  # as scripts/train.py does, and
    look_for_gpus_once()
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            accelerator="cpu",
            precision=precision("auto", "cpu"),  # type: ignore[arg-type]
            max_epochs=epochs,
            limit_val_batches=0,
            callbacks=[clock, progress_bar()],
            logger=[CSVLogger(folder, "", ""), TensorBoardLogger(folder, "", "tensorboard")],
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(task, data)
    return clock.seconds


def _ours(data: MNIST, build: Build) -> list[float]:
    """Seconds of each epoch of our task, with its schedule."""
    task = Classification(data.spec, build, TrainingOptions(partial(torch.optim.AdamW, lr=1e-3), schedule="one_cycle"))
    return fit(task, data, EPOCHS + 1)[1:]
