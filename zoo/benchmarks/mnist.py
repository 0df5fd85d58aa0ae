"""MNIST on this machine: our speedrun and default run over 5 seeds, beside one epoch of pytorch/examples' `mnist`.

Seconds are those of training (ours with validation), without imports and reading the data. Runs alternate, since
machines are noisy, and the median of each counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import zoo
from zoo.benchmarks import Row

SEEDS = range(42, 47)  # the default one, and the next four
EXAMPLE = "one epoch of pytorch/examples' `mnist`"
RUNS = {"`experiment=mnist_speedrun`": "experiment=mnist_speedrun", "`model=cnn data=mnist`": "data=mnist"}


class Example(nn.Module):
    """The network of pytorch/examples' mnist/main.py."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv2(self.conv1(x).relu()).relu(), 2)
        x = functional.dropout(x, 0.25, self.training).flatten(1)
        return self.fc2(functional.dropout(self.fc1(x).relu(), 0.5, self.training))


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows, in seconds."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in (EXAMPLE, *RUNS)}
    for seed in SEEDS:
        results[EXAMPLE].append(_train_example(root, seed))
        for name, override in RUNS.items():
            metrics = train([override], root, seed)
            results[name].append((metrics["train/seconds"], metrics["test/accuracy"]))
    print(
        "| run | seconds | fraction of the example's epoch | test accuracy over seeds |", "|---|---|---|---|", sep="\n"
    )
    epoch = statistics.median(seconds for seconds, _ in results[EXAMPLE])
    for name, measured in results.items():
        seconds = statistics.median(seconds for seconds, _ in measured)
        accuracies = [accuracy for _, accuracy in measured]
        spread = f"{min(accuracies):.2%} to {max(accuracies):.2%}, mean {statistics.mean(accuracies):.2%}"
        print(f"| {name} | {seconds:.1f} | {seconds / epoch:.3f} | {spread} |")
    times = {name: [seconds for seconds, _ in measured] for name, measured in results.items()}
    return [Row(override, times[name], times[EXAMPLE]) for name, override in RUNS.items()]


def train(overrides: Sequence[str], root: Path, seed: int) -> dict[str, float]:
    """The metrics of `python scripts/train.py` with these overrides, run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [*overrides, f"seed={seed}", f"data.root={root.resolve()}", f"hydra.run.dir={folder}"]
        subprocess.run([sys.executable, "-m", "zoo", "train", *settings], check=True, stdout=subprocess.DEVNULL)
        return zoo.load(Path(folder) / "model.safetensors").metrics


def _train_example(root: Path, seed: int) -> tuple[float, float]:
    """Seconds of the first epoch of the example's loop, with its settings, and the test accuracy after it."""
    torch.manual_seed(seed)
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    network = Example()
    optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
    start = time.perf_counter()
    for x, y in DataLoader(datasets.MNIST(root, transform=steps), batch_size=64, shuffle=True):
        optimizer.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimizer.step()
    seconds = time.perf_counter() - start
    network.eval()
    with torch.inference_mode():
        batches = DataLoader(datasets.MNIST(root, train=False, transform=steps), batch_size=1000)
        correct = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in batches)
    return seconds, correct / 10_000
