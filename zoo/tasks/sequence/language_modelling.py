"""Language modelling: what comes next in a text.

Shape letters: B batch, T tokens, V codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric

from zoo.errors import SpecError
from zoo.spec import Spec, Text, Tokens
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

SAMPLE = 400  # characters that the card shows


class LanguageModelling(Task):
    """Foretells each character of a text from those before it, and writes on from a prompt.

    Logs `train/loss` (nats a character), and of `val` and `test` the `bits` a character: the cross-entropy in bits,
    mean over all. The baselines are the bits of characters by their frequency, and by the two characters before them
    (counted in the training split, with 0.1 added to each count).

    Args:
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data is no text that goes on.
        ValueError: an option is out of range.
    """

    monitor = "val/bits"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = 1.0,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.input, Text) or not isinstance(spec.output, Tokens):
            raise SpecError(f"language_modelling needs a text that goes on, and this is {spec}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.text = spec.output
        self.bits = MeanMetric()
        self._prompt: Tensor | None = None

    def training_step(self, batch: tuple[Tensor], batch_idx: int) -> Tensor:
        loss = _loss(self.network(batch[0][:, :-1]), batch[0][:, 1:])
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        self.judge(batch, "val")

    def on_test_start(self) -> None:
        self._prompt = None

    def test_step(self, batch: tuple[Tensor], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, "test")
        if self._prompt is None:
            self._prompt = batch[0][:1, :20].cpu()  # where the network is by then

    def judge(self, batch: tuple[Tensor], split: str) -> None:
        codes = batch[0]
        loss = _loss(self.trained_network(codes[:, :-1]), codes[:, 1:])
        self.bits.update(loss / math.log(2), weight=len(codes))
        figures: dict[str, Any] = {f"{split}/bits": self.bits}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        train, test = (splits[split].columns[0] for split in ("train", "test"))
        size = self.text.codes
        alone = torch.full((size,), 0.1).index_add_(0, train.flatten(), torch.ones(train.numel()))
        (before, following), (known, then) = _pairs(test, size), _pairs(train, size)
        chances = 0.1 + _counted(known * size + then, before * size + following)
        chances = chances / (0.1 * size + _counted(known, before))
        return {
            "bits by frequency": -float((alone / alone.sum()).log2()[test].mean()),
            "bits by the two before": -float(chances.log2().mean()),
        }

    def pictures(self, folder: Path) -> dict[str, str]:
        return {}

    def notes(self) -> list[str]:
        if self._prompt is None:
            return []
        length = torch.tensor([self._prompt.shape[1]])
        with torch.inference_mode():
            written, _ = self.trained_network.generate(self._prompt, length, length=SAMPLE)  # type: ignore[operator]
        prompt, text = self.text.read(self._prompt)[0], self.text.read(written)[0]
        quoted = "\n".join(f"    {line}" for line in (prompt + "▸" + text).splitlines())
        return ["## Sample", "What it wrote after ▸, at a temperature of 0.8:", quoted]


def _loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy of logits (B, T, V) and codes (B, T), nats, mean over all."""
    return functional.cross_entropy(logits.float().flatten(0, 1), codes.flatten())


def _pairs(windows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Each two neighbours in windows (N, T) as one number, and the code after them."""
    return (windows[:, :-2] * size + windows[:, 1:-1]).flatten(), windows[:, 2:].flatten()


def _counted(numbers: Tensor, asked: Tensor) -> Tensor:
    """How often each of those asked for (M,) stands among numbers (N,): float64 (M,)."""
    known, counts = numbers.unique(return_counts=True)
    places = torch.searchsorted(known, asked).clamp(max=len(known) - 1)
    return torch.where(known[places] == asked, counts[places], 0).double()
