"""Regression: one or more values for each input.

Shape letters: B batch, N examples, V values, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError, Metric

from zoo import check
from zoo.metrics.quantiles import QuantileLoss
from zoo.metrics.r2 import R2
from zoo.models import MLP, apply
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Spec, Values
from zoo.tasks.ridge import weighted_ridge
from zoo.tasks.supervised.supervised import Labelled, Supervised
from zoo.tasks.task import NetworkBuilder, unfit

METRICS = ("loss", "r2", "rmse", "mae")
MAX_REGRESSORS = 2000  # numbers and codes, above which no linear part is fitted: its system would take minutes
DOUBT = 0.5  # standard errors by which what validation says of the gate is lowered


class Gain(Metric):
    """The share of a correction that is to be added to a first guess, 0 to 1, for each of V values.

    It is that of least squares, less a part of its standard error: what a few examples do not show is left out.
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, values: int) -> None:
        super().__init__()
        self.add_state("sums", default=torch.zeros(4, values, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, left: Tensor, correction: Tensor) -> None:
        """Add examples: what the first guess leaves over, and what the correction is, both (B, V)."""
        left, correction = left.double(), correction.double()
        parts = (torch.ones_like(left), left.square(), left * correction, correction.square())
        self.sums += torch.stack([part.sum(dim=0) for part in parts])

    def compute(self) -> Tensor:
        count, total, product, square = self.sums
        square = square.clamp(min=1e-12)
        share = product / square
        variance = (total - share * product).clamp(min=0) / (count - 1).clamp(min=1)
        return (share - DOUBT * (variance / square).sqrt()).clamp(0, 1).float()


class Regression(Supervised):
    """One or more values for each input, and the intervals within which they lie.

    Logs the `loss` of training, and of `val` and `test` the `loss` (the same quantity: of an example, by the criterion,
    of standardised values), `r2` (the mean over the values, at most 1), and `rmse` and `mae` in the values' own units.

    The linear part of an `MLP`, where it has one, is fitted by `fit_linear` before the training, and each validation
    says how much of what the network adds is kept.

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
            raise unfit("regression needs data with values", spec)
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
        self.gain = Gain(len(self.values.names))
        self.pending: list[tuple[Tensor, Tensor, Tensor]] = []  # of validation, until the gate is known
        self.loss = MeanMetric()
        self.r2 = R2()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    # The linear part

    def fit_linear(self, prepared: Tensor, targets: Tensor, importance: Tensor | None = None) -> None:
        """Fit the linear part of the network, where it has one, by ridge regression.

        Args:
            prepared: inputs of the training split, as the network takes them (N, F).
            targets: standardised values (N, V).
            importance: what each example counts (N,), 1 in the mean; None for all the same.
        """
        for network in {self.network, self.trained_network}:
            if not isinstance(network, MLP) or network.linear is None or len(network.linear.weight) > MAX_REGRESSORS:
                continue
            counts = torch.ones(len(targets)) if importance is None else importance
            x = network.linear.regressors(prepared).double()
            weight, bias = weighted_ridge(x, targets.double(), counts.double())
            each = max(1, len(self.values.quantiles))  # all quantiles of a value start from the same
            network.linear.weight.copy_(weight.T.repeat_interleave(each, dim=1))
            network.linear.bias.copy_(bias.repeat_interleave(each))

    def gated(self) -> MLP | None:
        """The network, where validation says how much it adds to its linear part; the ends of quantiles add all."""
        network = self.trained_network
        has_part = isinstance(network, MLP) and network.linear is not None and not self.values.quantiles
        return network if has_part else None  # type: ignore[return-value]

    def on_validation_epoch_start(self) -> None:
        self.gain.reset()
        self.pending = []

    def on_validation_epoch_end(self) -> None:
        if (network := self.gated()) is not None:
            network.gate.copy_(self.gain.compute())
            for base, correction, targets in self.pending:
                self._measure(base + network.gate * correction, targets)
            self.pending = []
            self.leave_out_stand_in("val")
        super().on_validation_epoch_end()

    def training_loss(self, outputs: Tensor, targets: Tensor, criterion: nn.Module | None = None) -> Tensor:
        loss: Tensor = (criterion or self.criterion)(outputs, targets)
        return loss

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        answers, truths = self.values.restore(self.values.central(outputs)), self.values.restore(targets)
        return functional.mse_loss(answers, truths).sqrt()

    def eval_step(self, batch: Labelled, batch_idx: int, split: str) -> None:
        x, targets = batch[:2]
        prepared: Any = self.spec.input.prepare(x)
        network = self.gated() if split == "val" else None
        if network is None:
            return self._measure(apply(self.trained_network, prepared).float(), targets)
        base, correction = (part.float() for part in network.parts(prepared))
        self.gain.update(targets - base, correction)
        self.pending.append((base, correction, targets))

    def _measure(self, outputs: Tensor, targets: Tensor) -> None:
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
