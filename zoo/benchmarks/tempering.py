"""Where parallel tempering pays: the exact likelihood that machines reach with as many Gibbs updates a step.

Two data sets: images of 4 x 8 pixels, of which 70 % are on but for 2 % of their pixels, and the others off; and
scikit-learn's digits, binarized at 0.5. Each machine has few enough hidden units for its likelihood to be exact.
"""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch

from zoo import models
from zoo.benchmarks import Row
from zoo.benchmarks.rbm import binarized
from zoo.benchmarks.training import fit
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.models.rbm import log_likelihood, log_partition
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Image, Spec
from zoo.tasks.rbm import DivergenceOptions, FeatureLearning

SAMPLERS: dict[str, dict[str, int]] = {
    "100 chains from the data, 10 steps": {"gibbs_steps": 10},
    "100 particles, 10 steps": {"particles": 100, "gibbs_steps": 10},
    "1,000 particles": {"particles": 1_000},
    "100 particles at 10 temperatures": {"particles": 100, "temperatures": 10},
}
SEEDS, STEPS, BATCH_SIZE, LEARNING_RATE = 3, 3_000, 100, 0.05
ON, FLIPPED = 0.7, 0.02  # fractions of images and of pixels


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: each sampler beside the first, in nats."""
    digits = Digits(batch_size=BATCH_SIZE)
    digits.setup()
    sets = ((two_modes(), 4), (digits, 16))  # and the number of hidden units
    print(f"{'nats a test example, over seeds':36}{'two modes':>28}{'digits':>28}")
    likelihoods: dict[str, list[list[float]]] = {}
    for name, options in SAMPLERS.items():
        columns = []
        for data, num_hidden in sets:
            found = [likelihood(data, num_hidden, seed, options) for seed in range(SEEDS)]
            likelihoods.setdefault(name, []).append(found)
            columns.append(f"{statistics.mean(found):.2f} ({min(found):.2f} to {max(found):.2f})")
        print(f"{name:36}{columns[0]:>28}{columns[1]:>28}", flush=True)
    first, *others = likelihoods
    return [
        Row(f"{data}: {name}", ours, theirs)
        for name in others
        for data, ours, theirs in zip(("two modes", "digits"), likelihoods[name], likelihoods[first])
    ]


def two_modes() -> Digits:
    """The generated images, in place of the digits."""
    random = torch.Generator().manual_seed(0)
    modes = (torch.rand(7_000, 1, generator=random) < ON).float()
    flips = (torch.rand(7_000, 32, generator=random) < FLIPPED).float()
    images, labels = (255 * (modes - flips).abs()).to(torch.uint8).view(-1, 1, 4, 8), modes[:, 0].long()
    data = Digits(batch_size=BATCH_SIZE)
    rows = {"train": slice(5_000), "val": slice(5_000, 6_000), "test": slice(6_000, 7_000)}
    data.splits = {split: Examples(images[part], labels[part]) for split, part in rows.items()}
    data.spec = Spec(Image(1, 4, 8, (0.5,), (0.5,)), Classes(("off", "on")))
    return data


def likelihood(data: Digits, num_hidden: int, seed: int, options: dict[str, Any]) -> float:
    """The mean log-likelihood of the test split, in nats, exactly."""
    L.seed_everything(seed, verbose=False)
    build = partial(models.build, "rbm", num_hidden=num_hidden)
    sgd = partial(torch.optim.SGD, lr=LEARNING_RATE)
    task = FeatureLearning(
        data.spec,
        build,
        TrainingOptions(sgd, schedule="cosine"),
        divergence=DivergenceOptions(binarize="threshold", **options),
    )
    fit(task, data, STEPS // len(data.train_dataloader()))
    return float(log_likelihood(task.network, binarized(data, "test"), log_partition(task.network)).mean())
