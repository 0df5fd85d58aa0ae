"""A checkpoint is input, too: it is read as data, and all of it is checked against the run before any of it is used.

Made for Lightning 2.6. What a part must look like is not written down here: it is what this run would save itself, so
that names and types are those of the Lightning and torch that are installed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo import private
from zoo.errors import ConfigError
from zoo.files import is_regular, one_line, quoted
from zoo.training.checkpoint_states import callback_states, optimizer_states
from zoo.training.checkpoint_values import Fault, check_keys, kind_of, matched, matched_tensor, matched_tensors, whole

FORMAT = 2  # of our own entry; zoo 0.1 wrote none
MAX_BYTES = 2**36
MAX_STRUCTURE = 2**26  # bytes of the pickle of names and numbers, the tensors apart
MAX_ENTRIES = 2**18  # tensors
VERSION = "pytorch-lightning_version"
SETTINGS = "hyper_parameters"
PARTS = {
    "zoo": dict, SETTINGS: dict, VERSION: str, "epoch": int, "global_step": int, "state_dict": dict, "loops": dict,
    "callbacks": dict, "optimizer_states": list, "lr_schedulers": list, "progress": dict,
}  # fmt: skip


def read(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU; nothing of it is run, and nothing checked but that its parts are there.

    Raises:
        ConfigError: no such file, none of a run, damaged, or of an older zoo.
    """
    with _told(path):
        checkpoint = _load(path, max_bytes)
        if not checkpoint.keys() & PARTS.keys():
            raise Fault("not a checkpoint of zoo")
        if "zoo" not in checkpoint:
            raise Fault("it has no part zoo: zoo 0.1 wrote it; start anew from its weights: init_from=…")
        for name, kind in PARTS.items():
            if name not in checkpoint:
                raise Fault(f"it lacks the part {name}")
            if not isinstance(checkpoint[name], kind):
                raise Fault(f"its part {name} is {kind_of(checkpoint[name])}, not a {kind.__name__}")
        version = checkpoint["zoo"].get("format")
        if type(version) is not int or version != FORMAT:
            raise Fault(f"its format is {quoted(version)}, and this zoo reads {FORMAT}")
    return checkpoint


def check_settings(checkpoint: Mapping[str, Any], path: Path, settings: Mapping[str, Any]) -> None:
    """See that a checkpoint is of a run with the same settings.

    Raises:
        ConfigError: it is not; the first that differs is named.
    """
    with _told(path):
        then = checkpoint[SETTINGS]
        for name, now in settings.items():
            if name not in then:
                raise Fault(f"its part {SETTINGS} lacks {name}")
            if not _same(then[name], now):
                was, wanted = _difference(name, then[name], now)
                raise Fault(f"it was trained with {was}, not {wanted}")


def check(
    checkpoint: Mapping[str, Any], path: Path, trainer: L.Trainer, task: L.LightningModule, data: L.LightningDataModule
) -> dict[str, Any]:
    """What of a checkpoint Lightning is to be given, all of it checked against this run.

    Files are never those that it names: the best one is that of the run's own folder, wherever this is now.

    Args:
        checkpoint: as it was read.
        path: of its file, for messages.
        trainer: with its callbacks, before it fits.
        task: whose tensors, optimizers and schedulers it must fit.
        data: set up for "fit".

    Raises:
        ConfigError: a part is missing, or does not fit.
    """
    with _told(path):
        optimizers, schedulers = _optimizers(trainer, task, data)
        loader = data.train_dataloader()
        state = matched_tensors(checkpoint["state_dict"], task.state_dict(), "state_dict")
        loop = _loop(checkpoint["loops"], trainer, loader)
        checked = {
            **({} if type(task).__module__.startswith("zoo.") else checkpoint),  # another's task knows its own parts
            **{name: checkpoint[name] for name in (SETTINGS, "epoch", "global_step")},
            VERSION: L.__version__,  # what fits is as this version writes it, and needs no migration
            "zoo": {"format": FORMAT, "best": _best(checkpoint, task)},
            "state_dict": state,
            "loops": {"fit_loop": loop},
            "progress": _progress(checkpoint["progress"]),
            "optimizer_states": optimizer_states(checkpoint["optimizer_states"], optimizers),
            "lr_schedulers": _schedules(checkpoint["lr_schedulers"], schedulers, _steps_at_most(loop, loader)),
            **_particles(checkpoint, task),
            **_precision(checkpoint, trainer),
        }
        checked["zoo"]["moments"] = _moments(checkpoint)
        checked["callbacks"] = callback_states(checkpoint["callbacks"], trainer, checked["zoo"])
    return checked


def batches_seen(checkpoint: Mapping[str, Any]) -> int:
    """The batches of a checked checkpoint, as metrics.csv counts its steps, with the one in which it was saved.

    The global step counts those of two optimizers.
    """
    loop = checkpoint["loops"]["fit_loop"]
    seen = loop["epoch_loop.batch_progress"]["total"]
    return int(loop["epoch_loop.state_dict"][private.STEPS] + seen["ready"] - seen["completed"])


