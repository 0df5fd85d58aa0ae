"""Captioning: a sentence for an image.

Shape letters: B batch, R right captions, T tokens, K classes, V codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.text import BLEUScore

from zoo import check
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Image, Spec, Tokens
from zoo.spec.text import PAD, learn_vocabulary, tokenise
from zoo.tasks.task import NetworkBuilder, Task, unfit

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Captioning(Task):
    """A sentence for an image: one of several right ones.

    Data with captions gives batches (images, captions (B, R, T), …), the R right captions of each image as codes. For
    data with classes, the caption is the name of the class, spelled by characters; digits are spelled as words.

    Logs `train/loss` (cross-entropy, nats per token, of a caption drawn at random from the right ones), and of `val`
    and `test` the same `loss` of the first right caption, `exact` (the fraction of images whose greedily decoded
    caption is one of the right ones) and `bleu` (BLEU-4 against all right ones, 0 to 1; torchmetrics).

    Args:
        spec, build, optimizer: as in `Task`.
        label_smoothing: in training, the fraction of a token's probability that is spread over all tokens.

    Raises:
        SpecError: the data has no images, or neither captions nor classes.
        ValueError: an option is out of range.
    """

    monitor = "val/exact"
    mode = "max"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        if type(spec.input) is not Image or not isinstance(spec.output, (Tokens, Classes)):
            raise unfit("captioning needs data of images with captions or classes", spec)
        check.fraction("label_smoothing", label_smoothing, one=False)
        spelled, tokens = spell(spec.output) if isinstance(spec.output, Classes) else (None, spec.output)
        super().__init__(Spec(spec.input, tokens), build, optimizer)
        self.spelled: Tensor | None
        self.register_buffer("spelled", spelled, persistent=False)
        self.tokens = tokens
        self.criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.loss = MeanMetric()
        self.exact = MeanMetric()
        self.bleu = BLEUScore()

    def training_step(self, batch: tuple[Any, ...], batch_idx: int) -> Tensor:
        images, captions = self.with_captions(batch)
        chosen = torch.randint(captions.shape[1], (len(images),), device=images.device)
        captions = captions[torch.arange(len(images), device=images.device), chosen]  # B, T
        logits = self.network(self.spec.input.prepare(images), captions)
        loss = self.criterion(logits.float().flatten(0, 1), token_targets(captions))
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: tuple[Any, ...], batch_idx: int, split: str) -> None:
        images, captions = self.with_captions(batch)
        x, network = self.spec.input.prepare(images), self.trained_network
        logits, targets = network(x, captions[:, 0]).float().flatten(0, 1), token_targets(captions[:, 0])
        self.loss.update(functional.cross_entropy(logits, targets), weight=(targets >= 0).sum())
        written = network.generate(x)[0]  # type: ignore[operator]
        self.exact.update(is_one_of(written, captions).float())
        self.bleu.update(self._separate(written), [self._separate(right) for right in captions.unbind(0)])

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "exact": self.exact, "bleu": self.bleu}

    def predict_step(self, batch: tuple[Any, ...], batch_idx: int = 0) -> Tensor:
        """The captions of a batch as codes (B, T), decoded greedily, in float32."""
        with torch.autocast(self.device.type, enabled=False):
            written: Tensor = self.trained_network.generate(self.spec.input.prepare(batch[0]))[0]  # type: ignore[operator]
        return written

    def with_captions(self, batch: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        """The images of a batch, and their captions as codes (B, R, T)."""
        images, captions, *_ = batch
        return images, captions if self.spelled is None else self.spelled[captions]

    def _separate(self, codes: Tensor) -> list[str]:
        """Texts with a space between tokens, as BLEU counts them."""
        return [" ".join(tokenise(text, self.tokens.level)) for text in self.tokens.read(codes)]


def spell(classes: Classes) -> tuple[Tensor, Tokens]:
    """The names of K classes by characters: their codes (K, 1, T), and the spec of such texts."""
    names = [NUMBERS[int(name)] if name in tuple("0123456789") else name for name in classes.names]
    tokens = Tokens(learn_vocabulary(names, "characters"), "characters", max(map(len, names)))
    return tokens.as_input.collate([tokens.as_input.encode(name) for name in names])[0][:, None], tokens


def is_one_of(written: Tensor, captions: Tensor) -> Tensor:
    """Whether each text (B, T) is one of its captions (B, R, T'), up to the end: bool (B,)."""
    length = max(written.shape[1], captions.shape[2])
    written = functional.pad(written, (0, length - written.shape[1]), value=PAD)
    captions = functional.pad(captions, (0, length - captions.shape[2]), value=PAD)
    return (written[:, None] == captions).all(dim=2).any(dim=1)


def token_targets(captions: Tensor) -> Tensor:
    """The targets (B * (T + 1),) of captions (B, T): their tokens, one end, and -100, which cross-entropy ignores."""
    targets = functional.pad(captions, (0, 1), value=PAD)  # B, T + 1
    real = functional.pad(captions != PAD, (1, 0), value=True)  # a step is real where it follows a token
    return targets.masked_fill(~real, -100).flatten()
