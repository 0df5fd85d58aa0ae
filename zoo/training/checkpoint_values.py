"""Values of a checkpoint beside those that this run would save: the same names, types and shapes, or a fault."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.files import quoted

MAX_COUNT = 2**53


class Fault(Exception):
    """What is wrong in a checkpoint; the message names the part and not the file."""


def matched(value: Any, like: Any, name: str) -> Any:
    """A value whose names, types and shapes are those of another; numbers are finite, texts the same."""
    if isinstance(like, dict):
        check_keys(value, like, name)
        return {key: matched(value[key], like[key], f"{name}.{key}") for key in like}
    if isinstance(like, (list, tuple)):
        if type(value) is not type(like) or len(value) != len(like):
            raise Fault(f"{name} is {kind_of(value)}, not a {type(like).__name__} of {len(like)}")
        return type(like)(matched(item, its, f"{name}.{place}") for place, (item, its) in enumerate(zip(value, like)))
    if isinstance(like, Tensor):
        return matched_tensor(value, like.shape, like.dtype, name, finite=bool(like.isfinite().all()))
    if isinstance(like, (int, float)) and not isinstance(like, bool):
        return _number(value, like, name)
    if type(value) is not type(like) or (isinstance(like, str) and value != like):
        raise Fault(f"{name} is {quoted(value)}, not {quoted(like)}")
    return value


def _number(value: Any, like: float, name: str) -> Any:
    rate = any("lr" in part for part in name.split(".")[-2:])  # which may begin as 1, and becomes 0.93
    if type(like) is int and not rate:
        return whole(value, name, least=min(0, like))
    if type(value) not in (int, float) or (math.isfinite(like) and not math.isfinite(value)):
        raise Fault(f"{name} is {quoted(value)}, not a finite number")
    return value


def whole(value: Any, name: str, least: int = 0, most: int = MAX_COUNT) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Fault(f"{name} is {quoted(value)}, not a whole number from {least} to {most}")
    return value


def check_keys(value: Any, wanted: Mapping[Any, Any], name: str) -> None:
    if not isinstance(value, dict):
        raise Fault(f"{name} is {kind_of(value)}, not a dict")
    for key in wanted:
        if key not in value:
            raise Fault(f"{name} lacks {quoted(key)}")
    for key in value:
        if key not in wanted:
            raise Fault(f"{name} has {quoted(key)}, which this run does not")


def matched_tensor(
    value: Any, shape: Sequence[int], dtype: torch.dtype | None, name: str, *, finite: bool = True
) -> Tensor:
    """A tensor of that shape and type (None: any float), with memory of its own.

    An optimizer's kernel writes as far as its parameter reaches, whatever the size of the moments.
    """
    if type(value) not in (Tensor, nn.Parameter) or value.layout is not torch.strided or value.device.type != "cpu":
        raise Fault(f"{name} is {kind_of(value)}, not a tensor")
    if value.shape != torch.Size(shape):
        raise Fault(f"{name} has shape {quoted(list(value.shape))}, and this run's has {quoted(list(shape))}")
    if value.dtype != dtype and not (dtype is None and value.is_floating_point()):
        raise Fault(f"{name} is {value.dtype}, and this run's is {dtype or 'a float'}")
    if finite and not bool(value.isfinite().all()):
        raise Fault(f"{name} holds numbers that are not finite")
    value = value.detach()
    shared = value.numel() * value.element_size() != value.untyped_storage().nbytes()
    return value.clone() if shared else value  # a view of something else, or one number for all


def matched_tensors(state: Any, like: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    check_keys(state, like, name)
    return {key: matched_tensor(state[key], its.shape, its.dtype, f"{name} {key}") for key, its in like.items()}


def kind_of(value: Any) -> str:
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (dict, list, tuple)) else "")
