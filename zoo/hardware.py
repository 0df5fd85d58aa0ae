"""What this machine can do."""

from __future__ import annotations

from typing import Any

import torch

from zoo.errors import ConfigError, unknown

PRECISIONS = "32-true", "16-mixed", "bf16-mixed"  # in all of which parameters, and what is prepared, are float32


def cpu_has_bf16() -> bool:
    """Whether this CPU computes in bf16, as far as torch tells (since 2.9)."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16"))


def precision(name: str | None, accelerator: str) -> str:
    """Lightning's name for a precision, where `mixed` and `auto` depend on the machine.

    `mixed` is bf16 where the hardware computes in it, and otherwise fp16 with a gradient scaler on a GPU, float32 on
    a CPU. `auto` is the same, but float32 on other accelerators than CUDA and CPU.
    """
    if name not in ("auto", "mixed"):
        if name not in PRECISIONS:
            raise ConfigError("trainer: " + unknown("precision", str(name), ("auto", "mixed", *PRECISIONS)))
        return str(name)
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"
