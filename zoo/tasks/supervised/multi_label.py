"""Multi-label classification: any number of K labels for each input.

Shape letters: B batch, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MultilabelExactMatch, MultilabelF1Score

from zoo.metrics.calibration import Criterion, check_criterion
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import MultiLabel, Spec
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder, unfit


class MultiLabelClassification(Supervised):
    """Any number of K labels for each input, also none of them.

    Logs `train/loss`, and of `val` and `test` the binary cross-entropy `loss` (nats, mean over inputs and labels), `f1`
    (0..1, over all labels of all inputs together), `macro_f1` (the mean over the labels) and `exact` (the fraction of
    inputs of which all labels are right). A label is given where its probability is above one half, until
    the run has chosen thresholds.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of logits and labels, both (B, K), in training; None for the binary cross-entropy.
        threshold: the criterion by which, for each label, the probability is chosen from which on it is given; see
            `zoo.metrics.calibration.choose_threshold`. None for labels that are likelier than not.

    Raises:
        SpecError: the data has no labels.
        ValueError: an option is out of range.
    """

    monitor = "val/f1"
    mode = "max"
    error_name = "binary cross-entropy (nats)"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        loss: nn.Module | None = None,
        threshold: Criterion | None = None,
    ) -> None:
        if not isinstance(spec.output, MultiLabel):
            raise unfit("multi_label needs data with several labels for each input", spec)
        super().__init__(spec, build, optimizer, loss=loss or nn.BCEWithLogitsLoss())
        self.labels = spec.output
        self.names = spec.output.names
        self.threshold = None if threshold is None else check_criterion(threshold)
        count = len(self.names)
        self.loss = MeanMetric()
        self.f1 = MultilabelF1Score(count, average="micro")
        self.macro_f1 = MultilabelF1Score(count, average="macro")
        self.exact = MultilabelExactMatch(count)

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        loss: Tensor = (criterion or self.criterion)(outputs, targets)
        return loss

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, labels = batch
        logits: Tensor = apply(self.trained_network, self.spec.input.prepare(x)).float()
        self.loss.update(self.error(logits, labels), weight=len(labels))
        probabilities, truths = logits.sigmoid(), labels.long()
        for metric in (self.f1, self.macro_f1, self.exact):
            metric.update(probabilities, truths)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "f1": self.f1, "macro_f1": self.macro_f1, "exact": self.exact}
