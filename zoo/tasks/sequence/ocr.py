"""Optical character recognition: what a line of text says, learned from lines and their texts alone (CTC)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.text import CharErrorRate, WordErrorRate

from zoo.errors import SpecError
from zoo.metrics.readings import Reading
from zoo.models import apply
from zoo.spec import Spec, TextLine, Transcript, ctc
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

Labelled = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # lines and lengths, symbols and lengths


class OCR(Task):
    """Read lines of text.

    The gradient of CTC is that of a cross-entropy, at each step, against the posterior of the alignments (Graves et
    al., 2006, equation 16): whether there is a label (a character, not the blank), and which. `label_weight` adds that
    of which, so that a network which must say to the pixel where a character stands does not tell characters apart
    the worse for it.

    Logs `train/loss`, and of `val` and `test` the `loss` (CTC, nats a character), `cer` and `wer`
    (character and word error rate: insertions, deletions and substitutions, over all characters or words) and `ler`
    (share of lines with any error), all of the greedy answer.

    Args:
        label_weight: what it counts, beside the loss of CTC, which character it is where there is one; at least 0.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no lines of text.
        ValueError: an option is out of range.
    """

    monitor = "val/cer"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        label_weight: float = 0.0,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = 5.0,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.input, TextLine) or not isinstance(spec.output, Transcript):
            raise SpecError(
                f"ocr needs data with lines of text, and this is {spec}; "
                "digits and mnist are lines as data=digit_lines and data=mnist_lines"
            )
        if not 0 <= label_weight < math.inf:
            raise ValueError(f"label_weight must be at least 0 and finite, got {label_weight}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.label_weight = label_weight
        self.line, self.transcript = spec.input, spec.output
        self.loss, self.cer, self.wer, self.ler = MeanMetric(), CharErrorRate(), WordErrorRate(), MeanMetric()
        self._readings: list[Reading] = []

    def training_step(self, batch: Labelled, batch_idx: int) -> Tensor:
        x, (symbols, counts) = batch
        logits: Tensor = apply(self.network, self.line.prepare(x))
        loss = ctc_loss(logits, symbols, counts).sum() / counts.sum()
        self.record(loss=loss)
        if not self.label_weight:
            return loss
        return loss + self.label_weight * label_loss(logits, symbols, counts).sum() / counts.sum()

    def validation_step(self, batch: Labelled, batch_idx: int) -> None:
        self._judge(batch, "val")

    def on_test_start(self) -> None:
        self._readings.clear()

    def test_step(self, batch: Labelled, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self._judge(batch, "test")

    def _judge(self, batch: Labelled, split: str) -> None:
        x, (symbols, counts) = batch
        logits: Tensor = apply(self.trained_network, self.line.prepare(x))
        self.loss.update(ctc_loss(logits, symbols, counts) / counts, weight=counts)
        log_probabilities = logits.log_softmax(dim=2)
        read = [self.transcript.text(row) for row in ctc.best_paths(log_probabilities)]
        true = [self.transcript.text(row[:count]) for row, count in zip(symbols.tolist(), counts.tolist())]
        self.cer.update(read, true)
        self.wer.update(read, true)
        self.ler.update(torch.tensor([float(a != b) for a, b in zip(read, true)], device=logits.device))
        if split == "test":
            paths = log_probabilities.argmax(dim=2).cpu()
            stride = x[0].shape[1] / logits.shape[1]
            for pixels, path, *texts in zip(self.line.restore(x), paths, read, true):
                self._readings.append(Reading(pixels, path, stride, *texts))
        figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("loss", "cer", "wer", "ler")}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")


def ctc_loss(logits: Tensor, symbols: Tensor, counts: Tensor) -> Tensor:
    """Minus the logarithm (nats) of the probability of each text (B,); 0 where T steps are too few for it.

    Args:
        logits: (B, T, 1 + K); beyond a line's end the blank is certain, so that all T steps can be taken. A text that
            is too long for its own line alone costs some 1e4.
        symbols: the texts (B, L), padded.
        counts: their lengths (B,); torch reads them from the device, for which a step waits.
    """
    log_probabilities = logits.float().log_softmax(dim=2).transpose(0, 1)  # T, B, 1 + K
    steps = torch.full((len(logits),), logits.shape[1])
    return functional.ctc_loss(
        log_probabilities, symbols, steps, counts, blank=ctc.BLANK, reduction="none", zero_infinity=True
    )


def label_loss(logits: Tensor, symbols: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy (nats) of the K labels at the steps of each line (B,), as far as they have one, given its text.

    Args:
        logits, symbols, counts: as of `ctc_loss`.
    """
    given = logits.detach().float().requires_grad_()
    (slope,) = torch.autograd.grad(ctc_loss(given, symbols, counts).sum(), given)
    posterior = given.detach().softmax(dim=2) - slope  # B, T, 1 + K: of the symbol of each step, given the text
    return -(posterior[:, :, 1:] * logits[:, :, 1:].float().log_softmax(dim=2)).sum(dim=(1, 2))
