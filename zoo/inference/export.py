"""Trained networks for other programs: ONNX, TorchScript and torch.export, each checked against torch.

What is exported stands alone (`zoo.inference.program`): it takes raw pixels, numbers or codes, and gives
probabilities, values or pixels. What these are, labels, thresholds and the spec go with it as JSON: each is an entry of
the metadata of an ONNX file, and all are `zoo.json` within TorchScript and torch.export files.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from zoo.errors import ConfigError, first_line, install, unknown
from zoo.files import output_path
from zoo.inference.program import Program, run
from zoo.inference.raw import Port
from zoo.progress import busy
from zoo.spec import Image, Table
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load
from zoo.weights.samples import random_inputs

log = logging.getLogger(__name__)

ENDINGS = {"onnx": ".onnx", "torchscript": ".pt", "torch_export": ".pt2"}
RELATIVE, ABSOLUTE = 1e-3, 1e-4  # by what an exported network may differ from torch
OPSET = 18
LONGEST = 36  # about, of the random inputs that a program is compared on, in pixels, tokens or steps
Arguments = tuple[Tensor, ...]
Dynamic = list[set[int]]  # of each argument the dimensions whose size may differ from call to call


def export(cfg: DictConfig) -> Path:
    """Export one network, as `conf/use/export.yaml` describes it; gives the file.

    Raises:
        ConfigError: an unknown format, or a network that the format cannot hold; the message says why.
        ArtefactError: a model that cannot be loaded.
    """
    if cfg.format not in ENDINGS:
        raise ConfigError(unknown("format", cfg.format, ENDINGS))
    if cfg.int8 and cfg.format != "onnx":
        raise ConfigError(f"int8=true is for format=onnx, not for {cfg.format}")
    artefact = load(cfg.model)
    name = Path(cfg.model).name.removesuffix(".safetensors")
    file = output_path(cfg.output or f"{name}{'.int8' * cfg.int8}{ENDINGS[cfg.format]}", [cfg.model])
    if file.is_dir():
        raise ConfigError(f"output: {file} is a folder; give a file in it")
    try:
        with busy("exporting"):
            dynamic = export_artefact(artefact, file, cfg.format)
            if cfg.int8:
                from zoo.inference.quantise import compare, quantise

                quantise(file)
                compare(artefact, file, Path(cfg.root))
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}") from error
    shapes = ", ".join(f"{name}: {sorted(which)}" for name, which in dynamic.items())
    same = "in whole numbers of 8 bits" if cfg.int8 else "the same as torch on random inputs"
    log.info("%s, %s; dimensions of any size: %s", file, same, shapes)
    return file


def export_artefact(artefact: Artefact, file: Path, format: str) -> dict[str, set[int]]:  # noqa: A002
    """Export a network, and see that the exported one gives what it gives, on random inputs of several sizes.

    The artefact stays as it is, on its device: what is exported is a copy of its network.

    Args:
        artefact: whose network is exported.
        file: where to; nothing is left there if it cannot be done.
        format: onnx, torchscript or torch_export.

    Returns:
        For each argument by name the dimensions of any size: that of the batch, and length, height or width where
        inputs differ in them.

    Raises:
        ConfigError: the format cannot hold the network, or what it holds gives something else.
    """
    artefact = replace(artefact, network=deepcopy(artefact.network).cpu())
    program = Program(artefact).eval()
    longest = min(LONGEST, getattr(artefact.spec.input, "max_length", None) or LONGEST)
    extents = (round(longest * share) or 1 for share in (2 / 3, 1, 5 / 6))
    batches = [_raw(artefact, program, count, extent) for count, extent in zip((3, 5, 2), extents)]
    dynamic = [
        {place for place, sizes in enumerate(zip(*(argument.shape for argument in column))) if len(set(sizes)) > 1}
        for column in zip(*batches)
    ]
    names = [port.name for port in program.inputs]
    _check_that_it_is_one_graph(program, dynamic, format)
    expected = [run(program, batch) for batch in batches]  # and so what is cached is no tensor of a trace
    about = program.about(artefact)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder, _quiet():
        made = Path(folder, f"network{ENDINGS[format]}")
        try:
            answer = EXPORTERS[format](program, batches[0], dynamic, made, about)
            found = [_tensors(answer(*batch)) for batch in batches]
        except ImportError as error:
            raise ConfigError(
                f"exporting takes onnx, onnxruntime and onnxscript: {install('export')} ({error})"
            ) from error
        except Exception as error:  # each exporter fails in ways of its own
            raise ConfigError(f"{format} cannot hold this {artefact.model}: {first_line(error)}") from error
        for outputs, theirs in zip(found, expected):
            _compare(outputs, theirs)
        os.replace(made, file)
    return dict(zip(names, dynamic))


def _raw(artefact: Artefact, program: Program, count: int, extent: int) -> Arguments:
    """What the program takes for random inputs; those that may be of any size are of about `extent`."""
    described: Any = artefact.spec.input
    raw = random_inputs(described, count, extent)
    if isinstance(described, Image) and described.ink is not None:  # a program takes them before they are framed
        return (torch.stack([torch.from_numpy(image).permute(2, 0, 1) for (image,) in raw]),)
    if isinstance(described, Table):
        batch = described.encode([row for (row,) in raw])
    else:
        batch = described.collate([described.encode(*example) for example in raw])
    return program.raw(batch)


def _check_that_it_is_one_graph(program: Program, dynamic: Dynamic, format: str) -> None:  # noqa: A002
    recurrent = any(isinstance(module, nn.RNNBase) for module in program.modules())
    if format == "torch_export" and recurrent and any(which - {0} for which in dynamic):
        raise ConfigError(
            "torch.export unrolls recurrent layers to one length, and this network takes any; "
            "export it with format=onnx or format=torchscript"
        )


def _compare(found: Arguments, expected: Arguments) -> None:
    if len(found) != len(expected):
        raise ConfigError(f"the exported network gives {len(found)} tensors, and torch gives {len(expected)}")
    for mine, theirs in zip(found, expected):
        near = {"rtol": 0, "atol": 1} if theirs.dtype == torch.uint8 else {"rtol": RELATIVE, "atol": ABSOLUTE}
        try:
            torch.testing.assert_close(mine, theirs, **near, check_dtype=False, equal_nan=True)
        except AssertionError as error:
            raise ConfigError(f"the exported network gives something else than torch: {first_line(error)}") from error


# One function for each format: it writes the file, and gives what runs it


def _to_onnx(
    program: Program, arguments: Arguments, dynamic: Dynamic, file: Path, about: dict[str, Any]
) -> Callable[..., Any]:
    import onnx
    import onnxruntime

    names, outputs = [port.name for port in program.inputs], [port.name for port in program.outputs]
    if any(isinstance(module, nn.RNNBase) for module in program.modules()):
        # The new exporter would unroll recurrent layers to one length
        ports = [*zip(program.inputs, dynamic), *((port, _free(port)) for port in program.outputs)]
        axes = {port.name: {place: str(port.axes[place]) for place in which} for port, which in ports}
        torch.onnx.export(
            program,
            arguments,
            file,
            dynamo=False,
            dynamic_axes=axes,
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
        )
    else:
        torch.onnx.export(
            program,
            arguments,
            file,
            dynamo=True,
            dynamic_shapes=_shapes(dynamic),
            external_data=False,
            verbose=False,
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
        )
    written = onnx.load(file)
    for node in written.graph.node:
        del node.metadata_props[:]  # the stack where torch made it, which takes more space than the node
    onnx.helper.set_model_props(written, {name: json.dumps(value) for name, value in about.items()})
    onnx.checker.check_model(written)
    onnx.save(written, file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    taken = {entry.name for entry in session.get_inputs()}  # an argument that changes nothing is left out

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        fed = {name: tensor.numpy() for name, tensor in zip(names, given) if name in taken}
        return tuple(torch.from_numpy(np.asarray(output)) for output in session.run(None, fed))

    return run


def _to_torchscript(
    program: Program, arguments: Arguments, dynamic: Dynamic, file: Path, about: dict[str, Any]
) -> Callable[..., Any]:
    with torch.no_grad():
        traced = torch.jit.trace(program, arguments, check_trace=False)
    torch.jit.save(traced, file, _extra_files={"zoo.json": json.dumps(about)})
    return _without_gradients(torch.jit.load(file))


def _to_torch_export(
    program: Program, arguments: Arguments, dynamic: Dynamic, file: Path, about: dict[str, Any]
) -> Callable[..., Any]:
    with torch.no_grad():
        exported = torch.export.export(program, arguments, dynamic_shapes=_shapes(dynamic))
    torch.export.save(exported, file, extra_files={"zoo.json": json.dumps(about)})
    return _without_gradients(torch.export.load(file).module())


EXPORTERS = {"onnx": _to_onnx, "torchscript": _to_torchscript, "torch_export": _to_torch_export}


def _shapes(dynamic: Dynamic) -> tuple[tuple[dict[int, Any], ...]]:
    return (tuple(dict.fromkeys(which, torch.export.Dim.DYNAMIC) for which in dynamic),)  # of *raw


def _free(port: Port) -> set[int]:
    return {place for place, size in enumerate(port.axes) if isinstance(size, str)}


def _without_gradients(run: Callable[..., Any]) -> Callable[..., Any]:
    return torch.no_grad()(lambda *given: run(*given))


def _tensors(output: Any) -> Arguments:
    return tuple(output) if isinstance(output, (tuple, list)) else (output,)


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters tell much of what does not concern a user: deprecations of their own, and each step that they take."""
    disabled, threads = logging.root.manager.disable, torch.get_num_threads()
    logging.disable(max(disabled, logging.ERROR))
    try:
        with warnings.catch_warnings(), torch.random.fork_rng([]):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        torch.set_num_threads(threads)