def moments(checkpoint: Mapping[str, Any]) -> list[int]:
    """Of how many parameters each optimizer keeps moments: of those that ever had a gradient."""
    return [len(state["state"]) for state in checkpoint.get("optimizer_states", ())]


def load_weights(path: Path, task: nn.Module) -> None:
    """Give a task the tensors of a checkpoint, such as the best one.

    Raises:
        ConfigError: no such file, damaged, or its tensors do not fit.
    """
    with _told(path):
        state = _load(path, MAX_BYTES).get("state_dict")
        task.load_state_dict(matched_tensors(state, task.state_dict(), "state_dict"))


def holds_weights(path: Path, state: Mapping[str, Tensor]) -> bool:
    """Whether a file is a checkpoint of these very weights."""
    try:
        with _told(path):
            found = matched_tensors(_load(path, MAX_BYTES).get("state_dict"), state, "state_dict")
    except ConfigError:
        return False
    return all(torch.equal(found[name], state[name]) for name in state)


def _load(path: Path, max_bytes: int) -> dict[str, Any]:
    if not path.exists():
        raise Fault("no such file")
    if not is_regular(path):
        raise Fault("not a regular file; give a run's last.ckpt")
    _check_size(path, max_bytes)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of bytes that anyone may have written, so of any kind
        raise Fault(f"damaged, or not a checkpoint of zoo ({type(error).__name__})") from error
    if not isinstance(checkpoint, dict):
        raise Fault("not a checkpoint of zoo")
    return checkpoint


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        name = str(path) if len(str(path)) <= 120 else f"…{str(path)[-120:]}"
        raise ConfigError(one_line(f"resume: {name}: {fault}")) from fault
    except (OSError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its parts are nested too deeply"
        raise ConfigError(one_line(f"resume: {path}: {reason or error}")) from error


def _check_size(path: Path, max_bytes: int) -> None:
    """See that reading a file takes no more memory than it has bytes, and that these are not too many."""
    size = path.stat().st_size
    if size > max_bytes:
        raise Fault(f"it has {size} bytes; {max_bytes} is the limit")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # of bytes that anyone may have written
        raise Fault("damaged, or not a checkpoint of zoo") from error
    structure = sum(entry.file_size for entry in entries if entry.filename.endswith(".pkl"))
    stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    if not stored or sum(entry.file_size for entry in entries) > size:
        raise Fault("damaged: it claims more than it holds")
    if structure > MAX_STRUCTURE or len(entries) > MAX_ENTRIES:
        raise Fault("it holds more parts than a checkpoint can")


def _same(then: Any, now: Any) -> bool:
    """Equal settings; by our own hand, since those of a checkpoint may hold what has no answer to ==."""
    if isinstance(now, dict):
        return isinstance(then, dict) and then.keys() == now.keys() and all(_same(then[key], now[key]) for key in now)
    if isinstance(now, (list, tuple)):
        alike = isinstance(then, (list, tuple)) and len(then) == len(now)
        return alike and all(_same(one, other) for one, other in zip(then, now))
    return isinstance(then, (bool, int, float, str, type(None))) and then == now


def _difference(name: str, then: Any, now: Any) -> tuple[str, str]:
    """The first setting within settings that differs, as it was and as it is."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in now:
            part = f"{name}.{key}"
            if key not in then:  # of another version
                return f"no {part}", f"{part}={quoted(now[key])}"
            if not _same(then[key], now[key]):
                return _difference(part, then[key], now[key])
    return f"{name}={quoted(then)}", f"{name}={quoted(now)}"


# Parts


def _loop(loops: Mapping[str, Any], trainer: L.Trainer, loader: Any) -> dict[str, Any]:
    """The progress of the training loop, in whole numbers that can be."""
    state = loops.get("fit_loop")
    like = trainer.fit_loop.state_dict()
    like["state_dict"] = {"combined_loader": [loader.state_dict()]} if hasattr(loader, "state_dict") else {}
    checked: dict[str, Any] = matched(state, like, "loops.fit_loop")
    for name, counts in _counters(checked, "loops.fit_loop"):
        order = [counts[key] for key in ("completed", "processed", "started", "ready") if key in counts]
        if order != sorted(order):
            raise Fault(f"{name}: more is completed than was ready")
        if name.endswith(".current") and order[-1] > order[0] + 1:
            raise Fault(f"{name}: {order[-1]} are ready and {order[0]} completed; they differ by 1 at most")
    batches, epochs = checked["epoch_loop.batch_progress"], checked["epoch_progress"]
    whole(batches["current"]["ready"], "loops.fit_loop.epoch_loop.batch_progress.current.ready", most=len(loader))
    seen, stepped = batches["total"]["ready"], checked["epoch_loop.state_dict"][private.STEPS]
    whole(stepped, f"loops.fit_loop.epoch_loop.state_dict.{private.STEPS}", most=seen)
    done, wanted = epochs["current"]["processed"], trainer.max_epochs
    if wanted not in (None, -1) and done > wanted:
        raise Fault(f"its run has seen {done} epochs, and this one would take {wanted}; give epochs={done} or more")
    return checked


def _counters(state: Any, name: str) -> Iterator[tuple[str, dict[str, int]]]:
    if isinstance(state, dict):
        if "ready" in state:
            yield name, state
        for key, inner in state.items():
            yield from _counters(inner, f"{name}.{key}")


def _steps_at_most(loop: Mapping[str, Any], loader: Any) -> int:
    """The steps that a schedule can have taken: all epochs before, and the batches of this one."""
    seen = loop["epoch_progress"]["current"]["completed"] * len(loader)
    seen += loop["epoch_loop.batch_progress"]["current"]["ready"]
    return int(seen)


def _optimizers(
    trainer: L.Trainer, task: L.LightningModule, data: L.LightningDataModule
) -> tuple[list[Optimizer], list[Any]]:
    """Optimizers and schedulers as Lightning makes them when it fits; by then the folder is in use."""
    private.attach(trainer, task, data)
    return private.optimizers_of(task)


def _schedules(states: list[Any], schedulers: Sequence[Any], most: int) -> list[dict[str, Any]]:
    if len(states) != len(schedulers):
        raise Fault(f"lr_schedulers has {len(states)} states, and this run {len(schedulers)} schedules")
    checked = []
    for place, (state, scheduler) in enumerate(zip(states, schedulers)):
        name, like = f"lr_schedulers.{place}", scheduler.state_dict()
        check_keys(state, like, name)
        for key in ("total_steps", "T_max"):
            if key in like and whole(state[key], f"{name}.{key}") != like[key]:
                then, now = (value - (key == "total_steps") for value in (state[key], like[key]))
                raise Fault(
                    f"that run was to take {then} steps, and this one would take {now}; give the same epochs or "
                    "batches, or start anew from its weights: init_from=…/model.safetensors"
                )
        checked.append(matched(state, like, name))
        if "last_epoch" in like:
            whole(state["last_epoch"], f"{name}.last_epoch", most=most)
    return checked


def _progress(state: Any) -> dict[str, Any]:
    """What a task has summed up in an epoch that is not over."""
    check_keys(state, dict.fromkeys(("sums", "batches", "epoch", "averaged")), "progress")
    if not isinstance(state["sums"], dict) or not all(isinstance(name, str) for name in state["sums"]):
        raise Fault("progress.sums is no dict of sums by name")
    sums = {
        name: matched_tensor(total, (), None, f"progress.sums {quoted(name)}", finite=False)
        for name, total in state["sums"].items()
    }
    return {"sums": sums} | {name: whole(state[name], f"progress.{name}") for name in ("batches", "epoch", "averaged")}


def _particles(checkpoint: Mapping[str, Any], task: Any) -> dict[str, Tensor]:
    """The Markov chains of persistent contrastive divergence: one set a process."""
    options = getattr(task, "divergence", None)
    if options is None or not options.particles or "particles" not in checkpoint:
        return {}
    chains = (options.temperatures, options.particles) if options.temperatures > 1 else (options.particles,)
    kept = checkpoint["particles"]
    processes = len(kept) if isinstance(kept, Tensor) and kept.ndim else 0
    return {
        "particles": matched_tensor(kept, (max(1, processes), *chains, len(task.hidden_mean)), torch.bool, "particles")
    }


def _precision(checkpoint: Mapping[str, Any], trainer: L.Trainer) -> dict[str, Any]:
    """The state of a gradient scaler, where this run has one."""
    name = type(trainer.precision_plugin).__qualname__
    like = trainer.precision_plugin.state_dict()
    if like and name not in checkpoint:
        raise Fault(f"it lacks the part {name}: it was trained in another precision")
    return {name: matched(checkpoint[name], like, name)} if like else {}


def _moments(checkpoint: Mapping[str, Any]) -> list[int]:
    """See that no moments are lost: torch would start these anew, and the run would end with other weights."""
    kept, saved = moments(checkpoint), checkpoint["zoo"].get("moments")
    if not isinstance(saved, list) or not all(type(count) is int for count in saved):
        raise Fault(f"zoo.moments is {kind_of(saved)}, not a list of counts")
    if kept != saved:
        raise Fault(f"optimizer_states has moments of {kept} parameters, and was saved with {saved}")
    return saved


def _best(checkpoint: Mapping[str, Any], task: nn.Module) -> dict[str, Any] | None:
    """The best weights so far, and their step; the weights are None where they are the checkpoint's own."""
    best = checkpoint["zoo"].get("best")
    if best is None:
        return None
    check_keys(best, dict.fromkeys(("step", "state_dict")), "zoo.best")
    whole(best["step"], "zoo.best.step", most=whole(checkpoint["global_step"], "global_step"))
    if best["state_dict"] is None:
        return {"step": best["step"], "state_dict": None}
    return {
        "step": best["step"],
        "state_dict": matched_tensors(best["state_dict"], task.state_dict(), "zoo.best.state_dict"),
    }
