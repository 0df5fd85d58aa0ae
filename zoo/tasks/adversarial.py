"""Adversarial learning: a generator against a discriminator, each with an optimiser of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanAbsoluteError
from torchmetrics.image import PeakSignalNoiseRatio

from zoo.errors import SpecError
from zoo.spec import Image, Spec
from zoo.tasks import pictures
from zoo.tasks.degradations import Degradation
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

SHOWN = 12  # pictures in a grid


class Restoration(Task):
    """Undo a degradation: the generator restores, the discriminator tells restored pictures from true ones.

    The generator minimises L1 distance (mean over what is to be restored, pixels in -1..1) plus the adversarial
    hinge loss (Lim and Ye, 2017); the discriminator sees each picture with the region
    that was to be restored as one more channel.

    Logs, within what was to be restored and with pixels in 0..1, `l1` of `train`, `val` and `test` and `psnr` (dB) of
    the latter two; and the hinge losses `train/generator` and `train/discriminator`.

    Args:
        degradation: what is to be undone.
        discriminator: builds the discriminator for a number of input channels.
        discriminator_optimiser: builds its optimiser; None for the generator's.
        adversarial_weight: of the hinge loss beside the L1 distance, at least 0.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no pictures.
        ValueError: an option is out of range.
    """

    monitor = "val/l1"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        degradation: Degradation,
        discriminator: Callable[[int], nn.Module],
        discriminator_optimiser: OptimiserBuilder | None = None,
        adversarial_weight: float = 0.1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = 0.99,
    ) -> None:
        if not adversarial_weight >= 0:
            raise ValueError(f"adversarial_weight must be at least 0, got {adversarial_weight}")
        if type(spec.input) is not Image:
            raise SpecError(f"restoration needs data with images, and this is {spec}")
        spec = degradation.spec(spec.input)
        assert isinstance(spec.output, Image)
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.degradation = degradation
        self.picture = spec.output
        self.discriminator = discriminator(self.picture.channels + 1)
        self._check_reach()
        self.discriminator_optimiser = discriminator_optimiser or optimiser
        self.adversarial_weight = adversarial_weight
        self.automatic_optimization = False
        self.l1 = MeanAbsoluteError()
        self.psnr = PeakSignalNoiseRatio(data_range=1.0)
        self._shown: dict[str, Tensor] = {}

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        degraded, region = self.degradation(batch[0])
        true = self.picture.prepare(batch[0])
        restored = self.network(self.spec.input.prepare(degraded))
        optimisers: Any = self.optimizers()
        schedules: Any = self.lr_schedulers()
        for_generator, for_discriminator = zip(optimisers, schedules)

        on_true, on_restored = self._scores(true, region), self._scores(restored.detach(), region)
        discriminator_loss = functional.relu(1 - on_true).mean() + functional.relu(1 + on_restored).mean()
        self._step(discriminator_loss, *for_discriminator)

        self.discriminator.requires_grad_(False)  # it passes the gradient on, and gathers none
        l1 = ((restored - true).abs() * region).sum() / (region.sum() * self.picture.channels)
        generator_loss = -self._scores(restored, region).mean()
        self._step(l1 + self.adversarial_weight * generator_loss, *for_generator)
        self.update_average()
        self.discriminator.requires_grad_(True)

        self.record(l1=l1 / 2, generator=generator_loss, discriminator=discriminator_loss)  # l1 of pixels in 0..1

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._judge(batch, batch_idx, "val")

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            shown = self._judge(batch, batch_idx, "test")
        if batch_idx == 0:
            self._shown = shown

    def configure_optimizers(self) -> Any:
        generator = self.optimise(self.network, self.optimiser)
        discriminator = self.optimise(self.discriminator, self.discriminator_optimiser)
        return [generator[0], discriminator[0]], [generator[1], discriminator[1]]

    def pictures(self, folder: Path) -> dict[str, str]:
        pictures.rows({name: batch[:SHOWN] for name, batch in self._shown.items()}, folder / "restored.png")
        return {"restored.png": "Pictures of the test split: what the network saw, what it made of it, and the truth."}

    def _check_reach(self) -> None:
        """See that the discriminator does not halve the pictures away."""
        height, width = self.picture.height, self.picture.width
        try:
            self.discriminator(torch.zeros(1, self.picture.channels + 1, height, width))
        except RuntimeError as error:
            raise ValueError(f"pictures of {height} x {width} pixels are too small for the discriminator") from error

    def _step(self, loss: Tensor, optimiser: Any, schedule: Any) -> None:
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()
        schedule.step()

    def _scores(self, picture: Tensor, region: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([picture, region], dim=1))
        return scores.float()

    def _judge(self, batch: tuple[Tensor, ...], batch_idx: int, split: str) -> dict[str, Tensor]:
        """Restore one batch, always degraded alike, and count the errors within what was to be restored."""
        place = torch.Generator(self.device).manual_seed(batch_idx * self.trainer.world_size + self.global_rank)
        degraded, region = self.degradation(batch[0], place)
        x = self.spec.input.prepare(degraded)
        restored = self.picture.restore(self.trained_network(x))
        inside = region.expand(restored.shape) > 0
        errors = restored[inside] / 255, batch[0][inside] / 255
        self.l1.update(*errors)
        self.psnr.update(*errors)
        self.log_dict({f"{split}/l1": self.l1, f"{split}/psnr": self.psnr}, on_step=False, on_epoch=True)
        return {self.degradation.word: self.degradation.show(degraded), "restored": restored, "true": batch[0]}
