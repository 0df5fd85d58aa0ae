"""Restoration: undo a degradation. Inpainting and super-resolution differ in the degradation alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric

from zoo import check
from zoo.errors import ConfigError, SpecError
from zoo.metrics.restoration import RestorationMetrics
from zoo.models.gan import PatchDiscriminator
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Encoded, Image, Spec
from zoo.tasks.gan.adversarial import DEFAULTS, Adversarial, AdversarialOptions, GeneratorOutput
from zoo.tasks.gan.degradations import Degradation
from zoo.tasks.task import NetworkBuilder


class Restoration(Adversarial):
    """Undo a degradation: the generator restores, the discriminator distinguishes restored images from true ones.

    The generator minimises L1 distance (mean over what is to be restored, pixels in -1..1), plus the distance between
    the features that the discriminator computes of the restored and the true image (Larsen et al., "Autoencoding
    beyond pixels using a learned similarity metric", 2016), plus its adversarial loss. The discriminator is given each
    image with the region that was to be restored as one more channel.

    Logs, besides what `Adversarial` does, within what was to be restored and with pixels in 0..1, `l1` of `train`,
    `val` and `test`, and `psnr` (dB) and `ssim` of the latter two: means over images, of what the degradation gives
    as `metric_input`.

    Args:
        spec: what the data holds: images, and whatever else.
        build: builds the generator.
        optimizer: as in `Task`.
        degradation: what is to be undone.
        discriminator: builds the discriminator for a number of input channels.
        adversarial: as in `Adversarial`.
        adversarial_weight: weight of the adversarial loss beside the L1 distance, at least 0; with 0 restored images
            are the likeliest ones, and blurred where that is unsure.
        feature_weight: weight of the distance of features, at least 0.

    Raises:
        SpecError: the data has no images.
        ConfigError: the images are too small for the discriminator.
        ValueError: an option is out of range.
    """

    monitor = "val/l1"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        degradation: Degradation,
        discriminator: Callable[[int], PatchDiscriminator],
        adversarial: AdversarialOptions = DEFAULTS,
        adversarial_weight: float = 0.1,
        feature_weight: float = 0.0,
    ) -> None:
        check.at_least_zero("feature_weight", feature_weight)
        if feature_weight and not adversarial_weight:
            raise ValueError("feature_weight needs a discriminator that is trained: give adversarial_weight, too")
        if type(spec.input) is not Image:
            raise SpecError(f"restoration needs data with images, and this is {spec}")
        example = spec.input
        spec = degradation.spec(example)
        assert isinstance(spec.output, Image)
        super().__init__(
            spec,
            build,
            optimizer,
            discriminator=discriminator(spec.output.channels + 1),
            adversarial=adversarial,
            adversarial_weight=adversarial_weight,
        )
        self.degradation = degradation
        self.image = spec.output
        self.feature_weight = feature_weight
        self.quality = RestorationMetrics(degradation.margin)
        if example.height is not None and example.width is not None:
            self.check_size(example.height, example.width)
            self.check_training_size(example.height, example.width)

    def generator_output(self, batch: tuple[Encoded, ...]) -> GeneratorOutput:
        degraded, target, region = self.degradation(images_of(batch))
        true = self.image.prepare(target)
        restored = self.network(self._input(degraded))
        l1 = ((restored - true).abs() * region).sum() / (region.sum() * self.image.channels)
        distance = l1
        losses = {"l1": l1 / 2}  # of pixels in 0..1
        if self.feature_weight:
            losses["features"] = self._feature_distance(restored, true, region)
            distance = l1 + self.feature_weight * losses["features"]
        touched = region  # scores of patches in which nothing was restored say nothing
        for _ in range(self.discriminator.depth):
            touched = functional.max_pool2d(touched, kernel_size=2)
        return GeneratorOutput(restored, true, (region,), touched, distance, losses)

    def score(self, image: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([image, *condition], dim=1))
        return scores

    def eval_step(self, batch: Sequence[Encoded], batch_idx: int, split: str) -> None:
        place = batch_idx * self.trainer.world_size + self.global_rank  # in the split: no two batches are alike
        degraded, target, region = self.degrade(batch, place)
        self.compare(self.quality, self.restore(degraded), target, region)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return dict(self.quality.items())

    def predict_step(self, batch: Sequence[Encoded], batch_idx: int = 0) -> Tensor:
        """What the trained network restores of a batch of true images, once degraded: uint8 (B, C, H, W)."""
        with torch.autocast(self.device.type, enabled=False):
            return self.restore(self.degrade(batch, batch_idx)[0])

    def degrade(self, batch: Sequence[Encoded], seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Degrade the images of a batch, as the degradation gives it; with one seed always alike."""
        images = images_of(batch)
        return self.degradation(images, torch.Generator(images.device).manual_seed(seed))

    @torch.no_grad()
    def restore(self, degraded: Tensor) -> Tensor:
        """What the trained network restores of degraded images, as the artefact gives them: uint8 (B, C, H, W)."""
        network: Any = self.trained_network
        return self.image.restore(getattr(network, "generate", network)(self._input(degraded)))

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        """What simple methods restore of degraded images: uint8 images by method."""
        return self.degradation.baselines(degraded)

    def compare(self, quality: RestorationMetrics, restored: Tensor, target: Tensor, region: Tensor) -> None:
        """Add restored uint8 images to metrics, beside the true ones."""
        found, where = self.degradation.metric_input(restored, region)
        quality.update(found, self.degradation.metric_input(target, region)[0], where)

    @torch.no_grad()
    def check_size(self, height: int, width: int) -> None:
        """See that images of a size can be degraded, restored and compared.

        Raises:
            SpecError: they are too small.
        """
        middle = (0.5,) * self.image.channels
        self.degradation.spec(Image(self.image.channels, height, width, middle, middle))
        degraded, _, _ = self.degradation(self._blank(height, width))
        self.trained_network(self._input(degraded))

    @torch.no_grad()
    def check_training_size(self, height: int, width: int) -> None:
        """See that images of a size can be scored by the discriminator.

        Raises:
            ConfigError: they are too small.
        """
        _, target, region = self.degradation(self._blank(height, width))
        training = self.discriminator.training
        try:  # in eval mode, since in training spectral norms move with each call
            self.discriminator.eval()(torch.cat([self.image.prepare(target), region], dim=1))
        except RuntimeError as error:
            raise ConfigError(f"images of {height} x {width} pixels are too small for the discriminator") from error
        finally:
            self.discriminator.train(training)

    def _input(self, degraded: Tensor) -> Tensor:
        assert isinstance(self.spec.input, Image)
        return self.spec.input.prepare(degraded)

    def _feature_distance(self, restored: Tensor, true: Tensor, region: Tensor) -> Tensor:
        """Mean L1 distance over all layers of the discriminator, through which the gradient passes."""
        with torch.no_grad():
            wanted = list(self.discriminator.features(torch.cat([true, region], dim=1)))
        found = list(self.discriminator.features(torch.cat([restored, region], dim=1)))
        distances = [functional.l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(found, wanted)]
        return torch.stack(distances).mean()

    def _blank(self, height: int, width: int) -> Tensor:
        return torch.zeros(1, self.image.channels, height, width, dtype=torch.uint8, device=self.device)


def images_of(batch: Sequence[Encoded]) -> Tensor:
    """The first column of a batch."""
    images = batch[0]
    assert isinstance(images, Tensor)
    return images
