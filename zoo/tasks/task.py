"""What all tasks share: a spec and a network, optimizer and schedule, averaged weights, metrics, exact repetition."""

from __future__ import annotations

import inspect
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from zoo import check, private
from zoo.errors import SpecError, unknown
from zoo.models import apply
from zoo.optim.average import WeightAverage
from zoo.optim.layerwise import layer_lr_scales
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.optim.schedules import scheduler
from zoo.spec import (
    Classes,
    Forecast,
    Image,
    Labels,
    MultiLabel,
    Spec,
    Strokes,
    TargetText,
    Tokens,
    Transcript,
    Values,
)

NetworkBuilder = Callable[[Spec], nn.Module]
TASKS = {  # of networks with a target, by its kind
    Classes: "classification",
    Values: "regression",
    MultiLabel: "multi_label",
    Labels: "tagging",
    Forecast: "forecasting",
    Tokens: "language_modelling",
    TargetText: "translation",
    Transcript: "ocr",
}
MAX_STEPS = 32  # of a task that Lightning hears of once
WORK = 2**31  # products in them, of which each example takes one with each parameter, or more


def unfit(needs: str, spec: Spec) -> SpecError:
    """The error that data does not fit a task, with the task that it fits.

    Args:
        needs: what the task needs, such as "regression needs data with values".
        spec: of the data.
    """
    task = TASKS.get(type(spec.output))
    if isinstance(spec.output, Tokens) and isinstance(spec.input, Image):
        task = "captioning"
    if isinstance(spec.output, Transcript) and isinstance(spec.input, Strokes):
        task = "handwriting"
    return SpecError(f"{needs}, and this is {spec}" + (f"; for it there is task={task}" if task else ""))


