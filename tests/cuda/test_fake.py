"""Every cell with fake CUDA tensors, which know sizes, types and devices and hold no numbers: a step of each kind.

What a GPU would refuse raises here, and so does what a training step would wait for.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.utilities.types import LRSchedulerConfig
from omegaconf import DictConfig
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torchmetrics import Metric

from zoo import private
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.parts import make_data, make_task

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU says more than fake tensors")
CUDA = torch.device("cuda:0")
FAKE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all, since tables that are kept belong to one
FEW = 4  # examples of a batch, the shortest: each operator takes as long for few numbers as for many
INDEXING = {"index", "index_put", "index_put_", "_unsafe_index"}
RECURRENT = {"lstm", "gru", "rnn_tanh"}


class Fault(Exception):
    """What a GPU would refuse, or a step would wait for."""


# The device


class Operators(TorchDispatchMode):
    """Sees what FakeTensorMode lets pass: a table on the CPU that is indexed on the device, and what is copied.

    While `reads` is true, copies are allowed and numbers may be read, of which all are 0, or true.
    """

    reads = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, func._schema.name.split("::")[1]
        if name in INDEXING:
            args = (args[0], self._indices(args[0], args[1]), *args[2:])
        if name in ("_to_copy", "copy_") and not self.reads:
            source, target = (args[1], args[0].device) if name == "copy_" else (args[0], kwargs.get("device"))
            crosses = target is not None and torch.device(target).type != source.device.type
            if crosses and not (kwargs.get("non_blocking") and target.type == "cuda"):
                raise Fault(f"a copy from {source.device.type} to {torch.device(target).type}")
        if self.reads and name == "_local_scalar_dense":
            return 0.0 if args[0].is_floating_point() else args[0].dtype != torch.bool and 0
        if self.reads and name == "_unique2":
            return args[0].flatten(), torch.zeros_like(args[0], dtype=torch.long), torch.ones_like(args[0]).flatten()
        return func(*args, **kwargs)

    def _indices(self, table: Tensor, indices: Sequence[Tensor | None]) -> list[Tensor | None]:
        places = {index.device.type for index in indices if index is not None}
        if table.device.type == "cpu" and "cuda" in places:
            raise Fault("a table on the CPU is indexed by a tensor on the device")
        if table.is_cuda and "cpu" in places and not self.reads:
            raise Fault("an index on the CPU is copied to the device")
        chosen: list[Tensor | None] = []
        for index in indices:
            if self.reads and index is not None and index.dtype == torch.bool:
                chosen += [index.new_zeros(index.numel(), dtype=torch.long)] * index.ndim  # all of them
            else:
                chosen.append(index)
        return chosen


class Calls(TorchFunctionMode):
    """Sees that a generator is of the device that draws, and stands in for kernels that have no fake one."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name in RECURRENT and args[0].is_cuda:
            return _recurrent(*args)
        if name == "_fused_sgd_":
            devices = {part.device for part in tree_leaves(args) if isinstance(part, Tensor)}
            if devices != {CUDA}:
                raise Fault(f"parameters, gradients and states on {devices}")
            return None
        if (generator := kwargs.pop("generator", None)) is not None:
            drawn_on = torch.device(kwargs["device"] if kwargs.get("device") else getattr(args[0], "device", "cpu"))
            if generator.device.type != drawn_on.type:
                raise Fault(f"a generator of {generator.device.type} for {name} on {drawn_on.type}")
            if drawn_on.type == "cpu":
                kwargs["generator"] = generator
        return func(*args, **kwargs)


def _recurrent(x: Tensor, state: Any, weights: Sequence[Tensor], *_: Any) -> tuple[Tensor, ...]:
    """What depends on all that a recurrent layer (batch first, one direction) takes, in the sizes that it gives."""
    states = [state] if isinstance(state, Tensor) else list(state)
    into, through, *biases = weights
    gates = functional.linear(x, into, biases[0]) + functional.linear(states[0], through, biases[1]).transpose(0, 1)
    outputs: Any = sum(gates.split(states[0].shape[2], dim=2)) + states[-1].transpose(0, 1)
    return outputs, *(outputs[:, -1:].transpose(0, 1) + one for one in states)


