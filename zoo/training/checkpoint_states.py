"""States of optimizers and callbacks in a checkpoint, of which a wrong one costs more than a traceback.

An optimizer's kernel writes as far as its parameter reaches, whatever the size of its moments. Lightning's
ModelCheckpoint deletes the files that its state names. Made for Lightning 2.6 and torch 2.6 or later.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo import private
from zoo.files import is_regular, quoted
from zoo.training.checkpoint_values import Fault, check_keys, kind_of, matched

_OF_THE_MACHINE = ("foreach", "fused", "capturable", "differentiable")  # how an optimizer computes, not what
_OURS = ("zoo.", "lightning.", "pytorch_lightning.")


def optimizer_states(states: list[Any], optimizers: Sequence[Optimizer]) -> list[dict[str, Any]]:
    if len(states) != len(optimizers):
        raise Fault(f"optimizer_states has {len(states)} states, and this run {len(optimizers)} optimizers")
    return [
        _optimizer_state(state, its, f"optimizer_states.{i}") for i, (state, its) in enumerate(zip(states, optimizers))
    ]


def _optimizer_state(state: Any, optimizer: Optimizer, name: str) -> dict[str, Any]:
    like = optimizer.state_dict()
    check_keys(state, like, name)
    groups = matched(
        state["param_groups"], _without_machine(like["param_groups"], state["param_groups"]), f"{name}.param_groups"
    )
    parameters: dict[int, Any] = {}
    for its, kept, group in zip(like["param_groups"], groups, optimizer.param_groups):
        if kept["params"] != its["params"]:
            raise Fault(f"{name}.param_groups: its parameters are in another order")
        kept |= {key: its[key] for key in _OF_THE_MACHINE if key in its}
        _check_options(optimizer, kept, f"{name}.param_groups")
        parameters |= dict(zip(its["params"], ((group, parameter) for parameter in group["params"])))
    if not isinstance(state["state"], dict) or not state["state"].keys() <= parameters.keys():
        raise Fault(f"{name}.state has parameters that the optimizer does not")
    templates: dict[Any, Any] = {}
    moments, memory = {}, set()
    for index, kept in state["state"].items():
        group, parameter = parameters[index]
        key = id(group), parameter.shape, parameter.dtype
        if key not in templates:
            templates[key] = _moments(optimizer, group, parameter)
        moments[index] = matched(kept, templates[key], f"{name}.state.{index}")
        for part, tensor in moments[index].items():
            if isinstance(tensor, Tensor):
                if tensor.data_ptr() in memory:  # two moments in one place
                    moments[index][part] = tensor = tensor.clone()
                memory.add(tensor.data_ptr())
    return {"state": moments, "param_groups": groups}


def _without_machine(groups: list[dict[str, Any]], kept: Any) -> list[dict[str, Any]]:
    """Groups as they are expected, but for what depends on the machine, which is taken as it stands."""
    if not isinstance(kept, list) or len(kept) != len(groups) or not all(isinstance(group, dict) for group in kept):
        raise Fault(f"optimizer_states: its groups of parameters are not {len(groups)}")
    free = _OF_THE_MACHINE
    return [its | {key: group[key] for key in free if key in its and key in group} for its, group in zip(groups, kept)]


def _check_options(optimizer: Optimizer, group: Mapping[str, Any], name: str) -> None:
    """See that an optimizer can be made with these options: it is its constructor that knows their ranges."""
    known = inspect.signature(type(optimizer)).parameters
    options = {key: group[key] for key in optimizer.defaults if key in group and key in known}
    try:
        type(optimizer)([nn.Parameter(torch.zeros(1))], **options)
    except ValueError as error:
        raise Fault(f"{name}: {error}") from error


def _moments(optimizer: Optimizer, group: Mapping[str, Any], parameter: Tensor) -> dict[str, Any]:
    """What an optimizer keeps of a parameter, seen by a step of another one with such a parameter."""
    twin = nn.Parameter(torch.zeros_like(parameter, device="cpu"))
    twin.grad = torch.zeros_like(twin)
    options = {key: value for key, value in group.items() if key != "params"}
    options |= {key: False for key in ("fused", "capturable") if key in options}
    try:
        other = type(optimizer)([{"params": [twin], **options}], **{"lr": options["lr"]} if "lr" in options else {})
        other.step()
    except Exception as error:  # of another's optimizer, which wants a closure, say
        raise Fault(f"what {type(optimizer).__name__} keeps cannot be checked ({type(error).__name__})") from error
    return dict(other.state.get(twin, {}))


def callback_states(states: Mapping[str, Any], trainer: L.Trainer, ours: dict[str, Any]) -> dict[str, Any]:
    """The states of the callbacks that this run has; those that it has not are left out."""
    checked: dict[str, Any] = {}
    chooser = trainer.checkpoint_callback
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        state = states.get(callback.state_key)
        if isinstance(callback, ModelCheckpoint):
            best = ours["best"] is not None if callback is chooser else None
            if state is not None and callback.dirpath is not None and best is not False:
                checked[callback.state_key] = _files(state, callback, best=bool(best))
            elif callback is chooser:
                ours["best"] = None
        elif state is not None:
            checked[callback.state_key] = _callback(state, callback)
    return checked


def _callback(state: Any, callback: Callback) -> Any:
    if type(callback).__module__.startswith(_OURS):
        return matched(state, callback.state_dict(), f"callbacks.{type(callback).__name__}")
    return state  # another's callback knows what it keeps


def _files(state: Any, callback: ModelCheckpoint, *, best: bool) -> dict[str, Any]:
    """The state of a callback that keeps checkpoints, made anew: scores are the checkpoint's, files the folder's.

    Args:
        state: of the checkpoint. A file that it names is one whose name is as this callback would give it, in the
            callback's own folder.
        callback: whose state it becomes.
        best: whether the checkpoint holds the best weights itself, so that their file need not be there.
    """
    name = f"callbacks.{type(callback).__name__}({callback.monitor})"
    check_keys(state, callback.state_dict(), name)
    scores = state["best_k_models"]
    if not isinstance(scores, dict):
        raise Fault(f"{name}: best_k_models is {kind_of(scores)}, not a dict")
    kept = {str(_own_file(path, callback, name)): _score(score, name) for path, score in scores.items()}
    better, worse = (min, max) if callback.mode == "min" else (max, min)
    first = better(kept, key=lambda file: float(kept[file]), default="")
    kept = {file: score for file, score in kept.items() if is_regular(Path(file)) or (best and file == first)}
    rebuilt = callback.state_dict() | {"best_k_models": kept}
    if kept:
        first, last = (of(kept, key=lambda file: float(kept[file])) for of in (better, worse))
        rebuilt |= {"best_model_path": first, "best_model_score": kept[first], "current_score": kept[first]}
        if len(kept) == callback.save_top_k:
            rebuilt |= {"kth_best_model_path": last, "kth_value": kept[last]}
    elif callback.monitor is None and isinstance(state["best_model_path"], str) and state["best_model_path"]:
        file = _own_file(state["best_model_path"], callback, name)
        rebuilt["best_model_path"] = str(file) if best or is_regular(file) else ""
    elif best:
        raise Fault(f"{name}: it has no score of the best weights")
    return rebuilt


def _score(score: Any, name: str) -> Tensor:
    if type(score) is not Tensor or score.ndim or score.is_complex() or bool(score.isnan()):
        raise Fault(f"{name}: a score is {kind_of(score)}, not a number")
    return score.detach().clone()


def _own_file(path: Any, callback: ModelCheckpoint, name: str) -> Path:
    file = re.split(r"[\\/]", path)[-1] if isinstance(path, str) else ""
    pattern = re.sub(r"\{.*?\}", "*", callback.filename or "{}")
    if not fnmatchcase(file, f"{pattern}{'*' * private.numbers_its_files(callback)}{callback.FILE_EXTENSION}"):
        raise Fault(f"{name}: it names {quoted(path)}, which is no file of this run")
    return Path(callback.dirpath or "", file)
