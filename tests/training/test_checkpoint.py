"""A checkpoint is input, too: what is read, what is refused in one line, and where its files may lie."""

from __future__ import annotations

import copy
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from zoo.errors import ConfigError
from zoo.training import checkpoint as checkpoints

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers", "ignore:.*is smaller than the logging interval", "ignore:.*exists and is not"
)
Change = Callable[[dict[str, Any]], Any]
Fitted = tuple[L.Trainer, L.LightningModule]
Make = Callable[..., tuple[L.Trainer, L.LightningModule, L.LightningDataModule]]


class Killed(Exception):
    pass


class KillAt(L.Callback):
    """Ends a run before a step, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise Killed


def resume(make: Make, path: Path) -> Fitted:
    trainer, task, data = make(path.parent)
    checkpoint = checkpoints.check(checkpoints.read(path), path, trainer, task, data)
    trainer.strategy.checkpoint_io.resume_from(checkpoint)  # type: ignore[attr-defined]
    trainer.logger.resume(checkpoints.batches_seen(checkpoint))  # type: ignore[union-attr]
    trainer.fit(task, data, ckpt_path=path, weights_only=True)
    return trainer, task


def best(trainer: L.Trainer, task: L.LightningModule) -> dict[str, Tensor]:
    checkpoints.load_weights(Path(trainer.checkpoint_callback.best_model_path), task)  # type: ignore[union-attr]
    return task.state_dict()


@pytest.fixture(scope="module")
def whole(make: Make, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], str]:
    """The best weights of a run that is not stopped, and its metrics."""
    folder = tmp_path_factory.mktemp("whole")
    trainer, task, data = make(folder)
    trainer.fit(task, data)
    return best(trainer, task), (folder / "metrics.csv").read_text()


@pytest.fixture(scope="module")
def stopped(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed in its fourth epoch; its best one is the second."""
    folder = tmp_path_factory.mktemp("stopped")
    way = ModelCheckpoint(folder / "way", "{step}", save_top_k=-1, every_n_train_steps=1, auto_insert_metric_name=False)
    trainer, task, data = make(folder, callbacks=[KillAt(7), way])
    with pytest.raises(Killed):
        trainer.fit(task, data)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """That folder, moved elsewhere."""
    return Path(shutil.copytree(stopped, tmp_path / "moved"))


def changed(path: Path, change: Change) -> Path:
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


