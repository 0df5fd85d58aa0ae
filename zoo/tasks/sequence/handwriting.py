"""Handwriting: the strokes of a text, one point after the other.

Graves, "Generating sequences with recurrent neural networks", 2013. Shape letters: B batch, T points, U characters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric, Metric

from zoo.models.rnn.handwriting import ENDS, Pens
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Ink, Spec, Strokes, Text, Transcript
from zoo.spec.strokes import steps_of
from zoo.spec.text import FIRST, PAD
from zoo.tasks.task import NetworkBuilder, Task, unfit

STD = 0.1  # of a step's coordinates, in heights of a character: a pen that is looked at 100 times a second


class Handwriting(Task):
    """Write a text: where the pen goes next, given where it went, and the text.

    Data gives batches (strokes, labels) or (strokes, texts): the text of an ink is the name of its class, or its
    transcript.

    Logs `train/loss`, and of `val` and `test` the same `loss`: the negative log-likelihood of a point (nats, mean over
    all points but the first of each ink), as a density over steps in heights of the ink, and the probability of what
    the pen does then (goes on, leaves the paper, ends).

    Args:
        spec, build, optimizer: as in `Task`.
        readers: classifiers that read what is written once it has learned, as `zoo.load` takes them: published weights
            such as `lstm.pendigits` and `cnn.mnist`, or files.

    Raises:
        SpecError: the data has no strokes, or neither classes nor transcripts.
    """

    monitor = "val/loss"
    mode = "min"
    kind = "image"  # a step is as long as one on images

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        readers: Sequence[str] = (),
    ) -> None:
        if not isinstance(spec.input, Strokes) or not isinstance(spec.output, Classes | Transcript):
            raise unfit("handwriting needs data of strokes with classes or transcripts", spec)
        names = spec.output.names if isinstance(spec.output, Classes) else tuple(spec.output.alphabet)
        signs = tuple(sorted({sign for name in names for sign in name}))
        self.text = Text(signs, "characters", closed=True)
        super().__init__(Spec(self.text, Ink(STD)), build, optimizer)
        spelled = None  # the codes of each class, on the device
        if isinstance(spec.output, Classes):
            spelled, _ = self.text.collate([self.text.encode(name) for name in names])
        self.spelled: Tensor | None
        self.register_buffer("spelled", spelled, persistent=False)
        self.readers = tuple(readers)
        self.loss = MeanMetric()

    def training_step(self, batch: tuple[Any, Any], batch_idx: int) -> Tensor:
        losses, _, counted = self._losses(self.network, batch)
        loss = (losses * counted).sum() / counted.sum()
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: tuple[Any, Any], batch_idx: int, split: str) -> None:
        losses, _, counted = self._losses(self.trained_network, batch)
        self.loss.update(losses, weight=counted)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss}

    def predict_step(self, batch: tuple[Any, Any], batch_idx: int = 0) -> list[Tensor]:
        """What is written for each text of a batch, by seeds that depend on its number: steps (T, 3)."""
        codes, lengths = self.texts(batch[1])
        network: Any = self.trained_network
        with torch.autocast(self.device.type, enabled=False):
            steps, counts = network.generate(codes, lengths, seed=batch_idx * len(codes))
        return [row[:count] for row, count in zip(steps, counts.tolist())]

    def texts(self, labels: Any) -> tuple[Tensor, Tensor]:
        """The codes (B, U) of labels (B,) or of symbols and their lengths, padded with 0, and their lengths (B,)."""
        if self.spelled is not None:
            codes = self.spelled.to(labels.device)[labels]
            return codes, (codes != PAD).sum(dim=1)
        symbols, lengths = labels  # from 1, in the same order
        return torch.where(symbols > 0, symbols - 1 + FIRST, 0), lengths

    def points(self, batch: tuple[Any, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """The steps (B, T, 3) of a batch as the network takes them, what the pen does at each, and which are real."""
        ways, leaves = steps_of(*batch[0])
        lengths = batch[0][1]
        places = torch.arange(ways.shape[1], device=ways.device)
        pen = leaves.long().masked_fill(places == lengths[:, None] - 1, ENDS)
        return torch.cat([ways[..., :2], leaves[..., None]], dim=2), pen, places < lengths[:, None]

    def _losses(self, network: Any, batch: tuple[Any, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """The negative log-likelihood of points, (N,), its part of what the pen does, and which points count.

        Those are all but the first of each ink. On CUDA padding is among the N, as to pick points makes a step wait.
        """
        steps, pen, real = self.points(batch)
        real = real[:, 1:]

        def pick(x: Tensor) -> Tensor:
            return x.flatten(0, 1) if real.is_cuda else x[real]

        pens = Pens.of(pick(network(*self.texts(batch[1]), steps[:, :-1]).float()))
        of_pen = functional.cross_entropy(pens.pen, pick(pen[:, 1:]), reduction="none")
        scale = 2 * math.log(STD)  # of a density over heights, not over multiples
        return of_pen - pens.log_density(pick(steps[:, 1:, :2]) / STD) + scale, of_pen, pick(real)
