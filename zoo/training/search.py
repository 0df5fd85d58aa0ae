"""zoo sweep: look for good settings by Optuna. The objective is the validation metric; the test split is not touched.

    zoo sweep model=cnn 'task.optimizer.lr=log(1e-4,1e-1)' 'model.blocks=int(1,3)' n=50

Each setting is an override of `zoo train`; those that are ranges are what the sweep is over:

    log(a,b)         a number between a and b, as likely in each power of ten
    uniform(a,b)     a number between a and b; interval(a,b) is the same
    int(a,b)         a whole number, both ends included
    choice(a,b,c)    one of these; a,b,c is the same
    range(a,b,step)  from a in steps, without b

n=20          how many runs in all
folder=…      of the sweep; else a new one within runs/sweeps
resume=…      folder of a sweep that was stopped: go on with it; its settings hold, and n= may be larger
config_dir=…  folder with configs of your own

A run that is worse than the median of the others at the same epoch is stopped early (pruned). One that fails is
reported, and the others go on. At the end the best run is tested. The folder has sweep.csv, sweep.md and sweep.png, and
a folder for each run.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from zoo.errors import ConfigError, install
from zoo.files import one_line, quoted, user_path
from zoo.training import folder as folders
from zoo.training import sweep_space
from zoo.training.compose import compose
from zoo.training.doors import said
from zoo.training.run import Given, train
from zoo.training.sweep_table import Row, reason, write

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

log = logging.getLogger(__name__)

JOURNAL = "sweep.journal"  # Optuna's, of what was tried
RUNS = 20
OWN = ("n", "folder", "resume", "config_dir")  # of the sweep, and not of its runs


def from_command(arguments: Sequence[str]) -> None:
    """Sweep as `zoo sweep` says.

    Raises:
        ConfigError: a setting that makes no sense, before anything is trained; or no run that was complete.
    """
    if {"-h", "--help"} & set(arguments):
        print((__doc__ or "").strip())
        return
    own = dict(one.split("=", 1) for one in arguments if one.partition("=")[0] in OWN and "=" in one)
    overrides = [one for one in arguments if one.partition("=")[0] not in OWN]
    with said():
        if "resume" not in own:
            count = _count(own.get("n", str(RUNS)))
            folder = own.get("folder") or f"runs/sweeps/{datetime.now():%Y-%m-%d_%H-%M-%S}"
            sweep(overrides, count, user_path(folder), own.get("config_dir"))
            return
        if overrides:
            raise ConfigError(f"resume: the settings of that sweep hold, and {quoted(overrides[0])} is not needed")
        go_on(Path(own["resume"]), _count(own["n"]) if "n" in own else None)


def sweep(overrides: Sequence[str], count: int, folder: Path, config_dir: str | None = None) -> list[Row]:
    """Train `count` networks with settings that Optuna chooses, and test the best.

    Args:
        overrides: as of `zoo train`; those that are ranges are what the sweep is over.
        count: of the runs.
        folder: of the sweep, which must be new.
        config_dir: folder with configs of your own.

    Returns:
        A row for each run.

    Raises:
        ConfigError: settings that make no sense, before anything is trained; or no run that was complete.
    """
    optuna = _optuna()
    space = sweep_space.read(overrides)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _check(_config(space, optuna.create_study().ask(space.ranges).params, config_dir))
    if (folder / JOURNAL).exists():
        raise ConfigError(one_line(f"folder: {folder} has a sweep; resume={folder} goes on with it"))
    with folders.claimed(folder.absolute(), chosen_by_user=True):
        study = _study(folder, new=True)
        study.set_user_attr("sweep", {"overrides": list(overrides), "n": count, "config_dir": config_dir})
        return _search(study, space, count, folder, config_dir)


def go_on(folder: Path, count: int | None = None) -> list[Row]:
    """Go on with a sweep that was stopped or killed; what was running then is run again.

    Raises:
        ConfigError: there is none in the folder, or it is running.
    """
    _optuna()
    if not (folder / JOURNAL).is_file():
        raise ConfigError(one_line(f"resume: {folder} is not the folder of a sweep: it has no {JOURNAL}"))
    with folders.claimed(folder.absolute(), chosen_by_user=True):
        try:
            study = _study(folder, new=False)
            asked = study.user_attrs["sweep"]
        except (KeyError, ValueError) as error:
            raise ConfigError(one_line(f"resume: {folder / JOURNAL} is damaged: {error}")) from error
        _enqueue_killed(study)
        space = sweep_space.read(asked["overrides"])
        return _search(study, space, count or asked["n"], folder, asked["config_dir"])


def _search(study: Study, space: sweep_space.Space, count: int, folder: Path, config_dir: str | None) -> list[Row]:
    try:
        while len(_ended(study)) < count:
            _trial(study, space, folder, config_dir)
    except (KeyboardInterrupt, SystemExit):
        _write(study, folder)
        log.warning("Stopped; zoo sweep resume=%s goes on", os.path.relpath(folder))
        raise
    rows = _write(study, folder)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not complete:
        why = next((row.reason for row in rows if row.reason), "")
        raise ConfigError(one_line(f"none of the {len(rows)} runs of the sweep was complete: {why}"))
    _test(space, study.best_trial, folder, config_dir)
    return rows


def _trial(study: Study, space: sweep_space.Space, folder: Path, config_dir: str | None) -> None:
    """One run: its score, or why it has none, goes to the study."""
    from optuna import TrialPruned
    from optuna.trial import TrialState

    trial = study.ask(space.ranges)
    log.info("Run %d: %s", trial.number, ", ".join(sweep_space.chosen(trial.params)))
    if (earlier := _earlier(study, trial)) is not None:
        trial.set_user_attr("same_as", earlier.user_attrs.get("same_as", earlier.number))
        for name in ("result", "seconds"):
            trial.set_user_attr(name, earlier.user_attrs[name])
        study.tell(trial, earlier.value)
        log.info("Run %d has the settings of run %d, and its result", trial.number, earlier.number)
        return
    try:
        cfg = _config(space, trial.params, config_dir)
        cfg.folder = str(_folder(folder, trial.number))
        artefact = train(cfg, Given(callbacks=[Pruning(trial)], test=False))
        if not math.isfinite(artefact.score):
            raise ConfigError(f"{artefact.monitor} is {artefact.score}: the training diverged, or validated nothing")
    except TrialPruned:
        log.info("Run %d is pruned", trial.number)
        study.tell(trial, state=TrialState.PRUNED)
    except Exception as error:
        log.warning("Run %d failed: %s", trial.number, reason(error))
        log.debug("", exc_info=True)
        trial.set_user_attr("reason", reason(error))
        study.tell(trial, state=TrialState.FAIL)
    else:
        log.info("Run %d: %s %.4g", trial.number, artefact.monitor, artefact.score)
        trial.set_user_attr("result", [artefact.score, artefact.monitor, artefact.mode])
        trial.set_user_attr("seconds", artefact.metrics["train/seconds"])
        study.tell(trial, _loss(artefact.score, artefact.mode))


class Pruning(Callback):
    """Tells Optuna of the monitored metric after each validation, and stops a run that is no good."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        from optuna import TrialPruned

        chooser: Any = trainer.checkpoint_callback
        if (
            trainer.sanity_checking
            or chooser is None
            or (value := trainer.callback_metrics.get(chooser.monitor)) is None
        ):
            return
        self.trial.report(_loss(float(value), chooser.mode), trainer.current_epoch)
        if self.trial.should_prune():
            raise TrialPruned


