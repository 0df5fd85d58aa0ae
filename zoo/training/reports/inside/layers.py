"""How activations and gradients of each layer are distributed, epoch by epoch.

Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, look at networks
in this way. The same few validation examples are looked at after an epoch, ten times a run or so, so that a step
of training waits for nothing.

Shape letters: Q quantiles.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from zoo import plots
from zoo.data.core.examples import Batch, Examples
from zoo.files import one_line
from zoo.plots import QUANTILES
from zoo.tasks.task import Task

log = logging.getLogger(__name__)

FILE = "layers.csv"
LOOKED = 32  # examples
LOOKS = 10  # of a run
SHOWN = 6  # layers of a plot
MOST = 20_000  # numbers of which quantiles are taken
ACTIVATIONS, GRADIENTS = "what goes into the layer", "size of its weights' gradients"
FIELDS = ["epoch", "layer", "quantity", *(f"{quantile:.0%}" for quantile in QUANTILES)]


class LayerStatistics(Callback):
    """Writes quantiles of each layer's inputs and of its weights' gradients to `layers.csv` of the run's folder.

    A run that goes on from a checkpoint repeats rows of epochs that it repeats; the last ones count. What fails is said
    once, in the log file, and the run goes on.

    Args:
        batch: as the task's `training_step` takes it.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.works = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not (self.works and trainer.is_global_zero and _is_due(trainer)):
            return
        assert isinstance(pl_module, Task)
        try:
            found = layer_quantiles(pl_module, move_data_to_device(self.batch, pl_module.device))
            _write(Path(trainer.default_root_dir) / FILE, 1 + trainer.current_epoch, found)
        except Exception as error:
            self.works = False
            log.debug("layers are not looked at: %s", one_line(str(error), 200), exc_info=True)


def _is_due(trainer: L.Trainer) -> bool:
    epochs, number = max(1, trainer.max_epochs or 1), 1 + trainer.current_epoch
    return number in (1, epochs) or number % -(-epochs // LOOKS) == 0


def callbacks(splits: Mapping[str, Examples]) -> list[Callback]:
    examples = splits["val"]
    return [LayerStatistics(examples.__getitems__(torch.arange(min(LOOKED, len(examples)))))]


def layers_of(network: nn.Module) -> dict[str, tuple[nn.Module, list[nn.Parameter]]]:
    """The layers with weights, by name, in their order, and those weights; embeddings and normalisation are none."""
    found = {}
    for name, part in network.named_modules():
        weights = [weight for weight in part.parameters(recurse=False) if weight.ndim > 1 and weight.requires_grad]
        if name and weights and not isinstance(part, nn.Embedding):
            found[name.removesuffix(".rnn")] = (part, weights)
    return found


def layer_quantiles(task: Task, batch: Any) -> dict[str, dict[str, list[float]]]:
    """By layer and quantity, in the network that is trained, in eval mode: quantiles (Q,) of the numbers that go into
    the layer, and of the absolute gradients of its weights, without those that are 0.

    Nothing of the task changes: neither gradients nor statistics nor what it records.
    """
    layers = layers_of(task.network)
    inputs: dict[str, Tensor] = {}
    with _evaluated(task.network), torch.enable_grad():
        hooks = [part.register_forward_pre_hook(_keeps(inputs, name)) for name, (part, _) in layers.items()]
        try:
            loss = task.unrecorded_loss(batch)
        finally:
            for hook in hooks:
                hook.remove()
        weights = [weight for _, its in layers.values() for weight in its]
        gradients = iter(torch.autograd.grad(loss, weights, allow_unused=True))
    found: dict[str, dict[str, Tensor]] = {}
    for name, (_, its) in layers.items():
        # On the CPU: there are several copies of them, which on a GPU would be the most that a run takes
        own = [gradient.cpu().abs().flatten() for gradient in (next(gradients) for _ in its) if gradient is not None]
        found[name] = {ACTIVATIONS: _quantiles(inputs[name].flatten())} if name in inputs else {}
        if own and len(moving := (joined := torch.cat(own))[joined > 0]):
            found[name][GRADIENTS] = _quantiles(moving)
    return {name: {quantity: values.tolist() for quantity, values in its.items()} for name, its in found.items()}


def _keeps(inputs: dict[str, Tensor], name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    def keep(module: nn.Module, given: tuple[Any, ...]) -> None:
        inputs.setdefault(name, given[0].detach())  # of several calls the first

    return keep


def _quantiles(values: Tensor) -> Tensor:
    """Of numbers (N,), of many those of evenly chosen ones."""
    values = values.detach().float()
    values = values[:: -(-len(values) // MOST)]
    return values.quantile(torch.tensor(QUANTILES, device=values.device)).cpu()


@contextmanager
def _evaluated(network: nn.Module) -> Iterator[None]:
    """A network in eval mode, with recurrent layers in the mode in which cuDNN passes gradients through, and with the
    gates beside a linear part open, as they are in training; then as it was."""
    modes = {part: part.training for part in network.modules()}
    gates = {buffer: buffer.clone() for name, buffer in network.named_buffers() if name.split(".")[-1] == "gate"}
    network.eval()
    for gate in gates:
        gate.fill_(1.0)
    for part in modes:
        if isinstance(part, nn.RNNBase):  # of one layer, and so the same
            part.training = True
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        for gate, value in gates.items():
            gate.copy_(value)


def _write(path: Path, epoch: int, found: Mapping[str, Mapping[str, list[float]]]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(FIELDS)
        for layer, quantities in found.items():
            for quantity, values in quantities.items():
                writer.writerow([epoch, layer, quantity, *(f"{value:.5g}" for value in values)])


def read(path: Path) -> dict[str, dict[str, dict[int, list[float]]]]:
    """By layer, quantity and epoch the quantiles of a file; of an epoch that stands there twice, the last ones."""
    layers: dict[str, dict[str, dict[int, list[float]]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            its = layers.setdefault(row["layer"], {}).setdefault(row["quantity"], {})
            its[int(row["epoch"])] = [float(row[field]) for field in FIELDS[3:]]
    return layers


def draw(folder: Path) -> dict[str, str]:
    """Draw what a run's `layers.csv` says, where there are two epochs to compare."""
    if not (folder / FILE).exists():
        return {}
    layers = read(folder / FILE)
    epochs = {epoch for its in layers.values() for quantity in its.values() for epoch in quantity}
    if len(epochs) < 2:
        return {}
    names = list(layers)
    if len(names) > SHOWN:
        names = [names[round(place * (len(names) - 1) / (SHOWN - 1))] for place in range(SHOWN)]
    shown = {
        name: {quantity: layers[name].get(quantity, {}) for quantity in (ACTIVATIONS, GRADIENTS)} for name in names
    }
    plots.layer_bands(shown, folder / "layers.png")
    some = f" ({SHOWN} of {len(layers)} layers)" if len(layers) > SHOWN else ""
    return {
        "layers.png": f"Activations and gradients by layer{some}, from the input down to the output: the median, and "
        "bands that hold the middle half and nine tenths, on the same validation examples. Look for bands that keep "
        "their width. Where activations shrink to 0 or grow from layer to layer, or gradients are much smaller near "
        "the input, the first layers hardly learn."
    }
