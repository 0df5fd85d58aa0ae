"""Generation: images from noise, from a class, or from a sentence.

What a sentence says of an image is learned by telling the sentences of a batch apart: each is to fit its own real
image better than all the others (Zhang et al., "Cross-modal contrastive learning for text-to-image generation",
2021; before it Reed et al., "Generative adversarial text to image synthesis", 2016, with one mismatched pair each).
Since no two images of the data have one sentence, a generator easily ignores its noise: it is rewarded for images of
one condition that differ, up to a bound (Yang et al., "Diversity-sensitive conditional generative adversarial
networks", 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import Metric

from zoo import check
from zoo.errors import SpecError
from zoo.metrics.generation import CaptionerMetrics, Evaluator, generation_metrics
from zoo.models.gan import discriminator_for
from zoo.models.gan.conditions import Read
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Encoded, Image, Label, Seed, Spec, Text, Tokens
from zoo.spec.text import PAD
from zoo.tasks.gan.adversarial import Adversarial, AdversarialOptions, GeneratorOutput
from zoo.tasks.task import NetworkBuilder

Given = tuple[Tensor, ...] | Read  # of conditions, to a generator: as they are, or what was read of texts

DEFAULTS = AdversarialOptions(gradient_penalty=1.0)  # its discriminator has no spectral norm
DIVERSITY_STRIDE = 4  # every fourth image is compared with another of its condition
DIVERSITY_BOUND = 0.1  # mean distance of pixels in -1..1 from which on two images differ enough


class Generation(Adversarial):
    """Generate images from noise, and from what the data holds beside each: its class, its caption, or nothing.

    Logs, besides what `Adversarial` does and where there is an evaluator, of `val` and `test` the metrics of
    `ClassifierMetrics` or `CaptionerMetrics`.

    Args:
        spec: what the data holds: image → classes, image → text, or image → image where nothing is known.
        build: builds the generator.
        optimizer: as in `Task`.
        discriminator: builds the discriminator for the network's spec.
        evaluator: a classifier of the zoo, in whose features images are compared, or for texts a captioner, which
            reads them, such as `zoo.load("cnn.digits")`; images of another size are resized for it. None for no
            metrics.
        adversarial: as in `Adversarial`.
        layout_weight: weight of the L1 distance to the real image, both shrunk to a quarter, at least 0.
        contrastive_weight: weight of the loss by which the discriminator learns which sentence belongs to which real
            image of a batch, at least 0; for texts alone.
        diversity_weight: weight of the distance between images of one condition, up to a bound, at least 0.

    Raises:
        SpecError: the data has no images of one size.
        ConfigError: the evaluator is no classifier of images, and no captioner with the same vocabulary.
        ValueError: an option is out of range.
    """

    monitor: str | None = "val/frechet"  # type: ignore[assignment]  # None without an evaluator: the last is kept
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        discriminator: Callable[..., nn.Module],
        evaluator: Evaluator | None = None,
        adversarial: AdversarialOptions = DEFAULTS,
        layout_weight: float = 0.0,
        contrastive_weight: float = 0.0,
        diversity_weight: float = 0.0,
    ) -> None:
        self.layout_weight = check.at_least_zero("layout_weight", layout_weight)
        self.contrastive_weight = check.at_least_zero("contrastive_weight", contrastive_weight)
        self.diversity_weight = check.at_least_zero("diversity_weight", diversity_weight)
        if type(spec.input) is not Image:
            raise SpecError(f"generation needs data with images, and this is {spec}")
        spec = Spec(_source(spec), _output(spec.input))
        if contrastive_weight and not isinstance(spec.input, Text):
            raise ValueError(f"contrastive_weight is for texts, and images are generated from a {spec.input.word}")
        network = discriminator_for(spec, discriminator)
        build = partial(_with_shared_reader, build, network)
        super().__init__(spec, build, optimizer, discriminator=network, adversarial=adversarial)
        assert isinstance(spec.output, Image)
        self.image = spec.output
        metric: Any = None if evaluator is None else generation_metrics(evaluator, spec.input)
        self.quality = metric
        values = {} if evaluator is None else {name: metric[name] for name in metric.names}
        self.metrics: Any = nn.ModuleDict(values)  # one for each value that it computes
        if evaluator is None:
            self.monitor = None
        elif isinstance(self.quality, CaptionerMetrics):
            self.monitor, self.mode = "val/words", "max"

    def generator_output(self, batch: tuple[Encoded, ...]) -> GeneratorOutput:
        real = self.image.prepare(_tensor(batch[0]))
        condition = self._condition(batch)
        encoded, given = self._read(condition)
        fake = self._generated(len(real), given)
        losses = {}
        distance = fake.new_zeros(())
        if self.layout_weight:
            losses["layout"] = functional.l1_loss(functional.avg_pool2d(fake, 4), functional.avg_pool2d(real, 4))
            distance = distance + self.layout_weight * losses["layout"]
        if self.diversity_weight:
            losses["diversity"] = self._diversity(fake, given)
            distance = distance - self.diversity_weight * losses["diversity"]
        return GeneratorOutput(fake, real, encoded, None, distance, losses)

    def score(self, image: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        scores: Tensor = self.discriminator.score(image, *condition)
        return scores

    def encode_image(self, image: Tensor) -> Tensor:
        encoded: Tensor = self.discriminator.encode_image(image)
        return encoded

    def encode_condition(self, condition: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The part of the discriminator that sees conditions alone."""
        return (self.discriminator.encode_condition(*condition),) if condition else ()

    def contrastive_loss(self, real: Tensor, condition: tuple[Tensor, ...]) -> Tensor | None:
        if not self.contrastive_weight:
            return None
        matches = self.discriminator.match(real, *condition).float()  # B, B
        own = torch.arange(len(matches), device=matches.device)
        both = functional.cross_entropy(matches, own) + functional.cross_entropy(matches.T, own)
        return self.contrastive_weight / 2 * both

    def eval_step(self, batch: Sequence[Encoded], batch_idx: int, split: str) -> None:
        """Generate as many images as there are real ones, from the same conditions, and compare both."""
        if self.quality is None:
            return
        place = batch_idx * self.trainer.world_size + self.global_rank  # in the split: no two batches are alike
        fake = self.generate(batch, place)
        condition = None if isinstance(self.spec.input, Seed) else batch[1]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            self.quality.update(_tensor(batch[0]), fake, condition)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return dict(self.metrics)

    def predict_step(self, batch: Sequence[Encoded], batch_idx: int = 0) -> Tensor:
        """What the trained network generates from the conditions of a batch: uint8 (B, C, H, W)."""
        with torch.autocast(self.device.type, enabled=False):
            return self.generate(batch, batch_idx)

    @torch.no_grad()
    def generate(self, batch: Sequence[Encoded], seed: int) -> Tensor:
        """An image for each one of a batch, from its condition, uint8 (B, C, H, W); with one seed always alike."""
        random = torch.Generator().manual_seed(seed)
        noise, condition = self._noise(len(_tensor(batch[0])), random), self._condition(batch, random)
        return self.image.restore(self.trained_network(noise, *condition))

    def _read(self, condition: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Given]:
        """What the discriminator is given of conditions, and what the generator. Both have one reader of texts."""
        with self.discriminator_learns():
            if not isinstance(self.spec.input, Text):
                return self.encode_condition(condition), condition
            reader: Any = self.network.reader
            read: Read = reader.read(*condition)
            return (read.features,), read.detach()

    def _generated(self, count: int, given: Given) -> Tensor:
        """An image for each condition."""
        noise = self._noise(count)
        images: Tensor = self.network(noise, given) if isinstance(given, Read) else self.network(noise, *given)
        return images

    def _diversity(self, fake: Tensor, given: Given) -> Tensor:
        """How far images are from others of their conditions, each at most as far as it needs to be."""
        chosen = slice(None, None, DIVERSITY_STRIDE)
        first = fake[chosen]
        some = given[chosen] if isinstance(given, Read) else tuple(part[chosen] for part in given)
        second = self._generated(len(first), some)
        return (first - second).abs().flatten(1).mean(dim=1).clamp(max=DIVERSITY_BOUND).mean()

    def _noise(self, count: int, random: torch.Generator | None = None) -> Tensor:
        latent: Any = self.network.latent_dim
        if random is None:
            return torch.randn(count, latent, device=self.device)
        return torch.randn(count, latent, generator=random).to(self.device)

    def _condition(self, batch: Sequence[Encoded], random: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """What each image is generated from, besides noise; of several captions one at random."""
        if isinstance(self.spec.input, Seed):
            return ()
        known = _tensor(batch[1])
        if isinstance(self.spec.input, Label):
            return (known,)
        device = None if random else known.device
        chosen = torch.randint(known.shape[1], (len(known),), generator=random, device=device).to(known.device)
        codes = known[torch.arange(len(known), device=known.device), chosen]
        return codes, (codes != PAD).sum(dim=1)


def _with_shared_reader(build: NetworkBuilder, discriminator: nn.Module, spec: Spec) -> nn.Module:
    """The generator for a spec. Its reader of texts is the discriminator's too, which alone trains it.

    While the generator learns the discriminator takes no gradient, and so the reader takes none from the generator.
    """
    generator: Any = build(spec)
    if isinstance(spec.input, Text):
        discriminator.reader = generator.reader
    return generator


def _source(spec: Spec) -> Any:
    """What images are generated from, besides noise."""
    if isinstance(spec.output, Classes):
        return Label(spec.output.names)
    if isinstance(spec.output, Tokens):
        text, longest = spec.output.as_input, spec.output.max_length
        return replace(text, closed=True, max_length=longest)  # no image of the data shows what another word means
    return Seed()


def _output(image: Image) -> Image:
    middle = (0.5,) * image.channels  # so that pixels lie in -1..1, as the generator's tanh
    return Image(image.channels, *image.size, mean=middle, std=middle)


def _tensor(column: Encoded) -> Tensor:
    assert isinstance(column, Tensor)
    return column
