"""Regression: one or more values for each input.

Shape letters: B batch, V values, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric

from zoo import check
from zoo.errors import SpecError
from zoo.metrics.quantiles import QuantileLoss
from zoo.metrics.r2 import R2
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, Values
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder

METRICS = ("loss", "r2", "rmse", "mae")


class Regression(Supervised):
    """One or more values for each input, and the intervals within which they lie.

    Logs the `loss` of training, and of `val` and `test` the `loss` (the same quantity: of an example, by the criterion,
    of standardised values), `r2` (the mean over the values, at most 1), and `rmse` and `mae` in the values' own units.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of standardised values; None for the squared error (mean over the batch).
        quantiles: whether the network gives the median and the two ends of the interval in place of a value, and learns
            them by the quantile loss: intervals are then as wide as the input asks for.
        coverage: the fraction of true values that the interval of an answer is made to hold, on validation; None for
            answers without intervals.
        monitor: the validation metric by which the best weights are kept: loss, r2, rmse or mae.

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
        quantiles: bool = False,
        coverage: float | None = 0.9,
        monitor: str | None = None,
    ) -> None:
        if not isinstance(spec.output, Values):
            raise SpecError(f"regression needs data with values, and this is {spec}")
        if isinstance(loss, nn.CrossEntropyLoss):
            raise ValueError("cross-entropy is a loss of classes; regression takes mse, sse or huber")
        if coverage is not None:
            check.fraction("coverage", coverage, zero=False, one=False)
        if quantiles:
            if coverage is None:
                raise ValueError("quantiles are the ends of an interval: give its coverage, such as 0.9")
            ends = round((1 - coverage) / 2, 10), 0.5, round((1 + coverage) / 2, 10)
            spec = Spec(spec.input, replace(spec.output, quantiles=ends))
            loss = QuantileLoss(ends)
        super().__init__(spec, build, optimizer, loss=loss or nn.MSELoss())
        assert isinstance(spec.output, Values)
        self.values = spec.output
        self.coverage = coverage
        self.choose_monitor(monitor, METRICS)
        self.loss = MeanMetric()
        self.r2 = R2()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        loss: Tensor = (criterion or self.criterion)(outputs, targets)
        return loss

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        answers, truths = self.values.restore(self.values.central(outputs)), self.values.restore(targets)
        return functional.mse_loss(answers, truths).sqrt()

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, targets = batch[:2]
        outputs = apply(self.trained_network, self.spec.input.prepare(x)).float()
        loss = self.criterion(outputs, targets)
        summed = getattr(self.criterion, "reduction", None) == "sum"
        self.loss.update(loss / len(targets) if summed else loss, weight=len(targets))
        outputs = self.values.central(outputs)
        self.r2.update(outputs, targets)  # the same in any units
        answers, truths = self.values.restore(outputs), self.values.restore(targets)
        self.rmse.update(answers, truths)
        self.mae.update(answers, truths)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "r2": self.r2, "rmse": self.rmse, "mae": self.mae}
