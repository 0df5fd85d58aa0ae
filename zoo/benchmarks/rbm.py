"""Persistent contrastive divergence on MNIST: ours beside scikit-learn's BernoulliRBM, both with 256 hidden units.

Both learn from the same pixels, on or off (threshold 0.5), 100 digits a step, with the same learning rate, and start
anew in each round. Theirs has as many Markov chains as digits in a step; ours has as many, and a quarter of that, and
takes 10 steps a batch of the loader (`steps_per_batch`), and one. Times are seconds an epoch of training, the median
over rounds that are taken in turns, since machines are noisy: what counts is the ratio. The pseudo-likelihood (nats, a
test digit, higher is better) is computed for all by the same function with the same draws.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import torch
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from zoo import models
from zoo.benchmarks.training import fit
from zoo.data.images import MNIST
from zoo.models import RBM
from zoo.tasks.rbm.features import FeatureLearning

HIDDEN, BATCH, RATE = 256, 100, 0.05
ROUNDS, EPOCHS = 3, 5
OURS = (100, 10), (25, 10), (25, 1)  # chains, and steps a batch
DRAWS = 20  # of the unit that stands for all of a digit's


def run(root: Path) -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    data = _digits(root)
    train, test = ((data.splits[split].columns[0].flatten(1) > 127).float() for split in ("train", "test"))
    contestants: dict[str, Callable[[int], tuple[RBM, list[float]]]] = {
        "BernoulliRBM": partial(_theirs, train),
        **{
            f"ours, {chains} chains, {steps} a batch": partial(_ours, _digits(root, steps), chains)
            for chains, steps in OURS
        },
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    scores: dict[str, list[float]] = {name: [] for name in contestants}
    for seed in range(ROUNDS):
        for name, fitted in contestants.items():
            rbm, times = fitted(seed)
            seconds[name] += times
            scores[name].append(pseudo_likelihood(rbm, test))
    print(f"{'':28}{'s an epoch':>12}{'times as fast (goal 2.5)':>26}{'pseudo-likelihood, over seeds':>34}")
    slowest = statistics.median(seconds["BernoulliRBM"])
    for name, times in seconds.items():
        spread = f"{statistics.mean(scores[name]):.2f} ({min(scores[name]):.2f} to {max(scores[name]):.2f})"
        median = statistics.median(times)
        print(f"{name:28}{median:12.2f}{slowest / median:26.2f}{spread:>34}")


def pseudo_likelihood(rbm: RBM, v: Tensor) -> float:
    """The mean over vectors (N, V) of an RBM's stochastic log pseudo-likelihood, over several draws."""
    place = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return statistics.mean(rbm.score(v, place).mean().item() for _ in range(DRAWS))


def _digits(root: Path, steps: int = 1) -> MNIST:
    """With as many steps' digits in a batch."""
    data = MNIST(str(root), batch_size=steps * BATCH)
    data.prepare_data()
    data.setup()
    return data


def _ours(data: MNIST, chains: int, seed: int) -> tuple[RBM, list[float]]:
    """The machine that `task=features` makes under Lightning's Trainer, with progress bar and logs; its epochs."""
    L.seed_everything(seed, verbose=False)
    task = FeatureLearning(
        data.spec,
        partial(models.build, "rbm", num_hidden=HIDDEN),
        partial(torch.optim.SGD, lr=RATE),
        steps_per_batch=data.batch_size // BATCH,
        particles=chains,
        binarise="threshold",
        schedule="constant",
    )
    return task.network, fit(task, data, EPOCHS)


def _theirs(v: Tensor, seed: int) -> tuple[RBM, list[float]]:
    """scikit-learn's machine as one of ours, and the seconds of an epoch of its `fit`."""
    machine = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=BATCH, n_iter=EPOCHS, random_state=seed)
    start = time.perf_counter()
    machine.fit(v.numpy())
    seconds = (time.perf_counter() - start) / EPOCHS
    rbm = RBM(v.shape[1], HIDDEN)
    with torch.no_grad():
        rbm.weight.copy_(torch.from_numpy(machine.components_).t())
        rbm.hidden_bias.copy_(torch.from_numpy(machine.intercept_hidden_))
        rbm.visible.bias.copy_(torch.from_numpy(machine.intercept_visible_))
    return rbm, [seconds]
