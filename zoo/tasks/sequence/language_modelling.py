"""Language modelling: what comes next in a text.

Shape letters: B batch, T tokens, V codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric, Metric

from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, Text, Tokens
from zoo.tasks.task import NetworkBuilder, Task, unfit


class LanguageModelling(Task):
    """Each character of a text, predicted from those before it.

    Logs `train/loss` (nats per character), and of `val` and `test` the `bits` per character: the cross-entropy in
    bits, mean over all characters.

    Args:
        spec, build, optimizer: as in `Task`.

    Raises:
        SpecError: the data is no text that goes on.
        ValueError: an option is out of range.
    """

    monitor = "val/bits"
    mode = "min"

    def __init__(self, spec: Spec, build: NetworkBuilder, optimizer: OptimizerBuilder | TrainingOptions) -> None:
        if not isinstance(spec.input, Text) or not isinstance(spec.output, Tokens):
            raise unfit("language_modelling needs a text that goes on", spec)
        super().__init__(spec, build, optimizer)
        self.text = spec.output
        self.bits = MeanMetric()

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        codes = batch[0]
        loss = cross_entropy(self.network(codes[:, :-1]), codes[:, 1:])
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: tuple[Tensor], batch_idx: int, split: str) -> None:
        codes = batch[0]
        loss = cross_entropy(self.trained_network(codes[:, :-1]), codes[:, 1:])
        self.bits.update(loss / math.log(2), weight=len(codes))

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"bits": self.bits}

    def predict_step(self, batch: tuple[Tensor], batch_idx: int = 0) -> Tensor:
        """Logits (B, T, V) of the code after each of a batch's codes (B, T), in float32."""
        with torch.autocast(self.device.type, enabled=False):
            logits: Tensor = self.trained_network(batch[0])
        return logits.float()


def cross_entropy(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy of logits (B, T, V) and codes (B, T), nats, mean over all."""
    return functional.cross_entropy(logits.float().flatten(0, 1), codes.flatten())
