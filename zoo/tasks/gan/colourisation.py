"""Colourisation: learn how likely each class of colour is at each place of a grey image.

Zhang, Isola and Efros, "Colorful image colorization", 2016: true colours are shared out among the nearest classes, and
rare ones count more, since nearly all of a photograph is nearly grey. Hints as users give them are taken from the true
image, at random places: Zhang et al., "Real-time user-guided image colorization with learned deep priors", 2017.

Shape letters: B batch, Q classes of colour, H height, W width; h and w: cells, of 2 x 2 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric

from zoo import check
from zoo.errors import ConfigError, SpecError
from zoo.metrics.colour import ColourMetrics
from zoo.metrics.generation import Evaluator
from zoo.models.gan import PatchDiscriminator
from zoo.models.gan.colouriser import Colouriser, cell_means
from zoo.models.gan.lab import NUM_CLASSES, colour_classes, rgb_to_lab, soft_classes
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Encoded, Image, Spec
from zoo.tasks.gan.adversarial import DEFAULTS, AdversarialOptions, GeneratorOutput
from zoo.tasks.gan.degradations import Grey
from zoo.tasks.gan.restoration import Restoration, images_of
from zoo.tasks.task import NetworkBuilder

HINTED = 0.5  # fraction of the training images that have hints
MEAN_HINTS = 8.0  # of those that have some


class Colourisation(Restoration):
    """Colour grey images: the generator learns a distribution over classes of colour.

    The generator minimises the cross-entropy of the classes of each cell (nats, weighted), plus its adversarial loss.
    Half of the training images have hints: the true colours of some cells. Tests have none.

    Logs, besides what `Restoration` does, the cross-entropy `loss`, and of `val` and `test` the `colourfulness` of what
    was coloured and that of the true images, `true_colourfulness`. The best checkpoint is that of the least `val/loss`:
    distances of pixels are least where images stay pale.

    Args:
        spec, build, optimizer, discriminator, adversarial, adversarial_weight: as in `Restoration`.
        rebalancing: how much more rare colours count, from 0 (all alike) to below 1 (nearly as much more as they are
            rarer).
        evaluator: a classifier of such images, by which the report counts how many that were coloured it takes for
            what it takes the true ones for; None for no such count.

    Raises:
        SpecError: the data has no images in colour, or the network is no colouriser.
        ConfigError: the images are too small for the discriminator, or the evaluator classifies no images.
        ValueError: an option is out of range.
    """

    monitor = "val/loss"
    prior: Tensor

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        discriminator: Callable[[int], PatchDiscriminator],
        adversarial: AdversarialOptions = DEFAULTS,
        adversarial_weight: float = 0.0,
        rebalancing: float = 0.1,
        evaluator: Evaluator | None = None,
    ) -> None:
        if evaluator is not None:
            seen, said = evaluator.spec.input, evaluator.spec.output
            if type(seen) is not Image or not isinstance(said, Classes):
                raise ConfigError(f"the evaluator of colours goes from image to classes, not {evaluator.spec}")
        self.rebalancing = check.fraction("rebalancing", rebalancing, one=False)
        super().__init__(
            spec,
            partial(_colouriser, build),
            optimizer,
            degradation=Grey(),
            discriminator=discriminator,
            adversarial=adversarial,
            adversarial_weight=adversarial_weight,
        )
        self.quality = ColourMetrics()
        self.eval_loss = MeanMetric()
        self.evaluators = [] if evaluator is None else [evaluator]  # in a list, and so no part of the task's weights
        self.register_buffer("prior", torch.full((NUM_CLASSES,), 1 / NUM_CLASSES))

    def parts_to_compile(self) -> Sequence[nn.Module]:
        network: Any = self.network  # which is not called as a whole
        return [network.unet]

    def fit_prior(self, batches: Iterable[Tensor]) -> None:
        """Take how frequent each class of colour is from images, uint8 (B, 3, H, W)."""
        classes = colour_classes()
        counts = torch.zeros(NUM_CLASSES)
        for images in batches:
            codes, shares = soft_classes(_colours(cell_means(rgb_to_lab(images / 255)[:, 1:])), classes)
            counts.index_add_(0, codes.flatten(), shares.flatten())
        self.prior.copy_(counts / counts.sum())

    @property
    def class_weights(self) -> Tensor:
        """What each class counts (Q,): the inverse of how frequent it is, mixed with all alike; their mean is 1."""
        weights = 1 / (self.rebalancing * self.prior + (1 - self.rebalancing) / NUM_CLASSES)
        return weights / (self.prior * weights).sum()

    def generator_output(self, batch: tuple[Encoded, ...]) -> GeneratorOutput:
        grey, target, region = self.degradation(images_of(batch))
        x = self._input(grey)
        true = cell_means(rgb_to_lab(target / 255)[:, 1:])
        hints = random_hints(true)
        network: Any = self.network
        logits = network.logits(x, hints)
        loss = self._cross_entropy(logits, true)
        image = self.image.prepare(target)
        restored = network.from_logits(x, logits, hints) if self.adversarial_weight else image  # nobody looks at it
        return GeneratorOutput(restored, image, (region,), None, loss, {"loss": loss})

    def eval_step(self, batch: Sequence[Encoded], batch_idx: int, split: str) -> None:
        super().eval_step(batch, batch_idx, split)
        grey, target, _ = self.degradation(images_of(batch))
        network: Any = self.trained_network
        true = cell_means(rgb_to_lab(target / 255)[:, 1:])
        self.eval_loss.update(self._cross_entropy(network.logits(self._input(grey)), true), weight=len(grey))

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {**super().eval_metrics(split), "loss": self.eval_loss}

    def baselines(self, degraded: Tensor) -> dict[str, Tensor]:
        """Grey images, and such of the mean colour of the training images, uint8 (B, 3, H, W)."""
        x = self._input(degraded)
        network: Any = self.network
        mean = self.prior @ network.classes
        cells = mean.view(1, 2, 1, 1).expand(len(x), -1, -(-x.shape[2] // 2), -(-x.shape[3] // 2))
        tinted = self.image.restore(network.coloured(x, cells))
        return {**super().baselines(degraded), "mean_colour": tinted}

    def _cross_entropy(self, logits: Tensor, true: Tensor) -> Tensor:
        """The weighted mean over cells, from logits (B, Q, h, w) and true a* and b* (B, 2, h, w)."""
        network: Any = self.network
        codes, shares = soft_classes(_colours(true), network.classes)
        log_probabilities = functional.log_softmax(_colours(logits), dim=1).gather(1, codes)
        weights = self.class_weights[codes[:, 0]]
        return -(weights * (shares * log_probabilities).sum(dim=1)).sum() / weights.sum()


def _colouriser(build: NetworkBuilder, spec: Spec) -> nn.Module:
    """The network for a spec, which must know classes of colour."""
    network = build(spec)
    if not isinstance(network, Colouriser):
        raise SpecError(f"colourisation needs a Colouriser, not {type(network).__name__}")
    return network


def random_hints(true: Tensor) -> Tensor:
    """Hints (B, 3, h, w) as `Colouriser.logits` takes them: of half of the images, the true colours of some cells.

    How many of an image have one follows a geometric distribution.
    """
    count, _, height, width = true.shape
    uniform = torch.rand(count, 2, device=true.device)
    many = 1 + (uniform[:, 1].clamp(min=1e-6).log() / math.log(1 - 1 / MEAN_HINTS)).floor()
    many = torch.where(uniform[:, 0] < HINTED, many, 0.0)
    rank = torch.rand(count, height * width, device=true.device).argsort(dim=1).argsort(dim=1)
    known = (rank < many[:, None]).view(count, 1, height, width).to(true.dtype)
    return torch.cat([true * known, known], dim=1)


def _colours(maps: Tensor) -> Tensor:
    """Maps (B, C, h, w) as rows (B h w, C)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
