"""A run, wired: data → spec → network → task → Trainer → artefact, card and plots in one folder."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from torch import nn

import zoo.training.reports  # noqa: F401  # registers them
from zoo import check, models, private
from zoo.data.core.data_module import DataModule
from zoo.errors import ConfigError, Diverged
from zoo.files import one_line, quoted, user_path
from zoo.hardware import check_compiler, check_gpu, let_products_repeat, takes_gpu
from zoo.progress import busy, quiet
from zoo.tasks.task import Task
from zoo.training import batch_size, report, run_length, trusted_code
from zoo.training import checkpoint as checkpoints
from zoo.training import folder as folders
from zoo.training.metrics_file import MetricsFile
from zoo.training.parts import check_pair, find_start, make_data, make_task, make_trainer, stated_options
from zoo.training.processes import end_together
from zoo.training.recipe import overrides_given, plain, recipe, title
from zoo.training.results import attempt, complete
from zoo.training.runtime import left_as_found, limit_threads, prepare_once, prepare_process
from zoo.training.trained import TrainedArtefact, keep
from zoo.weights.artefact import Artefact
from zoo.weights.transfer import interpolate

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Given:
    """What a run is given besides its config.

    Args:
        data: a data module that is ready; None for the one that the config describes.
        arguments: of that one which a config cannot hold, such as a DataFrame.
        hydra: Hydra's own settings, where it runs the command.
        callbacks: beside those of the config.
        seconds: that its training took before, of a run that goes on.
        fold: its number, from 0, and how many there are; None for the usual splits.
        test: whether to test, draw and write a card once the network is kept; a trial of a sweep does not.
        several: whether it is one of several runs, whose networks may be averaged.
    """

    data: DataModule | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hydra: DictConfig | None = None
    callbacks: Sequence[Callback] = ()
    seconds: float = 0.0
    fold: tuple[int, int] | None = None
    test: bool = True
    several: bool = False


def train(cfg: DictConfig, given: Given = Given()) -> TrainedArtefact:
    """Train, keep and test one network, as `conf/train.yaml` describes it.

    Everything lands in `cfg.folder`, which is the checkpoint's own where a run resumes: checkpoints and logs while it
    trains; `model.safetensors` as soon as it has trained; then metrics of the test, plots and `card.md`. The process
    is left as it was: threads, random numbers, environment and so on.

    Returns:
        The trained network on the CPU, with the metrics of the test split, baselines, and `train/seconds`.

    Raises:
        ConfigError: a name, value, pair or checkpoint that cannot work, before anything is trained; or a training that
            diverged.
        DataError: data that is missing or damaged, likewise.
    """
    with left_as_found(), _within_memory():
        _check_whole(cfg, given)
        if takes_gpu(cfg.trainer.get("accelerator")):
            check_gpu(cfg.trainer.get("devices"), cfg.trainer.get("precision"))
            let_products_repeat()
        if cfg.compile:
            check_compiler(cfg.trainer.get("accelerator"))
        models.find(cfg.model.name)
        trusted_code.check(cfg)
        prepare_process(cfg.seed)
        limit_threads(cfg.threads)
        start = find_start(cfg)
        settings = {name: plain(cfg[name]) for name in ("model", "task", "data", "seed", "freeze", "layer_decay")}
        checkpoint = _checkpoint(cfg, settings)
        name = f"runs/{cfg.choices.model}_{cfg.choices.task}_{cfg.choices.data}"
        by_hydra = None if given.hydra is None else folders.of_sweep(given.hydra)
        wanted, chosen = folders.choose(cfg.folder or by_hydra, cfg.resume, name)
        made = by_hydra is not None and Path(by_hydra).absolute() == wanted
        with folders.claimed(wanted, chosen, made_by_hydra=made) as folder:
            cfg.folder = str(folder)
            with quiet(cfg.callbacks.get("progress") is None):
                return _train(cfg, given, settings, start, checkpoint)


def _train(
    cfg: DictConfig,
    given: Given,
    settings: dict[str, Any],
    start: Artefact | None,
    checkpoint: dict[str, Any] | None,
) -> TrainedArtefact:
    """The run itself, in a folder that is its own."""
    data = make_data(cfg, given.arguments) if given.data is None else given.data
    if given.fold is not None:
        data.take_fold(*given.fold, one_encoding=cfg.keep == "ensemble")
    check_pair(cfg, data, start)
    with busy("reading the data"):
        prepare_once(data)
        data.setup("fit")
    if batch_size.resolve(cfg, data):
        settings["data"] = plain(cfg.data)
    with busy("preparing the training"):
        task = make_task(cfg, data.spec, start)
        task.save_hyperparameters(settings)
        report.check_splits(task, data.splits)
        report.initialise(task, data.splits)
    run_length.choose(cfg, task)
    limit_threads(cfg.run.threads if cfg.threads is None else cfg.threads)
    trainer = make_trainer(cfg, task, data, given.callbacks)
    if trainer.max_epochs == 0:
        origin = "" if start is None else f", from {quoted(str(cfg.init_from))}"
        data.note(f"epochs=0: nothing is trained; the network is kept as it began{origin}", warn=True)
    if checkpoint is not None:
        _go_on(cfg, checkpoint, trainer, task, data)
    with _written(cfg, given, trainer):  # all is checked
        if trainer.is_global_zero:
            log.info(_summary(cfg, task, data, trainer))
        return _fit_and_keep(cfg, trainer, task, data, start, given)


def _fit_and_keep(
    cfg: DictConfig, trainer: L.Trainer, task: Task, data: DataModule, start: Artefact | None, given: Given
) -> TrainedArtefact:
    began = time.perf_counter()
    last = Path(cfg.folder, "last.ckpt")
    with end_together(trainer, last):
        with _within_memory(_smaller(task, data), last), _compiled(task) if cfg.compile else nullcontext():
            _fit(cfg, trainer, task, data)
        seconds = round(given.seconds + time.perf_counter() - began, 1)
        _restore_best(trainer, task)
        if start is not None and cfg.interpolate < 1:
            interpolate(start.network.state_dict(), start.spec, task.trained_network, task.spec, cfg.interpolate)
        artefact = _artefact(cfg, trainer, task, start, {"train/seconds": seconds})
        keep(artefact)  # before anything else, which may fail
        if not given.test:
            artefact.network.cpu().eval()
            return artefact
        measured = test(trainer, task, data)
    if torch.distributed.is_initialized():  # or gloo's thread that frees a tensor as Python ends aborts the process
        torch.distributed.destroy_process_group()
    artefact.metrics = {**measured, **artefact.metrics}
    complete(cfg, task, data, artefact)
    artefact.network.eval()  # Lightning gives a task back in the mode that it had
    return artefact


@contextmanager
def _within_memory(advice: str = "give smaller sizes in model or data", last: Path | None = None) -> Iterator[None]:
    """Tell of a network or a batch for which this machine is too small, and what would be right.

    What was learned until `last`, a checkpoint, is not lost: another program may have taken the memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not private.is_out_of_memory(error):
            raise
        if last is not None and last.exists():
            advice += f"; where there is more, the same command with resume={os.path.relpath(last)} goes on"
        fault = f"this machine's memory is too small for this network or batch; {advice}"
        raise ConfigError(one_line(f"{fault} ({error})")) from error


