"""Classification: one of K classes for each input.

Shape letters: B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from zoo import check
from zoo.errors import SpecError
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, MultiLabel, Spec, Values
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder


class Classification(Supervised):
    """One of K classes for each input.

    Logs `train/loss`, and of `val` and `test` the cross-entropy `loss` (nats, mean) and `accuracy` (0..1, over all
    examples).

    Args:
        spec, build, optimizer: as in `Task`.
        loss: in training; None for cross-entropy (nats, mean over the batch). Others than `torch.nn.CrossEntropyLoss`
            compare the K probabilities with 1 for the true class and 0 for the others.

    Raises:
        SpecError: the data has no classes.
        ValueError: an option is out of range.
    """

    monitor = "val/accuracy"
    mode = "max"
    error_name = "cross-entropy (nats)"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        loss: nn.Module | None = None,
    ) -> None:
        if not isinstance(spec.output, Classes):
            others = {Values: "; for values there is task=regression", MultiLabel: "; for labels task=multi_label"}
            hint = others.get(type(spec.output), "")
            raise SpecError(f"classification needs data with classes, and this is {spec}{hint}")
        loss = loss or nn.CrossEntropyLoss()
        if isinstance(loss, nn.CrossEntropyLoss):
            check.fraction("label_smoothing", loss.label_smoothing)
        super().__init__(spec, build, optimizer, loss=loss)
        self.names = spec.output.names
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro")

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        criterion = criterion or self.criterion
        if isinstance(criterion, nn.CrossEntropyLoss):
            return criterion(outputs, targets)
        probabilities = outputs.softmax(dim=1)
        if not targets.is_floating_point():  # mixup gives probabilities
            targets = functional.one_hot(targets, len(self.names))
        return criterion(probabilities, targets.to(probabilities.dtype))

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs, targets)

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, labels = batch
        logits: Tensor = apply(self.trained_network, self.spec.input.prepare(x))
        self.loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
        self.accuracy.update(logits, labels)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "accuracy": self.accuracy}
