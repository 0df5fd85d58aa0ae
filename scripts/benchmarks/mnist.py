"""MNIST on this machine: our speedrun and default run over 5 seeds, beside one epoch of pytorch/examples' `mnist`.

Seconds are those of training (ours with validation), without imports and reading the data.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

import zoo

SEEDS = range(5)
RUNS = {"mnist_speedrun": "experiment=mnist_speedrun", "default": "data=mnist"}


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


def run(root: Path) -> None:
    """Print the table."""
    seconds, accuracy = _example(root)
    print("| run | seconds | share of the example's epoch | test accuracy over seeds |", "|---|---|---|---|", sep="\n")
    print(f"| one epoch of pytorch/examples' mnist | {seconds:.1f} | 1 | {accuracy:.2%} |", flush=True)
    for name, override in RUNS.items():
        metrics = [_ours(override, root, seed) for seed in SEEDS]
        median = statistics.median(m["train/seconds"] for m in metrics)
        accuracies = sorted(m["test/accuracy"] for m in metrics)
        spread = f"{accuracies[0]:.2%} to {accuracies[-1]:.2%}, mean {statistics.mean(accuracies):.2%}"
        print(f"| {name} | {median:.1f} | {median / seconds:.3f} | {spread} |", flush=True)


def _ours(override: str, root: Path, seed: int) -> dict[str, float]:
    script = Path(__file__).resolve().parents[1] / "train.py"
    with tempfile.TemporaryDirectory() as folder:
        settings = [override, f"seed={seed}", f"data.root={root.resolve()}", f"hydra.run.dir={folder}"]
        subprocess.run([sys.executable, str(script), *settings], check=True, stdout=subprocess.DEVNULL)
        return zoo.load(Path(folder) / "model.safetensors").metrics


def _example(root: Path) -> tuple[float, float]:
    """Seconds of the first epoch of the example's loop, with its settings, and the test accuracy after it."""
    torch.manual_seed(1)
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    network = Example()
    optimiser = torch.optim.Adadelta(network.parameters(), lr=1.0)
    start = time.perf_counter()
    for x, y in DataLoader(datasets.MNIST(root, transform=steps), batch_size=64, shuffle=True):
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()
    seconds = time.perf_counter() - start
    network.eval()
    with torch.inference_mode():
        batches = DataLoader(datasets.MNIST(root, train=False, transform=steps), batch_size=1000)
        right = sum(int((network(x).argmax(dim=1) == y).sum()) for x, y in batches)
    return seconds, right / 10_000
