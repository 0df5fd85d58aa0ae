"""Captioning: a sentence for an image.

Shape letters: B batch, R captions that are right, T tokens, K classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.text import BLEUScore

from zoo import plots
from zoo.errors import SpecError
from zoo.spec import Classes, Image, Spec, Tokens
from zoo.spec.text import PAD, learn_vocabulary, tokenise
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHOWN = 4  # pictures of which attention is drawn


class Captioning(Task):
    """Writes what an image shows, in one of the ways that are right.

    Data with captions gives batches (images, captions (B, R, T), …), the R right captions of each image as codes. Of
    data with classes, the name of the class is spelled out by characters, and digits by their names.

    Logs `train/loss` (cross-entropy, nats a token, of a caption drawn at random from the right ones), and of `val` and
    `test` the same `loss` of the first right caption, `exact` (the share of images whose caption, written greedily, is
    one of the right ones) and `bleu` (BLEU-4 against all right ones, 0 to 1; torchmetrics).

    Args:
        label_smoothing: share of a token's probability that is spread over all, in training.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no images, or neither captions nor classes.
        ValueError: an option is out of range.
    """

    monitor = "val/exact"
    mode = "max"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        label_smoothing: float = 0.0,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if type(spec.input) is not Image or not isinstance(spec.output, (Tokens, Classes)):
            raise SpecError(f"captioning needs data of images with captions or classes, and this is {spec}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be at least 0 and below 1, got {label_smoothing}")
        spelled: Tensor | None = None
        if isinstance(spec.output, Classes):
            spelled, tokens = spell(spec.output)
        else:
            tokens = spec.output
        super().__init__(
            Spec(spec.input, tokens), network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema
        )
        self.spelled: Tensor | None
        self.register_buffer("spelled", spelled, persistent=False)
        self.tokens = tokens
        self.criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.loss = MeanMetric()
        self.exact = MeanMetric()
        self.bleu = BLEUScore()
        self._shown: tuple[Tensor, Tensor] | None = None

    def training_step(self, batch: tuple[Any, ...], batch_idx: int) -> Tensor:
        images, captions = self._with_captions(batch)
        chosen = torch.randint(captions.shape[1], (len(images),), device=images.device)
        captions = captions[torch.arange(len(images), device=images.device), chosen]  # B, T
        logits = self.network(self.spec.input.prepare(images), captions)
        loss = self.criterion(*_tokens(logits, captions))
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: tuple[Any, ...], batch_idx: int) -> None:
        self.judge(batch, "val")

    def on_test_start(self) -> None:
        self._shown = None

    def test_step(self, batch: tuple[Any, ...], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, "test")

    def judge(self, batch: tuple[Any, ...], split: str) -> None:
        images, captions = self._with_captions(batch)
        x, network = self.spec.input.prepare(images), self.trained_network
        logits, targets = _tokens(network(x, captions[:, 0]), captions[:, 0])
        self.loss.update(functional.cross_entropy(logits, targets), weight=(targets >= 0).sum())  # a token
        written = network.generate(x)[0]  # type: ignore[operator]
        self.exact.update(is_one_of(written, captions).float())
        self.bleu.update(self._separate(written), [self._separate(right) for right in captions.unbind(0)])
        if split == "test" and self._shown is None:
            self._shown = images[:SHOWN].cpu(), written[:SHOWN].cpu()  # where the network is by then
        figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("loss", "exact", "bleu")}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")

    def pictures(self, folder: Path) -> dict[str, str]:
        if self._shown is None:
            return {}
        images, written = self._shown
        with torch.inference_mode():
            maps = self.trained_network.attention(self.spec.input.prepare(images), written)  # type: ignore[operator]
        words = [tokenise(text, self.tokens.level) for text in self.tokens.read(written)]
        plots.attention_maps(images, words, maps, folder / "attention.png")
        return {"attention.png": "Images of the test split, and where the network looked for each word it wrote."}

    def _with_captions(self, batch: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        images, captions, *_ = batch
        return images, captions if self.spelled is None else self.spelled[captions]

    def _separate(self, codes: Tensor) -> list[str]:
        """Texts with a space between tokens, as BLEU counts them."""
        return [" ".join(tokenise(text, self.tokens.level)) for text in self.tokens.read(codes)]


def spell(classes: Classes) -> tuple[Tensor, Tokens]:
    """The names of K classes by characters, as codes (K, 1, T), and what they are written in."""
    names = [NUMBERS[int(name)] if name in tuple("0123456789") else name for name in classes.names]
    tokens = Tokens(learn_vocabulary(names, "characters"), "characters", max(map(len, names)))
    return tokens.as_input.collate([tokens.as_input.encode(name) for name in names])[0][:, None], tokens


def is_one_of(written: Tensor, captions: Tensor) -> Tensor:
    """Whether each text (B, T) is one of its captions (B, R, T'), up to the end: bool (B,)."""
    length = max(written.shape[1], captions.shape[2])
    written = functional.pad(written, (0, length - written.shape[1]), value=PAD)
    captions = functional.pad(captions, (0, length - captions.shape[2]), value=PAD)
    return (written[:, None] == captions).all(dim=2).any(dim=1)


def _tokens(logits: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (N, V) and codes (N,) of all tokens and ends of captions (B, T), what follows an end left out."""
    targets = functional.pad(captions, (0, 1), value=PAD)  # B, T + 1
    real = functional.pad(captions != PAD, (1, 0), value=True)  # after each token, and at first
    targets = targets.masked_fill(~real, -100)  # which cross-entropy ignores
    return logits.float().flatten(0, 1), targets.flatten()
