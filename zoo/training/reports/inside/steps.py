"""What a recurrent layer does as it reads a sentence: its gates, its memory and its state.

Shape letters: T steps, U units.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import plots
from zoo.models.rnn.gates import gates
from zoo.models.rnn.recurrent import Layer
from zoo.spec import Sentence, Text
from zoo.spec.text import words_of
from zoo.tasks.sequence import Tagging
from zoo.tasks.task import Task
from zoo.training.report import Evaluation, View

STEPS = 32  # that are drawn
BEST = 18  # steps of a text that is easy to follow; one of about so many is chosen
UNITS = 16
TITLES = {
    "input": "input gate",
    "forget": "forget gate",
    "output": "output gate",
    "reset": "reset gate",
    "update": "update gate",
    "cell": "memory",
    "hidden": "state",
}
READ = {
    "lstm": "The input gate lets a word in, the forget gate keeps the memory (bright is open), and the output gate "
    "shows it as the state. Look for memories that change at one word and stay until the end",
    "gru": "Where the update gate is bright, a unit keeps its old state. Look for states that change at one word and "
    "stay",
    "rnn": "Look how soon a state that a word has set is gone again: this is why gates were invented",
}


def views(task: Task, evaluation: Evaluation) -> dict[str, View]:
    """Those of a recurrent network of texts, by name."""
    return {"gates": partial(unit_maps, task, evaluation)}


def first_layer(network: nn.Module) -> Layer | None:
    """The recurrent layer that reads the input."""
    return next((part for part in network.modules() if isinstance(part, Layer)), None)


@torch.no_grad()
def unit_maps(task: Task, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw gates and states of the first recurrent layer over a text of the test split."""
    network = task.trained_network.eval()
    layer = first_layer(network)
    assert layer is not None
    codes = _sentence(evaluation).to(next(network.parameters()).device)
    vectors: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        vectors.append(inputs[0][0].detach())

    hook = layer.register_forward_pre_hook(keep)
    try:
        outputs = network(codes[None])
    finally:
        hook.remove()
    parts = gates(layer.rnn, vectors[0].float())
    busiest = parts["hidden"].std(dim=0).argsort(descending=True)[:UNITS]
    busiest = busiest[parts["hidden"][-1, busiest].argsort(descending=True)]
    shown = {TITLES[name]: values[:, busiest].cpu() for name, values in parts.items()}
    names = _names(task, codes)
    if isinstance(task, Tagging):
        labels = task.names
        names = [f"{name}  {labels[label]}" for name, label in zip(names, outputs[0].argmax(dim=-1).tolist())]
    plots.unit_maps(shown, names, folder / "gates.png")
    many = f"the {len(busiest)} busiest units" if len(busiest) < layer.rnn.hidden_size else "the units"
    steps = "character" if getattr(task.spec.input, "level", "words") == "characters" else "word"
    looked = READ[layer.cell].replace("word", steps)
    if isinstance(task, Tagging):
        looked += ". Each word stands with the label that it gets: look for units that change with the label"
    return {
        "gates.png": f"What {many} of the first {layer.cell.upper()} layer do at each {steps} of a text of the test "
        f"split, a unit a row. {looked}."
    }


def _sentence(evaluation: Evaluation) -> Tensor:
    """The codes of a text of the test split, (T,) or (T, 1 + L), of a length that can be followed; cut where all are
    long."""
    column: Any = evaluation.splits["test"].columns[0]
    if isinstance(column, Tensor):
        return column[0][:STEPS].long()
    place = int((column.lengths - BEST).abs().argmin())
    return column[place][:STEPS].long()


def _names(task: Task, codes: Tensor) -> list[str]:
    described = task.spec.input
    assert isinstance(described, Text | Sentence)
    named = words_of(codes if codes.ndim == 1 else codes[:, 0], described.vocabulary)
    return [{" ": "␣", "\n": "⏎"}.get(name, name) for name in named]
