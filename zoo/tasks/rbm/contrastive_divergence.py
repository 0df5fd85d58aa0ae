"""Learning by contrastive divergence: what the data shows is made likelier, and samples of the model less likely.

Shape letters: B batch, V visible, S sufficient statistics, H hidden, P particles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset
from torchmetrics import MeanMetric, Metric

from zoo import check
from zoo.errors import Diverged, SpecError
from zoo.models.rbm import RBM
from zoo.models.rbm.tempering import tempered_gibbs
from zoo.models.rbm.units import Bernoulli, bernoulli
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Encoded, Image, Input, Spec
from zoo.tasks.task import NetworkBuilder, Task

BINARIZE = ("sample", "threshold", "none")
CHUNK = 2048  # examples at a time, where the means of all training data are taken
AT_ONCE = 2**25  # and numbers in them
BASE_RATES = 0.01, 0.99  # between which the base rates lie where parallel tempering starts
INERTIA = 0.99  # of the running means that center the gradient


@dataclass(frozen=True)
class DivergenceOptions:
    """How the samples of contrastive divergence are drawn, and what is added to its loss.

    Args:
        gibbs_steps: k of CD-k, and of each step of the particles.
        particles: P, Markov chains that go on from step to step, on each process; 0 for CD-k.
        temperatures: K of parallel tempering, of Bernoulli units, where each particle is K chains; 1 for none.
        centering: whether the gradient is centered (Melchior, Fischer, Wiskott 2016), at running means.
        sparsity: the mean activity that hidden units are drawn to, above 0 and below 1; None for none.
        sparsity_cost: weight of that, as a cross-entropy (nats, summed over the hidden units).
        binarize: how pixels in 0..1 become the 0 and 1 of Bernoulli units: sample (anew in each step, and always alike
            for validation and test), threshold (at 0.5) or none (they stay, and stand for probabilities).

    Raises:
        ValueError: an option is out of range.
    """

    gibbs_steps: int = 1
    particles: int = 0
    temperatures: int = 1
    centering: bool = True
    sparsity: float | None = None
    sparsity_cost: float = 0.1
    binarize: str = "sample"

    def __post_init__(self) -> None:
        check.whole("gibbs_steps", self.gibbs_steps)
        check.whole("particles", self.particles, 0)
        check.whole("temperatures", self.temperatures)
        if self.temperatures > 1 and not self.particles:
            raise ValueError("parallel tempering is of particles, and there are none; give particles=100, say")
        if self.sparsity is not None:
            check.fraction("sparsity", self.sparsity, zero=False, one=False)
        check.at_least_zero("sparsity_cost", self.sparsity_cost)
        check.one_of("binarize", self.binarize, BINARIZE)


class ContrastiveDivergence(Task):
    """A restricted Boltzmann machine whose parameters follow the gradient of the likelihood, or nearly so.

    The loss is the mean free energy of the batch minus that of samples of the model. Its gradient is that of
    contrastive divergence: CD-k (Hinton 2002), where the samples come from k Gibbs steps that start at the batch, or
    persistent CD (Tieleman 2008), where they are particles, Markov chains that go on from step to step.

    Before training the visible biases start at the means of the training data, for which one more pass over the
    training loader's dataset is made.

    Logs `train/divergence_loss`, `train/free_energy` and `val/free_energy` (nats; a growing difference means
    overfitting), and of `val` and `test` the `reconstruction` error (mean square, a visible number) and, of Bernoulli
    units, the stochastic log `pseudo_likelihood` (nats, an example).

    Args:
        spec: what the network takes and gives.
        build, optimizer: as in `Task`.
        divergence: how samples are drawn.

    Raises:
        ValueError: an option is out of range, or does not suit the visible units.
    """

    network: RBM
    kind: str | None = "energy"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(),
    ) -> None:
        super().__init__(spec, build, optimizer)
        if not isinstance(self.network, RBM):
            raise SpecError(f"contrastive divergence trains RBMs, model=rbm, and no {type(self.network).__name__}")
        if divergence.temperatures > 1 and not isinstance(self.network.visible, Bernoulli):
            raise ValueError("parallel tempering is of Bernoulli visible units, as those of images are")
        self.divergence = divergence
        self.binarize = divergence.binarize if isinstance(self.spec.input, Image) else "none"
        width, (statistics, hidden) = self.network.visible.width, self.network.weight.shape
        self.visible_mean: Tensor
        self.statistics_mean: Tensor
        self.hidden_mean: Tensor
        self.register_buffer("visible_mean", torch.full((width,), torch.nan))  # of the training data
        self.register_buffer("statistics_mean", torch.zeros(statistics))
        self.register_buffer("hidden_mean", torch.full((hidden,), 0.5))
        self._seen: tuple[Tensor, Tensor, Tensor | float] | None = None  # of a batch: the means, and their weight
        self._hidden_particles: Tensor | None = None  # (K,) P, H; no buffer: DDP would give all processes the same
        self.free_energy = MeanMetric()
        self.reconstruction = MeanMetric()
        self.pseudo_likelihood = MeanMetric()

    # Training

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.divergence_loss(self.visible(batch))

    def divergence_loss(self, v: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss of visible vectors (B, V), a scalar whose gradient is that of contrastive divergence.

        Args:
            v: visible vectors.
            weights: what each counts in the mean (B,), adding up to 1, or all 0, from which nothing is learned; None
                for all the same.
        """
        network, count, particles = self.network, len(v), self.divergence.particles
        samples = self._samples(v)
        total = 1.0 if weights is None else weights.sum()
        if weights is None:
            weights = v.new_full((count,), 1 / count)
        sample_weights = v.new_full((particles,), 1 / particles) * total if particles else weights
        both = torch.cat([v, samples])
        x = network.hidden_input(both)  # of both at once, so that the difference is taken within one matrix product
        with torch.autocast(v.device.type, enabled=False):
            energies = network.free_energy(both, x)
            loss = torch.cat([weights, -sample_weights]) @ energies
            with torch.no_grad():
                activity = torch.sigmoid(x)
                if particles and self.divergence.temperatures == 1:
                    self._hidden_particles = bernoulli(activity[count:])
                if self.divergence.centering:
                    self._seen = self._mean_statistics(v, weights), weights @ activity[:count], total
                self.record(divergence_loss=loss, free_energy=weights @ energies[:count])
            if self.divergence.sparsity is None:
                return loss
            return loss + self.sparsity_loss(weights @ torch.sigmoid(x[:count]))

    def _mean_statistics(self, v: Tensor, weights: Tensor) -> Tensor:
        """The sufficient statistics of vectors (B, V), as a mean with these weights (B,), by the bias scale: (S,)."""
        scales = self.network.visible.bias_scale(v)
        scale = scales.mean() if isinstance(scales, Tensor) else scales
        return weights @ self.network.visible.sufficient_statistics(v).float() / scale

    def sparsity_loss(self, activity: Tensor) -> Tensor:
        """The cross-entropy between `sparsity` and the mean activities of the hidden units (H,), times its weight."""
        target = self.divergence.sparsity
        if target is None:
            return activity.new_zeros(())
        activity = activity.clamp(1e-6, 1 - 1e-6)
        log_likelihoods = target * activity.log() + (1 - target) * (1 - activity).log()
        return -self.divergence.sparsity_cost * log_likelihoods.sum()

    @torch.no_grad()
    def _samples(self, v: Tensor) -> Tensor:
        """Samples of the model: from chains that start at v, or from the particles, which move on."""
        network, options = self.network, self.divergence
        if not options.particles:
            return network.gibbs(v, options.gibbs_steps)
        chains = (options.temperatures, options.particles) if options.temperatures > 1 else (options.particles,)
        if self._hidden_particles is None:
            self._hidden_particles = bernoulli(torch.full((*chains, len(self.hidden_mean)), 0.5)).to(v)
        hidden = self._hidden_particles.to(v.device)
        if options.temperatures == 1:
            return network.gibbs(network.sample_visible(hidden), options.gibbs_steps - 1)
        base = self.visible_mean.clamp(*BASE_RATES).logit()
        for _ in range(options.gibbs_steps):
            hidden, samples = tempered_gibbs(network, hidden, base)
        self._hidden_particles = hidden
        return samples

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.divergence.centering and self._seen is not None:
            self.network.center_gradients(self.statistics_mean, self.hidden_mean)
            *seen, weight = self._seen
            for mean, its in zip((self.statistics_mean, self.hidden_mean), seen):
                everywhere: Any = self.trainer.strategy.reduce(its, reduce_op="mean")  # or processes would drift apart
                mean.lerp_(everywhere, (1 - INERTIA) * weight)
        super().on_before_optimizer_step(optimizer)

    # Evaluation

    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        """Add a batch, always binarized alike; pseudo-likelihoods are of 0 and 1, with `binarize=none` too."""
        generator = self.generator(self.number_of(batch_idx))
        network: Any = self.trained_network
        v = self.visible(batch, generator)
        self.free_energy.update(network.free_energy(v))
        self.reconstruction.update((network.reconstruct(v) - v).square().mean(dim=1))
        if isinstance(network.visible, Bernoulli):
            self.pseudo_likelihood.update(network.score(self.rounded(v), generator))

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        metrics: dict[str, Metric] = {"free_energy": self.free_energy, "reconstruction": self.reconstruction}
        if isinstance(self.network.visible, Bernoulli):
            metrics["pseudo_likelihood"] = self.pseudo_likelihood
        return metrics

    def generator(self, number: int) -> torch.Generator:
        """Random numbers for an evaluated batch, the same in each epoch and in a report after training."""
        return torch.Generator(self.device).manual_seed(number)

    def number_of(self, batch_idx: int) -> int:
        """The number of a batch among those of all processes."""
        return batch_idx * self.trainer.world_size + self.global_rank

    # Visible vectors

    def visible(self, batch: Any, generator: torch.Generator | None = None) -> Tensor:
        """The visible vectors (B, V) of a batch, binarized."""
        return self.binary(self.vectors(batch), generator)

    def vectors(self, batch: Any) -> Tensor:
        """The visible vectors (B, V) of a batch, not binarized."""
        return self.network.vector(prepared(self.spec.input, batch[0]))

    def binary(self, v: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Numbers in 0..1 as `binarize` says."""
        if self.binarize == "sample":
            return torch.rand(v.shape, generator=generator, device=v.device).lt_(v)
        return torch.gt(v, 0.5, out=torch.empty_like(v)) if self.binarize == "threshold" else v

    def rounded(self, v: Tensor) -> Tensor:
        """Binarized vectors of Bernoulli units as 0 and 1, of which alone they have probabilities."""
        return v.round() if self.binarize == "none" else v

    def learned_from(self, batch: Any) -> Tensor:
        """The visible vectors (N, V), not binarized, of those examples of a batch that are learned from."""
        return self.vectors(batch)

    # The start at the data's means

    @property
    def chunk(self) -> int:
        """How many examples are looked at together, where means of all are taken."""
        return max(1, min(CHUNK, AT_ONCE // len(self.visible_mean)))

    def on_train_start(self) -> None:
        """Start the visible biases at the data's means; a run that resumes and a trained network have done so."""
        if not self.visible_mean.isnan().any():
            return
        mean, variance = self.moments(in_order(self.trainer.train_dataloader, self.chunk))
        self.visible_mean.copy_(mean)
        if not any(parameter.any() for parameter in self.network.visible.parameters()):
            self.network.visible.start(mean, variance)
        with torch.no_grad():
            self.statistics_mean.copy_(self._mean_statistics(mean[None], mean.new_ones(1)))
        if self.average is not None:
            self.average.network.load_state_dict(self.network.state_dict())

    def moments(self, batches: Iterable[Any]) -> tuple[Tensor, Tensor]:
        """Means and variances (V,) of the visible vectors that are learned from, not binarized."""
        count, total, squares = 0, torch.zeros_like(self.visible_mean), torch.zeros_like(self.visible_mean)
        for batch in batches:
            v = self.learned_from(self.transfer_batch_to_device(batch, self.device, 0))
            count, total, squares = count + len(v), total + v.sum(dim=0), squares + v.square().sum(dim=0)
        mean = total / count
        return mean, squares / count - mean.square()

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self._hidden_particles is not None:  # those of all processes, R, P, H
            gathered: Any = self.all_gather(self._hidden_particles)
            checkpoint["particles"] = gathered.view(-1, *self._hidden_particles.shape).bool().cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if "particles" in checkpoint:
            kept = checkpoint["particles"]
            self._hidden_particles = kept[self.global_rank % len(kept)].float()

    def on_validation_start(self) -> None:
        self._check_finite()  # before a checkpoint is kept

    def on_train_epoch_end(self) -> None:
        self._check_finite()
        super().on_train_epoch_end()

    def _check_finite(self) -> None:
        if not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            rate = self.options.optimizer([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]
            raise Diverged(
                f"the weights are no longer finite in epoch {self.current_epoch + 1}; try a learning rate of "
                f"{rate / 10:g} (task.optimizer.lr), a tenth of it"
            )


def in_order(loader: Any, size: int) -> Iterable[Any]:
    """Batches of all that a loader holds, of `size` and in the order of its dataset where it has one."""
    if (
        not isinstance(loader, DataLoader)
        or isinstance(loader.dataset, IterableDataset)
        or loader.batch_sampler is None
    ):
        return loader
    generator = torch.Generator()  # or torch would draw a seed for the workers, and others' numbers would change
    workers = loader.num_workers
    return DataLoader(loader.dataset, size, collate_fn=loader.collate_fn, num_workers=workers, generator=generator)


def check_loss_weights(discriminative: float, generative: float) -> None:
    """See that the weights of a conditional and of a joint loss are at least 0, and not both 0."""
    check.at_least_zero("discriminative", discriminative)
    check.at_least_zero("generative", generative)
    if not discriminative + generative:
        raise ValueError("discriminative and generative are both 0; one of them is above")


def check_annealing(runs: int, temperatures: int) -> dict[str, int]:
    """The options of `annealed_importance_sampling`, which would see them only after training."""
    return {
        "runs": check.whole("ais_runs", runs, 2),
        "temperatures": check.whole("ais_temperatures", temperatures),
    }


def prepared(described: Input, x: Encoded) -> Tensor:
    """What `described.prepare` makes of a batch, where the network takes one tensor."""
    result: Any = described.prepare(x)  # type: ignore[arg-type]
    return result


def in_unit_range(described: Input) -> Input:
    """The same input; an image with pixels in 0..1, as Bernoulli units are."""
    if type(described) is not Image:
        return described
    size = described.channels, described.height, described.width
    return Image(*size, mean=(0.0,) * described.channels, std=(1.0,) * described.channels)
