"""The data and the task of a run, as its command makes them, without the run around them."""

from __future__ import annotations

import lightning as L

from zoo.data.core.data_module import DataModule
from zoo.tasks.task import Task
from zoo.training import batch_size, report
from zoo.training.compose import compose
from zoo.training.parts import make_data, make_task


def made(name: str, trainer: str, overrides: list[str], seed: int = 0) -> tuple[DataModule, Task]:
    """The data, set up, and the task, ready for training.

    Args:
        name: a model and a task, such as `mlp regression`.
        trainer: a config of the group, `cpu` or `gpu`.
        overrides: what else the command says.
        seed: of the network's first weights.
    """
    model, kind = name.split()
    cfg = compose([f"model={model}", f"task={kind}", f"trainer={trainer}", "folder=null", *overrides])
    L.seed_everything(seed, verbose=False)
    data = make_data(cfg, {})
    data.prepare_data()
    data.setup("fit")
    batch_size.resolve(cfg, data)
    task = make_task(cfg, data.spec)
    report.initialise(task, data.splits)
    return data, task
