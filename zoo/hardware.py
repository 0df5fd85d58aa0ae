"""What this machine can do, what a run chooses by it, and why; `zoo doctor` prints it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from zoo import private
from zoo.errors import DISTRIBUTION, ConfigError, unknown
from zoo.files import one_line

PRECISIONS = "32-true", "16-mixed", "bf16-mixed"  # in all of which parameters, and what is prepared, are float32

DATA_SHARE = 0.25  # of a GPU's free memory, that data may take


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
    if takes_gpu(accelerator):
        return "bf16-mixed" if has_bf16() else "16-mixed"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def takes_gpu(accelerator: str) -> bool:
    """Whether a run on this accelerator, a name of Lightning's, is one on CUDA."""
    return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())


def has_bf16() -> bool:
    """Whether the GPU computes in bf16 itself."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def gpu_memory() -> int:
    """Bytes of the smallest GPU."""
    return min(torch.cuda.get_device_properties(place).total_memory for place in range(torch.cuda.device_count()))


def fits_on_gpu(size: int, device: torch.device) -> bool:
    """Whether data of so many bytes is to lie on a GPU for a whole run: where it takes `DATA_SHARE` of what is free."""
    return size <= DATA_SHARE * torch.cuda.mem_get_info(device)[0]


def check_gpu(devices: Any, precision: str | None) -> None:
    """See that a run on CUDA can have what it asks for.

    Args:
        devices: as Lightning's Trainer takes them.
        precision: a name of Lightning's, or `auto` or `mixed`, which fit any card.

    Raises:
        ConfigError: there is no GPU for this torch, there are fewer than asked for, or it has not the precision.
    """
    if (fault := why_no_gpu()) is not None:
        raise ConfigError(f"trainer: no GPU can be used: {fault}; trainer=cpu trains without one")
    count = torch.cuda.device_count()
    places = [devices] if isinstance(devices, str) and devices.isdecimal() else devices
    if isinstance(places, Sequence) and not isinstance(places, str):
        wanted = max((int(place) for place in places), default=-1) + 1 if places is devices else int(places[0])
    else:
        wanted = places if type(places) is int else 0  # "auto" and -1 are all there are
    if wanted > count:
        raise ConfigError(f"trainer.devices={devices}: this machine has {_gpus(count)}; give trainer.devices={count}")
    if precision == "bf16-mixed" and not has_bf16():
        raise ConfigError(
            f"trainer.precision=bf16-mixed: {torch.cuda.get_device_name()} does not compute in bf16; "
            "give trainer.precision=16-mixed, or mixed, which chooses"
        )


def let_products_repeat() -> None:
    """Have cuBLAS take workspaces with which products repeat bit for bit, in each run of this process.

    torch before 2.15 reads this variable once, at the first product of a process on CUDA. Lightning sets it for a run
    with deterministic=true alone, which such a torch refuses after any other run.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def check_compiler(accelerator: str) -> None:
    """See that torch can compile a network on this accelerator, a name of Lightning's, by compiling a sum.

    Raises:
        ConfigError: it cannot, such as for want of a C++ compiler.
    """
    numbers = torch.ones(8, device="cuda" if takes_gpu(accelerator) else "cpu")
    try:
        torch.compile(_plus_one)(numbers)
    except RuntimeError as error:
        if (fault := private.why_not_compiled(error)) is None:
            raise
        advice = "install a C++ compiler such as g++ (the variable CXX names another), or give compile=false"
        raise ConfigError(f"compile=true: torch cannot compile on this machine: {one_line(fault)}; {advice}") from error


def _plus_one(numbers: torch.Tensor) -> torch.Tensor:
    return numbers + 1


def _gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


def why_no_gpu() -> str | None:
    """Why torch can use no GPU here, such as a driver that is too old; None where it can."""
    try:
        torch.cuda.init()
        name, has = torch.cuda.get_device_name(), torch.cuda.get_device_capability()
        built = [tuple(map(int, (arch[3:-1], arch[-1]))) for arch in _architectures()]
    except (RuntimeError, AssertionError) as error:  # the second where torch is built without CUDA
        return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
    if built and has < min(built):
        least = ".".join(map(str, min(built)))
        return f"{name} has compute capability {has[0]}.{has[1]}, and torch {torch.__version__} needs {least} or more"
    return None


def _architectures() -> list[str]:
    """Those that this torch has kernels for, such as sm_90."""
    return [arch for arch in torch.cuda.get_arch_list() if arch.startswith("sm_") and arch[3:].isdecimal()]


def doctor(cfg: Any = None) -> None:
    """Print what this machine can do and what runs choose by it, to paste into a report of a fault."""
    print("\n".join(f"{name + ':':15}{said}" for name, said in findings()))


def findings() -> Iterator[tuple[str, str]]:
    """What `doctor` prints, line by line: what it is about, and what was found."""
    yield (
        "versions",
        f"torch {torch.__version__}, "
        + ", ".join(f"{name} {_version(name)}" for name in (DISTRIBUTION, "lightning", "numpy")),
    )
    yield "system", f"Python {platform.python_version()}, {platform.platform()}"
    total = memory()
    yield (
        "CPU",
        f"{platform.machine()}, {os.cpu_count()} cores, {'unknown' if total is None else _gib(total)} of memory, "
        f"{'bf16' if cpu_has_bf16() else 'no bf16'}",
    )
    yield "threads", f"{torch.get_num_threads()} of torch; threads=… or conf/run says how many a run takes"
    fault = why_no_gpu()
    if fault is not None:
        yield "GPU", f"none: {fault}{'; give trainer=cpu' if torch.cuda.is_available() else ''}"
    else:
        for place in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(place)
            yield (
                f"GPU {place}",
                f"{card.name}, {_gib(card.total_memory)}, compute {card.major}.{card.minor}",
            )
        yield "CUDA", f"{torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
        yield "bf16", "yes" if has_bf16() else "no; mixed precision is fp16 with a gradient scaler"
        yield "TF32", f"{'yes' if card.major >= 8 else 'no'}; runs on CUDA allow it in float32"
    chosen = precision("auto", "gpu" if fault is None else "cpu")
    where = "GPU" if fault is None else "CPU"
    why = f"this {where} {'computes' if chosen == 'bf16-mixed' else 'does not compute'} in bf16"
    yield "precision", f"{chosen}, where trainer.precision is auto or mixed: {why}"
    yield "channels last", "always, of convolutions; the layout in which they are fastest on CPU and CUDA"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def memory() -> int | None:
    """Bytes of the machine, where the system tells."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
