"""What takes float32 within mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

DEVICES = "cpu", "cuda"  # whose autocast is asked for


def in_float32(layer: Callable[..., Any], x: Tensor, *state: Any) -> Any:
    """What a recurrent layer gives for x and its states, computed in float32 where autocast is on.

    PyTorch casts cuDNN's recurrent layers to float16, whatever autocast's type is: in bf16-mixed, which has no gradient
    scaler, up to 4 % of gradients would become 0. On a CPU without bf16, torch 2.15 has no primitive for an LSTM.
    """
    if not any(map(torch.is_autocast_enabled, DEVICES)):
        return layer(x, *state)
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float(), *map(_float, state))


def _float(state: Any) -> Any:
    return tuple(map(_float, state)) if isinstance(state, tuple) else state if state is None else state.float()
