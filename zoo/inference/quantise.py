"""ONNX files in whole numbers of 8 bits, and what that costs: the metrics of the test split, before and after.

Weights are stored in 8 bits, and activations are scaled to 8 bits batch by batch (dynamic quantization).
"""

from __future__ import annotations

import logging
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from zoo.errors import ArtefactError, ConfigError, DataError
from zoo.inference.answers import network_output
from zoo.inference.evaluate import measure
from zoo.inference.program import Program
from zoo.inference.raw import unprepared
from zoo.models import RBM
from zoo.spec import Features, Seed, Series, Strokes, TextLine, Tokens, Topics
from zoo.weights.artefact import Artefact

log = logging.getLogger(__name__)

OF_OUTPUTS = ("accuracy", "auroc", "r2", "rmse", "mae")  # of an RBM; its energies and likelihoods are no outputs


def quantise(file: Path) -> None:
    """Quantise an ONNX file in place; its metadata stays.

    Raises:
        ConfigError: onnxruntime cannot quantise it, or cannot run the result.
    """
    import onnx
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = file.with_suffix(".quantised.onnx")
    props = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises on its own preprocessing
    try:
        quantize_dynamic(file, made, weight_type=QuantType.QUInt8)
        written = onnx.load(made)
        onnx.helper.set_model_props(written, props)
        onnx.save(written, made)
        onnxruntime.InferenceSession(str(made), providers=["CPUExecutionProvider"])
        os.replace(made, file)
    except Exception as error:  # it fails in ways of its own
        file.unlink(missing_ok=True)
        raise ConfigError(f"onnxruntime cannot quantise this network: {str(error).splitlines()[0]}") from error
    finally:
        logging.disable(level)
        made.unlink(missing_ok=True)


def compare(artefact: Artefact, file: Path, root: Path) -> dict[str, tuple[float, float]]:
    """Print the metrics of the test split of the network, and of an ONNX file of it; gives both by name.

    Where they cannot be measured, a line says why: the data is not at hand, or the metrics are not of the outputs.
    """
    if isinstance(artefact.spec.output, Features | Tokens | Topics) or isinstance(artefact.spec.input, Seed):
        log.warning("no metric of %s: those of %s are not of its outputs alone", file, artefact.spec)
        return {}
    forward, network = OnnxForward(file, artefact), deepcopy(artefact.network)
    network.forward = forward  # of the same class, with the methods that a task asks for
    try:
        before = measure(artefact, root, accelerator="cpu")
        after = measure(replace(artefact, network=network), root, accelerator="cpu", callbacks=[Recorder(forward)])
    except (ArtefactError, DataError) as error:
        log.warning("no metric of %s: %s", file, error)
        return {}
    names = [name for name in before if not isinstance(artefact.network, RBM) or name.endswith(OF_OUTPUTS)]
    print(f"{'metric':24} {'float':>10} {'int8':>10}")
    for name in names:
        print(f"{name:24} {before[name]:10.5g} {after[name]:10.5g}")
    return {name: (before[name], after[name]) for name in names}


class OnnxForward:
    """An ONNX file as the `forward` of the network that it was exported from: what was prepared becomes raw again.

    Lines of text are taken from the batch that a `Recorder` saw last, since each was scaled in its own way, and so are
    the contexts of forecasts.
    """

    def __init__(self, file: Path, artefact: Artefact) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.program = Program(artefact)
        self.batch: Any = None

    def __deepcopy__(self, memo: object) -> OnnxForward:
        return self  # a task that averages weights copies its network, and a session has no copies

    def __call__(self, *prepared: Tensor) -> Tensor:
        described = self.program.spec.input
        recorded = isinstance(described, TextLine | Strokes) or (
            isinstance(described, Series) and described.context_length
        )
        batch = self.batch if recorded else unprepared(described, *prepared)
        taken = {entry.name for entry in self.session.get_inputs()}
        raw = zip((port.name for port in self.program.inputs), self.program.raw(batch))
        answers = self.session.run(None, {name: tensor.cpu().numpy() for name, tensor in raw if name in taken})
        return network_output(self.program.spec.output, torch.from_numpy(np.asarray(answers[0])))


class Recorder(L.Callback):
    """Keeps the encoded inputs of each test batch for an `OnnxForward`."""

    def __init__(self, forward: OnnxForward) -> None:
        self.forward = forward

    def on_test_batch_start(self, trainer: Any, task: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.forward.batch = batch[0]
