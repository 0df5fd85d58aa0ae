"""What all tasks share, seen through classification: averaged weights, schedules, recorded losses, options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from zoo.data.images import Digits, RandomShift
from zoo.optim.options import TrainingOptions
from zoo.optim.schedules import scheduler
from zoo.spec import Spec
from zoo.tasks.supervised import Classification

TrainerBuilder = Callable[..., L.Trainer]
SGD = partial(torch.optim.SGD, lr=0.1)


def perceptron(spec: Spec) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def task(data: Digits, *, loss: nn.Module | None = None, **options: Any) -> Classification:
    return Classification(data.spec, perceptron, TrainingOptions(**{"optimizer": SGD, **options}), loss=loss)


def test_the_average_follows_its_recurrence(trainer: TrainerBuilder, digits: Digits) -> None:
    """a ← d a + (1 - d) w after each step n = 0, 1, …, with d = min(decay, (1 + n) / (10 + n)), written out."""
    weights: list[torch.Tensor] = []

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, *args: object) -> None:
            weights.append(module.network[1].weight.detach().clone().double())

    averaged = task(digits, ema=0.15)
    expected = averaged.network[1].weight.detach().clone().double()
    trainer(max_epochs=1, limit_train_batches=6, limit_val_batches=0, callbacks=[Watch()]).fit(averaged, digits)
    for step, weight in enumerate(weights):
        decay = min(0.15, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    found = averaged.trained_network[1].weight
    assert len(weights) == 6
    assert torch.allclose(found.double(), expected, atol=1e-6)
    assert not found.requires_grad


def test_gradients_that_accumulate_are_one_step(trainer: TrainerBuilder, digits: Digits) -> None:
    """Four batches of 16 without shuffling equal one of 64, so the average has moved as often, too."""
    results = []
    for batch_size, accumulated in ((64, 1), (16, 4)):
        data = Digits(batch_size)
        data.setup()
        data.train_dataloader = partial(data._loader, "train", shuffle=False)  # type: ignore[method-assign]
        averaged = task(data, ema=0.5, schedule="constant")
        trainer(
            max_epochs=1, limit_train_batches=4 * accumulated, accumulate_grad_batches=accumulated, limit_val_batches=0
        ).fit(averaged, data)
        results.append(averaged.trained_network[1].weight)
    assert torch.allclose(*results, atol=1e-5)


STEPS_OF_A_RUN: list[dict[str, Any]] = [
    {"max_epochs": 2},
    {"max_epochs": 2, "max_steps": 30},
    {"max_epochs": 2, "limit_train_batches": 7},
    {"max_epochs": 3, "val_check_interval": 5},
    {"max_epochs": 2, "check_val_every_n_epoch": None, "val_check_interval": 11},
    {"max_epochs": 2, "accumulate_grad_batches": 3},
    {"max_epochs": 2, "gradient_clip_val": 0.1},
    {"max_epochs": 2, "precision": "bf16-mixed"},
]


@pytest.mark.parametrize("options", STEPS_OF_A_RUN, ids=str)
def test_steps_per_batch_change_nothing_in_the_result(
    trainer: TrainerBuilder, digits: Digits, options: dict[str, Any]
) -> None:
    """Weights, optimizer, schedule, every counter of Lightning's, and what was logged."""
    found = []
    digits.augment = RandomShift(1)
    for steps in (1, 6):
        L.seed_everything(3, verbose=False)
        fitted = trainer(**options)
        trained = task(digits, schedule="one_cycle", max_grad_norm=0.5, ema=0.9, steps_per_batch=steps)
        fitted.fit(trained, digits)
        counters: Any = fitted.fit_loop.state_dict()
        optimizer, schedule = fitted.optimizers[0].state_dict(), fitted.lr_scheduler_configs[0].scheduler.state_dict()
        metrics = {name: value.item() for name, value in fitted.callback_metrics.items()}
        weights = {name: value.tolist() for name, value in trained.state_dict().items()}
        assert fitted.global_step
        found.append((weights, str(optimizer), str(schedule), counters, metrics))
    for one, other in zip(*found):
        assert one == other


@pytest.mark.parametrize("interval", [None, 7])
def test_who_wants_to_know_of_each_step_hears_of_it(
    trainer: TrainerBuilder, digits: Digits, interval: int | None, tmp_path: Path
) -> None:
    class Count(L.Callback):
        steps: ClassVar[list[int]] = []

        def on_train_batch_end(self, trainer: L.Trainer, *args: object) -> None:
            self.steps.append(trainer.global_step)

    if interval is None:
        Count.steps.clear()
        trainer(max_epochs=1, limit_val_batches=0, callbacks=[Count()]).fit(task(digits, steps_per_batch=8), digits)
        assert Count.steps == list(range(1, 20))
        return
    saved = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=interval, save_top_k=-1)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    L.Trainer(max_epochs=2, accelerator="cpu", limit_val_batches=0, callbacks=[saved], **quiet).fit(
        task(digits, steps_per_batch=8), digits
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"step={n}.ckpt" for n in range(7, 39, 7))


def test_a_run_goes_on_within_several_steps(trainer: TrainerBuilder, digits: Digits, tmp_path: Path) -> None:
    """Saved after the 9th of 19 steps of an epoch, with steps of its own, and gone on with others."""
    ended = []
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"schedule": "cosine", "ema": 0.9, "optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9)}
    for steps, path in ((4, None), (7, tmp_path / "step=28.ckpt"), (1, tmp_path / "step=28.ckpt")):
        L.seed_everything(3, verbose=False)
        saved = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=28, save_top_k=-1)
        fitted = L.Trainer(max_epochs=3, callbacks=[saved], **quiet)
        trained = task(digits, steps_per_batch=steps, **options)
        fitted.fit(trained, digits, ckpt_path=path, weights_only=True)
        ended.append([*trained.state_dict().values(), fitted.callback_metrics["train/loss"]])
    for one, *others in zip(*ended):
        assert all(torch.equal(one, other) for other in others)


