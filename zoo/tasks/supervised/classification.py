"""Classification: one of K classes for each input.

Shape letters: B batch, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy

from zoo import check
from zoo.errors import ConfigError, unknown
from zoo.metrics.calibration import Criterion, check_criterion
from zoo.metrics.classification import METRICS, classification_metric
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Spec
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder, unfit

BALANCED = "balanced"
LOSS_NAMES: dict[tuple[type, str], str] = {  # of training, where it is another quantity than that of validation
    (nn.MSELoss, "sum"): "sum_of_squares",
    (nn.MSELoss, "mean"): "squared_error",
    (nn.HuberLoss, "mean"): "huber",
    (nn.L1Loss, "mean"): "absolute_error",
}


class Classification(Supervised):
    """One of K classes for each input.

    Logs the loss of training, and of `val` and `test` the cross-entropy `loss` (nats, mean), `accuracy` (0..1, over all
    examples) and the monitored metric. The loss of training is `train/loss` where it is a cross-entropy, and otherwise
    has a name of its own, such as `train/sum_of_squares`.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: in training; None for cross-entropy (nats, mean over the batch). Others than `torch.nn.CrossEntropyLoss`
            compare the K probabilities with 1 for the true class and 0 for the others.
        class_weight: what an example of a class counts in training: `balanced` for all classes to count the same in
            total, or weights by class, 1 for those that are not named.
        monitor: the validation metric by which the best weights are kept, one of `loss` and `zoo.metrics.
            classification.METRICS`; None for the accuracy.
        threshold: of two classes, the criterion by which the probability is chosen from which on `positive` is
            answered; see `zoo.metrics.calibration.choose_threshold`. None for the likelier class.
        positive: the class that the threshold is for; None for the second.

    Raises:
        SpecError: the data has no classes.
        ValueError: an option is out of range, or names no class.
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
        class_weight: str | Mapping[str, float] | None = None,
        monitor: str | None = None,
        threshold: Criterion | None = None,
        positive: str | None = None,
    ) -> None:
        if not isinstance(spec.output, Classes):
            raise unfit("classification needs data with classes", spec)
        loss = loss or nn.CrossEntropyLoss()
        if isinstance(loss, nn.CrossEntropyLoss):
            check.fraction("label_smoothing", loss.label_smoothing)
        super().__init__(spec, build, optimizer, loss=loss)
        self.names = spec.output.names
        self.threshold = None if threshold is None else check_criterion(threshold)
        self.positive = self._positive(positive)
        self.class_weight = class_weight
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", self._weights(class_weight), persistent=False)
        self.loss = MeanMetric()
        self.accuracy = MulticlassAccuracy(len(self.names), average="micro")
        self.choose_monitor(monitor, ("loss", *METRICS))
        name = self.monitor.removeprefix("val/")
        self.monitored = None if name in ("loss", "accuracy") else classification_metric(name, len(self.names))

    def _positive(self, name: str | None) -> int:
        if name is None:
            return 1
        if str(name) not in self.names:
            raise ValueError(unknown("positive class", str(name), self.names))
        return self.names.index(str(name))

    def _weights(self, given: str | Mapping[str, float] | None) -> Tensor | None:
        """The weight of each class (K,); None for equal ones, and for balanced ones until the counts are known."""
        if self.threshold is not None and len(self.names) != 2:
            raise ValueError(f"a threshold is for two classes, and these are {len(self.names)}; leave threshold away")
        if given is None or given == BALANCED:
            return None
        if not isinstance(given, Mapping):
            raise ValueError(f"class_weight is {BALANCED}, or weights by class such as {{{self.names[0]}: 2}}")
        by_name = {str(name): check.at_least_zero(f"class_weight.{name}", value) for name, value in given.items()}
        for name in by_name.keys() - set(self.names):
            raise ValueError(unknown("class in class_weight", name, self.names))
        if not any(by_name.get(name, 1) for name in self.names):
            raise ValueError("class_weight leaves no class with a weight above 0")
        return torch.tensor([float(by_name.get(name, 1)) for name in self.names])

    def balance(self, counts: Tensor) -> None:
        """Tell how many training examples each class has (K,), each at least one: for balanced weights."""
        if self.class_weight == BALANCED:
            self.class_weights = (counts.sum() / (len(counts) * counts)).float().to(self.device)

    def example_weights(self, targets: Tensor) -> Tensor | None:
        if self.class_weight is None:
            return None
        if self.class_weights is None:
            raise ConfigError("class_weight=balanced: tell the counts of the classes first, task.balance(counts)")
        if targets.is_floating_point():  # mixup gives probabilities
            return targets @ self.class_weights
        return self.class_weights[targets]

    @property
    def loss_name(self) -> str:
        if isinstance(self.criterion, nn.CrossEntropyLoss):
            return "loss"
        return LOSS_NAMES.get((type(self.criterion), getattr(self.criterion, "reduction", "mean")), "criterion")

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
        x, labels = batch[:2]
        logits: Tensor = apply(self.trained_network, self.spec.input.prepare(x))
        self.loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
        self.accuracy.update(logits, labels)
        if self.monitored is not None:
            self.monitored.update(logits.float().softmax(dim=1), labels)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        found: dict[str, Metric] = {"loss": self.loss, "accuracy": self.accuracy}
        if self.monitored is not None:
            found[self.monitor.removeprefix("val/")] = self.monitored
        return found
