"""What a network answered for each test example, kept in the run's folder, so that runs can be compared by it.

Shape letters: N examples, K classes, V values.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from zoo.data.core.examples import Examples, MappedRows
from zoo.errors import ConfigError
from zoo.files import one_line, replacing
from zoo.metrics.bootstrap import Interval, bootstrap
from zoo.metrics.classification import METRICS, classification_metrics

FILE = "outcomes.safetensors"
DRAWS = 300  # of the bootstrap
HASHED = 1024  # examples at a time
PARTS = {"classes": {"true", "probabilities", "answers"}, "values": {"true", "answers"}}
ROOTS = {"rmse"}  # metrics that are the root of a ratio


@dataclass(frozen=True)
class Outcomes:
    """Answers for the N examples of a test split, beside the truth.

    Args:
        kind: classes, values or ratios.
        tensors: of classes `true` (N,), `answers` (N,) and `probabilities` (N, K); of values `true` and `answers`
            (N, V), in their own units; of ratios (N, 2) for each metric, such as the edits and the characters of each
            line, whose sums are divided.
        examples: a digest of the inputs; those of two runs are the same where they were tested on the same examples.
    """

    kind: str
    tensors: dict[str, Tensor]
    examples: str

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def metrics(self, rows: Tensor | None = None, names: Collection[str] | None = None) -> dict[str, float]:
        """The metrics of these examples, or of some rows (N,), which may repeat themselves; all, or some by name."""
        parts = self.tensors
        if self.kind == "ratios" and names is not None:  # of which each has a part of its own
            parts = {name: part for name, part in parts.items() if name in names}
        chosen = parts if rows is None else {name: part[rows] for name, part in parts.items()}
        if self.kind == "ratios":
            return {name: _ratio(name, *part.double().sum(dim=0).tolist()) for name, part in chosen.items()}
        if self.kind == "classes":
            asked = [name for name in METRICS if names is None or name in names]
            return classification_metrics(chosen["probabilities"], chosen["true"], chosen["answers"], asked)
        found = value_metrics(chosen["answers"], chosen["true"])
        return {name: value for name, value in found.items() if names is None or name in names}

    def interval(self, name: str) -> Interval | None:
        """Of a metric, by the bootstrap over examples; None for one that is not known of each example."""
        if name not in self.metrics(names=[name]):
            return None
        return bootstrap(lambda rows: self.metrics(rows, [name])[name], len(self), DRAWS)

    def same_examples(self, other: Outcomes) -> bool:
        """Whether both are of the same examples, in the same order."""
        if self.kind != other.kind or self.examples != other.examples or len(self) != len(other):
            return False
        mine, theirs = self._truth(), other._truth()
        return mine.shape == theirs.shape and torch.allclose(mine, theirs, rtol=1e-4)

    def _truth(self) -> Tensor:
        """What does not hang on the network: the truth, or by what each example's share is divided."""
        if self.kind != "ratios":
            return self.tensors["true"].double()
        return torch.stack([self.tensors[name][:, 1].double() for name in sorted(self.tensors)], dim=1)

    def save(self, path: Path) -> None:
        about = {"kind": self.kind, "examples": self.examples}
        tensors = {name: part.contiguous() for name, part in self.tensors.items()}
        with replacing(path) as file:
            file.write(save(tensors, {"zoo": json.dumps(about)}))


def load_outcomes(path: Path) -> Outcomes:
    """Read a run's outcomes.

    Raises:
        ConfigError: the file is damaged.
    """
    try:
        with safe_open(str(path), "pt") as file:
            about = json.loads((file.metadata() or {})["zoo"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
        kind, examples = about["kind"], str(about["examples"])
        fits = (
            all(part.shape[1:] == (2,) for part in tensors.values())
            if kind == "ratios"
            else (set(tensors) == PARTS[kind])
        )
        if not fits or len({len(part) for part in tensors.values()}) != 1:
            raise ValueError("it does not hold what it says")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(one_line(f"{path} cannot be read: {error}")) from error
    return Outcomes(kind, tensors, examples)


def _ratio(name: str, part: float, whole: float) -> float:
    ratio = part / whole if whole else math.nan
    return math.sqrt(ratio) if name in ROOTS else ratio


def value_metrics(predicted: Tensor, true: Tensor) -> dict[str, float]:
    """R2 (the mean over the values), RMSE and MAE of values (N, V)."""
    errors = predicted - true
    r2 = 1 - errors.square().sum(dim=0) / (true - true.mean(dim=0)).square().sum(dim=0)
    return {
        "r2": float(r2.mean()),
        "rmse": float(errors.square().mean().sqrt()),
        "mae": float(errors.abs().mean()),
    }


def digest(examples: Examples) -> str:
    """A digest of the inputs of a split."""
    column: Any = examples.columns[0]
    held = column if isinstance(column, Tensor | MappedRows) else getattr(column, "values", None)
    found = hashlib.sha256(str(len(examples)).encode())
    if isinstance(held, Tensor | MappedRows):
        for rows in torch.arange(len(held)).split(HASHED):
            part = held.index_select(0, rows).detach().cpu().contiguous()
            found.update(part.view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
