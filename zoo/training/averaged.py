"""The networks of several runs as one that averages them, tested and reported like that of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from zoo.models.ensemble import Ensemble
from zoo.progress import busy
from zoo.training import report, run_length
from zoo.training.parts import find_start, make_data, make_task, make_trainer
from zoo.training.recipe import recipe
from zoo.training.results import complete
from zoo.training.run import Given, test
from zoo.training.runtime import left_as_found, limit_threads, prepare_process
from zoo.training.trained import TrainedArtefact, keep


def average(cfg: DictConfig, given: Given, runs: Sequence[TrainedArtefact]) -> TrainedArtefact:
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
        data = make_data(cfg, given.arguments) if given.data is None else given.data
        with busy("reading the data"):
            data.setup()
        task = make_task(cfg, data.spec, start)
        report.check_splits(task, data.splits)
        run_length.choose(cfg, task)
        task.network, task.average = Ensemble(task.spec, [run.network for run in runs]), None
        cfg.callbacks, cfg.logger = {}, {}
        trainer = make_trainer(cfg, task, data)
        trainer.validate(task, data, verbose=False)
        artefact = TrainedArtefact(
            cfg.model.name,
            {**runs[0].options, "num_members": len(runs)},
            task.spec,
            task.network,
            {"train/seconds": sum(run.metrics["train/seconds"] for run in runs)},
            recipe(cfg, start),
            folder=Path(cfg.folder),
            monitor=runs[0].monitor,
            mode=runs[0].mode,
            score=float(trainer.callback_metrics[runs[0].monitor]),
        )
        keep(artefact)  # before anything else, which may fail
        artefact.metrics |= test(trainer, task, data)
        complete(cfg, task, data, artefact)
        artefact.network.eval()
    return artefact
