"""Forecasting: the next values of a series.

Shape letters: B batch, T steps of context, H steps of the horizon, F columns, V values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric

from zoo.errors import SpecError
from zoo.models import apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Forecast, Series, Spec
from zoo.tasks.task import NetworkBuilder, Task


class Forecasting(Task):
    """The next H values of a series.

    Logs `train/loss`, and of `val` and `test` the `loss` (of standardised values), and `rmse` and `mae` in the values'
    own units, over all steps of the horizon.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of standardised values; None for the squared error (mean over the batch).

    Raises:
        SpecError: the data is no series with a forecast.
        ValueError: an option is out of range.
    """

    monitor = "val/loss"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        loss: nn.Module | None = None,
    ) -> None:
        if not isinstance(spec.input, Series) or not isinstance(spec.output, Forecast):
            raise SpecError(f"forecasting needs data of a series with a horizon, and this is {spec}")
        super().__init__(spec, build, optimizer)
        self.series, self.forecast = spec.input, spec.output
        self.columns = [spec.input.names.index(name) for name in spec.output.names]
        self.criterion = loss or nn.MSELoss()
        self.loss = MeanMetric()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def training_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> Tensor:
        context, future = batch
        loss = self.criterion(apply(self.network, self.series.prepare(context)), future)
        self.record(loss=loss)
        return loss

    def eval_step(self, batch: tuple[Any, Tensor], batch_idx: int, split: str) -> None:
        context, future = batch
        outputs = apply(self.trained_network, self.series.prepare(context)).float()
        self.loss.update(self.criterion(outputs, future), weight=len(future))
        predicted, true = self.forecast.restore(outputs), self.forecast.restore(future)
        self.rmse.update(predicted.flatten(), true.flatten())
        self.mae.update(predicted.flatten(), true.flatten())

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        return {"loss": self.loss, "rmse": self.rmse, "mae": self.mae}
