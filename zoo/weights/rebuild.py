"""The network of an artefact, built from its header and filled with its tensors; sizes are compared before."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from warnings import catch_warnings, simplefilter

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from zoo import models
from zoo.errors import ArtefactError, ConfigError, SpecError, ZooError, first_line
from zoo.files import quoted
from zoo.spec import Calibration, Spec

MAX_TENSORS = 10_000
MAX_OPTION = 10_000  # or as many as there are weights; an option above that asks for what is not there
INITIALISERS = {function for name, function in vars(nn.init).items() if name.endswith("_") and name[0] != "_"}


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        ArtefactError: they cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        return from_bytes(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        # a KeyError for types of numbers that torch does not have
        raise ArtefactError(f"its tensors cannot be read: {first_line(error)}") from error


def rebuild(header: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[nn.Module, Spec, Calibration]:
    """Build the network without memory for its parameters, and fill it after names and shapes are found to fit.

    Raises:
        ArtefactError: its model is unknown or cannot be built, or its tensors do not fit, or are not finite.
    """
    if len(tensors) > MAX_TENSORS:
        raise ArtefactError(f"it has {len(tensors):,} tensors; {MAX_TENSORS:,} is the limit")
    weights = [tensor.numel() for tensor in tensors.values() if tensor.numel()]
    _check_options(header["options"], max(MAX_OPTION, sum(weights)))
    try:
        spec, calibration = Spec.from_json(header["spec"]), Calibration.from_json(header["calibration"])
        calibration.check(spec.output)
        _check_registered(header)
        _check_text(header["spec"])
        with (
            torch.device("meta"),
            _Undrawn(),
            _float32_by_default(),
            _parameters_at_most(2 * len(weights) + 1000),
            catch_warnings(),
        ):
            simplefilter("ignore")  # of parameters without numbers; their shapes are compared below
            network = models.build(header["model"], spec, **header["options"])
    except ConfigError as error:
        raise ArtefactError(str(error)) from error
    except (ZooError, TypeError, ValueError, ArithmeticError, RuntimeError, LookupError, MemoryError) as error:
        raise ArtefactError(f"its {quoted(header['model'])} cannot be built: {first_line(error)}") from error
    expected = network.state_dict()
    for fault in _shape_errors(expected, tensors):
        raise ArtefactError(fault)
    filled = {name: _as_built(tensor, expected[name]) for name, tensor in tensors.items()}
    floats = {name: tensor for name, tensor in filled.items() if tensor.is_floating_point() and tensor.numel()}
    if floats and not torch.stack([end for tensor in floats.values() for end in tensor.aminmax()]).isfinite().all():
        name = next(name for name, tensor in floats.items() if not tensor.isfinite().all())
        raise ArtefactError(f"{name} holds numbers that are not finite (NaN or infinite)")
    network.load_state_dict(filled, assign=True)
    return network, spec, calibration


def _as_built(tensor: Tensor, built: Tensor) -> Tensor:
    """A file may hold floats in a smaller precision, and knows no layout; the network's are those it is fast with."""
    last = built.ndim == 4 and built.stride() != tensor.stride()
    return tensor.to(built.dtype, memory_format=torch.channels_last if last else torch.preserve_format)


def _check_options(option: Any, most: int, name: str = "") -> None:
    """Refuse numbers, and lists of them, that no network of so many weights has."""
    if isinstance(option, dict):
        for key, value in option.items():
            _check_options(value, most, str(key))
    elif isinstance(option, list):
        if len(option) > MAX_TENSORS:
            raise ArtefactError(f"its option {quoted(name)} is a list of {len(option):,} entries")
        for value in option:
            _check_options(value, most, name)
    elif isinstance(option, (int, float)) and not abs(option) <= most:  # NaN fails too
        raise ArtefactError(f"its option {quoted(name)} is {quoted(option)}: a larger network than its tensors make")


def _check_registered(header: dict[str, Any]) -> None:
    """See that the model is registered, or say which module did that where it was trained; it is never imported."""
    try:
        models.find(header["model"])
    except ConfigError as error:
        plugin = header.get("plugin")
        if not isinstance(plugin, str) or not re.fullmatch(r"[\w.]{1,100}", plugin):
            raise
        known = f"its model {quoted(header['model'])} is not registered"
        by_module = f"; {plugin} did that: if you trust it, import it, or give plugins=[{plugin}]"
        in_script = "; a notebook or a script did that: run the part with zoo.register_model"
        fault = known + (in_script if plugin == "__main__" else by_module)
        raise ConfigError(fault) from error


def _check_text(spec: dict[str, Any]) -> None:
    """See that pandas can hold the names and values of a table's columns."""
    try:
        json.dumps(spec["input"].get("columns"), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SpecError("a name or value of its table is no text: it holds a lone surrogate") from error


class _Undrawn(TorchFunctionMode):
    """Has `nn.init` leave tensors as they are: without memory it draws nothing, and takes most of the time to build."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in INITIALISERS:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


@contextmanager
def _float32_by_default() -> Iterator[None]:
    """Networks compute in float32, whatever the type that a program has set."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def _parameters_at_most(count: int) -> Iterator[None]:
    """Refuse to build more parameters: the options of a hostile file may ask for any number of layers."""
    builder, built = threading.get_ident(), 0

    def counted(*_: Any) -> None:
        nonlocal built
        built += threading.get_ident() == builder
        if built > count:
            raise ArtefactError("its options ask for a larger network than its tensors make")

    hook = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        hook.remove()


def _shape_errors(expected: dict[str, Tensor], tensors: dict[str, Tensor]) -> Iterator[str]:
    if missing := sorted(expected.keys() - tensors.keys()):
        yield f"it lacks the tensors {', '.join(missing[:3])}{' …' * (len(missing) > 3)}"
    if extra := sorted(tensors.keys() - expected.keys()):
        yield f"it has tensors that its model does not: {', '.join(extra[:3])}{' …' * (len(extra) > 3)}"
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            yield f"{name} has shape {list(tensor.shape)}, and its model takes {list(expected[name].shape)}"
        floats = tensor.is_floating_point() and expected[name].is_floating_point()
        if tensor.dtype != expected[name].dtype and not floats:
            yield f"{name} is {tensor.dtype}, and its model takes {expected[name].dtype}"
