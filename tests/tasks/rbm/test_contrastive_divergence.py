"""Contrastive divergence: its gradient against that of the likelihood, by enumeration, and how it is kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import zoo.training.reports  # noqa: F401  # registers them
from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.errors import ConfigError
from zoo.models.rbm import RBM, log_likelihood, log_partition
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Image, Spec, Table
from zoo.spec.columns import Number
from zoo.tasks.rbm import DivergenceOptions, FeatureLearning
from zoo.tasks.rbm.contrastive_divergence import in_order
from zoo.training import report
from zoo.training.report import Evaluation

TrainerBuilder = Callable[..., L.Trainer]
SMALL = Spec(Image(1, 2, 3, (0.5,), (0.5,)), Classes(("a", "b")))
SGD = partial(torch.optim.SGD, lr=0.1)


def feature_learning(spec: Spec = SMALL, hidden: int = 4, optimizer: Any = SGD, **options: Any) -> FeatureLearning:
    torch.manual_seed(0)
    build = partial(models.build, "rbm", num_hidden=hidden)
    return FeatureLearning(spec, build, optimizer, divergence=DivergenceOptions(**options), ais_temperatures=100)


def spread(task: FeatureLearning, scale: float = 0.6) -> FeatureLearning:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in task.network.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return task


def gradients(loss: Tensor, network: nn.Module) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()))])


def every_state(count: int) -> Tensor:
    return (torch.arange(2**count)[:, None] >> torch.arange(count).flip(0) & 1).float()


def exact_gradient(task: FeatureLearning, v: Tensor) -> Tensor:
    """Of the mean of -log p(v), with Z as a sum over all visible states."""
    network = task.network
    log_z = torch.logsumexp(-network.free_energy(every_state(6)), dim=0)
    return gradients(network.free_energy(v).mean() + log_z, network)


def test_the_gradient_with_particles_is_that_of_the_likelihood() -> None:
    task = spread(feature_learning(particles=50_000, gibbs_steps=25))
    v = every_state(6)[[3, 3, 17, 40, 63]]
    torch.manual_seed(2)
    found = gradients(task.divergence_loss(v), task.network)
    torch.testing.assert_close(found, exact_gradient(task, v), atol=0.01, rtol=0)


def test_the_gradient_with_tempered_particles_is_that_of_the_likelihood() -> None:
    task = spread(feature_learning(particles=50_000, temperatures=4, gibbs_steps=25))
    v = every_state(6)[[3, 3, 17, 40, 63]]
    task.visible_mean.fill_(0.5)
    torch.manual_seed(2)
    found = gradients(task.divergence_loss(v), task.network)
    torch.testing.assert_close(found, exact_gradient(task, v), atol=0.01, rtol=0)


def test_the_gradient_of_contrastive_divergence_nears_that_of_the_likelihood_with_more_steps() -> None:
    task = spread(feature_learning(), scale=1.2)
    v = every_state(6)[[3, 3, 17, 40, 63]]
    exact, many = exact_gradient(task, v), v.repeat(8_000, 1)
    torch.manual_seed(2)
    apart = []
    for steps in (1, 50):
        task.divergence = DivergenceOptions(gibbs_steps=steps)
        apart.append((gradients(task.divergence_loss(many), task.network) - exact).norm().item())
    assert apart[0] > 0.1
    assert apart[1] < 0.02


def test_particles_go_on_from_step_to_step() -> None:
    task = spread(feature_learning(particles=7))
    task.divergence_loss(every_state(6)[:5])
    first = task._hidden_particles
    task.divergence_loss(every_state(6)[:5])
    assert first is not None
    assert task._hidden_particles is not None
    assert first.shape == task._hidden_particles.shape == (7, 4)
    assert not torch.equal(first, task._hidden_particles)


def test_a_sparsity_target_is_reached() -> None:
    task = feature_learning(sparsity=0.1, sparsity_cost=5.0)
    optimizer = torch.optim.SGD(task.network.parameters(), lr=0.1)
    v = every_state(6)
    for _ in range(200):
        optimizer.zero_grad()
        task.divergence_loss(v).backward()
        optimizer.step()
    active = task.network.transform(v).mean(dim=0)
    torch.testing.assert_close(active, torch.full((4,), 0.1), atol=0.03, rtol=0)


def test_free_energies_are_float32_in_mixed_precision() -> None:
    task = spread(feature_learning(particles=5))
    v = every_state(6)[:8]
    with torch.autocast("cpu", torch.bfloat16):
        task.divergence_loss(v).backward()
        energies = task.network.free_energy(v)
    assert energies.dtype == torch.float32
    torch.testing.assert_close(energies, task.network.free_energy(v), atol=0.05, rtol=0.02)
    assert task.network.weight.grad.isfinite().all()
    assert task.network.weight.grad.any()


def teacher() -> RBM:
    """Each of its three hidden units turns half of the pixels on and the others off, in stripes of its own."""
    rbm = RBM(16, 3)
    stripes = torch.arange(16)[:, None].div(torch.tensor([1, 2, 4]), rounding_mode="floor") % 2
    with torch.no_grad():
        rbm.weight.copy_(1.5 * (2 * stripes - 1))
        rbm.visible.bias.copy_(-rbm.weight.sum(dim=1) / 2)
    return rbm


@pytest.fixture
def patterns() -> Digits:
    """Pictures of 4 x 4 pixels, on or off, drawn from the teacher; their class is a pixel that half of them have."""
    every = every_state(16)
    shares = (-teacher().free_energy(every)).softmax(dim=0).detach()
    drawn = every[shares.multinomial(3000, replacement=True, generator=torch.Generator().manual_seed(0))]
    images, labels = (255 * drawn).to(torch.uint8).view(-1, 1, 4, 4), drawn[:, 12].long()
    data = Digits(batch_size=50)
    data.setup()
    rows = {"train": slice(0, 2000), "val": slice(2000, 2500), "test": slice(2500, 3000)}
    data.splits = {split: Examples(images[chosen], labels[chosen]) for split, chosen in rows.items()}
    data.spec = Spec(Image(1, 4, 4, (0.5,), (0.5,)), Classes(("off", "on")))
    return data


@pytest.mark.parametrize("options", [{"particles": 50}, {"gibbs_steps": 1}, {"particles": 50, "centering": False}])
def test_it_learns_a_known_distribution(trainer: TrainerBuilder, patterns: Digits, options: dict[str, Any]) -> None:
    """Its likelihood comes near to that of the machine that the data was drawn from.

    It falls short by less than a quarter of what pixels do that know nothing of each other.
    """
    task = feature_learning(patterns.spec, hidden=6, **options)
    L.seed_everything(0, verbose=False)
    fitted = trainer(max_epochs=40, limit_val_batches=0)
    fitted.fit(task, patterns)
    evaluation = Evaluation(task, patterns.splits, 50)
    metrics = report.split_metrics(task, evaluation)
    images, labels = patterns.splits["test"].columns
    v = images.flatten(1) / 255.0
    own, best = (log_likelihood(rbm, v, log_partition(rbm)) for rbm in (task.network, teacher()))
    assert metrics["log_likelihood"] == pytest.approx(own.mean().item(), abs=1e-3)
    rates = patterns.splits["train"].columns[0].flatten(1).div(255.0).mean(dim=0)
    apart = (v * rates.log() + (1 - v) * (1 - rates).log()).sum(dim=1)
    assert (best - own).mean() < (best - apart).mean() / 4
    usual = labels.float().mean().item()
    chance = max(usual, 1 - usual) + 4 * math.sqrt(0.25 / len(v))  # how many hit a class at random, and its error
    assert metrics["knn_accuracy"] > chance
    assert report.baselines(task, evaluation)["knn_accuracy_inputs"] > chance


def test_a_log_likelihood_is_of_0_and_1_where_grey_is_learned_from(digits: Digits) -> None:
    task = feature_learning(digits.spec, binarize="none")
    metrics = report.split_metrics(task, Evaluation(task, digits.splits, 64))
    v = (digits.splits["test"].columns[0].flatten(1) / 255.0).round()
    own = log_likelihood(task.network, v, log_partition(task.network))
    assert metrics["log_likelihood"] == pytest.approx(own.mean().item(), abs=1e-3)


def test_a_report_knows_the_base_rates_of_a_network_trained_elsewhere(patterns: Digits) -> None:
    """Its estimate of log Z starts from them, and leaves the task as it is."""
    task = feature_learning(patterns.spec, hidden=21)  # too many for the exact one
    metrics = report.split_metrics(task, Evaluation(task, patterns.splits, 50))
    log_z = torch.logsumexp(-task.network.free_energy(every_state(16)), dim=0)
    assert metrics["log_z"] == pytest.approx(log_z.item(), abs=0.05)
    assert metrics["log_z_error"] > 0
    assert task.visible_mean.isnan().all()


def test_biases_start_at_the_training_data_but_for_those_that_are_trained(
    trainer: TrainerBuilder, patterns: Digits
) -> None:
    still = partial(torch.optim.SGD, lr=0.0)
    task = feature_learning(patterns.spec, optimizer=TrainingOptions(still, ema=0.9))
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(task, patterns)
    mean = patterns.splits["train"].columns[0].flatten(1).float().mean(dim=0) / 255
    for network in (task.network, task.trained_network):
        torch.testing.assert_close(network.visible.bias.sigmoid(), mean, atol=1e-4, rtol=0)
    trained = spread(feature_learning(patterns.spec, optimizer=still))
    before = trained.network.visible.bias.detach().clone()
    trained.finetune(["visible"], 1.0)  # the centred gradient knows that it stays
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(trained, patterns)
    assert torch.equal(trained.network.visible.bias, before)


class Stream(IterableDataset[Any]):
    """Examples that come one after the other, with no number."""

    def __init__(self, examples: list[Any]) -> None:
        self.examples = examples

    def __iter__(self) -> Iterator[Any]:
        return iter(self.examples)


def test_the_means_are_those_of_any_loader(patterns: Digits) -> None:
    """In the order of the data set where it has one, and without a random number."""
    split = patterns.splits["train"]
    tuples = [*zip(*split.columns)]
    task = feature_learning(patterns.spec)
    indexed, plain = DataLoader(split, 7, True, collate_fn=lambda batch: batch), DataLoader(tuples, 64, True)
    state = torch.random.get_rng_state()
    means = [task.moments(in_order(loader, task.chunk))[0] for loader in (indexed, plain)]
    assert torch.equal(*means)
    assert torch.equal(torch.random.get_rng_state(), state)
    halves = [split.__getitems__(range(start, start + 1000)) for start in (0, 1000)]
    means += [task.moments(in_order(loader, task.chunk))[0] for loader in (DataLoader(Stream(tuples), 100), halves)]
    expected = split.columns[0].flatten(1).float().mean(dim=0) / 255
    for mean in means:
        torch.testing.assert_close(mean, expected)


def test_weights_that_are_not_finite_stop_the_run_and_keep_the_last_good_checkpoint(
    tmp_path: Path, digits: Digits
) -> None:
    task = feature_learning(digits.spec)
    keep = L.pytorch.callbacks.ModelCheckpoint(dirpath=tmp_path, save_last=True, monitor=None)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}

    class Spoil(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
            if trainer.current_epoch == 2:
                task.network.weight.data[0, 0] = torch.nan

    spoilt = L.Trainer(accelerator="cpu", max_epochs=5, callbacks=[keep, Spoil()], **quiet)
    with pytest.raises(ConfigError, match=r"in epoch 3; try a learning rate of 0\.01 "):
        spoilt.fit(task, digits)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in kept["state_dict"].values())


@pytest.mark.parametrize("temperatures", [1, 3])
def test_particles_are_kept_in_the_checkpoint(
    tmp_path: Path, trainer: TrainerBuilder, patterns: Digits, temperatures: int
) -> None:
    task = feature_learning(patterns.spec, particles=6, temperatures=temperatures)
    fitted = trainer(max_epochs=1, limit_val_batches=0)
    fitted.fit(task, patterns)
    fitted.save_checkpoint(tmp_path / "some.ckpt")
    kept = torch.load(tmp_path / "some.ckpt", weights_only=True)
    assert torch.equal(kept["particles"][0].float(), task._hidden_particles)
    other = copy.deepcopy(task)
    other._hidden_particles = None
    other.on_load_checkpoint({**kept, "lr_schedulers": []})  # which only a trainer could compare
    assert torch.equal(other._hidden_particles, task._hidden_particles)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"gibbs_steps": 0}, "gibbs_steps .* 0"),
        ({"particles": -1}, "particles .* -1"),
        ({"temperatures": 0}, "temperatures .* 0"),
        ({"temperatures": 5}, "parallel tempering"),
        ({"sparsity": 1.0}, r"sparsity .* 1\.0"),
        ({"sparsity_cost": -1}, "sparsity_cost .* -1"),
        ({"binarize": "smaple"}, "binarize 'smaple'; did you mean 'sample'"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        DivergenceOptions(**options)


def test_annealing_is_checked_before_training() -> None:
    with pytest.raises(ValueError, match="ais_runs"):
        FeatureLearning(SMALL, partial(models.build, "rbm"), SGD, ais_runs=1)


def test_tempering_is_of_bernoulli_units() -> None:
    table = Spec(Table((Number("age", 0.0, 1.0, False),)), Classes(("a", "b")))
    with pytest.raises(ValueError, match="Bernoulli"):
        feature_learning(table, particles=5, temperatures=2)
