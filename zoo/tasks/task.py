"""What all tasks share: spec and network, optimiser and schedule, averaged weights, figures, exact repetition."""

from __future__ import annotations

import copy
import inspect
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from zoo.errors import ConfigError, unknown
from zoo.optim.layerwise import layer_shares
from zoo.spec import Spec

NetworkBuilder = Callable[[Spec], nn.Module]
OptimiserBuilder = Callable[..., Optimizer]
SCHEDULES = ("constant", "cosine", "one_cycle")
WARM_UP = 0.2  # share of a one_cycle run in which the learning rate rises


class Task(L.LightningModule, ABC):
    """A network, and how it is trained and judged.

    Every random number that a training step draws depends on the seed, the epoch, the batch and the process alone,
    so a resumed run draws what the uninterrupted one would have drawn.

    Args:
        spec: what the network takes and gives; a subclass is given what the data holds, and derives it.
        network: builds the network for that spec, such as `partial(zoo.models.build, "cnn")`.
        optimiser: builds the optimiser for parameter groups, such as `partial(torch.optim.AdamW, lr=1e-3)`.
        schedule: of the learning rate over the whole run: constant, cosine or one_cycle.
        max_grad_norm: longest gradient (Euclidean norm over all parameters) of a step; None for any.
        ema: decay of an exponential moving average of the weights, which is then what is validated, tested and
            kept; None for none. It starts low: after n steps it is at most (1 + n) / (10 + n).

    Raises:
        ValueError: an option is out of range.
    """

    monitor: str  # the metric by which the best checkpoint is chosen
    mode: str  # "min" or "max" of it
    alternates = False  # whether networks learn in turns, so that each backward leaves some of them unused
    steps_per_batch = 1  # of an optimiser, and of its schedule

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        schedule: str = "constant",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        super().__init__()
        if schedule not in SCHEDULES:
            raise ValueError(unknown("schedule", schedule, SCHEDULES))
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be above 0, got {max_grad_norm}")
        if ema is not None and not 0 <= ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, got {ema}")
        optimiser([nn.Parameter(torch.zeros(1))])  # so that a learning rate out of range shows now, not in fit
        self.spec = spec
        self.network = network(spec)
        self.optimiser = optimiser
        self.schedule = schedule
        self.max_grad_norm = max_grad_norm
        self.ema = ema
        self.average = None if ema is None else copy.deepcopy(self.network).requires_grad_(False)
        self._averaged_steps = 0
        self.layer_decay = 1.0
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._epoch = 0

    @property
    def trained_network(self) -> nn.Module:
        """The network that is judged and kept: the averaged one where there is one."""
        return self.network if self.average is None else self.average

    @abstractmethod
    def pictures(self, folder: Path) -> dict[str, str]:
        """Draw what the last test showed into `folder`; gives a caption for each file's name."""

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        """Figures of simpler methods, trained and tested on the same `train`, `val` and `test` examples."""
        return {}

    def notes(self) -> list[str]:
        """What else the card tells of the last test, as lines of Markdown."""
        return []

    # Less work in each step, where that of Lightning costs more than a small network's

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":  # set some forty times a step; nn.Module looks for parameters each time
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    # Figures: summed on the device, and read once an epoch

    def record(self, **losses: Tensor) -> None:
        """Add the losses of one training batch to the means that are logged as `train/…` at the end of the epoch."""
        if self._epoch != self.current_epoch:
            self._sums, self._batches, self._epoch = {}, 0, self.current_epoch
        for name, loss in losses.items():
            loss = loss.detach().float()
            self._sums[name] = self._sums[name].to(loss.device) + loss if name in self._sums else loss
        self._batches += 1

    def on_train_epoch_end(self) -> None:
        for name, total in self._sums.items():
            self.log(f"train/{name}", total / self._batches, prog_bar=not name.endswith("_norm"), sync_dist=True)
        self.log("train/lr", self._learning_rate(), sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        mean, sums = self.trainer.strategy.reduce, self._sums.items()  # over processes, which all go on from it
        checkpoint["progress"] = {
            "sums": {name: mean(total.to(self.device, copy=True), reduce_op="mean") for name, total in sums},
            "batches": self._batches,
            "epoch": self._epoch,
            "averaged": self._averaged_steps,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        progress = checkpoint["progress"]
        self._sums, self._batches, self._epoch = progress["sums"], progress["batches"], progress["epoch"]
        self._averaged_steps = progress["averaged"]
        for schedule in checkpoint["lr_schedulers"]:
            then, now = _length(schedule), max(self.training_steps(), 1)
            if then not in (None, now):
                raise ConfigError(
                    f"resume: that run was to take {then} steps, and this one would take {now}; give the same epochs "
                    "or batches, or start anew from its weights: init_from=…/model.safetensors"
                )

    # Exact repetition

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.trainer.training:
            seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
            step = self.trainer.fit_loop.epoch_loop.total_batch_idx
            mixed = ((seed * 1_000_003 + step) * 4_099 + self.global_rank) % 2**63
            torch.default_generator.manual_seed(mixed)
            if self.device.type == "cuda":
                torch.cuda.manual_seed(mixed)
        return batch

    def forward(self, x: Tensor) -> Tensor:
        return self.trained_network(x)

    # Optimisation

    def finetune(self, freeze: Sequence[str], layer_decay: float) -> None:
        """Leave parts of the network as they are, and give each layer a share of the learning rate of the next.

        Args:
            freeze: names of parts, such as `stages` or `stages.0`; neither their parameters nor their running
                statistics change.
            layer_decay: that share, above 0 and up to 1.

        Raises:
            ValueError: it is out of range, there is no such part, or nothing is left to be trained.
        """
        if not isinstance(freeze, (list, tuple)):
            raise ValueError(f"freeze is a list of parts of the network, such as [stages.0], got {freeze}")
        if not isinstance(layer_decay, (int, float)) or not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay must be above 0 and up to 1, got {layer_decay}")
        parts = dict(self.network.named_modules())
        for name in freeze:
            if not name or name not in parts:
                raise ValueError(unknown("part of the network", name, (part for part in parts if part)))
            parts[name].requires_grad_(False).eval()  # Lightning leaves it so, since 2.2
            for part in parts[name].modules():
                if isinstance(part, nn.RNNBase):  # of one layer, and so the same; cuDNN passes a gradient through
                    part.train()  # in this mode alone
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise ValueError(f"nothing is left to be trained once {', '.join(freeze)} is frozen")
        self.layer_decay = layer_decay

    def configure_optimizers(self) -> Any:
        optimiser, scheduler = self.optimise(self.network, self.optimiser)
        if self.schedule == "constant":  # nothing to do in each step
            return optimiser
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def optimise(self, network: nn.Module, build: OptimiserBuilder) -> tuple[Optimizer, LRScheduler]:
        """Optimiser and schedule of a network; biases and the scales of normalisation do not decay."""
        defaults = build([nn.Parameter(torch.zeros(1))]).defaults
        shares = self.rates(network)
        groups: list[dict[str, Any]] = []
        for share in sorted(set(shares.values()), reverse=True):
            trained = [p for p, its in shares.items() if its == share and p.requires_grad]
            decayed, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
            rate = {} if share == 1 else {"lr": defaults["lr"] * share}
            if defaults.get("weight_decay"):
                groups += [{"params": decayed, **rate}, {"params": others, "weight_decay": 0.0, **rate}]
            else:
                groups += [{"params": decayed + others, **rate}]  # one group is one call a step
        # One fused kernel a step, but not with a gradient scaler, beside which it cannot be clipped
        knows_fused = "fused" in inspect.signature(build).parameters
        fused = {"fused": True} if knows_fused and self.trainer.precision != "16-mixed" else {}
        optimiser = build([group for group in groups if group["params"]], **fused)
        return optimiser, _scheduler(self.schedule, optimiser, self.training_steps())

    def training_steps(self) -> int:
        """Steps of an optimiser in the whole run.

        Lightning's `estimated_stepping_batches` would do, but reading it loses the loader's place when a run resumes.
        """
        trainer: Any = self.trainer
        loader, limit = trainer.datamodule.train_dataloader(), trainer.limit_train_batches
        batches = min(len(loader), limit) if isinstance(limit, int) else int(len(loader) * limit)
        total = math.ceil(batches / trainer.accumulate_grad_batches) * (trainer.max_epochs or 0)
        if trainer.max_steps >= 0:
            total = min(total, math.ceil(trainer.max_steps / self.steps_per_batch))
        return total * self.steps_per_batch

    def rates(self, network: nn.Module) -> dict[Tensor, float]:
        """The share of the learning rate that each parameter of a network gets."""
        return layer_shares(network, self.layer_decay if network is self.network else 1.0)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Here gradients are already unscaled, in automatic and in manual optimisation alike
        if self.max_grad_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.max_grad_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.update_average()  # before a checkpoint of this step is saved

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the averaged weights towards those of this step; manual optimisation calls it after its step."""
        if self.average is None or self.ema is None:
            return
        # torch's AveragedModel reads its step counter from the device in each update, which would stall it
        decay = min(self.ema, (1 + self._averaged_steps) / (10 + self._averaged_steps))
        self._averaged_steps += 1
        means = [*self.average.parameters(), *self.average.buffers()]
        values = [*self.network.parameters(), *self.network.buffers()]
        floats = [(mean, value) for mean, value in zip(means, values) if mean.is_floating_point()]
        torch._foreach_lerp_([mean for mean, _ in floats], [value for _, value in floats], 1 - decay)
        for mean, value in zip(means, values):
            if not mean.is_floating_point():  # the counters of batch normalisation
                mean.copy_(value)

    def _learning_rate(self) -> float:
        optimisers: Any = self.optimizers(use_pl_optimizer=False)
        first = optimisers[0] if isinstance(optimisers, list) else optimisers
        return float(first.param_groups[0]["lr"])


def _scheduler(name: str, optimiser: Optimizer, steps: int) -> LRScheduler:
    steps = max(steps, 1)
    if name == "one_cycle":
        rates = [group["lr"] for group in optimiser.param_groups]
        cycle = "betas" in optimiser.defaults
        rising = max(WARM_UP, 2 / (steps + 1))  # a step at least: torch divides by how many there are
        return OneCycleLR(optimiser, rates, total_steps=steps + 1, pct_start=rising, cycle_momentum=cycle)
    if name == "cosine":
        return CosineAnnealingLR(optimiser, T_max=steps)
    return ConstantLR(optimiser, factor=1.0)


def _length(state: Mapping[str, Any]) -> int | None:
    """The steps for which `_scheduler` made a schedule, of its state; None where it has no end."""
    return state["total_steps"] - 1 if "total_steps" in state else state.get("T_max")
