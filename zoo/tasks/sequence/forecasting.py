"""Forecasting: the next values of a series.

Shape letters: B batch, T steps of context, H steps of the horizon, F columns, V values, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric, SumMetric

from zoo import check
from zoo.metrics.quantiles import QuantileLoss
from zoo.models import apply
from zoo.models.rnn import Forecaster
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Forecast, Series, Spec
from zoo.tasks.sequence.linear import Windows, fit_linear
from zoo.tasks.task import NetworkBuilder, Task, unfit


class Errors(nn.Module):
    """The metrics of one split, in standardised values (`loss`) and in the values' own units."""

    def __init__(self) -> None:
        super().__init__()
        self.loss, self.rmse, self.mae = MeanMetric(), MeanSquaredError(squared=False), MeanAbsoluteError()

    def named(self) -> dict[str, Metric]:
        return {"loss": self.loss, "rmse": self.rmse, "mae": self.mae}


class Forecasting(Task):
    """The next H values of a series, and the intervals within which they lie.

    Logs `train/loss`, and of `val` and `test` the `loss` (of standardised values), and `rmse` and `mae` in the values'
    own units, over all steps of the horizon. Values that are missing are neither learned nor counted.

    A network that adds to a linear forecast (`zoo.models.rnn.Forecaster`) is used where validation shows that it gains:
    by more than a standard error. Otherwise its forecasts are the linear ones, whose intervals it still learns.

    Args:
        spec, build, optimizer: as in `Task`.
        loss: of standardised values, a mean (or, by its `reduction`, a sum) over them in which those that are right
            cost 0; None for the squared error (mean over the batch).
        quantiles: whether the network gives the ends of an interval beside each value, and learns them by the quantile
            loss.
        coverage: the fraction of true values that the interval of an answer is made to hold, on validation; None for
            answers without intervals.

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
        quantiles: bool = True,
        coverage: float | None = 0.9,
    ) -> None:
        if not isinstance(spec.input, Series) or not isinstance(spec.output, Forecast):
            raise unfit("forecasting needs data of a series with a horizon", spec)
        if coverage is not None:
            check.fraction("coverage", coverage, zero=False, one=False)
        output = spec.output
        if quantiles and coverage is not None and spec.input.context_length:
            output = replace(output, quantiles=((1 - coverage) / 2, 0.5, (1 + coverage) / 2))
        super().__init__(Spec(spec.input, output), build, optimizer)
        self.series, self.forecast = spec.input, output
        self.coverage = coverage
        self.columns = [spec.input.names.index(name) for name in output.names]
        self.criterion = loss or nn.MSELoss()
        self.quantile_loss = QuantileLoss(output.quantiles, "none")
        self.errors = nn.ModuleList([Errors(), Errors()])  # of the linear forecast alone, and of the whole network
        self.gain, self.gain_squared, self.windows = MeanMetric(), MeanMetric(), SumMetric()

    def fit_linear(self, train: Windows, val: Windows) -> None:
        """Fit the linear part of the network, where it has one, before it is trained.

        Args:
            train, val: windows of the two splits in the order of time, as batches hold them, on the CPU.
        """
        for network in {self.network, self.trained_network}:
            if isinstance(network, Forecaster) and network.linear is not None:
                fit_linear(network, self.series, train, val)

    def training_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> Tensor:
        context, future = batch
        prepared = self.series.prepare(context)
        loss = self.loss_of(apply(self.network, prepared), future, self.spread(prepared))
        self.record(loss=loss)
        return loss

    def loss_of(self, outputs: Tensor, future: Tensor, spread: Tensor) -> Tensor:
        """The loss of outputs (B, H, V Q) for the next values (B, H, V), which may be NaN where they are missing.

        It is that of the values, and that of the ends of their intervals where the network gives them.
        """
        outputs, future = self.forecast.by_quantile(outputs) / spread[..., None], future / spread  # B, H, V, Q
        share: Tensor | float = 1.0  # of the values that are known
        if self.series.masked:  # what is missing counts as right: to leave it out, CUDA would be waited for
            known = ~future.isnan()
            outputs, future, share = outputs.where(known[..., None], 0), future.where(known, 0), known.float().mean()
        summed = getattr(self.criterion, "reduction", "mean") == "sum"
        loss: Tensor = self.criterion(outputs[..., outputs.shape[-1] // 2], future) / (1.0 if summed else share)
        if not self.forecast.quantiles:
            return loss
        ends = self.quantile_loss(outputs, future[..., None])
        return loss + torch.stack([ends[..., 0], ends[..., -1]]).mean() / share

    def eval_step(self, batch: tuple[Any, Tensor], batch_idx: int, split: str) -> None:
        context, future = batch
        prepared = self.series.prepare(context)
        outputs, spread = apply(self.trained_network, prepared).float(), self.spread(prepared)
        self._measure(1, outputs, future, spread)
        network = self._gated()
        if split == "test" or network is None:
            return
        central, linear = self.forecast.central(outputs), apply(network.base, prepared)
        shift = (linear - central).repeat_interleave(max(1, len(self.forecast.quantiles)), dim=2)
        self._measure(0, outputs + shift, future, spread)
        better = ((linear - future) / spread).square() - ((central - future) / spread).square()
        gains = better.flatten(1).nanmean(dim=1)
        self.gain.update(gains)
        self.gain_squared.update(gains.square())
        self.windows.update(len(gains))

    def _measure(self, which: int, outputs: Tensor, future: Tensor, spread: Tensor) -> None:
        errors: Any = self.errors[which]
        errors.loss.update(self.loss_of(outputs, future, spread), weight=len(future))
        predicted, true = self.forecast.restore(self.forecast.central(outputs)), self.forecast.restore(future)
        if self.series.masked:
            predicted, true = predicted[~true.isnan()], true[~true.isnan()]
        errors.rmse.update(predicted.flatten(), true.flatten())
        errors.mae.update(predicted.flatten(), true.flatten())

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        network = self._gated()
        errors: Any = self.errors[1 if split == "test" or network is None else int(network.gate)]
        named: dict[str, Metric] = errors.named()
        return named if len(self.columns) == 1 else {"loss": named["loss"]}  # the units of several values do not mix

    def _log_metrics(self, split: str) -> None:
        if split == "test":
            return super()._log_metrics(split)
        values = {f"{split}/{name}": metric.compute() for name, metric in self.eval_metrics(split).items()}
        self.log_dict(values, prog_bar=True, sync_dist=True)  # Lightning takes one metric a name, and these are of two

    # Whether the network adds to its linear part, as validation says

    def _gated(self) -> Forecaster | None:
        network = self.trained_network
        return network if isinstance(network, Forecaster) and network.linear is not None else None

    def spread(self, prepared: Any) -> Tensor:
        """By what the errors of each window are divided (B, 1, V): its spread, where windows are scaled, or 1."""
        network = self._gated()
        x = prepared[0] if isinstance(prepared, tuple) else prepared
        if network is None:
            return x.new_ones(len(x), 1, len(self.columns))
        return network.normalise(x)[2][:, :, network.targets]

    def on_validation_epoch_start(self) -> None:
        network = self._gated()
        if network is not None:
            network.gate.fill_(1.0)
        self._forget()

    def on_test_epoch_start(self) -> None:
        self._forget()

    def _forget(self) -> None:
        for metric in self.modules():
            if isinstance(metric, Metric):
                metric.reset()

    def on_validation_epoch_end(self) -> None:
        network = self._gated()
        if network is not None:
            mean, squared, count = (float(m.compute()) for m in (self.gain, self.gain_squared, self.windows))
            independent = count / self.forecast.horizon  # windows overlap
            error = (max(squared - mean**2, 0) / max(independent - 1, 1e-9)) ** 0.5
            network.gate.fill_(float(mean > error))
        super().on_validation_epoch_end()
