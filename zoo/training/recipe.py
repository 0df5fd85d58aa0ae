"""The recipe of an artefact: the command and the settings by which it can be trained again, elsewhere."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from omegaconf import DictConfig, OmegaConf

from zoo.errors import escaped
from zoo.weights.artefact import Artefact

# Where the user's files lie is nobody's business
PRIVATE = ("data.root=", "data.path=", "data.test_root=", "data.labels=", "data.cache=", "folder=", "resume=")
DATA = "$ZOO_DATA"  # how a recipe names the folder of data sets, which others have elsewhere
GIVEN = ("frame", "inputs", "targets", "images", "labels", "module")  # settings of data that describe what Python gave
IN_PYTHON = {"frame": "frame", "arrays": "(inputs, targets)", "image_arrays": "(images, labels)", "module": "module"}
PARTS = ("model", "task", "data", "trainer", "seed", "epochs", "batches")


def recipe(cfg: DictConfig, start: Artefact | None = None) -> dict[str, Any]:
    """How to train it again; `parent_commands` are those, in their order, that trained what it started from."""
    overrides = [_portable(part) for part in overrides_given(cfg)]
    overrides = [part for part in overrides if not part.startswith(PRIVATE) or DATA in part]
    overrides = [part for part in overrides if not (part.startswith("init_from=") and Path(part[10:]).exists())]
    overrides = [part for part in overrides if not re.match(r"[+~]*callbacks\.progress\b", part)]  # it only shows
    config = {name: plain(cfg[name]) for name in PARTS}
    config["data"] = {name: _portable(value) for name, value in config["data"].items()}
    for name in ("root", "path", "test_root", "labels", "cache"):
        if not str(config["data"].get(name)).startswith(DATA):
            config["data"].pop(name, None)
    parents: list[str] = []
    if start is not None:
        parents = [*start.recipe.get("parent_commands", []), start.recipe.get("command", "unknown")]
        parents = [escaped(line) for line in parents]  # which others may have written
    return {
        "command": command(overrides),
        **({"parent_commands": parents} if parents else {}),
        "config": config,
        "versions": {"torch": torch.__version__, "lightning": L.__version__},
    }


def title(cfg: DictConfig) -> str:
    """What is trained on what: model, task and data, with the description of data that was given in Python."""
    name = f"{cfg.choices.model} · {cfg.choices.task} · {cfg.choices.data}"
    given = [str(cfg.data[part]) for part in GIVEN if cfg.data.get(part) is not None]
    return f"{name}: {', '.join(given)}" if given else name


def overrides_given(cfg: DictConfig) -> list[str]:
    """The overrides as they were given: a `${…}` within one stays as it is written."""
    return [str(part) for part in plain(cfg.choices.overrides, resolve=False)]


def command(overrides: Sequence[str]) -> str:
    """The command of a run, as a shell takes it; where its data or network was given in Python, the call."""
    chosen = {name: value for name, _, value in (part.partition("=") for part in overrides)}
    given = {"data": IN_PYTHON.get(chosen.get("data", ""))}
    given["model"] = chosen.get("model.name") if chosen.get("model") == "given" else None
    if any(given.values()):
        described = [*(f"data.{part}" for part in GIVEN if given["data"]), *(name for name in given if given[name])]
        described += ["model.name"] if given["model"] else []
        said = [json.dumps(part, ensure_ascii=False) for part in overrides if part.partition("=")[0] not in described]
        return f"zoo.train({', '.join([*said, *(f'{name}={one}' for name, one in given.items() if one)])})"
    return " ".join(["python scripts/train.py", *map(_quoted, overrides)])


def plain(node: Any, resolve: bool = True) -> Any:
    """A part of a config as plain dicts, lists and values."""
    return OmegaConf.to_container(node, resolve=resolve) if OmegaConf.is_config(node) else node


def _quoted(override: str) -> str:
    """An override as a shell takes it; $ZOO_DATA stays what the shell puts the folder for."""
    if re.fullmatch(r"[\w@%+=:,./$~-]+", override):
        return override
    return '"' + re.sub(r'(["\\`]|\$(?!ZOO_DATA))', r"\\\1", override) + '"'


def _portable(value: Any) -> Any:
    """A setting with the folder that $ZOO_DATA names written as that."""
    folder = os.environ.get("ZOO_DATA")
    return value.replace(folder.rstrip("/"), DATA) if isinstance(value, str) and folder else value