def test_a_task_that_overrides_what_lightning_calls_is_called(trainer: TrainerBuilder, digits: Digits) -> None:
    class Counting(Classification):
        calls = 0

        def on_after_backward(self) -> None:
            self.calls += 1

    counting = Counting(digits.spec, perceptron, TrainingOptions(SGD, steps_per_batch=8))
    trainer(max_epochs=1, limit_val_batches=0).fit(counting, digits)
    assert counting.calls == 19


def test_small_networks_take_many_steps_in_one_go(trainer: TrainerBuilder, digits: Digits) -> None:
    taken = {}
    for name, batch_size in (("small", 16), ("large", 1_257)):
        data = Digits(batch_size)
        data.setup()
        trained = Classification(data.spec, lambda spec: nn.Sequential(nn.Flatten(), nn.Linear(64, 10_000)), SGD)
        fitted = trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0)
        fitted.fit(trained, data)
        taken[name] = trained.steps_per_batch
    assert taken["small"] > taken["large"] >= 1


@pytest.mark.parametrize(("schedule", "last"), [("constant", 0.1), ("cosine", 0.0), ("one_cycle", 0.0)])
def test_a_schedule_ends_with_the_run(trainer: TrainerBuilder, digits: Digits, schedule: str, last: float) -> None:
    fitted = trainer(max_epochs=2, limit_train_batches=10, limit_val_batches=0)
    trained = task(digits, schedule=schedule)
    fitted.fit(trained, digits)
    assert fitted.optimizers[0].param_groups[0]["lr"] == pytest.approx(last, abs=1e-3)
    assert trained.training_steps() == 20


@pytest.mark.parametrize("steps", range(1, 12))
def test_the_shortest_of_cycles_rises_and_falls(steps: int) -> None:
    """Of 4 steps torch would divide by none."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))])
    schedule = scheduler("one_cycle", optimizer, steps)
    rates = []
    for _ in range(steps + 1):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(rates) <= steps:
            schedule.step()
    assert max(rates) == pytest.approx(0.1, rel=0.2)
    assert rates[0] < 0.1


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"max_epochs": 3}, 3 * 19),
        ({"max_epochs": 3, "accumulate_grad_batches": 4}, 3 * 5),
        ({"max_epochs": 3, "limit_train_batches": 0.5}, 3 * 9),
        ({"max_epochs": 3, "max_steps": 7}, 7),
        ({"max_epochs": -1, "max_steps": 7}, 7),
    ],
)
def test_the_steps_of_a_run_are_those_that_lightning_counts(
    trainer: TrainerBuilder, digits: Digits, options: dict[str, float], steps: int
) -> None:
    fitted = trainer(limit_val_batches=0, **options)
    trained = task(digits)
    fitted.fit(trained, digits)
    assert fitted.global_step == trained.training_steps() == steps


def test_the_recorded_loss_is_the_mean_of_the_epoch(trainer: TrainerBuilder, digits: Digits) -> None:
    losses: list[float] = []

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, module: L.LightningModule, outputs: dict, *_: object) -> None:
            losses.append(outputs["loss"].item())

    fitted = trainer(max_epochs=2, callbacks=[Watch()])
    fitted.fit(task(digits), digits)
    assert fitted.callback_metrics["train/loss"].item() == pytest.approx(sum(losses[19:]) / 19, rel=1e-5)


def test_only_weights_decay(trainer: TrainerBuilder, digits: Digits) -> None:
    fitted = trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0)
    fitted.fit(task(digits, optimizer=partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.5)), digits)
    groups = fitted.optimizers[0].param_groups
    assert [(group["weight_decay"], [p.ndim for p in group["params"]]) for group in groups] == [(0.5, [2]), (0.0, [1])]


def test_metrics_of_classification_against_scikit_learn(trainer: TrainerBuilder, digits: Digits) -> None:
    from sklearn.metrics import accuracy_score, log_loss

    tested = task(digits)
    metrics = trainer().test(tested, digits, verbose=False)[0]
    images, labels = digits.splits["test"].columns
    probabilities = tested(tested.spec.input.prepare(images)).double().softmax(dim=1).detach().numpy()
    assert metrics["test/accuracy"] == pytest.approx(accuracy_score(labels, probabilities.argmax(axis=1)))
    assert metrics["test/loss"] == pytest.approx(log_loss(labels, probabilities, labels=range(10)), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "cosin"}, "schedule 'cosin'.*'cosine'"),
        ({"max_grad_norm": 0}, "max_grad_norm"),
        ({"ema": 1.0}, "ema"),
        ({"steps_per_batch": 0}, "steps_per_batch"),
        ({"loss": nn.CrossEntropyLoss(label_smoothing=2)}, "label_smoothing"),
        ({"optimizer": partial(torch.optim.SGD, lr=-1)}, "Invalid learning rate"),
    ],
)
def test_options_out_of_range_are_refused_at_once(digits: Digits, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task(digits, **options)


def test_augmentation_is_told_the_epoch(trainer: TrainerBuilder, digits: Digits) -> None:
    class Watch:
        epochs: ClassVar[list[int]] = []

        def set_epoch(self, epoch: int) -> None:
            self.epochs.append(epoch)

        def __call__(self, batch: torch.Tensor) -> torch.Tensor:
            return batch

    digits.augment = Watch()
    trainer(max_epochs=3, limit_val_batches=0).fit(task(digits, steps_per_batch=4), digits)
    assert Watch.epochs == sorted(19 * [0, 1, 2])