class Generator(torch.Generator):
    """A generator of CUDA's, which torch makes only where there is a GPU."""

    device = CUDA


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Gives a context with a CUDA device of fake tensors, which gives the `Operators` within it."""
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)  # autocast is
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # as it is; each operator asks, and a library loads
    real = torch.Generator
    chosen = lambda device="cpu": Generator() if torch.device(device).type == "cuda" else real(device)  # noqa: E731
    monkeypatch.setattr(torch, "Generator", chosen)
    monkeypatch.setattr(torch.autograd, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    torch.use_deterministic_algorithms(True)  # since torch's CTC has no fake kernel

    @contextmanager
    def device() -> Iterator[Operators]:
        with torch.backends.cudnn.flags(enabled=False), FAKE, Operators() as operators, Calls():
            yield operators

    yield device
    torch.use_deterministic_algorithms(False)


# Backward passes: the engine of torch asks a GPU for its streams, so that nodes are called one by one


def gradients(outputs: Sequence[Tensor], slopes: Sequence[Tensor]) -> dict[Any, list[Any]]:
    """The gradients that reach each node of a graph."""
    waiting: dict[Any, int] = defaultdict(int)  # for gradients of so many nodes
    seen: set[Any] = set()
    stack = [output.grad_fn for output in outputs]
    while stack:
        if (node := stack.pop()) not in seen:
            seen.add(node)
            following = [after for after, _ in node.next_functions if after is not None]
            stack += following
            for after in following:
                waiting[after] += 1
    found: dict[Any, list[Any]] = {}
    for output, slope in zip(outputs, slopes):
        _add(found, output.grad_fn, output.output_nr, slope)
    ready = [node for node in {output.grad_fn for output in outputs} if not waiting[node]]
    while ready:
        node = ready.pop()
        if hasattr(node, "variable"):  # a leaf
            continue
        results = node(*found[node]) if any(slope is not None for slope in found[node]) else None
        results = results if isinstance(results, tuple) else (results,) * len(node.next_functions)
        for (after, place), slope in zip(node.next_functions, results):
            if after is not None:
                _add(found, after, place, slope)
                waiting[after] -= 1
                if not waiting[after]:
                    ready.append(after)
    return found


def _add(found: dict[Any, list[Any]], node: Any, place: int, slope: Tensor | None) -> None:
    slots = found.setdefault(node, [None] * len(node._input_metadata))
    if slope is None:
        return
    wanted = node._input_metadata[place]
    if slope.device != wanted.device:
        raise Fault(f"{node.name()} is on {wanted.device}, and has a gradient on {slope.device}")
    slope = slope.sum_to_size(wanted.shape).to(wanted.dtype)
    slots[place] = slope if slots[place] is None else slots[place] + slope


def backward(outputs: Any, *_: Any, **__: Any) -> None:
    """As `torch.autograd.backward`."""
    outputs = [outputs] if isinstance(outputs, Tensor) else outputs
    with torch.no_grad():
        for node, (slope, *_) in gradients(outputs, [torch.ones_like(output) for output in outputs]).items():
            if (leaf := getattr(node, "variable", None)) is not None and slope is not None:
                leaf.grad = slope if leaf.grad is None else leaf.grad + slope


def grad(outputs: Any, inputs: Any, *_: Any, create_graph: bool = False, **__: Any) -> tuple[Any, ...]:
    """As `torch.autograd.grad`."""
    outputs, inputs = ([given] if isinstance(given, Tensor) else given for given in (outputs, inputs))
    with torch.set_grad_enabled(create_graph):
        found = gradients(outputs, [torch.ones_like(output) for output in outputs])
    leaves = {id(node.variable): slots[0] for node, slots in found.items() if hasattr(node, "variable")}
    return tuple(leaves[id(x)] if x.grad_fn is None else found[x.grad_fn][x.output_nr] for x in inputs)


# The steps


class Cell:
    """A cell whose trainer never fits: its task, and batches of its data."""

    def __init__(self, cfg: DictConfig) -> None:
        self.data = make_data(cfg, {})
        self.data.setup("fit")
        self.task: Task = make_task(cfg, self.data.spec)
        report.initialise(self.task, self.data.splits)
        self.precision = MixedPrecision("bf16-mixed", "cuda")
        strategy = SingleDeviceStrategy(CUDA, CPUAccelerator(), precision_plugin=self.precision)
        quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
        self.trainer: Any = L.Trainer(strategy=strategy, max_epochs=1, **quiet)
        private.attach(self.trainer, self.task, self.data)
        self.batches = {split: self._batch(split) for split in ("train", "val")}
        self._to_device()
        strategy.connect(self.task)
        strategy.optimizers, schedules = private.optimizers_of(self.task)
        strategy.lr_scheduler_configs = [LRSchedulerConfig(schedule) for schedule in schedules]

    def _to_device(self) -> None:
        parts: list[nn.Module] = list(self.task.modules())
        for metric in parts:
            if hasattr(metric, "_evaluator"):  # a network that is no part of it, and may be another's, too
                (evaluator,) = metric._evaluator = copy.deepcopy(metric._evaluator)  # type: ignore[assignment, misc]
                parts += evaluator.network.modules()
                evaluator.network.to = partial(lambda network, *_: network, evaluator.network)  # it is there
        with FAKE, torch.backends.cudnn.flags(enabled=False):
            for part in dict.fromkeys(parts):  # each once: a fake tensor cannot be moved
                alone = {} if isinstance(part, Metric) else {"recurse": False}
                part._apply(lambda tensor: tensor.to(CUDA), **alone)
        self.task._device = CUDA  # type: ignore[assignment]

    def _batch(self, split: str) -> Any:
        examples = self.data.splits[split]
        rows = torch.arange(len(examples)) if examples.lengths is None else examples.lengths.argsort()
        return examples.__getitems__(rows[:FEW])  # type: ignore[arg-type]

    def batch(self, split: str) -> Any:
        there = self.task.transfer_batch_to_device(self.batches[split], CUDA, 0)
        return self.data.on_after_batch_transfer(there, 0)

    def train(self, batch: Any) -> None:
        """One step, but without the gradient scaler of fp16, which looks at numbers."""
        task, self.trainer.training = self.task, True
        with self.precision.train_step_context():
            loss: Any = task.training_step(batch, 0)
        if task.automatic_optimization:
            (optimizer,) = self.trainer.optimizers
            task.optimizer_zero_grad(0, 0, optimizer)
            loss.backward()
            task.on_before_optimizer_step(optimizer)
            optimizer.step()
            task.update_average()

    @torch.no_grad()
    def validate(self, batch: Any) -> None:
        self.task.eval()
        self.trainer.validating = True
        with self.precision.val_step_context():
            self.task.validation_step(batch, 0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, compose: Callable[..., DictConfig], overrides: list[str]) -> Cell:
    monkeypatch.setattr("zoo.data.core.data_module.fits_on_gpu", lambda *_: False)  # fake tensors keep no data
    return Cell(compose("train", "trainer=gpu", "folder=null", *overrides))


@pytest.mark.slow
def test_steps_in_both_precisions(made: Cell, device: Callable[[], Any]) -> None:
    """The first step, which may bring tables to the device, in bf16; one in fp16 that waits for nothing; the others."""
    with device() as operators:
        batch = made.batch("train")
        made.train(batch)
        made.precision.precision, operators.reads = "16-mixed", False
        made.train(batch)
        operators.reads = True
        batch = made.batch("val")
        made.validate(batch)
        made.task.predict_step(batch, 0)
    trained = [parameter for parameter in made.task.network.parameters() if parameter.requires_grad]
    assert {parameter.device for parameter in trained} == {CUDA}


FAULTS: dict[str, Callable[[Tensor], Any]] = {
    "a table on the CPU": lambda loss: torch.arange(9.0)[loss.long()[None]],
    "an index on the CPU": lambda loss: loss[None][torch.zeros(2, dtype=torch.long)],
    "two devices": lambda loss: loss + torch.ones(3),
    "a generator of the CPU": lambda loss: torch.rand(2, device=loss.device, generator=torch.Generator()),
    "a generator of the device": lambda loss: torch.rand(2, generator=torch.Generator(loss.device)),
    "a number is read": float,
    "a choice by numbers": lambda loss: loss[None][loss[None] > 0],
    "numbers copied to the device": lambda loss: loss + torch.tensor([1.0, 2.0], device=loss.device),
    "numbers copied to the host": lambda loss: loss.cpu(),
}


@pytest.mark.parametrize("cell", ["mlp-regression"], indirect=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_step_is_seen(
    monkeypatch: pytest.MonkeyPatch, made: Cell, device: Callable[[], Any], fault: str
) -> None:
    monkeypatch.setattr(Task, "record", lambda task, loss: FAULTS[fault](loss))
    with device() as operators:
        batch = made.batch("train")
        operators.reads = False
        with pytest.raises((Fault, RuntimeError), match=r"device|generator|copy|aten\."):
            made.train(batch)
