"""The networks of several runs as one that averages them.

Those of several seeds are tested and reported like that of a run. Those of several folds are not: each row that one is
tested on, the others have learned. Their average is calibrated on what each predicts for the rows it has not seen.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, in_memory
from zoo.models.ensemble import Ensemble
from zoo.progress import busy
from zoo.tasks.task import Task
from zoo.training import report, run_length
from zoo.training.parts import find_start, make_data, make_task, make_trainer
from zoo.training.recipe import recipe
from zoo.training.report import Evaluation
from zoo.training.results import complete
from zoo.training.run import Given, test
from zoo.training.runtime import left_as_found, limit_threads, prepare_process
from zoo.training.trained import TrainedArtefact, keep


def of_seeds(cfg: DictConfig, given: Given, runs: Sequence[TrainedArtefact]) -> TrainedArtefact:
    """One network that averages those of several runs on the same splits; all of it lands in `cfg.folder`.

    Calibration, test, baselines, plots and card are those of a run.

    Args:
        cfg: the config of the command.
        given: what its runs were given.
        runs: that were trained by it, with different seeds.
    """
    Path(cfg.folder).mkdir(exist_ok=True)
    with left_as_found():
        prepare_process(cfg.seed)
        limit_threads(cfg.threads)
        start = find_start(cfg)
        data = _data(cfg, given)
        task = make_task(cfg, data.spec, start)
        report.check_splits(task, data.splits)
        run_length.choose(cfg, task)
        _take(task, Ensemble(task.spec, [run.network for run in runs]))
        cfg.callbacks, cfg.logger = {}, {}
        trainer = make_trainer(cfg, task, data)
        trainer.validate(task, data, verbose=False)
        artefact = _artefact(task, runs, recipe(cfg, start), Path(cfg.folder))
        artefact.score = float(trainer.callback_metrics[artefact.monitor])
        keep(artefact)  # before anything else, which may fail
        artefact.metrics |= test(trainer, task, data)
        complete(cfg, task, data, artefact)
        artefact.network.eval()
    return artefact


def of_folds(cfg: DictConfig, given: Given, runs: Sequence[TrainedArtefact]) -> TrainedArtefact:
    """One network that averages those of several folds of a table, which are encoded alike.

    It has no test of its own. What it needs besides the network, such as a temperature, is chosen on all rows that were
    tested, each by the network that has not seen it.

    Args:
        cfg: the config of the command, whose `folder` is that of all runs.
        given: what its runs were given.
        runs: one for each fold, in their order.
    """
    with left_as_found():
        prepare_process(cfg.seed)
        limit_threads(cfg.threads)
        start = find_start(cfg)
        task = make_task(cfg, runs[0].spec, start)
        unseen, predictions, size = [], [], 1
        for number, run in enumerate(runs):
            data = _data(cfg, given, fold=(number, len(runs)))
            report.check_splits(task, data.splits)
            _take(task, run.network)
            unseen.append(data.splits["test"])
            predictions.append(Evaluation(task, data.splits, data.batch_size).predictions("test"))
            size = data.batch_size
        _take(task, Ensemble(task.spec, [run.network for run in runs]))
        artefact = _artefact(task, runs, recipe(cfg, start), Path(cfg.folder))
        evaluation = Evaluation(task, {"val": _joined(unseen)}, size)
        evaluation.known["val"] = [batch for fold in predictions for batch in fold]
        if (calibration := report.calibrate(task, evaluation)) is not None:
            artefact.calibration = calibration
        artefact.network.cpu().eval()
    return artefact


def _data(cfg: DictConfig, given: Given, fold: tuple[int, int] | None = None) -> DataModule:
    """The data of a run, read anew."""
    data = make_data(cfg, given.arguments) if given.data is None else copy.deepcopy(given.data)
    if fold is not None:
        data.take_fold(*fold, one_encoding=True)
    with busy("reading the data"):
        data.setup()
    return data


def _take(task: Task, network: torch.nn.Module) -> None:
    """Have a task evaluate another network than its own."""
    task.network, task.average = network, None


def _artefact(task: Task, runs: Sequence[TrainedArtefact], recipe: Mapping[str, Any], folder: Path) -> TrainedArtefact:
    one = runs[0]
    options = {**one.options, "num_members": len(runs)}
    seconds = {"train/seconds": sum(run.metrics["train/seconds"] for run in runs)}
    return TrainedArtefact(
        one.model, options, task.spec, task.network, seconds, dict(recipe), folder=folder, monitor=one.monitor,
        mode=one.mode,
    )  # fmt: skip


def _joined(parts: Sequence[Examples]) -> Examples:
    """Rows of a table as one split."""
    columns = zip(*(map(in_memory, part.columns) for part in parts))
    return Examples(*map(torch.cat, columns))
