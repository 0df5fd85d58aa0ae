"""Reports of restoration and generation: checks of splits, samples during training, baselines and plots."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.image_columns import WholeImages
from zoo.data.images import Digits
from zoo.data.photos import Photos
from zoo.data.shapes import Shapes
from zoo.errors import ConfigError, DataError, SpecError
from zoo.metrics.restoration import RestorationMetrics
from zoo.models import Discriminator, PatchDiscriminator
from zoo.spec import Classes, Image, Spec
from zoo.tasks.gan import Colourisation, Degradation, Downscale, Generation, Grey, Mask, Restoration
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.gan import fixed_batch, restored_images, view
from zoo.training.runtime import quieten_lightning

ADAM = partial(torch.optim.Adam, lr=2e-3)


def restoration(spec: Spec, degradation: Degradation) -> Restoration:
    torch.manual_seed(0)
    options = {} if isinstance(degradation, Downscale) else {"depth": 1}
    discriminator = partial(PatchDiscriminator, width=8, depth=1)
    build = partial(models.build, "gan", width=8, **options)
    return Restoration(spec, build, ADAM, degradation=degradation, discriminator=discriminator)


def generation(spec: Spec) -> Generation:
    torch.manual_seed(0)
    build = partial(models.build, "gan", width=8)
    return Generation(spec, build, ADAM, discriminator=partial(Discriminator, width=8))


@pytest.fixture(scope="module")
def photos() -> Photos:
    data = Photos(patch=32, stride=64)
    data.setup()
    return data


@pytest.mark.parametrize(("degradation", "size"), [(Downscale(2), (16, 40)), (Grey(), (40, 1))], ids=["small", "grey"])
def test_a_test_image_that_is_too_small_is_named_before_training(
    photos: Photos, degradation: Degradation, size: tuple[int, int]
) -> None:
    """Test images are of any size, and those of training say nothing of them."""
    whole = [torch.zeros(3, 40, 40, dtype=torch.uint8), torch.zeros(3, *size, dtype=torch.uint8)]
    task = restoration(photos.spec, degradation)
    report.check_splits(task, photos.splits)
    with pytest.raises(SpecError, match=f"{size[0]} x {size[1]} pixels are too small"):
        report.check_splits(task, {**photos.splits, "test": Examples(WholeImages(whole))})


def test_grey_images_are_refused_where_colours_are_to_be_learned(photos: Photos) -> None:
    """Three equal channels; of one pixel in colour something can be learned."""
    grey = torch.randint(0, 256, (100, 1, 32, 32), dtype=torch.uint8).expand(-1, 3, -1, -1).contiguous()
    coloured = grey.clone()
    coloured[-1, 0, 0, 0] ^= 1
    task = restoration(photos.spec, Grey())
    report.check_splits(task, {**photos.splits, "train": Examples(coloured)})
    with pytest.raises(DataError, match="grey"):
        report.check_splits(task, {**photos.splits, "train": Examples(grey)})


def test_baselines_are_those_of_the_test_s_own_holes(digits: Digits) -> None:
    """Degraded batch by batch, each with its place as seed, and filled by hand."""
    quality, task = RestorationMetrics(), restoration(digits.spec, Mask())
    for index, images in enumerate(digits.splits["test"].columns[0].split(32)):
        degraded, target, region = task.degrade((images,), index)
        quality.update(Mask().baselines(degraded)["mean_fill"] / 255, target / 255, region)
    found = report.baselines(task, Evaluation(task, digits.splits, batch_size=32))
    assert found == {f"mean_fill_{name}": value for name, value in quality.compute().items()}


class Brightness(torch.nn.Module):
    """Two classes: whether red is the brightest on average."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        red, green, blue = x.mean(dim=(2, 3)).unbind(dim=1)
        return torch.stack([torch.maximum(green, blue), red], dim=1)


def test_what_an_evaluator_recognises_is_counted_beside_grey() -> None:
    """Of red and blue squares; in grey no channel is the brightest, and the classifier says the first class."""
    colours = torch.tensor([[250, 20, 20], [20, 20, 250], [200, 60, 0], [0, 90, 200], [255, 0, 40]], dtype=torch.uint8)
    examples = Examples(colours.view(5, 3, 1, 1).expand(-1, -1, 16, 16).contiguous())
    image = Image(3, 16, 16, (0.5,) * 3, (0.5,) * 3)
    evaluator: Any = SimpleNamespace(spec=Spec(image, Classes(("other", "red"))), network=Brightness())
    task = colourisation(Spec(image, image), evaluator)
    task.restore = lambda degraded: colours.view(5, 3, 1, 1).roll(1, dims=0).expand(-1, -1, 16, 16)  # type: ignore[method-assign]
    evaluation = Evaluation(task, {"test": examples}, batch_size=32)
    assert report.split_metrics(task, evaluation) == {"recognised": 1 / 5}  # red other red other red, moved on by one
    assert report.baselines(task, evaluation)["grey_recognised"] == 2 / 5
    without = colourisation(Spec(image, image), None)
    assert report.split_metrics(without, Evaluation(without, {"test": examples}, batch_size=32)) == {}
    with pytest.raises(ConfigError, match="evaluator"):
        colourisation(Spec(image, image), SimpleNamespace(spec=Spec(image, image)))


