"""Reports of handwriting.

Shape letters: N points.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.data.core.examples import Examples
from zoo.metrics.handwriting import share_read
from zoo.spec import drawing
from zoo.tasks.sequence import Handwriting
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.weights.catalogue import load

EACH = 100  # inks of each class that the readers are given
COLUMNS, ROWS = 10, 5  # of the plot: of each character so many
SIDE = 136  # pixels of the place of an ink in the plot
LINE = 10  # characters of the line that is drawn


@report.check_splits.register
def _(task: Handwriting, splits: Mapping[str, Examples]) -> None:
    for name in task.readers:  # a wrong one would be noticed after all the training
        share_read(load(name), [], [])


@report.split_metrics.register
def _(task: Handwriting, evaluation: Evaluation) -> dict[str, float]:
    """The share of single characters that each reader takes for what they should be, by 100 inks of each."""
    metrics: dict[str, float] = {}
    for name in task.readers:
        reader = load(name)
        known = [sign for sign in task.text.vocabulary if sign in getattr(reader.spec.output, "names", ())]
        if known:
            asked = known * EACH
            written = [answer["strokes"] for answer in write(task, asked, seed=0)]
            metrics[f"read_by_{reader.model}"] = share_read(reader, written, asked)
    return metrics


def write(task: Handwriting, texts: list[str], seed: int, **options: Any) -> list[dict[str, Any]]:
    """What the trained network writes for some texts, in the form of an artefact's answers."""
    answers: list[dict[str, Any]] = []
    ink: Any = task.spec.output
    for rows in torch.arange(len(texts)).split(250):
        codes, lengths = task.text.collate([task.text.encode(texts[row]) for row in rows])
        network: Any = task.trained_network.eval()
        codes, lengths = codes.to(task.device), lengths.to(task.device)
        answers += ink.decode(network.generate(codes, lengths, seed=seed + int(rows[0]), **options))
    return answers


@report.baselines.register
def _(task: Handwriting, evaluation: Evaluation) -> dict[str, float]:
    """The loss by one Gaussian for all ways and one probability for all that the pen does, as in training."""
    (train, train_pen), (test, test_pen) = (_points(task, evaluation, split) for split in ("train", "test"))
    gaussian = torch.distributions.MultivariateNormal(train.mean(dim=0), train.T.cov())
    frequencies = (train_pen.bincount(minlength=3) + 1) / (len(train_pen) + 3)
    return {"loss of one Gaussian": -float((gaussian.log_prob(test) + frequencies.log()[test_pen]).mean())}


def _points(task: Handwriting, evaluation: Evaluation, split: str) -> tuple[Tensor, Tensor]:
    """The ways (N, 2) and what the pen does (N,) of all points of a split but the first of each ink."""
    ways, pens = [], []
    for batch in evaluation.batches(split):
        steps, pen, real = task.points(batch)  # type: ignore[arg-type]
        ways.append(steps[:, 1:, :2][real[:, 1:]].double().cpu())
        pens.append(pen[:, 1:][real[:, 1:]].cpu())
    return torch.cat(ways), torch.cat(pens)


@report.plots.register
def _(task: Handwriting, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    signs = list(task.text.vocabulary)[:COLUMNS]
    answers = write(task, signs * ROWS, seed=0)
    images = torch.stack([_fitted(answer["image"]) for answer in answers])
    plots.image_grid(images, folder / "written.png", columns=len(signs))
    line = "".join((signs * LINE)[:LINE])
    (answer,) = write(task, [line], seed=1)
    for ending in ("svg", "gif"):
        drawing.save(answer["strokes"], folder / f"line.{ending}")
    return {
        "written.png": "Each character, written five times.",
        "line.gif": f"The line {line}, as it is written.",
    }


def _fitted(image: Any) -> Tensor:
    """An image in the middle of a white square, uint8 (1, SIDE, SIDE), made smaller if need be."""
    import numpy as np
    import PIL.Image

    image.thumbnail((SIDE, SIDE))
    square = PIL.Image.new("L", (SIDE, SIDE), 255)
    square.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return torch.from_numpy(np.array(square))[None]