def _test(space: sweep_space.Space, best: FrozenTrial, folder: Path, config_dir: str | None) -> None:
    """Test the best run, by going on where it ended, and write its card and plots."""
    home = _folder(folder, best.user_attrs.get("same_as", best.number))
    log.info("The best is run %d: %s", best.number, ", ".join(sweep_space.chosen(best.params)))
    if (home / "card.md").exists():
        return
    cfg = _config(space, best.params, config_dir)
    cfg.resume = str(home / "last.ckpt")
    train(cfg, Given(seconds=best.user_attrs.get("seconds", 0.0)))


def _loss(score: float, mode: str) -> float:
    """What the study minimises, which is made before the first run says what its metric is."""
    return -score if mode == "max" else score


def _config(space: sweep_space.Space, values: dict[str, object], config_dir: str | None) -> DictConfig:
    cfg = compose([*space.fixed, *sweep_space.chosen(values)], config_dir)
    if "progress" in (cfg.callbacks or {}):
        cfg.callbacks.progress = None  # a line for each run is enough
    return cfg


def _check(cfg: DictConfig) -> None:
    if cfg.trainer.devices not in (1, "auto") or cfg.trainer.strategy == "ddp":
        raise ConfigError("a sweep trains on one device: give trainer.devices=1")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"n must be a whole number of at least 1, got {quoted(text)}")
    return int(text)


def _folder(folder: Path, number: int) -> Path:
    return folder.absolute() / str(number)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ConfigError(f"zoo sweep takes {error.name}: {install('sweep')}") from error
    return optuna


def _study(folder: Path, new: bool) -> Study:
    """The study in a folder; its random numbers differ from those that it had before it was stopped."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / JOURNAL
    lock = Path(f"{path}.lock")
    lock.unlink(missing_ok=True)  # of a process that was killed: the folder is ours
    if not new:
        _drop_half_line(path)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    study = optuna.create_study(
        study_name="sweep",
        storage=storage,
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(),
    )
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    return study


def _drop_half_line(path: Path) -> None:
    """Cut off what a kill left half written."""
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        os.truncate(path, len(whole[0]) + len(whole[1]))


def _enqueue_killed(study: Study) -> None:
    """Have what was running when the process was killed run again, under a new number."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if trial.params:
            study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)


def _ended(study: Study) -> list[FrozenTrial]:
    """The trials that count: not those that were killed, which have no reason of their own."""
    return [
        trial
        for trial in study.trials
        if trial.state.name in ("COMPLETE", "PRUNED") or (trial.state.name == "FAIL" and "reason" in trial.user_attrs)
    ]


def _earlier(study: Study, trial: Trial) -> FrozenTrial | None:
    """A complete trial with the same settings: a run is the same each time."""
    same = (one for one in study.trials if one.state.name == "COMPLETE" and one.params == trial.params)
    return next(same, None)


def _write(study: Study, folder: Path) -> list[Row]:
    rows = [_row(trial) for trial in _ended(study)]
    write(folder, rows)
    return rows


def _row(trial: FrozenTrial) -> Row:
    state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
    values = {name: str(value) for name, value in trial.params.items()}
    score, monitor, mode = trial.user_attrs.get("result", (math.nan, "", "min"))
    return Row(trial.number, state, values, score, monitor, mode, trial.user_attrs.get("reason", ""))
