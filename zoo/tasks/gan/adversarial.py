"""Adversarial learning: a generator against a discriminator, each with an optimizer of its own.

Goodfellow et al., "Generative adversarial nets", 2014; hinge loss: Lim and Ye, "Geometric GAN", 2017; relativistic
loss: Jolicoeur-Martineau, 2018; with gradient penalties on real and fake images: Huang et al., "The GAN is dead;
long live the GAN! A modern GAN baseline" (R3GAN), 2024; the penalty: Mescheder et al., "Which training methods for
GANs do actually converge?", 2018.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize
from torch.optim import Optimizer

from zoo import check
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Encoded, Spec
from zoo.tasks.task import NetworkBuilder, Task

GAN_LOSSES = ("hinge", "logistic", "relativistic")
PENALTY_STRIDE = 4  # the penalty is taken on every fourth image: it costs more than all the rest, and changes slowly


@dataclass(frozen=True)
class AdversarialOptions:
    """How generator and discriminator are trained against each other.

    Args:
        discriminator_optimizer: builds the optimizer of the discriminator; None for the generator's.
        gan_loss: the losses of both: hinge, logistic (non-saturating) or relativistic.
        gradient_penalty: twice the weight of the squared gradient of the discriminator's score, on real images (R1),
            and with the relativistic loss on fake ones too (R2); 0 for none.
        accumulate: parts in which a batch is processed, to save memory; it is one step all the same.

    Raises:
        ValueError: an option is out of range.
    """

    discriminator_optimizer: OptimizerBuilder | None = None
    gan_loss: str = "relativistic"
    gradient_penalty: float = 0.0
    accumulate: int = 1

    def __post_init__(self) -> None:
        check.one_of("gan_loss", self.gan_loss, GAN_LOSSES)
        check.at_least_zero("gradient_penalty", self.gradient_penalty)
        check.whole("accumulate", self.accumulate)
        if self.discriminator_optimizer is not None:
            self.discriminator_optimizer([nn.Parameter(torch.zeros(1))])  # raises now what is out of range


DEFAULTS = AdversarialOptions()


@dataclass
class GeneratorOutput:
    """What the generator gives for one part of a batch.

    Args:
        fake: its images, with their graph.
        real: images of the data; the relativistic loss compares each with the fake one of the same place.
        condition: what the discriminator is given with either, encoded, with the graph of that.
        weight: of each score, of the scores' shape; None for equal weights.
        distance: what the generator minimises besides its adversarial loss, a scalar; None for nothing.
        losses: scalars to be logged.
    """

    fake: Tensor
    real: Tensor
    condition: tuple[Tensor, ...] = ()
    weight: Tensor | None = None
    distance: Tensor | None = None
    losses: dict[str, Tensor] = field(default_factory=dict)

    def mean(self, losses: Tensor) -> Tensor:
        """The weighted mean of a loss of each score."""
        return losses.mean() if self.weight is None else (losses * self.weight).sum() / self.weight.sum()


class Adversarial(Task):
    """A generator and a discriminator that are trained against each other.

    A subclass says what the generator gives for a batch, and how the discriminator scores it. In each step the
    generator is updated first, on all parts of the batch, and then the discriminator, on the same images.

    Logs, besides what a subclass does, the losses `train/generator` and `train/discriminator` (nats, or units of the
    hinge; mean over scores) and the Euclidean norms of their gradients before clipping, `train/generator_norm` and
    `train/discriminator_norm`. A discriminator that guesses has the loss 2 (hinge), 2 log 2 = 1.39 (logistic) or
    log 2 = 0.69 (relativistic).

    Args:
        spec, build, optimizer: as in `Task`; `build` builds the generator.
        discriminator: the network that scores images.
        adversarial: how the two are trained.
        adversarial_weight: weight of the generator's adversarial loss beside `GeneratorOutput.distance`, at least 0;
            with 0 no discriminator is trained.

    Raises:
        ValueError: an option is out of range.
    """

    kind = "restoration"
    alternates = True

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        discriminator: nn.Module,
        adversarial: AdversarialOptions = DEFAULTS,
        adversarial_weight: float = 1.0,
    ) -> None:
        super().__init__(spec, build, optimizer)
        self.discriminator: Any = discriminator
        self.adversarial = adversarial
        self.adversarial_weight = check.at_least_zero("adversarial_weight", adversarial_weight)
        self.automatic_optimization = False
        self._gradient_norm = torch.zeros(())

    @abstractmethod
    def generator_output(self, batch: tuple[Encoded, ...]) -> GeneratorOutput:
        """What the generator gives for a batch, or for a part of one."""

    @abstractmethod
    def score(self, image: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        """The discriminator's scores (B, …) of encoded images, given their conditions."""

    def encode_image(self, image: Tensor) -> Tensor:
        """The part of the discriminator that sees images alone; by default there is none."""
        return image

    def contrastive_loss(self, real: Tensor, condition: tuple[Tensor, ...]) -> Tensor | None:
        """What the discriminator minimises besides, from encoded real images and conditions."""
        return None

    def training_step(self, batch: Sequence[Encoded], batch_idx: int) -> None:
        optimizers: Any = self.optimizers()
        schedules: Any = self.lr_schedulers()
        outputs = []
        losses: dict[str, Tensor] = {}
        optimizers[0].zero_grad()
        self.discriminator.requires_grad_(False)  # it passes the gradient on to the generator, and gathers none
        for share, part in parts_of(batch, self.adversarial.accumulate):
            with parametrize.cached():  # spectral norms move once, however often the discriminator is called
                output = self.generator_output(part)
                loss = self._generator_loss(output)
            self.manual_backward(loss * share)
            output.fake = output.fake.detach()
            outputs.append((share, output))
        self.discriminator.requires_grad_(True)
        losses["generator_norm"] = self._step(optimizers[0], schedules[0])
        self.update_average()
        if self.adversarial_weight:
            optimizers[1].zero_grad()
            for share, output in outputs:
                with parametrize.cached():
                    loss = self._discriminator_loss(output)
                self.manual_backward(loss * share)
            losses["discriminator_norm"] = self._step(optimizers[1], schedules[1])
        for share, output in outputs:
            for name, loss in output.losses.items():
                losses[name] = losses.get(name, 0) + share * loss.detach()
        self.record(**losses)

    @property
    def counted_steps(self) -> int:
        return 2 if self.adversarial_weight else 1

    @contextmanager
    def discriminator_learns(self) -> Iterator[None]:
        """Have what the discriminator computes within, while the generator learns, be part of its own loss."""
        self.discriminator.requires_grad_(True)
        yield
        self.discriminator.requires_grad_(False)

    def configure_optimizers(self) -> Any:
        builds = self.options.optimizer, self.adversarial.discriminator_optimizer or self.options.optimizer
        pairs = [self.optimizer_for(*pair) for pair in zip((self.network, self.discriminator), builds)]
        return [optimizer for optimizer, _ in pairs], [schedule for _, schedule in pairs]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Here gradients are already unscaled
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.options.max_grad_norm is None:
            self._gradient_norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        else:
            self._gradient_norm = nn.utils.clip_grad_norm_(parameters, self.options.max_grad_norm)

    def _generator_loss(self, output: GeneratorOutput) -> Tensor:
        loss = output.distance if output.distance is not None else output.fake.new_zeros(())
        if self.adversarial_weight:
            condition = tuple(part.detach() for part in output.condition)
            fake = self.score(self.encode_image(output.fake), condition).float()
            if self.adversarial.gan_loss == "hinge":
                gan_loss = output.mean(-fake)
            elif self.adversarial.gan_loss == "logistic":
                gan_loss = output.mean(functional.softplus(-fake))
            else:
                real = self.score(self.encode_image(output.real), condition).float()
                gan_loss = output.mean(functional.softplus(real - fake))
            loss = loss + self.adversarial_weight * gan_loss
            output.losses["generator"] = gan_loss
        return loss

    def _discriminator_loss(self, output: GeneratorOutput) -> Tensor:
        condition, both = output.condition, torch.cat([output.real, output.fake])  # at once: half as many operators
        encoded = self.encode_image(both)
        scores = self.score(encoded, tuple(torch.cat([part, part]) for part in condition)).float()
        real, fake = scores.chunk(2)
        if self.adversarial.gan_loss == "hinge":
            loss = output.mean(functional.relu(1 - real) + functional.relu(1 + fake))
        elif self.adversarial.gan_loss == "logistic":
            loss = output.mean(functional.softplus(-real) + functional.softplus(fake))
        else:
            loss = output.mean(functional.softplus(fake - real))
        output.losses["discriminator"] = loss
        if self.adversarial.gradient_penalty:
            loss = loss + self.adversarial.gradient_penalty / 2 * self._gradient_penalty(output)
        if (contrastive := self.contrastive_loss(encoded.chunk(2)[0], condition)) is not None:
            output.losses["contrastive"] = contrastive
            loss = loss + contrastive
        return loss

    def _gradient_penalty(self, output: GeneratorOutput) -> Tensor:
        """The mean squared gradient of the score of an image with respect to its pixels, from a part of the batch.

        Of real images; with the relativistic loss that of fake ones is added.
        """
        chosen = slice(None, None, PENALTY_STRIDE)  # and not the first ones, which would be others with `accumulate`
        images = [output.real[chosen], output.fake[chosen]][: 1 + (self.adversarial.gan_loss == "relativistic")]
        with torch.autocast(self.device.type, enabled=False):  # squares of gradients leave the range of fp16
            image = torch.cat(images).float().requires_grad_()
            condition = tuple(torch.cat([part[chosen]] * len(images)) for part in output.condition)
            scores = self.score(self.encode_image(image), condition).flatten(1).mean(dim=1)
            (gradient,) = torch.autograd.grad(scores.sum(), image, create_graph=True)
            return len(images) * gradient.square().flatten(1).sum(dim=1).mean()

    def _step(self, optimizer: Any, schedule: Any) -> Tensor:
        """One step; gives the norm of the gradient."""
        optimizer.step()
        schedule.step()
        return self._gradient_norm.nan_to_num(0, 0, 0)  # fp16's scaler skips such steps, and tries a lower scale


def parts_of(batch: Sequence[Encoded], count: int) -> Iterator[tuple[float, tuple[Encoded, ...]]]:
    """A batch in at most `count` parts, each with its share of the examples."""
    if count == 1:
        yield 1.0, tuple(batch)
        return
    columns = [
        column.chunk(count) if isinstance(column, Tensor) else list(zip(*(part.chunk(count) for part in column)))
        for column in batch
    ]
    parts: list[Any] = list(zip(*columns))
    sizes = [len(part[0] if isinstance(part[0], Tensor) else part[0][0]) for part in parts]
    yield from ((size / sum(sizes), part) for size, part in zip(sizes, parts))
