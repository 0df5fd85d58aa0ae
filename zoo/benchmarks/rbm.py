"""Persistent contrastive divergence on MNIST: ours beside scikit-learn's BernoulliRBM, both with 256 hidden units.

Both learn from the same pixels, binarized at 0.5, 100 digits a step, with the same learning rate, and start afresh in
each round. Theirs has as many Markov chains as digits in a step; ours has as many, and a quarter of that. Times are
seconds an epoch of training, the median over rounds in alternation, since machines are noisy: what counts is the ratio.
Both take as many threads; on one (OMP_NUM_THREADS=1) they are seconds of the CPU. The pseudo-likelihood (nats, a test
digit, higher is better) is computed for all by the same function with the same draws.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import torch
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits
from torch import Tensor

from zoo import models
from zoo.benchmarks import Row
from zoo.benchmarks.training import fit, now
from zoo.data.core.data_module import DataModule
from zoo.data.images import MNIST
from zoo.models import RBM
from zoo.tasks.rbm import DivergenceOptions, FeatureLearning

NUM_HIDDEN, BATCH_SIZE, LEARNING_RATE = 256, 100, 0.05
ROUNDS, EPOCHS = 3, 5
OURS = {100: 2.0, 25: 2.5}  # chains, and how many times as fast as theirs they should be
DRAWS = 20  # of the one unit a digit whose conditional stands for all


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows."""
    data = _digits(root)
    train, test = (binarized(data, split) for split in ("train", "test"))
    fits: dict[str, Callable[[int], tuple[RBM, list[float]]]] = {
        "BernoulliRBM": partial(_sklearn, train),
        **{f"{chains} chains": partial(_ours, data, chains) for chains in OURS},
    }
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    scores: dict[str, list[float]] = {name: [] for name in fits}
    for seed in range(ROUNDS):
        for name, fit_rbm in fits.items():
            rbm, times = fit_rbm(seed)
            seconds[name] += times
            scores[name].append(pseudo_likelihood(rbm, test))
    goals = ", ".join(f"{goal} with {chains} chains" for chains, goal in OURS.items())
    print(f"{'':16}{'s an epoch':>12}{'times as fast':>16}{'pseudo-likelihood, over seeds':>34}   goal: {goals}")
    slowest = statistics.median(seconds["BernoulliRBM"])
    for name, times in seconds.items():
        spread = f"{statistics.mean(scores[name]):.2f} ({min(scores[name]):.2f} to {max(scores[name]):.2f})"
        median = statistics.median(times)
        print(f"{name:16}{median:12.2f}{slowest / median:16.2f}{spread:>34}")
    theirs = seconds.pop("BernoulliRBM")
    return [Row(name, times, theirs) for name, times in seconds.items()]


def pseudo_likelihood(rbm: RBM, v: Tensor) -> float:
    """The mean over vectors (N, V) of an RBM's stochastic log pseudo-likelihood, over several draws."""
    place = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return statistics.mean(rbm.score(v, place).mean().item() for _ in range(DRAWS))


def binarized(data: DataModule, split: str) -> Tensor:
    """The pixels (N, V) of a split, 0 or 1."""
    images = data.splits[split].columns[0]
    assert isinstance(images, Tensor)
    return (images.flatten(1) > 127).float()


def _digits(root: Path) -> MNIST:
    data = MNIST(str(root), batch_size=BATCH_SIZE)
    data.prepare_data()
    data.setup()
    return data


def _ours(data: MNIST, chains: int, seed: int) -> tuple[RBM, list[float]]:
    """The machine that `task=features` trains under Lightning's Trainer, and the seconds of each epoch."""
    L.seed_everything(seed, verbose=False)
    task = FeatureLearning(
        data.spec,
        partial(models.build, "rbm", num_hidden=NUM_HIDDEN),
        partial(torch.optim.SGD, lr=LEARNING_RATE),
        divergence=DivergenceOptions(particles=chains, binarize="threshold"),
    )
    return task.network, fit(task, data, EPOCHS)


def _sklearn(v: Tensor, seed: int) -> tuple[RBM, list[float]]:
    """scikit-learn's machine as one of ours, and the seconds of an epoch of its `fit`."""
    options = {"learning_rate": LEARNING_RATE, "batch_size": BATCH_SIZE, "n_iter": EPOCHS, "random_state": seed}
    machine = BernoulliRBM(NUM_HIDDEN, **options)
    with threadpool_limits(torch.get_num_threads()):
        start = now()
        machine.fit(v.numpy())
        seconds = (now() - start) / EPOCHS
    rbm = RBM(v.shape[1], NUM_HIDDEN)
    with torch.no_grad():
        rbm.weight.copy_(torch.from_numpy(machine.components_).t())
        rbm.hidden_bias.copy_(torch.from_numpy(machine.intercept_hidden_))
        rbm.visible.bias.copy_(torch.from_numpy(machine.intercept_visible_))
    return rbm, [seconds]
