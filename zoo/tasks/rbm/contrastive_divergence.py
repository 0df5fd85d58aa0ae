"""Learning by contrastive divergence: what is seen is made likelier, and what the model dreams less likely.

Shape letters: B batch, V visible, H hidden, P particles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from zoo.errors import ConfigError, unknown
from zoo.models.rbm import RBM
from zoo.models.rbm.tempering import tempered_gibbs
from zoo.models.rbm.units import Bernoulli, bernoulli
from zoo.spec import Encoded, Image, Input, Spec
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

BINARISE = ("sample", "threshold", "none")
CHUNK = 2048  # examples at a time, where all of a split are gone through
RATES = 0.01, 0.99  # between which the base rates lie where parallel tempering starts
INERTIA = 0.99  # of the running means that centre the gradient


class ContrastiveDivergence(Task):
    """A restricted Boltzmann machine, whose parameters follow the gradient of the likelihood, or nearly so.

    The loss is the mean free energy of the batch minus that of samples of the model, whose gradient is that of
    contrastive divergence: CD-k (Hinton 2002), where the samples come from k Gibbs steps that start at the batch, or
    persistent CD (Tieleman 2008), where they are particles, Markov chains that go on from step to step.

    Logs `train/contrast` (the loss), `train/free_energy` and `val/free_energy` (nats; their difference tells of
    overfitting), and of `val` and `test` the `reconstruction` error (mean square, a visible number) and, of Bernoulli
    units, the stochastic log `pseudo_likelihood` (nats, an example).

    Args:
        gibbs_steps: k.
        particles: P, on each process; 0 for CD-k.
        temperatures: K of parallel tempering, of Bernoulli units, where each particle is K chains; 1 for none.
        centring: whether the gradient is centred (Melchior, Fischer, Wiskott 2016), at running means.
        sparsity: the mean activity that hidden units are drawn to, above 0 and below 1; None for none.
        sparsity_cost: weight of that, as a cross-entropy (nats, summed over the hidden units).
        binarise: how numbers in 0..1 become the 0 and 1 of Bernoulli units: sample (anew in each step, and always
            alike for validation and test), threshold (at 0.5) or none (they stay, and stand for probabilities).
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        ValueError: an option is out of range.
    """

    network: RBM

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        gibbs_steps: int = 1,
        particles: int = 0,
        temperatures: int = 1,
        centring: bool = True,
        sparsity: float | None = None,
        sparsity_cost: float = 0.1,
        binarise: str = "sample",
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if type(gibbs_steps) is not int or gibbs_steps < 1:
            raise ValueError(f"gibbs_steps must be a whole number of at least 1, got {gibbs_steps}")
        if type(particles) is not int or particles < 0:
            raise ValueError(f"particles must be a whole number of at least 0, got {particles}")
        if type(temperatures) is not int or temperatures < 1:
            raise ValueError(f"temperatures must be a whole number of at least 1, got {temperatures}")
        if temperatures > 1 and not particles:
            raise ValueError("parallel tempering is of particles, and there are none; give particles=100, say")
        if sparsity is not None and not 0 < sparsity < 1:
            raise ValueError(f"sparsity must be above 0 and below 1, got {sparsity}")
        if not sparsity_cost >= 0:
            raise ValueError(f"sparsity_cost must be at least 0, got {sparsity_cost}")
        if binarise not in BINARISE:
            raise ValueError(unknown("binarise", binarise, BINARISE))
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.gibbs_steps = gibbs_steps
        self.particles = particles
        self.temperatures = temperatures
        if temperatures > 1 and not isinstance(self.network.visible, Bernoulli):
            raise ValueError("parallel tempering is of Bernoulli visible units, as those of pictures are")
        self.centring = centring
        self.sparsity = sparsity
        self.sparsity_cost = sparsity_cost
        self.binarise = binarise if isinstance(self.spec.input, Image) else "none"
        width, (sent, hidden) = self.network.visible.width, self.network.weight.shape
        self.visible_mean: Tensor
        self.drive_mean: Tensor
        self.hidden_mean: Tensor
        self.register_buffer("visible_mean", torch.full((width,), torch.nan))  # of the training data
        self.register_buffer("drive_mean", torch.zeros(sent))
        self.register_buffer("hidden_mean", torch.full((hidden,), 0.5))
        self._seen: tuple[Tensor, Tensor, Tensor | float] | None = None  # of a batch: the means, and their weight
        self._hidden_particles: Tensor | None = None  # (K,) P, H; no buffer: DDP would give all processes the same
        self.free_energy = MeanMetric()
        self.reconstruction = MeanMetric()
        self.pseudo_likelihood = MeanMetric()

    # Steps

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.contrast(self.visible(batch))

    def contrast(self, v: Tensor, shares: Tensor | None = None) -> Tensor:
        """The loss of visible vectors (B, V), a scalar whose gradient is that of contrastive divergence.

        Args:
            v: visible vectors.
            shares: what each counts in the mean (B,), adding up to 1, or all 0, from which nothing is learned; None for
                all the same.
        """
        network, count = self.network, len(v)
        dreamt = self._dream(v)
        weight = 1.0 if shares is None else shares.sum()
        if shares is None:
            shares = v.new_full((count,), 1 / count)
        against = v.new_full((self.particles,), 1 / self.particles) * weight if self.particles else shares
        both = torch.cat([v, dreamt])
        x = network.hidden_input(both)  # of both at once, so that the difference is taken within one matrix product
        with torch.autocast(v.device.type, enabled=False):
            free = network.free_energy(both, x)
            contrast = torch.cat([shares, -against]) @ free
            with torch.no_grad():
                activity = torch.sigmoid(x)
                if self.particles and self.temperatures == 1:
                    self._hidden_particles = bernoulli(activity[count:])
                if self.centring:
                    self._seen = self._mean_drive(v, shares), shares @ activity[:count], weight
                self.record(contrast=contrast, free_energy=shares @ free[:count])
            if self.sparsity is None:
                return contrast
            return contrast + self.sparsity_loss(shares @ torch.sigmoid(x[:count]))

    def _mean_drive(self, v: Tensor, shares: Tensor) -> Tensor:
        """What vectors (B, V) send up for each copy of the hidden bias, as a mean with these shares (B,): (D,)."""
        copies = self.network.visible.bias_scale(v)
        scale = copies.mean() if isinstance(copies, Tensor) else copies
        return shares @ self.network.visible.sufficient_statistics(v).float() / scale

    def sparsity_loss(self, active: Tensor) -> Tensor:
        """What it costs that hidden units are active so often (H,), and not as often as `sparsity` says."""
        if self.sparsity is None:
            return active.new_zeros(())
        active = active.clamp(1e-6, 1 - 1e-6)
        surprise = self.sparsity * active.log() + (1 - self.sparsity) * (1 - active).log()
        return -self.sparsity_cost * surprise.sum()

    @torch.no_grad()
    def _dream(self, v: Tensor) -> Tensor:
        """Samples of the model: from chains that start at v, or from the particles, which move on."""
        network = self.network
        if not self.particles:
            return network.gibbs(v, self.gibbs_steps)
        chains = (self.temperatures, self.particles) if self.temperatures > 1 else (self.particles,)
        if self._hidden_particles is None:
            self._hidden_particles = bernoulli(torch.full((*chains, len(self.hidden_mean)), 0.5)).to(v)
        hidden = self._hidden_particles.to(v.device)
        if self.temperatures == 1:
            return network.gibbs(network.sample_visible(hidden), self.gibbs_steps - 1)
        base = self.visible_mean.clamp(*RATES).logit()
        for _ in range(self.gibbs_steps):
            hidden, dreamt = tempered_gibbs(network, hidden, base)
        self._hidden_particles = hidden
        return dreamt

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if self.centring and self._seen is not None:
            self.network.center_gradients(self.drive_mean, self.hidden_mean)
            *seen, weight = self._seen
            for mean, its in zip((self.drive_mean, self.hidden_mean), seen):
                everywhere: Any = self.trainer.strategy.reduce(its, reduce_op="mean")  # or processes would drift apart
                mean.lerp_(everywhere, (1 - INERTIA) * weight)
        super().on_before_optimizer_step(optimizer)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.judge(batch, batch_idx, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, batch_idx, "test")

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        """Add a batch, always binarised alike, to the figures of a split; gives its free energies (B,).

        Those of Bernoulli units are of 0 and 1, with `binarise=none` too.
        """
        place = torch.Generator(self.device).manual_seed(batch_idx * self.trainer.world_size + self.global_rank)
        network: Any = self.trained_network
        v = self.visible(batch, place)
        energies: Tensor = network.free_energy(v)
        self.free_energy.update(energies)
        self.reconstruction.update((network.reconstruct(v) - v).square().mean(dim=1))
        figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("free_energy", "reconstruction")}
        if isinstance(network.visible, Bernoulli):
            if self.binarise == "none":  # probabilities are of 0 and 1 alone
                v = v.round()
                energies = network.free_energy(v)
            self.pseudo_likelihood.update(network.score(v, place))
            figures[f"{split}/pseudo_likelihood"] = self.pseudo_likelihood
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")
        return energies

    # Data

    def visible(self, batch: Any, place: torch.Generator | None = None) -> Tensor:
        """The visible vectors (B, V) of a batch of the data, binarised."""
        return self.binary(self.vectors(batch), place)

    def vectors(self, batch: Any) -> Tensor:
        """The visible vectors (B, V) of a batch of the data, not binarised."""
        return self.network.vector(prepared(self.spec.input, batch[0]))

    def binary(self, v: Tensor, place: torch.Generator | None = None) -> Tensor:
        """Numbers in 0..1 as `binarise` says."""
        if self.binarise == "sample":
            return torch.rand(v.shape, generator=place, device=v.device).lt_(v)
        return torch.gt(v, 0.5, out=torch.empty_like(v)) if self.binarise == "threshold" else v

    def whole(self, split: str) -> Iterator[tuple[Tensor, tuple[Any, ...]]]:
        """All of a split in order, a chunk at a time: visible vectors, not binarised, and the other columns."""
        examples = self.trainer.datamodule.splits[split]  # type: ignore[attr-defined]
        for rows in torch.arange(len(examples)).split(CHUNK):
            batch = tuple(_to(column, self.device) for column in examples.__getitems__(rows))
            yield self.vectors(batch), batch[1:]

    def training_vectors(self) -> Iterator[Tensor]:
        """What is learned from, a chunk at a time."""
        return (v for v, _ in self.whole("train"))

    def on_fit_start(self) -> None:
        """Start the visible biases at the data's means; a run that resumes and a trained network have done so."""
        if not self.visible_mean.isnan().any():
            return
        variance = self.measure_data()
        if not any(parameter.any() for parameter in self.network.visible.parameters()):
            self.network.visible.start(self.visible_mean, variance)
        with torch.no_grad():
            self.drive_mean.copy_(self._mean_drive(self.visible_mean[None], self.visible_mean.new_ones(1)))
        if self.average is not None:
            self.average.load_state_dict(self.network.state_dict())

    def measure_data(self) -> Tensor:
        """Set `visible_mean` to that of what is learned from; gives the variances (V,)."""
        count, total, squares = 0, torch.zeros_like(self.visible_mean), torch.zeros_like(self.visible_mean)
        for v in self.training_vectors():
            count, total, squares = count + len(v), total + v.sum(dim=0), squares + v.square().sum(dim=0)
        self.visible_mean.copy_(total / count)
        return squares / count - self.visible_mean.square()

    # Keeping

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
            rate = self.optimiser([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]
            kept = "; the last checkpoint is from before" if self.current_epoch else ""
            raise ConfigError(
                f"the weights are no longer finite in epoch {self.current_epoch + 1}; try a learning rate of "
                f"{rate / 10:g} (task.optimiser.lr), a tenth of it{kept}"
            )


def check_weights(discriminative: float, generative: float) -> None:
    """See that the weights of a conditional and of a joint loss make sense."""
    if not (discriminative >= 0 and generative >= 0 and discriminative + generative > 0):
        raise ValueError(
            f"discriminative and generative are at least 0, and one is above, not {discriminative}, {generative}"
        )


def check_annealing(runs: int, temperatures: int) -> dict[str, int]:
    """The options of `annealed_importance_sampling`, which would see them only after training."""
    if runs < 2 or temperatures < 1:
        raise ValueError(f"ais_runs are at least 2 and ais_temperatures 1, not {runs}, {temperatures}")
    return {"runs": runs, "temperatures": temperatures}


def prepared(described: Input, x: Encoded) -> Tensor:
    """What `described.prepare` makes of a batch, where the network takes one tensor."""
    result: Any = described.prepare(x)  # type: ignore[arg-type]
    return result


def in_unit_range(described: Input) -> Input:
    """The same input; a picture with pixels in 0..1, as Bernoulli units are."""
    if type(described) is not Image:
        return described
    size = described.channels, described.height, described.width
    return Image(*size, mean=(0.0,) * described.channels, std=(1.0,) * described.channels)


def _to(x: Encoded, device: torch.device) -> Encoded:
    return x.to(device) if isinstance(x, Tensor) else tuple(part.to(device) for part in x)
