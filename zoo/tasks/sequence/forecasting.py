"""Forecasting: the next values of a series.

Shape letters: B batch, N windows, T steps of the past, H of the horizon, F numbers, V values.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanMetric, MeanSquaredError

from zoo import plots
from zoo.errors import SpecError
from zoo.models import apply
from zoo.spec import Forecast, Series, Spec
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder, Task

SHOWN = 3  # windows that are drawn


class Forecasting(Task):
    """Foretells the next values of a series, beside the naive and the seasonal-naive forecast.

    Logs `train/loss`, and of `val` and `test` the `loss` (of standardised values), and `rmse` and `mae` in the values'
    own units, over all steps of the horizon. The naive forecast repeats the last value; the seasonal-naive one repeats
    the last season, whose length is the one that does best on the training windows.

    Args:
        loss: of standardised values; None for the squared error (mean over the batch).
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data is no series with a forecast.
        ValueError: an option is out of range.
    """

    monitor = "val/loss"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        loss: nn.Module | None = None,
        schedule: str = "one_cycle",
        max_grad_norm: float | None = 1.0,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.input, Series) or not isinstance(spec.output, Forecast):
            raise SpecError(f"forecasting needs data of a series with a horizon, and this is {spec}")
        super().__init__(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
        self.series, self.forecast = spec.input, spec.output
        self.places = [spec.input.names.index(name) for name in spec.output.names]
        self.criterion = loss or nn.MSELoss()
        self.loss = MeanMetric()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()
        self._shown: list[tuple[Tensor, Tensor, Tensor]] = []

    def training_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> Tensor:
        pasts, futures = batch
        loss = self.criterion(apply(self.network, self.series.prepare(pasts)), futures)
        self.record(loss=loss)
        return loss

    def validation_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> None:
        self.judge(batch, "val")

    def on_test_start(self) -> None:
        self._shown.clear()

    def test_step(self, batch: tuple[Any, Tensor], batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.judge(batch, "test")

    def judge(self, batch: tuple[Any, Tensor], split: str) -> None:
        pasts, futures = batch
        outputs = apply(self.trained_network, self.series.prepare(pasts)).float()
        self.loss.update(self.criterion(outputs, futures), weight=len(futures))
        answers, truths = self.forecast.restore(outputs), self.forecast.restore(futures)
        self.rmse.update(answers.flatten(), truths.flatten())
        self.mae.update(answers.flatten(), truths.flatten())
        if split == "test":
            self._shown.append((pasts[:1, :, self.places].cpu(), answers[:1].cpu(), truths[:1].cpu()))
        figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("loss", "rmse", "mae")}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        (train, train_futures), (test, futures) = (splits[split].columns for split in ("train", "test"))
        train, test = train[:, :, self.places], test[:, :, self.places]
        some = torch.linspace(0, len(train) - 1, min(len(train), 500)).long()
        known, truths = train[some], self.forecast.restore(train_futures[some])
        lags = range(1, train.shape[1] + 1)
        season = min(lags, key=lambda lag: float((repeat(known, lag, self.forecast.horizon) - truths).abs().mean()))
        figures: dict[str, float] = {}
        for name, lag in (("naive", 1), (f"seasonal naive ({season})", season)):
            errors = repeat(test, lag, self.forecast.horizon) - self.forecast.restore(futures)
            figures |= {f"rmse {name}": float(errors.square().mean().sqrt()), f"mae {name}": float(errors.abs().mean())}
        return figures

    def pictures(self, folder: Path) -> dict[str, str]:
        if not self._shown:
            return {}
        chosen = torch.linspace(0, len(self._shown) - 1, min(SHOWN, len(self._shown))).long().tolist()
        pasts, answers, truths = (torch.cat(parts) for parts in zip(*(self._shown[place] for place in chosen)))
        plots.forecasts(pasts, answers, truths, self.forecast.names, folder / "forecast.png")
        return {"forecast.png": "Windows of the test split: the past, what was foretold, and what came."}


def repeat(pasts: Tensor, season: int, horizon: int) -> Tensor:
    """The seasonal-naive forecast (N, H, V) after pasts (N, T, V): the last `season` steps over and over."""
    places = pasts.shape[1] - season + torch.arange(horizon) % season
    return pasts[:, places].double()
