"""Reports of restoration and generation."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn import functional

from zoo import plots
from zoo.data.core.examples import Batch, Examples
from zoo.data.image_columns import WholeImages
from zoo.errors import DataError
from zoo.metrics.generation import Evaluator, evaluator_input
from zoo.metrics.restoration import RestorationMetrics
from zoo.spec import Label, Text, Tokens
from zoo.tasks.gan import Colourisation, Generation, Restoration
from zoo.training import report
from zoo.training.report import Evaluation

SHOWN = 12  # images of a plot
CONDITIONS, EACH = 10, 5  # generated images of a plot: so many classes or sentences, so many images of each
CHECKED = 64  # images that are read together
COUNTED = 2048  # training images, at most, whose colours are counted
CLASSIFIED = 2000  # test images, at most, of which an evaluator tells what they show
VIEW = 96  # pixels each way of a plot's images; larger ones are cut or shrunk


class Samples(Callback):
    """Draws what the trained network gives for a fixed batch after each epoch, into `samples` of the run's folder.

    Args:
        batch: as the task's `predict_step` takes it.
        columns: of the grid of images.
    """

    def __init__(self, batch: Batch, columns: int) -> None:
        self.batch = batch
        self.columns = columns

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.is_global_zero:
            images = pl_module.predict_step(move_data_to_device(self.batch, pl_module.device), 0)
            file = _samples(Path(trainer.default_root_dir)) / f"{trainer.current_epoch:05}.png"
            plots.image_grid(images, file, columns=self.columns)


def growth(folder: Path) -> dict[str, str]:
    """Draw how the samples of the epochs changed, where there are several; gives captions as `report.plots` does."""
    frames = {f"epoch {1 + int(file.stem)}": file for file in sorted(_samples(folder).glob("*.png"))}
    if len(frames) < 2:
        return {}
    plots.filmstrip(frames, folder / "growth.png")
    plots.animation(frames, folder / "growth.gif")
    return {
        "growth.png": "The same inputs after more and more epochs, from top to bottom.",
        "growth.gif": "The same, an epoch a frame.",
    }


def _samples(folder: Path) -> Path:
    return folder / "samples"


# Restoration


@report.check_splits.register
def _(task: Restoration, splits: Mapping[str, Examples]) -> None:
    sizes = {split: _smallest(splits[split]) for split in ("train", "val", "test")}
    task.check_training_size(*sizes["train"])
    if task.degradation.colours:
        _check_colours(splits["train"])
    for size in dict.fromkeys(sizes.values()):  # a test image that is too small would be noticed after all the training
        task.check_size(*size)


@report.initialise.register
def _(task: Colourisation, splits: Mapping[str, Examples]) -> None:
    """How frequent each class of colour is in training."""
    rows = torch.linspace(0, len(splits["train"]) - 1, min(len(splits["train"]), COUNTED)).long()
    task.fit_prior(splits["train"].__getitems__(part)[0] for part in rows.split(CHECKED))  # type: ignore[misc]


@report.callbacks.register
def _(task: Restoration, splits: Mapping[str, Examples]) -> list[Callback]:
    return [Samples(splits["val"].__getitems__(spread(len(splits["val"]))), SHOWN)]


@report.baselines.register
def _(task: Restoration, evaluation: Evaluation) -> dict[str, float]:
    found: dict[str, RestorationMetrics] = {}
    for index, batch in enumerate(evaluation.batches("test", _batch_size(evaluation))):
        degraded, target, region = task.degrade(batch, index)  # as in the test
        for method, restored in task.baselines(degraded).items():
            if method not in found:
                found[method] = copy.deepcopy(task.quality)
                found[method].reset()
            quality = found[method]
            task.compare(quality, restored, target, region)
    return {
        f"{method}_{name}": float(value)
        for method, quality in found.items()
        for name, value in quality.compute().items()
    }


@report.baselines.register
def _(task: Colourisation, evaluation: Evaluation) -> dict[str, float]:
    found = report.baselines.dispatch(Restoration)(task, evaluation)
    return found | {f"{method}_recognised": share for method, share in recognised(task, evaluation).items() if method}


@report.split_metrics.register
def _(task: Colourisation, evaluation: Evaluation) -> dict[str, float]:
    found = recognised(task, evaluation)
    return {"recognised": found[""]} if found else {}


def recognised(task: Colourisation, evaluation: Evaluation) -> dict[str, float]:
    """The fraction of test images that the evaluator takes for what it takes the true ones for, once the network ("")
    or a simple method, by its name, coloured them; nothing without an evaluator."""

    @torch.no_grad()
    def find() -> dict[str, float]:
        test = evaluation.splits["test"]
        rows = torch.linspace(0, len(test) - 1, min(CLASSIFIED, len(test))).long()
        alike: dict[str, int] = {}
        for evaluator in task.evaluators:
            for part in rows.split(_batch_size(evaluation) or CHECKED):
                degraded, target, _ = task.degrade(move_data_to_device(test.__getitems__(part), task.device), 0)
                true = _classified(evaluator, target)
                for method, images in {"": task.restore(degraded), **task.baselines(degraded)}.items():
                    alike[method] = alike.get(method, 0) + int((_classified(evaluator, images) == true).sum())
        return {method: count / len(rows) for method, count in alike.items()}

    return evaluation.once("recognised", find)


def _classified(evaluator: Evaluator, images: Tensor) -> Tensor:
    """The class (B,) that an evaluator takes each of uint8 images (B, C, H, W) for."""
    network, x = evaluator_input(evaluator, images)
    classes: Tensor = network(x).argmax(dim=1)
    return classes


@report.plots.register
def _(task: Restoration, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    shown = restored_images(task, evaluation)
    plots.image_rows({name: [images[name] for images in shown] for name in shown[0]}, folder / "restored.png")
    caption = "Images of the test split: what the network was given, what it restored, and the true image."
    return {"restored.png": caption, **growth(folder)}


def restored_images(task: Restoration, evaluation: Evaluation) -> list[dict[str, Tensor]]:
    """Some images of the test split, each as it is given to the network, restored, and true, by name."""
    chosen = spread(len(evaluation.splits["test"]))
    shown: list[dict[str, Tensor]] = []
    start = 0
    for index, batch in enumerate(evaluation.batches("test", _batch_size(evaluation))):
        count = len(batch[0])
        places = chosen[(chosen >= start) & (chosen < start + count)] - start
        start += count
        if len(places):  # images of the whole batch are degraded, so that they are those of the test
            degraded, target, _ = task.degrade(batch, index)
            images = {**task.degradation.show(degraded), "restored": task.restore(degraded), "true": target}
            shown += [
                {name: view(rows[place], task.degradation.detail) for name, rows in images.items()}
                for place in places.tolist()
            ]
    return shown


def view(image: Tensor, detail: bool) -> Tensor:
    """What a plot shows of an image (C, H, W): of a large one its middle, for detail, or else all of it, made small."""
    height, width = image.shape[-2:]
    if max(height, width) <= VIEW:
        return image.cpu()
    if detail:
        top, left = max(0, height - VIEW) // 2, max(0, width - VIEW) // 2
        return image[:, top : top + VIEW, left : left + VIEW].cpu()
    size = [max(1, round(length * VIEW / max(height, width))) for length in (height, width)]
    small = functional.interpolate(image[None].float(), size=size, mode="bilinear", antialias=True)[0]
    return small.round().to(torch.uint8).cpu()


def spread(count: int) -> Tensor:
    """The places of those that are shown of so many images: neighbours may be parts of one sky."""
    return torch.linspace(0, count - 1, min(SHOWN, count)).long()


def _smallest(examples: Examples) -> tuple[int, int]:
    """The least height and width of the images."""
    column = examples.columns[0]
    height, width = column.smallest if isinstance(column, WholeImages) else column[0].shape[-2:]
    return height, width


def _batch_size(evaluation: Evaluation) -> int | None:
    """Whole photographs differ in size, and come one at a time, as in the test; None for the usual size."""
    return 1 if isinstance(evaluation.splits["test"].columns[0], WholeImages) else None


def _check_colours(examples: Examples) -> None:
    """See that images in three channels are not all grey; it reads no further than to the first in colour."""
    for rows in torch.arange(len(examples)).split(CHECKED):
        images: Any = examples.__getitems__(rows)[0]
        if not torch.equal(images, images[:, :1].expand_as(images)):
            return
    raise DataError("the training images are all grey, and colours are learned from images in colour")


# Generation


@report.callbacks.register
def _(task: Generation, splits: Mapping[str, Examples]) -> list[Callback]:
    return [Samples(fixed_batch(task, splits["val"]), CONDITIONS)]


@report.plots.register
def _(task: Generation, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    batch = fixed_batch(task, evaluation.splits["val"])
    fake = task.predict_step(move_data_to_device(batch, task.device))
    source = task.spec.input
    if isinstance(source, Text):
        codes: Any = batch[1]
        sentences = Tokens(source.vocabulary, source.level, 1).read(codes[:CONDITIONS, 0])
        rows = fake.view(EACH, CONDITIONS, *fake.shape[1:]).transpose(0, 1)
        plots.captioned_rows(rows, sentences, folder / "generated.png")
    else:
        plots.image_grid(fake, folder / "generated.png", columns=CONDITIONS)
    test = evaluation.splits["test"]
    real: Any = test.__getitems__(torch.arange(min(SHOWN, len(test))))[0]
    plots.image_grid(real, folder / "real.png")
    return {
        "generated.png": "Generated images, several of each class or sentence.",
        "real.png": "Images of the test split, to compare with.",
        **growth(folder),
    }


def fixed_batch(task: Generation, examples: Examples) -> Batch:
    """A batch from which plots are generated, always the same: each class in turn, or sentences of these examples."""
    places = torch.arange(CONDITIONS).repeat(EACH)
    images, *known = examples.__getitems__(places % len(examples))
    if isinstance(task.spec.input, Label):
        return images, places % len(task.spec.input.names)
    if isinstance(task.spec.input, Text):
        captions: Any = known[0]
        return images, captions[:, :1]  # the first of each image
    return (images,)