def colourisation(spec: Spec, evaluator: Any) -> Colourisation:
    torch.manual_seed(0)
    discriminator = partial(PatchDiscriminator, width=8, depth=1)
    build = partial(models.build, "gan", width=8, depth=1)
    return Colourisation(spec, build, ADAM, discriminator=discriminator, evaluator=evaluator)


def test_what_is_shown_comes_from_all_of_the_test_split(digits: Digits, tmp_path: Path) -> None:
    task = restoration(digits.spec, Mask())
    evaluation = Evaluation(task, digits.splits, batch_size=32)
    split = digits.splits["test"].columns[0]
    shown = restored_images(task, evaluation)
    rows = [next(i for i, image in enumerate(split) if image.equal(images["true"])) for images in shown]
    assert (len(rows), rows[0], rows[-1]) == (12, 0, len(split) - 1)
    gaps = torch.tensor(rows).diff()
    assert gaps.max() - gaps.min() <= 1
    assert list(report.plots(task, evaluation, tmp_path)) == ["restored.png"]
    assert (tmp_path / "restored.png").stat().st_size > 500


def test_whole_photographs_are_compared_one_at_a_time(photos: Photos) -> None:
    whole = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in ((40, 30), (20, 50))]
    task = restoration(photos.spec, Downscale(2))
    evaluation = Evaluation(task, {**photos.splits, "test": Examples(WholeImages(whole))}, batch_size=16)
    assert [images["true"].shape for images in restored_images(task, evaluation)] == [image.shape for image in whole]
    assert set(report.baselines(task, evaluation)) == {"bicubic_l1", "bicubic_psnr", "bicubic_ssim"}


def test_of_a_large_image_the_middle_is_shown_or_all_of_it() -> None:
    image = torch.zeros(3, 400, 200, dtype=torch.uint8)
    image[:, :200] = 200
    assert view(image[:, :50, :60], detail=False).shape == (3, 50, 60)
    whole = view(image, detail=False)
    assert whole.shape == (3, 96, 48)
    assert whole.float().mean() == pytest.approx(100, abs=2)
    assert torch.equal(view(image, detail=True), image[:, 152:248, 52:148])


@pytest.mark.parametrize("kind", ["restoration", "generation"])
def test_samples_are_drawn_after_each_epoch(digits: Digits, tmp_path: Path, kind: str) -> None:
    """Of the same inputs, as the trained network was at the time."""
    task: Any = restoration(digits.spec, Mask()) if kind == "restoration" else generation(digits.spec)
    quieten_lightning()
    callbacks = report.callbacks(task, digits.splits)
    options: dict[str, Any] = {"limit_train_batches": 2, "limit_val_batches": 0, "default_root_dir": tmp_path}
    options |= {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    L.Trainer(max_epochs=2, callbacks=callbacks, enable_model_summary=False, **options).fit(task, digits)
    first, second = sorted((tmp_path / "samples").iterdir())
    assert (first.name, second.name) == ("00000.png", "00001.png")
    assert first.read_bytes() != second.read_bytes()
    callbacks[0].on_train_epoch_end(task.trainer, task)
    last = tmp_path / "samples" / f"{task.trainer.current_epoch:05}.png"
    assert last.read_bytes() == second.read_bytes()
    captions = report.plots(task, Evaluation(task, digits.splits, batch_size=32), tmp_path)
    assert {"growth.png", "growth.gif"} < set(captions)
    assert all((tmp_path / name).exists() for name in captions)


def test_generated_images_go_through_all_classes_and_through_sentences(digits: Digits) -> None:
    images, labels = fixed_batch(generation(digits.spec), digits.splits["val"])
    assert len(images) == 50
    assert labels[:12].tolist() == [*range(10), 0, 1]
    data = Shapes(train_size=1, val_size=4, test_size=1)
    data.setup()
    _, captions = fixed_batch(generation(data.spec), data.splits["val"])
    assert captions.shape[:2] == (50, 1)
    assert torch.equal(captions[4], captions[0])  # of four sentences, each comes again
    assert torch.equal(captions[10], captions[0])
