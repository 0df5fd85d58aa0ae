"""Adversarial learning: a generator against a discriminator, each with an optimiser of its own.

Goodfellow et al., "Generative adversarial nets", 2014; hinge loss: Lim and Ye, "Geometric GAN", 2017; relativistic
loss: Jolicoeur-Martineau, 2018; with gradient penalties on real and made pictures: Huang et al., "The GAN is dead;
long live the GAN! A modern GAN baseline" (R3GAN), 2024; the penalty: Mescheder et al., "Which training methods for
GANs do actually converge?", 2018.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from zoo import plots
from zoo.errors import unknown
from zoo.spec import Encoded, Spec
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

SHOWN = 12  # pictures in a grid
PENALISED = 4  # one picture of so many is: the penalty costs more than all the rest, and changes slowly
GAMES = ("hinge", "logistic", "relativistic")


@dataclass
class Attempt:
    """What the generator made of one part of a batch.

    Args:
        made: pictures of the generator, with its graph.
        real: pictures it is to be taken for; in the relativistic game each is compared with the made one of its place.
        beside: what the discriminator is shown with either.
        weight: of each score, of the scores' shape; None for all alike.
        distance: what the generator minimises besides, a scalar; None for nothing.
        figures: scalars to be logged.
    """

    made: Tensor
    real: Tensor
    beside: tuple[Tensor, ...] = ()
    weight: Tensor | None = None
    distance: Tensor | None = None
    figures: dict[str, Tensor] = field(default_factory=dict)

    def mean(self, losses: Tensor) -> Tensor:
        """The weighted mean of one loss a score."""
        return losses.mean() if self.weight is None else (losses * self.weight).sum() / self.weight.sum()


class Adversarial(Task):
    """A generator and a discriminator that play against each other; a subclass says what is made of a batch.

    In each step the generator moves first, on all parts of the batch, then the discriminator, on the same pictures.

    Logs, besides what a subclass does, the losses `train/generator` and `train/discriminator` (nats, or hinge
    units, mean over scores) and the Euclidean norms of their gradients before clipping, `train/generator_norm` and
    `train/discriminator_norm`. A discriminator that cannot tell has the loss 2 (hinge), 2 log 2 = 1.39 (logistic)
    or log 2 = 0.69 (relativistic). Samples on fixed inputs are drawn after each epoch.

    Args:
        discriminator: the network that judges.
        discriminator_optimiser: builds its optimiser; None for the generator's.
        game: the losses of both: hinge, logistic (non-saturating) or relativistic.
        adversarial_weight: of the generator's loss beside `Attempt.distance`, at least 0; with 0 there is no
            discriminator to be trained, and none is.
        penalty: twice the weight of the squared gradient of the discriminator's score, on real pictures (R1), and in
            the relativistic game on made ones too (R2); 0 for none.
        accumulate: parts in which a batch is worked through, to save memory; it is one step all the same.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        ValueError: an option is out of range.
    """

    alternates = True
    columns = SHOWN  # of the grid of samples

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        discriminator: nn.Module,
        discriminator_optimiser: OptimiserBuilder | None = None,
        game: str = "relativistic",
        adversarial_weight: float = 1.0,
        penalty: float = 0.0,
        accumulate: int = 1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = 0.99,
    ) -> None:
        if game not in GAMES:
            raise ValueError(unknown("game", game, GAMES))
        for name, weight in (("adversarial_weight", adversarial_weight), ("penalty", penalty)):
            if not weight >= 0:
                raise ValueError(f"{name} must be at least 0, got {weight}")
        if type(accumulate) is not int or accumulate < 1:
            raise ValueError(f"accumulate must be a whole number of at least 1, got {accumulate}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.discriminator: Any = discriminator
        self.discriminator_optimiser = discriminator_optimiser or optimiser
        self.game = game
        self.adversarial_weight = adversarial_weight
        self.penalty = penalty
        self.accumulate = accumulate
        self.automatic_optimization = False
        self._gradient = torch.zeros(())

    @abstractmethod
    def attempt(self, batch: tuple[Encoded, ...]) -> Attempt:
        """Let the generator make something of a batch, or of a part of one."""

    @abstractmethod
    def score(self, picture: Tensor, beside: tuple[Tensor, ...]) -> Tensor:
        """The discriminator's scores (B, …) of what `look` gives of pictures, and `read` of what is shown beside."""

    def look(self, picture: Tensor) -> Tensor:
        """What the discriminator makes of pictures before anything is shown beside them: by default nothing."""
        return picture

    def read(self, beside: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What it makes, once a step, of what is shown beside the pictures: by default nothing."""
        return beside

    def contrast(self, real: Tensor, beside: tuple[Tensor, ...]) -> Tensor | None:
        """What it minimises besides, of what `look` gives of real pictures and `read` of what is shown beside them."""
        return None

    @abstractmethod
    def samples(self) -> Tensor:
        """What the trained network makes of fixed inputs, always the same: uint8 (N, C, H, W)."""

    def training_step(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        optimisers: Any = self.optimizers()
        schedules: Any = self.lr_schedulers()
        attempts = []
        figures: dict[str, Tensor] = {}
        optimisers[0].zero_grad()
        self.discriminator.requires_grad_(False)  # it passes the gradient on, and gathers none
        for share, part in _parts(batch, self.accumulate):
            attempt = self.attempt(part)
            self.manual_backward(self._generator_loss(attempt) * share)
            attempt.made = attempt.made.detach()
            attempts.append((share, attempt))
        self.discriminator.requires_grad_(True)
        figures["generator_norm"] = self._step(optimisers[0], schedules[0])
        self.update_average()
        if self.adversarial_weight:
            optimisers[1].zero_grad()
            for share, attempt in attempts:
                self.manual_backward(self._discriminator_loss(attempt) * share)
            figures["discriminator_norm"] = self._step(optimisers[1], schedules[1])
        for share, attempt in attempts:
            for name, figure in attempt.figures.items():
                figures[name] = figures.get(name, 0) + share * figure.detach()
        self.record(**figures)

    def configure_optimizers(self) -> Any:
        generator = self.optimise(self.network, self.optimiser)
        discriminator = self.optimise(self.discriminator, self.discriminator_optimiser)
        return [generator[0], discriminator[0]], [generator[1], discriminator[1]]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Here gradients are already unscaled
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.max_grad_norm is None:
            self._gradient = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        else:
            self._gradient = nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if self.trainer.is_global_zero and self.trainer.loggers:  # a run that keeps nothing draws nothing
            file = self._frames(Path(self.trainer.default_root_dir)) / f"{self._epoch:05}.png"
            plots.image_grid(self.samples(), file, columns=self.columns)

    def growth(self, folder: Path) -> dict[str, str]:
        """Draw how the samples of the epochs grew, where there are any; gives captions as `pictures` does."""
        frames = sorted(self._frames(folder).glob("*.png"))
        if len(frames) < 2:
            return {}
        plots.filmstrip(frames, folder / "growth.png")
        plots.animation(frames, folder / "growth.gif")
        return {
            "growth.png": "The same inputs after more and more epochs, from top to bottom.",
            "growth.gif": "The same, an epoch a frame.",
        }

    @staticmethod
    def _frames(folder: Path) -> Path:
        return folder / "samples"

    def _generator_loss(self, attempt: Attempt) -> Tensor:
        loss = attempt.distance if attempt.distance is not None else attempt.made.new_zeros(())
        if self.adversarial_weight:
            beside = self.read(attempt.beside)
            made = self.score(self.look(attempt.made), beside).float()
            if self.game == "hinge":
                adversarial = attempt.mean(-made)
            elif self.game == "logistic":
                adversarial = attempt.mean(functional.softplus(-made))
            else:
                real = self.score(self.look(attempt.real), beside).float()
                adversarial = attempt.mean(functional.softplus(real - made))
            loss = loss + self.adversarial_weight * adversarial
            attempt.figures["generator"] = adversarial
        return loss

    def _discriminator_loss(self, attempt: Attempt) -> Tensor:
        beside, seen = self.read(attempt.beside), self.look(attempt.real)
        real = self.score(seen, beside).float()
        made = self.score(self.look(attempt.made), beside).float()
        if self.game == "hinge":
            loss = attempt.mean(functional.relu(1 - real) + functional.relu(1 + made))
        elif self.game == "logistic":
            loss = attempt.mean(functional.softplus(-real) + functional.softplus(made))
        else:
            loss = attempt.mean(functional.softplus(made - real))
        attempt.figures["discriminator"] = loss
        if self.penalty:
            judged = [attempt.real, attempt.made] if self.game == "relativistic" else [attempt.real]
            loss = loss + self.penalty / 2 * sum(self._steepness(picture, beside) for picture in judged)
        if (contrast := self.contrast(seen, beside)) is not None:
            attempt.figures["contrast"] = contrast
            loss = loss + contrast
        return loss

    def _steepness(self, picture: Tensor, beside: tuple[Tensor, ...]) -> Tensor:
        """The mean squared gradient of the score of a picture with respect to its pixels, from a part of the batch."""
        chosen = slice(None, None, PENALISED)  # and not the first ones, which would be others with `accumulate`
        with torch.autocast(self.device.type, enabled=False):  # squares of gradients leave the range of fp16
            picture = picture[chosen].float().requires_grad_()
            scores = self.score(self.look(picture), tuple(part[chosen] for part in beside)).flatten(1).mean(dim=1)
            (gradient,) = torch.autograd.grad(scores.sum(), picture, create_graph=True)
            return gradient.square().flatten(1).sum(dim=1).mean()

    def _step(self, optimiser: Any, schedule: Any) -> Tensor:
        """One step; gives the norm of the gradient."""
        optimiser.step()
        schedule.step()
        return self._gradient.nan_to_num(0, 0, 0)  # fp16's scaler leaves such steps out, and tries a lower scale


def _parts(batch: Sequence[Encoded], count: int) -> Iterator[tuple[float, tuple[Encoded, ...]]]:
    """A batch in at most `count` parts, each with its share of the examples."""
    if count == 1:
        yield 1.0, tuple(batch)
        return
    columns = [
        list(zip(*(part.chunk(count) for part in column))) if isinstance(column, tuple) else column.chunk(count)
        for column in batch
    ]
    parts: list[Any] = list(zip(*columns))
    sizes = [len(part[0][0] if isinstance(part[0], tuple) else part[0]) for part in parts]
    yield from ((size / sum(sizes), part) for size, part in zip(sizes, parts))
