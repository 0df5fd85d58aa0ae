"""Restoration: undo a degradation. Inpainting, super-resolution and colourisation differ in the degradation alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo import plots
from zoo.errors import ConfigError, DataError, SpecError
from zoo.metrics.restoration import RestorationMetrics
from zoo.models.gan import PatchDiscriminator
from zoo.spec import Encoded, Image, Spec
from zoo.tasks.gan.adversarial import SHOWN, Adversarial, Attempt
from zoo.tasks.gan.degradations import Degradation
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder

CHECKED = 64  # pictures that are looked at together
VIEW = 96  # pixels each way of what is shown of a larger picture


class Restoration(Adversarial):
    """Undo a degradation: the generator restores, the discriminator tells restored pictures from true ones.

    The generator minimises L1 distance (mean over what is to be restored, pixels in -1..1), plus the distance between
    the features that the discriminator finds in the restored and the true picture (Larsen et al., "Autoencoding
    beyond pixels using a learned similarity metric", 2016), plus its loss in the game. The discriminator sees each
    picture with the region that was to be restored as one more channel.

    Logs, besides what `Adversarial` does, within what was to be restored and with pixels in 0..1, `l1` of `train`,
    `val` and `test`, and `psnr` (dB) and `ssim` of the latter two: means over pictures, of what the degradation says
    is judged. The same of simple methods on the test split, as `baseline/<method>_<figure>`.

    Args:
        degradation: what is to be undone.
        discriminator: builds the discriminator for a number of input channels.
        adversarial_weight: of the game's loss beside the L1 distance, at least 0; with 0 what is restored is the
            likeliest, and blurred where that is unsure.
        feature_weight: of the distance of features, at least 0.
        spec, network, optimiser, discriminator_optimiser, game, penalty, accumulate, schedule, max_grad_norm, ema: as
            in `Adversarial`.

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
        discriminator: Callable[[int], PatchDiscriminator],
        discriminator_optimiser: OptimiserBuilder | None = None,
        game: str = "relativistic",
        adversarial_weight: float = 0.1,
        feature_weight: float = 0.0,
        penalty: float = 0.0,
        accumulate: int = 1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = 0.99,
    ) -> None:
        if not feature_weight >= 0:
            raise ValueError(f"feature_weight must be at least 0, got {feature_weight}")
        if feature_weight and not adversarial_weight:
            raise ValueError("feature_weight takes a discriminator that is trained: give adversarial_weight, too")
        if type(spec.input) is not Image:
            raise SpecError(f"restoration needs data with images, and this is {spec}")
        example = spec.input
        spec = degradation.spec(example)
        assert isinstance(spec.output, Image)
        super().__init__(
            spec,
            network,
            optimiser,
            discriminator=discriminator(spec.output.channels + 1),
            discriminator_optimiser=discriminator_optimiser,
            game=game,
            adversarial_weight=adversarial_weight,
            penalty=penalty,
            accumulate=accumulate,
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.degradation = degradation
        self.picture = spec.output
        self.feature_weight = feature_weight
        if example.height is not None and example.width is not None:
            self._check_reach(example.height, example.width)
            self._check_discriminator(example.height, example.width)
        self.quality = RestorationMetrics(degradation.margin)
        self._to_show = torch.zeros(0)  # places among the test pictures of this process
        self._tested = 0
        self._shown: list[dict[str, Tensor]] = []

    def attempt(self, batch: tuple[Encoded, ...]) -> Attempt:
        degraded, whole, region = self.degradation(_pictures(batch))
        true = self.picture.prepare(whole)
        restored = self.network(self._input(degraded))
        l1 = ((restored - true).abs() * region).sum() / (region.sum() * self.picture.channels)
        distance = l1
        figures = {"l1": l1 / 2}  # of pixels in 0..1
        if self.feature_weight:
            figures["features"] = self._feature_distance(restored, true, region)
            distance = l1 + self.feature_weight * figures["features"]
        touched = region  # scores of patches in which nothing was restored tell nothing
        for _ in range(self.discriminator.depth):
            touched = functional.max_pool2d(touched, kernel_size=2)
        return Attempt(restored, true, (region,), touched, distance, figures)

    def score(self, picture: Tensor, beside: tuple[Tensor, ...]) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([picture, *beside], dim=1))
        return scores

    def on_fit_start(self) -> None:
        splits: Any = self.trainer.datamodule.splits  # type: ignore[attr-defined]
        columns = {split: splits[split].columns[0] for split in ("train", "val", "test")}
        self._check_discriminator(*columns["train"][0].shape[-2:])
        if self.degradation.colours:
            _check_colours(splits["train"])
        sizes = [getattr(column, "smallest", column[0].shape[-2:]) for column in columns.values()]
        for size in dict.fromkeys(sizes):  # a test picture that is too small would show after all the training
            self._check_reach(*size)

    def validation_step(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        self._judge(batch, batch_idx, "val")

    def on_test_epoch_start(self) -> None:
        tested = len(self.trainer.datamodule.splits["test"])  # type: ignore[attr-defined]
        self._to_show = _spread(len(range(self.global_rank, tested, self.trainer.world_size)))
        self._shown, self._tested = [], 0

    def test_step(self, batch: tuple[Encoded, ...], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            shown = self._judge(batch, batch_idx, "test")
        places = self._tested + torch.arange(len(shown["true"]))
        self._tested += len(places)
        for row in torch.isin(places, self._to_show).nonzero()[:, 0].tolist():
            self._shown.append({name: self._view(rows[row]) for name, rows in shown.items()})

    def samples(self) -> Tensor:
        split = self.trainer.datamodule.splits["val"]  # type: ignore[attr-defined]
        batch = _pictures(split.__getitems__(_spread(len(split)))).to(self.device)
        degraded, _, _ = self.degradation(batch, torch.Generator(self.device).manual_seed(0))
        return self._restore(degraded)

    def pictures(self, folder: Path) -> dict[str, str]:
        shown = {name: [picture[name] for picture in self._shown] for name in self._shown[0]}
        plots.image_rows(shown, folder / "restored.png")
        caption = "Pictures of the test split: what the network saw, what it made of it, and the truth."
        return {"restored.png": caption, **self.growth(folder)}

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        loader = self.trainer.datamodule.test_dataloader()  # type: ignore[attr-defined]
        loader.batches.rank, loader.batches.processes = 0, 1  # all pictures, and not this process's share
        found: dict[str, RestorationMetrics] = {}
        for index, batch in enumerate(loader):
            degraded, true, region = self._degrade(_pictures(batch), index)
            for method, restored in self.degradation.simple(degraded).items():
                quality = found.setdefault(method, RestorationMetrics(self.degradation.margin))
                self._compare(quality, restored, true, region)
        return {
            f"{method}_{name}": float(value)
            for method, quality in found.items()
            for name, value in quality.compute().items()
        }

    def _degrade(self, batch: Tensor, batch_idx: int) -> tuple[Tensor, Tensor, Tensor]:
        """Degrade a batch of the validation or test split, always alike."""
        place = batch_idx * self.trainer.world_size + self.global_rank
        return self.degradation(batch, torch.Generator(batch.device).manual_seed(place))

    def _judge(self, batch: tuple[Encoded, ...], batch_idx: int, split: str) -> dict[str, Tensor]:
        """Restore one batch and count the errors within what was to be restored."""
        degraded, true, region = self._degrade(_pictures(batch), batch_idx)
        restored = self._restore(degraded)
        self._compare(self.quality, restored, true, region)
        figures = {f"{split}/{name}": metric for name, metric in self.quality.items().items()}
        self.log_dict(figures, on_step=False, on_epoch=True)
        return {**self.degradation.show(degraded), "restored": restored, "true": true}

    def _compare(self, quality: RestorationMetrics, restored: Tensor, true: Tensor, region: Tensor) -> None:
        found, where = self.degradation.judged(restored, region)
        quality.update(found, self.degradation.judged(true, region)[0], where)

    @torch.no_grad()
    def _restore(self, degraded: Tensor) -> Tensor:
        """Whole uint8 pictures, as the artefact gives them."""
        network: Any = self.trained_network
        return self.picture.restore(getattr(network, "generate", network)(self._input(degraded)))

    def _input(self, degraded: Tensor) -> Tensor:
        assert isinstance(self.spec.input, Image)
        return self.spec.input.prepare(degraded)

    def _feature_distance(self, restored: Tensor, true: Tensor, region: Tensor) -> Tensor:
        """Mean L1 distance over all layers of the discriminator, which here passes the gradient on alone."""
        discriminator: Any = self.discriminator
        with torch.no_grad():
            wanted = list(discriminator.features(torch.cat([true, region], dim=1)))
        found = list(discriminator.features(torch.cat([restored, region], dim=1)))
        distances = [functional.l1_loss(ours.float(), theirs.float()) for ours, theirs in zip(found, wanted)]
        return torch.stack(distances).mean()

    @torch.no_grad()
    def _check_reach(self, height: int, width: int) -> None:
        """See that pictures are not too small to be spoilt, restored and judged."""
        middle = (0.5,) * self.picture.channels
        self.degradation.spec(Image(self.picture.channels, height, width, middle, middle))
        degraded, _, _ = self.degradation(self._blank(height, width))
        self.trained_network(self._input(degraded))

    @torch.no_grad()
    def _check_discriminator(self, height: int, width: int) -> None:
        """See that it does not halve the pictures away."""
        _, whole, region = self.degradation(self._blank(height, width))
        training = self.discriminator.training
        try:  # in eval mode, since in training spectral norms move with each call
            self.discriminator.eval()(torch.cat([self.picture.prepare(whole), region], dim=1))
        except RuntimeError as error:
            raise ConfigError(f"pictures of {height} x {width} pixels are too small for the discriminator") from error
        finally:
            self.discriminator.train(training)

    def _view(self, picture: Tensor) -> Tensor:
        """What of a picture (C, H, W) is shown in a row, where it is too large: its middle, or all of it made small."""
        height, width = picture.shape[-2:]
        if max(height, width) <= VIEW:
            return picture.cpu()
        if self.degradation.detail:
            top, left = max(0, height - VIEW) // 2, max(0, width - VIEW) // 2
            return picture[:, top : top + VIEW, left : left + VIEW].cpu()
        size = [max(1, round(length * VIEW / max(height, width))) for length in (height, width)]
        small = functional.interpolate(picture[None].float(), size=size, mode="bilinear", antialias=True)[0]
        return small.round().to(torch.uint8).cpu()

    def _blank(self, height: int, width: int) -> Tensor:
        return torch.zeros(1, self.picture.channels, height, width, dtype=torch.uint8, device=self.device)


def _check_colours(examples: Any) -> None:
    """See that pictures in three channels are not all grey; it looks no further than to the first in colour."""
    for rows in torch.arange(len(examples)).split(CHECKED):
        batch = _pictures(examples.__getitems__(rows))
        if not torch.equal(batch, batch[:, :1].expand_as(batch)):
            return
    raise DataError("the pictures to learn from are all grey, and colours are learned from pictures in colour")


def _spread(count: int) -> Tensor:
    """The places of those that are shown of so many pictures: neighbours may be parts of one sky."""
    return torch.linspace(0, count - 1, min(SHOWN, count)).long()


def _pictures(batch: Any) -> Tensor:
    pictures: Tensor = batch[0]
    return pictures
