"""Whether a network from outside gives what its spec says, seen from one small batch before anything is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo import models
from zoo.errors import ConfigError
from zoo.files import one_line, quoted
from zoo.spec import Classes, Image, MultiLabel, Spec, Table, Values
from zoo.weights.samples import random_inputs

BATCH = 3


def check_output(name: str, network: Any, spec: Spec) -> None:
    """Run a network in eval mode on random input that fits its spec; the zoo's own networks are left alone.

    Raises:
        ConfigError: it is no nn.Module, it fails on such input, or its output is of another shape than the spec's, or
            probabilities where it is to be logits.
    """
    if not isinstance(network, nn.Module):
        raise ConfigError(f"model: {name} gives {quoted(type(network).__name__)}, and not an nn.Module")
    wanted = _shape(spec)
    if wanted is None or type(network).__module__.startswith("zoo.models."):
        return
    batch = _random_batch(spec.input)
    shapes = ", ".join(_told(part) for part in (batch if isinstance(batch, tuple) else (batch,)))
    training = network.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            found = models.apply(network.eval(), batch)
    except Exception as error:  # whatever a network from outside may raise
        fault = f"{type(error).__name__}: {error}"
        raise ConfigError(one_line(f"model: {name} fails on a batch of {shapes} ({fault})")) from error
    finally:
        network.train(training)
    if not isinstance(found, Tensor) or tuple(found.shape) != wanted or not found.is_floating_point():
        got = f"{_told(found)} of {found.dtype}" if isinstance(found, Tensor) else quoted(type(found).__name__)
        want = " x ".join(map(str, wanted))
        raise ConfigError(f"model: {name} gives {got} for a batch of {shapes}; {spec} wants floats {want}")
    if isinstance(spec.output, Classes) and bool(((found >= 0).all()) & ((found.sum(dim=1) - 1).abs() < 1e-3).all()):
        raise ConfigError(f"model: {name} gives probabilities, and a loss wants logits: leave out its softmax")


def _shape(spec: Spec) -> tuple[int, ...] | None:
    """The shape of the output for a batch, for kinds of output where it is known."""
    output = spec.output
    if isinstance(output, Classes | MultiLabel) or type(output) is Values:
        return BATCH, output.outputs
    if isinstance(output, Image) and output.stacks:
        return BATCH, output.channels, *output.size
    return None


def _random_batch(described: Any) -> Any:
    """What the network takes for random input."""
    raw = random_inputs(described, BATCH)
    if isinstance(described, Table):
        return described.prepare(described.encode([row for (row,) in raw]))
    return described.prepare(described.collate([described.encode(*example) for example in raw]))


def _told(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))