def refused(make: Make, path: Path, *words: str) -> None:
    before = {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")}
    with pytest.raises(ConfigError) as caught:
        resume(make, path)
    message = str(caught.value)
    assert len(message) <= 300
    assert message.isprintable()
    assert path.name in message
    assert all(word in message for word in words), message
    assert {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")} == before


def test_a_run_that_was_moved_goes_on_as_if_it_had_not_been(
    make: Make, folder: Path, whole: tuple[dict[str, Tensor], str]
) -> None:
    found = best(*resume(make, folder / "last.ckpt"))
    assert all(torch.equal(found[name], whole[0][name]) for name in found)
    assert (folder / "metrics.csv").read_text() == whole[1]


@pytest.mark.parametrize("step", [3, 5, 7])
def test_a_checkpoint_goes_on_alone(
    make: Make, stopped: Path, tmp_path: Path, step: int, whole: tuple[dict[str, Tensor], str]
) -> None:
    """Whether it is of the middle of an epoch or its end, before the best one or after it."""
    shutil.copy(stopped / "way" / f"{step}.ckpt", tmp_path / "x.ckpt")
    found = best(*resume(make, tmp_path / "x.ckpt"))
    assert all(torch.equal(found[name], whole[0][name]) for name in found)


def test_a_best_checkpoint_that_is_another_s_is_replaced(
    make: Make, folder: Path, whole: tuple[dict[str, Tensor], str]
) -> None:
    changed(folder / "best.ckpt", lambda kept: kept["state_dict"]["network.0.bias"].zero_())
    found = best(*resume(make, folder / "last.ckpt"))
    assert all(torch.equal(found[name], whole[0][name]) for name in found)


def callback(checkpoint: dict[str, Any], monitor: str) -> dict[str, Any]:
    return next(state for state in checkpoint["callbacks"].values() if state.get("monitor") == monitor)


@pytest.mark.parametrize("victim", ["{outside}", "{folder}/../outside", "{folder}/precious.txt", "{outside}/best.ckpt"])
def test_files_that_a_checkpoint_names_are_left_alone(make: Make, folder: Path, tmp_path: Path, victim: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for file in (outside / "best.ckpt", folder / "precious.txt"):
        file.write_text("precious")
    aim = victim.format(outside=outside, folder=folder)

    def hostile(checkpoint: dict[str, Any]) -> None:
        worst = torch.tensor(1e9)
        callback(checkpoint, "val/loss").update(
            best_k_models={aim: worst}, kth_best_model_path=aim, kth_value=worst, best_model_path=aim, dirpath="/"
        )

    with suppress(ConfigError):
        resume(make, changed(folder / "last.ckpt", hostile))
    assert (outside / "best.ckpt").read_text() == (folder / "precious.txt").read_text() == "precious"


def moments(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return checkpoint["optimizer_states"][0]["state"][0]


def group(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return checkpoint["optimizer_states"][0]["param_groups"][0]


def loop(checkpoint: dict[str, Any]) -> dict[str, Any]:
    return checkpoint["loops"]["fit_loop"]


STRUCTURED: dict[str, tuple[Change, str]] = {
    "small moments": (lambda c: moments(c).update(exp_avg=torch.zeros(1)), "exp_avg has shape"),
    "moments of one number": (lambda c: moments(c).update(exp_avg=torch.tensor(0.0)), "exp_avg has shape"),
    "moments of a parameter missing": (lambda c: c["optimizer_states"][0]["state"].pop(1), "moments of [5] parameters"),
    "moments without a count": (lambda c: c["zoo"].pop("moments"), "zoo.moments"),
    "a count of moments of text": (lambda c: c["zoo"].update(moments=["x"]), "zoo.moments"),
    "moments of integers": (lambda c: moments(c).update(exp_avg=torch.zeros(4, 3).long()), "exp_avg is torch."),
    "moments that are none": (lambda c: moments(c).update(exp_avg=None), "exp_avg is"),
    "moments without a part": (lambda c: moments(c).pop("exp_avg_sq"), "lacks 'exp_avg_sq'"),
    "moments that are NaN": (lambda c: moments(c)["exp_avg"].fill_(float("nan")), "not finite"),
    "a parameter too many": (lambda c: c["optimizer_states"][0]["state"].update({99: {}}), "optimizer_states.0"),
    "parameters in another order": (lambda c: group(c)["params"].reverse(), "param_groups"),
    "a rate that is NaN": (lambda c: group(c).update(lr=float("nan")), "lr"),
    "a rate of text": (lambda c: group(c).update(lr="\x1b[2J" * 1000), "lr"),
    "betas out of range": (lambda c: group(c).update(betas=(5.0, 0.9)), "beta"),
    "another optimizer": (lambda c: group(c).pop("betas"), "betas"),
    "no groups": (lambda c: c["optimizer_states"][0].update(param_groups=[]), "groups"),
    "no optimizers": (lambda c: c.update(optimizer_states=[]), "optimizer"),
    "a schedule's function": (lambda c: c["lr_schedulers"][0].update(step=1), "step"),
    "a schedule that is over": (lambda c: c["lr_schedulers"][0].update(last_epoch=8), "last_epoch"),
    "a schedule's step of 1.5": (lambda c: c["lr_schedulers"][0].update(last_epoch=1.5), "last_epoch"),
    "another length": (lambda c: c["lr_schedulers"][0].update(total_steps=99), "98 steps"),
    "a phase's name": (lambda c: c["lr_schedulers"][0]["_schedule_phases"][0].update(start_lr="x"), "start_lr"),
    "weights of another shape": (lambda c: c["state_dict"].update({"network.0.bias": torch.zeros(5)}), "0.bias"),
    "weights of another type": (lambda c: c["state_dict"].update({"network.0.bias": torch.zeros(4).half()}), "float16"),
    "weights missing": (lambda c: c["state_dict"].pop("network.0.bias"), "network.0.bias"),
    "weights too many": (lambda c: c["state_dict"].update({"\ud800\x1b": torch.zeros(4)}), "state_dict"),
    "weights that are NaN": (lambda c: c["state_dict"]["network.0.bias"].fill_(float("nan")), "network.0.bias"),
    "weights that are sparse": (
        lambda c: c["state_dict"].update({"network.0.bias": torch.zeros(4).to_sparse()}),
        "last.ckpt",
    ),
    "endless batches": (lambda c: loop(c)["epoch_loop.state_dict"].update(_batches_that_stepped=float("inf")), "inf"),
    "batches below 0": (lambda c: loop(c)["epoch_loop.batch_progress"]["current"].update(ready=-1), "ready"),
    "more batches than there are": (
        lambda c: loop(c)["epoch_loop.batch_progress"]["current"].update(ready=3),
        "from 0 to 2",
    ),
    "true for a number": (lambda c: loop(c)["epoch_progress"]["current"].update(completed=True), "True"),
    "more completed than begun": (lambda c: loop(c)["epoch_progress"]["total"].update(completed=9), "completed"),
    "more ready than there can be": (lambda c: loop(c)["epoch_progress"]["current"].update(ready=6), "6 are ready"),
    "a format of another kind": (lambda c: c["zoo"].update(format=torch.zeros(3)), "format"),
    "a length of another kind": (lambda c: c["lr_schedulers"][0].update(total_steps=torch.zeros(3)), "total_steps"),
    "more epochs than there are": (
        lambda c: loop(c)["epoch_progress"]["current"].update(ready=9, started=9, processed=9, completed=9),
        "9 epochs",
    ),
    "loops of another kind": (lambda c: c["loops"].update(fit_loop=[]), "fit_loop"),
    "a score of text": (lambda c: callback(c, "val/loss").update(best_k_models={"best.ckpt": "x"}), "score"),
    "scores in a list": (lambda c: callback(c, "val/loss").update(best_k_models=[]), "best_k_models"),
    "a file with a number for a name": (lambda c: callback(c, "val/loss").update(best_k_models={3: 1}), "no file"),
    "the best without a score": (lambda c: callback(c, "val/loss").update(best_k_models={}), "no score"),
    "the best of another shape": (lambda c: c["zoo"]["best"]["state_dict"].clear(), "zoo.best"),
    "the best of the future": (lambda c: c["zoo"]["best"].update(step=99), "zoo.best.step"),
    "early stopping by text": (
        lambda c: next(s for k, s in c["callbacks"].items() if "EarlyStopping" in k).update(wait_count="x"),
        "wait_count",
    ),
    "sums in a list": (lambda c: c["progress"].update(sums=[]), "progress.sums"),
    "sums of text": (lambda c: c["progress"].update(sums={"loss": "x"}), "progress.sums"),
    "no format": (lambda c: c.pop("zoo"), "zoo 0.1"),
    "a later format": (lambda c: c["zoo"].update(format=3), "format"),
}  # fmt: skip


@pytest.mark.parametrize("part", checkpoints.PARTS)
@pytest.mark.parametrize("missing", [True, False])
def test_a_part_that_is_missing_or_of_another_kind_is_named(make: Make, folder: Path, part: str, missing: bool) -> None:
    def change(checkpoint: dict[str, Any]) -> None:
        del checkpoint[part]
        if not missing:
            checkpoint[part] = 7.5

    refused(make, changed(folder / "last.ckpt", change), part)


@pytest.mark.parametrize("case", STRUCTURED)
def test_what_does_not_fit_is_refused_in_one_line(make: Make, folder: Path, case: str) -> None:
    change, word = STRUCTURED[case]
    refused(make, changed(folder / "last.ckpt", change), word)


def test_moments_that_share_their_memory_are_parted(make: Make, folder: Path) -> None:
    def share(checkpoint: dict[str, Any]) -> None:
        state = moments(checkpoint)
        state["exp_avg"] = state["exp_avg_sq"] = state["exp_avg"].abs()
        checkpoint["optimizer_states"][0]["state"][1]["exp_avg"] = torch.zeros(1).expand(4)

    path = changed(folder / "last.ckpt", share)
    trainer, task, data = make(folder)
    state = checkpoints.check(checkpoints.read(path), path, trainer, task, data)["optimizer_states"][0]["state"]
    assert state[0]["exp_avg"].data_ptr() != state[0]["exp_avg_sq"].data_ptr()
    assert state[1]["exp_avg"].untyped_storage().nbytes() == 16


def test_checking_changes_nothing(make: Make, folder: Path) -> None:
    trainer, task, data = make(folder)
    before, random_state = copy.deepcopy(task.state_dict()), torch.get_rng_state()
    checkpoints.check(checkpoints.read(folder / "last.ckpt"), folder / "last.ckpt", trainer, task, data)
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())
    assert torch.equal(random_state, torch.get_rng_state())


def test_settings_that_differ_are_named(make: Make, folder: Path) -> None:
    path = folder / "last.ckpt"
    checkpoint = checkpoints.read(path)
    checkpoints.check_settings(checkpoint, path, {"seed": 1})
    with pytest.raises(ConfigError, match="was trained with seed=1, not seed=2"):
        checkpoints.check_settings(checkpoint, path, {"seed": 2})
    checkpoint["hyper_parameters"] = {"model": {"width": 8}}
    with pytest.raises(ConfigError, match=r"was trained with no model\.side, not model\.side=64"):
        checkpoints.check_settings(checkpoint, path, {"model": {"width": 8, "side": 64}})
    checkpoint["hyper_parameters"] = {"seed": torch.zeros(2), "task": {"optimizer": {"lr": "\x07" * 999}}}
    with pytest.raises(ConfigError, match="seed"):
        checkpoints.check_settings(checkpoint, path, {"seed": 1})
    with pytest.raises(ConfigError, match=r"task\.optimizer\.lr") as caught:
        checkpoints.check_settings(checkpoint, path, {"task": {"optimizer": {"lr": 1}}})
    assert len(str(caught.value)) <= 300
    assert str(caught.value).isprintable()


def test_files_that_are_no_checkpoints(make: Make, folder: Path) -> None:
    path = folder / "last.ckpt"
    refused(make, folder / "nowhere.ckpt", "no such file")
    data = path.read_bytes()
    for damaged in (b"", b"some notes\n", data[: len(data) // 2], b"PK\x03\x04" + data[4:][::-1]):
        path.write_bytes(damaged)
        refused(make, path, "not a checkpoint")
    path.unlink()
    path.mkdir()
    refused(make, path, "not a regular file")
    if hasattr(os, "mkfifo"):
        path.rmdir()
        os.mkfifo(path)
        refused(make, path, "not a regular file")


def test_a_file_that_claims_more_than_it_holds(make: Make, folder: Path) -> None:
    path = folder / "last.ckpt"
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    refused(make, path, "claims more")
    with path.open("wb") as file:
        file.truncate(10**6)
    with pytest.raises(ConfigError, match="the limit"):
        checkpoints.read(path, max_bytes=1000)


@pytest.mark.parametrize("seed", range(60))
def test_bytes_that_are_changed_at_random(make: Make, folder: Path, seed: int) -> None:
    path, draw = folder / "last.ckpt", random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 4, 100))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    path.write_bytes(data)
    trainer, task, module = make(folder)
    with suppress(ConfigError):  # or it is sound: not every byte matters
        checkpoints.check(checkpoints.read(path), path, trainer, task, module)
