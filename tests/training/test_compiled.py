"""Networks of each kind as `compile=true` trains them, beside the same ones as they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from omegaconf import DictConfig

from zoo import private
from zoo.tasks.gan import Adversarial
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.parts import make_data, make_task

TINY = "data.train_size=16", "data.val_size=8", "data.test_size=8"
LINES = "data.train_size=4", "data.eval_size=4"
CELLS: dict[str, tuple[int, list[str]]] = {  # in how many graphs, and what makes it
    "images": (1, ["model=cnn", "data=digits"]),
    "photographs": (1, ["model=cnn", "model.photo=true", "model.widths=[8]", "data=image_folder", "data.size=16"]),
    "lines of text": (5, ["model=cnn", "task=ocr", "model.hidden_size=8", *LINES]),
    "holes": (1, ["model=gan", "task=inpainting", "model.width=8", "data=digits"]),
    "colours": (1, ["model=gan", "task=colourisation", "model.width=8", "data.stride=64"]),
    "sentences to images": (2, ["model=gan", "task=text_to_image", "model.width=8", *TINY]),
}


def gradients(task: Task, batch: Any) -> dict[str, torch.Tensor]:
    """Of the loss, or of what a generator gives, with the same random numbers each time."""
    torch.manual_seed(0)
    if isinstance(task, Adversarial):
        output = task.generator_output(batch)
        loss = output.fake.square().mean() + (0 if output.distance is None else output.distance)
    else:
        loss = task.unrecorded_loss(batch)
    loss.backward()
    return {name: parameter.grad for name, parameter in task.network.named_parameters() if parameter.grad is not None}


@contextmanager
def compiled(task: Task) -> Iterator[None]:
    with ExitStack() as stack:
        for part in task.parts_to_compile():
            stack.enter_context(private.compiled(part))
        yield


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*(deprecated|grad attribute)")  # within torch's compiler
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_same(
    compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cell: str
) -> None:
    """All of the compiler but its last part, which makes kernels and rounds otherwise, so that each bit is the same."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    for number in range(12):
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir(exist_ok=True)
            PIL.Image.effect_noise((16, 16), 64).convert("RGB").save(tmp_path / folder / f"{number}.png")
    graphs, overrides = CELLS[cell]
    if "data=image_folder" in overrides:
        overrides = [*overrides, "data.patch=null", f"data.root={tmp_path}", f"data.cache={tmp_path / 'cache'}"]
    cfg = compose("train", "folder=null", *overrides)
    data = make_data(cfg, {})
    data.setup("fit")
    task = make_task(cfg, data.spec)
    report.initialise(task, data.splits)
    batch = data.splits["train"].__getitems__(torch.arange(4))
    first, second = gradients(task, batch), gradients(copy.deepcopy(task), batch)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    torch._dynamo.reset()
    before, names = private.graphs_compiled(), list(task.state_dict())
    task.zero_grad()
    with compiled(task):
        found = gradients(task, batch)
        assert list(task.state_dict()) == names
    assert private.graphs_compiled() - before <= graphs
    assert first.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in first.items())