class Task(L.LightningModule, ABC):
    """A network, how it is trained, and how it is evaluated.

    A task knows its spec and its batches. Any loader of such batches will do: `Trainer().fit(task, loader)`.

    Every random number that a training step draws depends on the seed, the epoch, the batch and the process alone,
    so a resumed run draws what the uninterrupted one would have drawn.

    Args:
        spec: what the network takes and gives; a subclass is given what the data holds, and derives it.
        build: builds the network for that spec, such as `partial(zoo.models.build, "cnn")`.
        optimizer: builds the optimizer for parameter groups, such as `partial(torch.optim.AdamW, lr=1e-3)`; or
            `TrainingOptions`, which also hold schedule, clipping and averaging.

    Raises:
        ValueError: an option is out of range.
    """

    monitor: str  # the metric by which the best checkpoint is chosen
    mode: str  # "min" or "max" of it
    monitor_is_given = False  # whether it was asked for; otherwise conf/run may name another
    kind: str | None = None  # of run, a file of conf/run; None for that of the spec
    alternates = False  # whether networks learn in turns, so that each backward leaves some of them unused

    def __init__(self, spec: Spec, build: NetworkBuilder, optimizer: OptimizerBuilder | TrainingOptions) -> None:
        super().__init__()
        self.options = TrainingOptions.of(optimizer)
        self.spec = spec
        self.network = build(spec)
        self.average = None if self.options.ema is None else WeightAverage(self.network, self.options.ema)
        self.layer_decay = 1.0
        self._sums: dict[str, Tensor] = {}
        self._batches = 0
        self._epoch = 0

    @property
    def trained_network(self) -> nn.Module:
        """The network that is evaluated and kept: the averaged one where there is one."""
        return self.network if self.average is None else self.average.network

    def forward(self, x: Tensor) -> Tensor:
        return self.trained_network(x)

    def parts_to_compile(self) -> Sequence[nn.Module]:
        """The modules that a training step calls as they are, and `compile=true` has kernels made for."""
        return [self.network]

    # Evaluation

    @abstractmethod
    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        """Add a batch of `val` or `test` to the metrics."""

    @abstractmethod
    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        """The metrics that `eval_step` adds to, by the names they are logged under, as `val/…` and `test/…`."""

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.eval_step(batch, batch_idx, "val")
        self.leave_out_stand_in("val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        with torch.autocast(self.device.type, enabled=False):  # as the artefact will compute
            self.eval_step(batch, batch_idx, "test")
        self.leave_out_stand_in("test")

    def leave_out_stand_in(self, split: str) -> None:
        """Empty every metric of a process that has no example of its own, but in types and sizes that others have.

        To be called wherever examples are added to metrics.
        """
        loader = self.trainer.val_dataloaders if split == "val" else self.trainer.test_dataloaders
        if getattr(getattr(loader, "batch_sampler", None), "stands_in", False):
            for metric in self.modules():
                if isinstance(metric, Metric):
                    private.empty_states(metric)

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Any:
        """What the trained network gives for the inputs of a batch, in float32."""
        with torch.autocast(self.device.type, enabled=False):
            return apply(self.trained_network, self.spec.input.prepare(batch[0])).float()

    def on_validation_epoch_end(self) -> None:  # not in each step, where logging costs more than a small network
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def _log_metrics(self, split: str) -> None:
        metrics = {f"{split}/{name}": metric for name, metric in self.eval_metrics(split).items()}
        self.log_dict(metrics, prog_bar=split == "val")

    # Losses of training: summed on the device, and read once an epoch

    def record(self, **losses: Tensor) -> None:
        """Add the losses of one training batch to the means that are logged as `train/…` at the end of the epoch."""
        if self._epoch != self.current_epoch:
            self._sums, self._batches, self._epoch = {}, 0, self.current_epoch
        for name, loss in losses.items():
            loss = loss.detach().float()
            self._sums[name] = self._sums[name].to(loss.device) + loss if name in self._sums else loss
        self._batches += 1

    def unrecorded_loss(self, batch: Any) -> Tensor:
        """The loss of training of one batch, which no mean has in it."""
        kept = dict(self._sums), self._batches, self._epoch
        try:
            loss: Any = self.training_step(batch, 0)
        finally:
            self._sums, self._batches, self._epoch = kept
        return loss["loss"] if isinstance(loss, Mapping) else loss

    def on_train_epoch_end(self) -> None:
        for name, total in self._sums.items():
            self.log(f"train/{name}", total / self._batches, prog_bar=not name.endswith("_norm"), sync_dist=True)
        self.log("train/lr", self._learning_rate(), sync_dist=True)

    # Checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        mean, sums = self.trainer.strategy.reduce, self._sums.items()  # over processes, which all go on from it
        checkpoint["progress"] = {
            "sums": {name: mean(total.to(self.device, copy=True), reduce_op="mean") for name, total in sums},
            "batches": self._batches,
            "epoch": self._epoch,
            "averaged": 0 if self.average is None else self.average.steps,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        progress = checkpoint["progress"]
        self._sums, self._batches, self._epoch = progress["sums"], progress["batches"], progress["epoch"]
        if self.average is not None:
            self.average.steps = progress["averaged"]

    # Exact repetition

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.trainer.training:
            seed = int(os.environ.get("PL_GLOBAL_SEED", 0))  # where Lightning's seed_everything keeps it
            step = private.batches_so_far(self.trainer)
            mixed = ((seed * 1_000_003 + step) * 4_099 + self.global_rank) % 2**63
            torch.default_generator.manual_seed(mixed)
            if self.device.type == "cuda":
                torch.cuda.manual_seed(mixed)
        return batch

    # Several steps in one go

    def on_fit_start(self) -> None:
        private.InnerLoop(self.trainer, self, Task).start()

    @property
    def steps_per_batch(self) -> int:
        """Training steps of which Lightning takes one, as `TrainingOptions` say; what is small takes many."""
        if self.options.steps_per_batch is not None:
            return self.options.steps_per_batch
        loader: Any = self.trainer.train_dataloader
        examples = getattr(getattr(loader, "batch_sampler", None), "batch_size", None) or 1
        parameters = sum(parameter.numel() for parameter in self.network.parameters())
        return max(1, min(MAX_STEPS, WORK // (parameters * examples)))

    # Less work in each step, where that of Lightning costs more than a small network's

    def __setattr__(self, name: str, value: Any) -> None:
        if name == private.CURRENT_HOOK:  # nn.Module would look for parameters each time
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    # Optimization

    def finetune(self, freeze: Sequence[str], layer_decay: float) -> None:
        """Leave parts of the network as they are, and scale the learning rate of each layer by that of the next.

        Args:
            freeze: names of parts, such as `stages` or `stages.0`; neither their parameters nor their running
                statistics change.
            layer_decay: the scale from one layer to the one before it, above 0 and up to 1.

        Raises:
            ValueError: it is out of range, there is no such part, or nothing is left to be trained.
        """
        if not isinstance(freeze, (list, tuple)) or not all(isinstance(name, str) for name in freeze):
            raise ValueError(f"freeze is a list of parts of the network, such as [stages.0], got {freeze}")
        check.fraction("layer_decay", layer_decay, zero=False)
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
        optimizer, schedule = self.optimizer_for(self.network, self.options.optimizer)
        if self.options.schedule == "constant":  # nothing to do in each step
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def optimizer_for(self, network: nn.Module, build: OptimizerBuilder) -> tuple[Optimizer, LRScheduler]:
        """Optimizer and schedule of a network; biases and the scales of normalisation do not decay."""
        defaults = build([nn.Parameter(torch.zeros(1))]).defaults
        scales = self.lr_scales(network)
        groups: list[dict[str, Any]] = []
        for scale in sorted(set(scales.values()), reverse=True):
            trained = [p for p, its in scales.items() if its == scale and p.requires_grad]
            decayed, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
            rate = {} if scale == 1 else {"lr": defaults["lr"] * scale}
            if defaults.get("weight_decay"):
                decay = {"weight_decay": self._weight_decay(defaults["weight_decay"])}
                groups += [{"params": decayed, **decay, **rate}, {"params": others, "weight_decay": 0.0, **rate}]
            else:
                groups += [{"params": decayed + others, **rate}]  # one group is one call a step
        # One fused kernel a step, but not with a gradient scaler, beside which it cannot be clipped
        knows_fused = "fused" in inspect.signature(build).parameters
        fused = {"fused": True} if knows_fused and self.trainer.precision != "16-mixed" else {}
        optimizer = build([group for group in groups if group["params"]], **fused)
        return optimizer, scheduler(self.options.schedule, optimizer, self.training_steps())

    def _weight_decay(self, given: float) -> float:
        """The weight decay of a run of this length."""
        most = self.options.decay_steps
        return given if most is None else given * min(1.0, most / max(1, self.training_steps()))

    def training_steps(self) -> int:
        """Steps of an optimizer in the whole run."""
        trainer = self.trainer
        most = math.ceil(trainer.max_steps / self.counted_steps)
        if (epochs := trainer.max_epochs) is None or epochs < 0:  # as many as the steps take
            return max(most, 0)
        total = math.ceil(private.batches_per_epoch(trainer) / trainer.accumulate_grad_batches) * epochs
        return total if trainer.max_steps < 0 else min(total, most)

    @property
    def counted_steps(self) -> int:
        """Steps that Lightning counts for each of this task: those of all optimizers."""
        return 1

    def lr_scales(self, network: nn.Module) -> dict[Tensor, float]:
        """What the learning rate of each parameter of a network is multiplied by."""
        return layer_lr_scales(network, self.layer_decay if network is self.network else 1.0)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        # Here gradients are already unscaled, in automatic and in manual optimization alike
        if self.options.max_grad_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.options.max_grad_norm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.update_average()  # before a checkpoint of this step is saved

    def update_average(self) -> None:
        """Move the averaged weights towards those of this step; manual optimization calls it after its step."""
        if self.average is not None:
            self.average.update(self.network)

    def _learning_rate(self) -> float:
        optimizers: Any = self.optimizers(use_pl_optimizer=False)
        first = optimizers[0] if isinstance(optimizers, list) else optimizers
        return float(first.param_groups[0]["lr"])
