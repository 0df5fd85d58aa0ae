"""Translation: a sentence for a sentence.

Shape letters: B batch, S source tokens, T target tokens, V codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.text import SacreBLEUScore

from zoo import check
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import SourceText, Spec, TargetText
from zoo.tasks.sequence.captioning import is_one_of, token_targets
from zoo.tasks.task import NetworkBuilder, Task, unfit

Batch = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


class Translation(Task):
    """A sentence for a sentence, by teacher forcing: each token is predicted from the source and the true ones before.

    Data gives batches ((source (B, S), lengths (B,)), (target (B, T), lengths (B,))) of codes, padded with 0.

    Logs `train/loss` (cross-entropy, nats per token, ends among them, with the label smoothing), and of `val` and
    `test`: the same `loss` without smoothing; `token_accuracy`, the fraction of tokens and ends that are the likeliest
    given the true ones before; `exact`, the fraction of translations that are right as a whole; and `bleu` (BLEU-4, 0
    to 1, over the whole split, as sacrebleu computes it; words by its tokeniser 13a, or characters). Translations of
    `val` are greedy, those of `test` the network's own, by beam search. A word of the truth that is not in the
    vocabulary counts as wrong.

    Args:
        spec, build, optimizer: as in `Task`.
        label_smoothing: in training, the fraction of a token's probability that is spread over all tokens.

    Raises:
        SpecError: the data is no source text with translations.
        ValueError: an option is out of range.
    """

    monitor = "val/bleu"
    mode = "max"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        label_smoothing: float = 0.0,
    ) -> None:
        if not isinstance(spec.input, SourceText) or not isinstance(spec.output, TargetText):
            raise unfit("translation needs data of source texts with translations", spec)
        check.fraction("label_smoothing", label_smoothing, one=False)
        super().__init__(spec, build, optimizer)
        self.source, self.target = spec.input, spec.output
        self.criterion = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        self.loss, self.token_accuracy, self.exact = MeanMetric(), MeanMetric(), MeanMetric()
        self.bleu = bleu_score(self.target.level)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        (source, lengths), (target, _) = batch
        logits = self.network(source, lengths, target)
        loss: Tensor = self.criterion(logits.float().flatten(0, 1), token_targets(target.long()))
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: Batch, batch_idx: int, split: str) -> None:
        (source, lengths), (target, _) = batch
        network: Any = self.trained_network
        logits, targets = network(source, lengths, target).float().flatten(0, 1), token_targets(target.long())
        real = targets >= 0
        self.loss.update(functional.cross_entropy(logits, targets), weight=real.sum())
        self.token_accuracy.update((logits.argmax(dim=1) == targets)[real].float())
        greedy = {"num_beams": 1} if split == "val" else {}
        written: Tensor = network.generate(source, lengths, **greedy)[0]
        self.exact.update(is_one_of(written, target[:, None]).float())
        self.bleu.update(self.target.read(written), [[text] for text in self.target.read(target)])

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "token_accuracy": self.token_accuracy, "exact": self.exact, "bleu": self.bleu}

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Tensor:
        """The translations of a batch as codes (B, T), by the network's own search, in float32."""
        network: Any = self.trained_network
        with torch.autocast(self.device.type, enabled=False):
            written: Tensor = network.generate(*self.source.prepare(batch[0]))[0]
        return written


def bleu_score(level: str) -> SacreBLEUScore:
    """BLEU-4 of texts: by sacrebleu's tokeniser 13a for `words`, or by `characters`."""
    return SacreBLEUScore(tokenize="char" if level == "characters" else "13a")