@contextmanager
def _compiled(task: Task) -> Iterator[None]:
    """Train with a network that is compiled; the one that is kept is as it was."""
    graphs, breaks = private.graphs_compiled(), private.graph_breaks()
    try:
        with ExitStack() as stack:
            for part in task.parts_to_compile():
                stack.enter_context(private.compiled(part))
            yield
    except RuntimeError as error:
        if (fault := private.why_not_compiled(error)) is None:
            raise
        raise ConfigError(f"compile=true: torch cannot compile this network: {one_line(fault)}") from error
    graphs, breaks = private.graphs_compiled() - graphs, private.graph_breaks() - breaks
    if not graphs:
        log.warning("compile=true: this task calls parts of its network alone, and nothing was compiled")
        return
    others = ", and a discriminator that is not compiled" if task.alternates else ""
    log.info("compile=true: %d graphs, %d breaks (TORCH_LOGS=graph_breaks tells of each)%s", graphs, breaks, others)


def _smaller(task: Task, data: DataModule) -> str:
    """What takes about half of the memory."""
    half = max(1, data.batch_size // 2)
    same = ", and +trainer.accumulate_grad_batches=2 for steps of as many examples"
    return f"give data.batch_size={half}{same if task.automatic_optimization else ''}"


def _check_whole(cfg: DictConfig, given: Given) -> None:
    if cfg.keep != "best" and not given.several:
        raise ConfigError(f"keep={quoted(cfg.keep)} is for several runs: give seeds=5, or leave it away")
    for several in ("seeds", "folds"):
        if cfg[several] is not None:
            raise ConfigError(
                f"{several}: several runs are for zoo train by itself, and this is one of several already"
            )
    for group in ("model", "task", "data", "trainer", "callbacks", "logger"):
        if OmegaConf.select(cfg, group) is None:
            raise ConfigError(f"a run needs a {group}: choose one by {group}=… (~{group} takes it away)")
    if type(cfg.compile) is not bool:
        raise ConfigError(f"compile is true or false, got {quoted(cfg.compile)}")
    try:
        check.fraction("interpolate", cfg.interpolate)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if cfg.interpolate < 1 and cfg.init_from is None:
        raise ConfigError("interpolate: there is nothing that the run starts from; give init_from, or leave it at 1")
    if not isinstance(cfg.folder, (str, os.PathLike, type(None))):  # 2026, or inf
        raise ConfigError(f"folder: a path is text, got {quoted(cfg.folder)}; folder=./{cfg.folder} is read as text")
    if any(part.partition("=")[0] == "~run" for part in overrides_given(cfg)):
        raise ConfigError("~run: a run needs one; leave this away for what suits the task and data, or choose run=…")


@contextmanager
def _written(cfg: DictConfig, given: Given, trainer: L.Trainer) -> Iterator[None]:
    """Write to the run's folder what was asked for, and from now on what is logged."""
    if not trainer.is_global_zero:
        yield
        return
    folders.write_config(Path(cfg.folder), cfg, given.hydra)
    with folders.logged(Path(cfg.folder)):
        yield


def _checkpoint(cfg: DictConfig, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The checkpoint to resume, once it is seen to be of a run with these settings."""
    if cfg.resume is None:
        return None
    if not isinstance(cfg.resume, (str, os.PathLike)):
        raise ConfigError(f"resume: give the path of a run's last.ckpt, not {quoted(cfg.resume)}")
    path = user_path(cfg.resume)
    cfg.resume = str(path)
    checkpoint = checkpoints.read(path)
    then = checkpoint[checkpoints.SETTINGS].get("data")
    size = then.get("batch_size") if isinstance(then, dict) else None
    if type(size) is int and size > 0 and batch_size.is_free(cfg):  # as it was chosen then, perhaps for another GPU
        batch_size.take(cfg, size)
        settings["data"] = plain(cfg.data)
    checkpoints.check_settings(checkpoint, path, settings)
    return checkpoint


def _go_on(cfg: DictConfig, checkpoint: dict[str, Any], trainer: L.Trainer, task: Task, data: DataModule) -> None:
    """Have the trainer resume from a checkpoint, once all that is in it is seen to fit this run."""
    cleaned = checkpoints.check(checkpoint, Path(cfg.resume), trainer, task, data)
    checkpoint_io: Any = trainer.strategy.checkpoint_io
    checkpoint_io.resume_from(cleaned)
    for logger in trainer.loggers:
        if isinstance(logger, MetricsFile):
            logger.resume(checkpoints.batches_seen(cleaned))


def _fit(cfg: DictConfig, trainer: L.Trainer, task: Task, data: DataModule) -> None:
    try:
        trainer.fit(task, data, ckpt_path=cfg.resume, weights_only=True)
    except Diverged as error:
        if not _best(trainer):
            raise
        data.note(f"{error}; training ends there, and the best epoch before it is kept", warn=True)
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error
    except ValueError as error:
        if not private.is_batch_too_small(error):
            raise
        fault = "this network normalises over the examples of a step, and one is too few"
        raise ConfigError(f"data.batch_size={data.batch_size}: {fault}; give 2 or more") from error
    except SystemExit as stop:  # on Ctrl-C, and on SIGTERM with no code, as if all were done
        if trainer.is_global_zero and (last := Path(cfg.folder, "last.ckpt")).exists():
            log.warning("Stopped; the same command with resume=%s goes on", os.path.relpath(last))
        sys.exit(_exit_code(stop, trainer))


def _exit_code(stop: SystemExit, trainer: L.Trainer) -> Any:
    """As a shell tells of a signal, where Lightning exits with 1 on Ctrl-C, and with none on SIGTERM."""
    on_ctrl_c = stop.code == 1 and trainer.world_size == 1  # or another process has died
    return 128 + signal.SIGINT if on_ctrl_c else stop.code or 128 + signal.SIGTERM


def _best(trainer: L.Trainer) -> str:
    """The path of the best checkpoint; empty where there is none yet."""
    return str(getattr(trainer.checkpoint_callback, "best_model_path", ""))


def _restore_best(trainer: L.Trainer, task: Task) -> None:
    last_is_finite = is_finite(task.trained_network)
    try:
        if best := _best(trainer):
            checkpoints.load_weights(Path(best), task)
    except ConfigError:
        if last_is_finite:
            raise
    if not is_finite(task.trained_network):
        raise ConfigError(
            "the weights are not finite, so that nothing is kept: the training diverged; "
            "take a smaller task.optimizer.lr, or limit steps with task.max_grad_norm=1"
        )


def is_finite(network: nn.Module) -> bool:
    """Whether all numbers of a network are."""
    return all(bool(value.isfinite().all()) for value in network.state_dict().values())


def _artefact(
    cfg: DictConfig, trainer: L.Trainer, task: Task, start: Artefact | None, metrics: dict[str, float]
) -> TrainedArtefact:
    training, options = task.training, stated_options(cfg, task.spec, task.network)
    monitor, mode, score = _score(trainer, task)
    artefact = TrainedArtefact(
        cfg.model.name,
        options,
        task.spec,
        task.trained_network,
        metrics,
        recipe(cfg, start),
        folder=Path(cfg.folder),
        monitor=monitor,
        mode=mode,
        score=score,
    )
    task.train(training)  # an artefact's network is in eval mode
    return artefact


def _score(trainer: L.Trainer, task: Task) -> tuple[str, str, float]:
    """By which metric the weights were chosen, whether `min` or `max` of it, and what it is of the chosen ones."""
    chooser: Any = trainer.checkpoint_callback
    if chooser is not None and chooser.monitor is not None and chooser.best_model_score is not None:
        return chooser.monitor, chooser.mode, float(chooser.best_model_score)
    return task.monitor, task.mode, float(trainer.callback_metrics.get(task.monitor, math.nan))


def test(trainer: L.Trainer, task: Task, data: DataModule) -> dict[str, float]:
    """The metrics of the test split that the task logs."""
    try:
        attempt("the test", lambda: trainer.test(task, data, verbose=False), None, has_bar=True)
    except SystemExit as stop:
        log.warning("Stopped in the test; the trained network is kept")
        sys.exit(_exit_code(stop, trainer))
    return {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}


def _summary(cfg: DictConfig, task: Task, data: DataModule, trainer: L.Trainer) -> str:
    counts = ", ".join(f"{len(examples)} {split}" for split, examples in data.splits.items())
    parameters = sum(parameter.numel() for parameter in task.trained_network.parameters())
    return (
        f"{title(cfg)} ({counts}): {task.spec}, "
        f"{parameters:,} parameters, "
        f"{trainer.max_epochs} epoch{'s' * (trainer.max_epochs != 1)}, "
        f"{trainer.precision} on {trainer.accelerator.name()}"
    )
