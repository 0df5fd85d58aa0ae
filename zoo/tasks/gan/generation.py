"""Generation: pictures from noise, from a class, or from a sentence.

What a sentence says of a picture is learned by telling the sentences of a batch apart: each is to fit its own real
picture better than all the others (Zhang et al., "Cross-modal contrastive learning for text-to-image generation",
2021; before it Reed et al., "Generative adversarial text to image synthesis", 2016, with one mismatched pair each).
Since no two pictures of the data have one sentence, what a picture owes to chance is easily lost: a generator is
rewarded for pictures of one condition that differ, up to a bound (Yang et al., "Diversity-sensitive conditional
generative adversarial networks", 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import plots
from zoo.errors import SpecError
from zoo.metrics.generation import CaptionerMetrics, Evaluator, generation_metrics
from zoo.models.gan import discriminator_for
from zoo.spec import Classes, Encoded, Image, Label, Seed, Spec, Text, Tokens
from zoo.spec.text import PAD
from zoo.tasks.gan.adversarial import SHOWN, Adversarial, Attempt
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder

COLUMNS, ROWS = 10, 5  # of the grid of samples
COMPARED = 4  # one picture of so many is compared with another of its condition
DIFFERENT = 0.1  # mean distance of pixels in -1..1 from which on two pictures differ enough


class Generation(Adversarial):
    """Make pictures from noise, and from what the data tells of each: its class, its caption, or nothing.

    Logs, besides what `Adversarial` does and where there is a judge, of `val` and `test` the figures of
    `ClassifierMetrics` or `CaptionerMetrics`.

    Args:
        spec: what the data holds: image → classes, image → text, or image → image where nothing is known.
        discriminator: builds the discriminator for the network's spec.
        judge: a classifier of the zoo, in whose features the pictures are compared, or for texts a captioner, which
            reads them; pictures of another size are resized for it. None for no figures.
        layout_weight: of the L1 distance to the real picture, both shrunk to a quarter, at least 0.
        contrast_weight: of the discriminator's telling which sentence belongs to which real picture of a batch, at
            least 0; for texts alone.
        diversity_weight: of the distance between pictures of one condition, up to a bound, at least 0.
        network, optimiser, discriminator_optimiser, game, penalty, accumulate, schedule, max_grad_norm, ema: as in
            `Adversarial`.

    Raises:
        SpecError: the data has no pictures of one size.
        ConfigError: the judge is no classifier of pictures, and no captioner with the same words.
        ValueError: an option is out of range.
    """

    monitor: str | None = "val/frechet"  # type: ignore[assignment]  # None without a judge: the last is kept
    mode = "min"
    columns = COLUMNS

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        discriminator: Callable[..., nn.Module],
        judge: Evaluator | None = None,
        discriminator_optimiser: OptimiserBuilder | None = None,
        game: str = "relativistic",
        penalty: float = 1.0,
        layout_weight: float = 0.0,
        contrast_weight: float = 0.0,
        diversity_weight: float = 0.0,
        accumulate: int = 1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = 0.99,
    ) -> None:
        weights = {"layout": layout_weight, "contrast": contrast_weight, "diversity": diversity_weight}
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"{name}_weight must be at least 0, got {weight}")
        if type(spec.input) is not Image:
            raise SpecError(f"generation needs data with images, and this is {spec}")
        spec = Spec(_source(spec), _picture(spec.input))
        if contrast_weight and not isinstance(spec.input, Text):
            raise ValueError(f"contrast_weight is for texts, and the pictures are made from a {spec.input.word}")
        judging = discriminator_for(spec, discriminator)
        super().__init__(
            spec,
            partial(_reading_alike, network, judging),
            optimiser,
            discriminator=judging,
            discriminator_optimiser=discriminator_optimiser,
            game=game,
            penalty=penalty,
            accumulate=accumulate,
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        assert isinstance(spec.output, Image)
        self.picture = spec.output
        self.layout_weight = layout_weight
        self.contrast_weight = contrast_weight
        self.diversity_weight = diversity_weight
        self.likeness: Any = None if judge is None else generation_metrics(judge, spec.input)
        if judge is None:
            self.monitor = None
        elif isinstance(self.likeness, CaptionerMetrics):
            self.monitor, self.mode = "val/words", "max"
        self._shown: list[Tensor] = []

    def attempt(self, batch: tuple[Encoded, ...]) -> Attempt:
        real = self.picture.prepare(_tensor(batch[0]))
        condition = self._condition(batch)
        made = self.network(self._noise(len(real)), *condition)
        figures = {}
        distance = made.new_zeros(())
        if self.layout_weight:
            figures["layout"] = functional.l1_loss(functional.avg_pool2d(made, 4), functional.avg_pool2d(real, 4))
            distance = distance + self.layout_weight * figures["layout"]
        if self.diversity_weight:
            figures["diversity"] = self._diversity(made, condition)
            distance = distance - self.diversity_weight * figures["diversity"]
        return Attempt(made, real, condition, None, distance, figures)

    def score(self, picture: Tensor, beside: tuple[Tensor, ...]) -> Tensor:
        scores: Tensor = self.discriminator.score(picture, *beside)
        return scores

    def look(self, picture: Tensor) -> Tensor:
        seen: Tensor = self.discriminator.encode_image(picture)
        return seen

    def read(self, beside: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self.discriminator.encode_condition(*beside),) if beside else ()

    def contrast(self, real: Tensor, beside: tuple[Tensor, ...]) -> Tensor | None:
        if not self.contrast_weight:
            return None
        matches = self.discriminator.match(real, *beside).float()  # B, B
        own = torch.arange(len(matches), device=matches.device)
        both = functional.cross_entropy(matches, own) + functional.cross_entropy(matches.T, own)
        return self.contrast_weight / 2 * both

    def validation_step(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        self._compare(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        self._log_likeness("val")

    def on_test_epoch_start(self) -> None:
        self._shown = []

    def test_step(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self._compare(batch, batch_idx)
        if len(self._shown) < SHOWN:
            self._shown += list(_tensor(batch[0])[: SHOWN - len(self._shown)])

    def on_test_epoch_end(self) -> None:
        self._log_likeness("test")

    @torch.no_grad()
    def samples(self) -> Tensor:
        noise, condition = self._fixed()
        return self.picture.restore(self.trained_network(noise, *condition))

    def pictures(self, folder: Path) -> dict[str, str]:
        made = self.samples()
        if isinstance(self.spec.input, Text):
            codes = self._fixed()[1][0][:COLUMNS]
            rows = made.view(ROWS, COLUMNS, *made.shape[1:]).transpose(0, 1)
            plots.captioned_rows(
                rows, Tokens(self.spec.input.vocabulary, self.spec.input.level, 1).read(codes), folder / "generated.png"
            )
        else:
            plots.image_grid(made, folder / "generated.png", columns=COLUMNS)
        plots.image_grid(torch.stack(self._shown), folder / "real.png")
        return {
            "generated.png": "Pictures that were made, several of each class or sentence.",
            "real.png": "Pictures of the test split, to compare with.",
            **self.growth(folder),
        }

    def _diversity(self, made: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        """How far pictures are from others of their conditions, each at most as far as it needs to be."""
        chosen = slice(None, None, COMPARED)
        first = made[chosen]
        second = self.network(self._noise(len(first)), *(part[chosen] for part in condition))
        return (first - second).abs().flatten(1).mean(dim=1).clamp(max=DIFFERENT).mean()

    def _fixed(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Noise and conditions of the grid, always the same."""
        random = torch.Generator().manual_seed(0)
        noise = self._noise(COLUMNS * ROWS, random)
        if isinstance(self.spec.input, Seed):
            return noise, ()
        if isinstance(self.spec.input, Label):
            labels = torch.arange(COLUMNS).repeat(ROWS) % len(self.spec.input.names)
            return noise, (labels.to(self.device),)
        split = self.trainer.datamodule.splits["val"]  # type: ignore[attr-defined]
        captions = _tensor(split.__getitems__(torch.arange(COLUMNS) % len(split))[1])[:, 0]
        return noise, _sentences(captions.repeat(ROWS, 1).to(self.device))

    def _noise(self, count: int, random: torch.Generator | None = None) -> Tensor:
        latent: Any = self.network.latent_dim
        if random is None:
            return torch.randn(count, latent, device=self.device)
        return torch.randn(count, latent, generator=random).to(self.device)

    def _condition(self, batch: tuple[Encoded, ...], random: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """What is told of each picture; of several captions one at random."""
        if isinstance(self.spec.input, Seed):
            return ()
        told = _tensor(batch[1])
        if isinstance(self.spec.input, Label):
            return (told,)
        device = None if random else told.device
        chosen = torch.randint(told.shape[1], (len(told),), generator=random, device=device).to(told.device)
        return _sentences(told[torch.arange(len(told), device=told.device), chosen])

    @torch.no_grad()
    def _compare(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        """Make as many pictures as there are real ones, of the same conditions, always the same, and judge both."""
        if self.likeness is None:
            return
        real = _tensor(batch[0])
        random = torch.Generator().manual_seed(batch_idx * self.trainer.world_size + self.global_rank)
        noise, condition = self._noise(len(real), random), self._condition(batch, random)
        made = self.picture.restore(self.trained_network(noise, *condition))
        told = None if isinstance(self.spec.input, Seed) else batch[1]
        with torch.autocast(self.device.type, enabled=False):
            self.likeness.update(real, made, told)

    def _log_likeness(self, split: str) -> None:
        if self.likeness is not None:
            figures = self.likeness.compute()
            self.log_dict({f"{split}/{name}": figure for name, figure in figures.items()})  # alike on all processes
            self.likeness.reset()


def _reading_alike(network: NetworkBuilder, discriminator: nn.Module, spec: Spec) -> nn.Module:
    """The generator for a spec, with whose reader the discriminator reads texts too, and alone teaches it to read.

    While the generator learns the discriminator takes no gradient, and so the reader takes none from the generator.
    """
    generator: Any = network(spec)
    if isinstance(spec.input, Text):
        discriminator.reader = generator.reader
    return generator


def _source(spec: Spec) -> Any:
    """What the generator starts from, besides noise."""
    if isinstance(spec.output, Classes):
        return Label(spec.output.names)
    if isinstance(spec.output, Tokens):
        return replace(spec.output.as_input, closed=True)  # no picture of the data shows what another word means
    return Seed()


def _picture(kind: Image) -> Image:
    middle = (0.5,) * kind.channels  # so that pixels lie in -1..1, as the generator's tanh
    return Image(kind.channels, *kind.size, mean=middle, std=middle)


def _tensor(column: Encoded) -> Tensor:
    assert isinstance(column, Tensor)
    return column


def _sentences(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (B, T), padded, and their lengths (B,)."""
    return codes, (codes != PAD).sum(dim=1)
