"""Optical character recognition: the text of a line, learned from lines and their texts alone (CTC).

Graves et al., "Connectionist temporal classification", 2006.

Shape letters: B batch, T steps, L characters of the longest text, K characters of the alphabet.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import MeanMetric, Metric
from torchmetrics.text import CharErrorRate, WordErrorRate

from zoo import check
from zoo.errors import SpecError
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, TextLine, Transcript, ctc
from zoo.tasks.task import NetworkBuilder, Task

Labelled = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]  # lines and lengths, symbols and lengths


class OCR(Task):
    """The text of a line.

    The gradient of CTC is that of a cross-entropy, at each step, against the posterior of the alignments (Graves et
    al., equation 16): whether there is a character or the blank, and which character. `label_weight` adds the second
    part once more, so that a network which learns to the pixel where a character stands tells characters apart as
    well.

    Logs `train/loss`, and of `val` and `test` the `loss` (CTC, nats per character), `cer` and `wer`
    (character and word error rate: insertions, deletions and substitutions, over all characters or words) and `ler`
    (the fraction of lines with any error), all of the greedily decoded text.

    Args:
        spec, build, optimizer: as in `Task`.
        label_weight: the weight of the auxiliary cross-entropy over characters; at least 0.

    Raises:
        SpecError: the data has no lines of text.
        ValueError: an option is out of range.
    """

    monitor = "val/cer"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        label_weight: float = 0.0,
    ) -> None:
        if not isinstance(spec.input, TextLine) or not isinstance(spec.output, Transcript):
            raise SpecError(
                f"ocr needs data with lines of text, and this is {spec}; "
                "digits and mnist are lines as data=digit_lines and data=mnist_lines"
            )
        check.at_least_zero("label_weight", label_weight)
        super().__init__(spec, build, optimizer)
        self.label_weight = label_weight
        self.line, self.transcript = spec.input, spec.output
        self.loss = MeanMetric()
        self.cer = CharErrorRate()
        self.wer = WordErrorRate()
        self.ler = MeanMetric()

    def training_step(self, batch: Labelled, batch_idx: int) -> Tensor:
        x, (symbols, counts) = batch
        logits: Tensor = apply(self.network, self.line.prepare(x))
        if not self.label_weight:
            loss = ctc_loss(logits, symbols, counts).sum() / counts.sum()
            self.record(loss=loss)
            return loss
        losses, labels = ctc_and_label_losses(logits, symbols, counts)
        loss = losses.sum() / counts.sum()
        self.record(loss=loss)
        return loss + self.label_weight * labels.sum() / counts.sum()

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, (symbols, counts) = batch
        logits: Tensor = apply(self.trained_network, self.line.prepare(x))
        weights = counts.to(logits.device)
        self.loss.update(ctc_loss(logits, symbols, counts) / weights, weight=weights)
        read, true = self.read(logits), self.texts(symbols, counts)
        self.cer.update(read, true)
        self.wer.update(read, true)
        self.ler.update(torch.tensor([float(a != b) for a, b in zip(read, true)], device=logits.device))

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "cer": self.cer, "wer": self.wer, "ler": self.ler}

    def transfer_batch_to_device(self, batch: Labelled, device: torch.device, dataloader_idx: int) -> Labelled:
        """All but how many symbols each text has, which CTC reads on the host: on the device, a step would wait."""
        lines, (symbols, counts) = batch
        (*lines_there, symbols_there) = super().transfer_batch_to_device((*lines, symbols), device, dataloader_idx)
        return tuple(lines_there), (symbols_there, counts)

    def read(self, logits: Tensor) -> list[str]:
        """The greedily decoded texts of logits (B, T, 1 + K)."""
        return [self.transcript.text(path) for path in ctc.best_paths(logits.log_softmax(dim=2))]

    def texts(self, symbols: Tensor, counts: Tensor) -> list[str]:
        """The texts that symbols (B, L), padded, stand for, given how many each has (B,)."""
        return [self.transcript.text(row[:count]) for row, count in zip(symbols.tolist(), counts.tolist())]


def ctc_loss(logits: Tensor, symbols: Tensor, counts: Tensor) -> Tensor:
    """Minus the logarithm (nats) of the probability of each text (B,); 0 where T steps are too few for it.

    Where deterministic algorithms are asked for, a run on CUDA takes those of `zoo.spec.ctc`, as torch has none.

    Args:
        logits: (B, T, 1 + K); beyond a line's end the blank is certain, so that all T steps can be taken. A text that
            is too long for its own line alone costs some 1e4.
        symbols: the texts (B, L), padded.
        counts: their lengths (B,); on the host, since torch reads them there.
    """
    log_probabilities = logits.float().log_softmax(dim=2)
    if logits.is_cuda and torch.are_deterministic_algorithms_enabled():
        return _repeatable(log_probabilities, symbols, counts.to(logits.device, non_blocking=True))
    steps = [logits.shape[1]] * len(logits)
    # Plain numbers, since tensors of lengths are copied to the device, and read from there again
    by_step = log_probabilities.transpose(0, 1)  # T, B, 1 + K
    return torch.ctc_loss(by_step, symbols, steps, counts.tolist(), ctc.BLANK, 0, True)  # 0: no reduction


def _repeatable(log_probabilities: Tensor, symbols: Tensor, counts: Tensor) -> Tensor:
    """The loss and its gradient, both as `ctc.alignments` gives them."""
    likelihood, posterior = ctc.alignments(log_probabilities.detach(), symbols, counts)
    slope = (posterior * (log_probabilities - log_probabilities.detach())).sum(dim=(1, 2))  # 0, with a gradient
    return -likelihood.masked_fill(likelihood.isinf(), 0) - slope


def ctc_and_label_losses(logits: Tensor, symbols: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """CTC (B,), and the cross-entropy (nats, B) of the K labels at the steps of each line, as far as they have one.

    The posterior of the labels is told by the gradient of CTC, which is computed once, for both.

    Args:
        logits, symbols, counts: as of `ctc_loss`.
    """
    logits = logits.float()
    found = logits.detach().requires_grad_()
    losses = ctc_loss(found, symbols, counts)
    (slope,) = torch.autograd.grad(losses.sum(), found)
    with_gradient = losses.detach() + (slope * (logits - logits.detach())).sum(dim=(1, 2))
    posterior = found.detach().softmax(dim=2) - slope  # B, T, 1 + K: of the symbol of each step, given the text
    labels = -(posterior[:, :, 1:] * logits[:, :, 1:].log_softmax(dim=2)).sum(dim=(1, 2))
    return with_gradient, labels
