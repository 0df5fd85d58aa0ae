"""Regression: one or more values for each input.

Shape letters: B batch, V values.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric

from zoo.errors import SpecError
from zoo.metrics.r2 import R2
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, Values
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder


class Regression(Supervised):
    """One or more values for each input.

    Logs `train/loss`, and of `val` and `test` the `loss`, `r2` (the mean over the values, at most 1), and `rmse` and
    `mae` in the values' own units.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of standardised values; None for the squared error (mean over the batch).

    Raises:
        SpecError: the data has no values.
        ValueError: an option is out of range.
    """

    monitor = "val/loss"
    mode = "min"
    error_name = "root mean squared error"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        loss: nn.Module | None = None,
    ) -> None:
        if not isinstance(spec.output, Values):
            raise SpecError(f"regression needs data with values, and this is {spec}")
        if isinstance(loss, nn.CrossEntropyLoss):
            raise ValueError("cross-entropy is a loss of classes; regression takes mse, sse or huber")
        super().__init__(spec, build, optimizer, loss=loss or nn.MSELoss())
        self.values = spec.output
        self.loss = MeanMetric()
        self.r2 = R2()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        loss: Tensor = (criterion or self.criterion)(outputs, targets)
        return loss

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(self.values.restore(outputs), self.values.restore(targets)).sqrt()

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, targets = batch
        outputs = apply(self.trained_network, self.spec.input.prepare(x)).float()
        self.loss.update(self.criterion(outputs, targets), weight=len(targets))
        self.r2.update(outputs, targets)  # the same in any units
        answers, truths = self.values.restore(outputs), self.values.restore(targets)
        self.rmse.update(answers, truths)
        self.mae.update(answers, truths)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "r2": self.r2, "rmse": self.rmse, "mae": self.mae}
