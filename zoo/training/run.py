"""A run, wired: data → spec → network → task → Trainer → artefact, card and pictures in one folder."""

from __future__ import annotations

import csv
import ctypes
import inspect
import logging
import math
import os
import pickle
import re
import signal
import sys
import time
import warnings
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from torch import nn

from zoo import models
from zoo.data.core.data_module import DataModule
from zoo.errors import ConfigError, SpecError, ZooError, unknown
from zoo.models.rnn.recurrent import cpu_has_bf16
from zoo.plots import pictures
from zoo.settings import misfits
from zoo.spec import Spec
from zoo.tasks.task import Task
from zoo.weights.artefact import Artefact, save
from zoo.weights.catalogue import load
from zoo.weights.transfer import start_from

log = logging.getLogger(__name__)

# Where the user's files lie is nobody's business
_PRIVATE = ("data.root=", "data.path=", "data.test_root=", "folder=", "resume=")
DATA = "$ZOO_DATA"  # how a recipe names the folder of data sets, which others have elsewhere

PRECISIONS = "32-true", "16-mixed", "bf16-mixed"  # in all of which parameters, and what is prepared, are float32

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of malloc.h

# For conf/train.yaml: a run that resumes goes on in the folder of its checkpoint
OmegaConf.register_new_resolver("folder_of", lambda file, otherwise: str(Path(file).parent) if file else otherwise)


def train(cfg: DictConfig) -> dict[str, float]:
    """Train, test and keep one network, as `conf/train.yaml` describes it.

    Everything lands in `cfg.folder`, which is the checkpoint's own where a run resumes: checkpoints and logs while it
    trains; then `model.safetensors`, pictures and `card.md`.

    Returns:
        The metrics of the test split, and `train/seconds`.

    Raises:
        ConfigError: a name, value, pair or checkpoint that cannot work, before anything is trained; or a training that
            diverged.
        DataError: data that is missing or damaged, likewise.
    """
    _check_pair(cfg)
    quieten_lightning()
    _seed(cfg.seed)
    _limit_threads(cfg.threads)
    keep_freed_memory()
    _look_for_gpus_once()
    start = _start(cfg)
    settings = {name: _plain(cfg[name]) for name in ("model", "task", "data", "seed", "freeze", "layer_decay")}
    step = 0 if cfg.resume is None else _check_resume(Path(cfg.resume), settings)

    data = _instantiate(cfg, "data")
    data.prepare_data()
    data.setup("fit")
    task = _task(cfg, data, start)
    task.save_hyperparameters(settings)
    trainer = _trainer(cfg, task, data)
    if step:
        _keep_earlier_metrics(trainer, step)
    if trainer.is_global_zero:
        _make_folder(Path(cfg.folder))
        log.info(_summary(cfg, task, data, trainer))

    began = time.perf_counter()
    _fit(cfg, trainer, task, data)
    seconds = time.perf_counter() - began
    _restore_best(trainer, task)
    trainer.test(task, data, verbose=False)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("test/")}
    for name, value in metrics.items():
        if not math.isfinite(value):
            lower = "take a smaller task.optimiser.lr, or limit steps with task.max_grad_norm=1"
            raise ConfigError(f"{name} is {value}, so that nothing is kept: the training diverged; {lower}")
    metrics["train/seconds"] = round(seconds, 1)
    if torch.distributed.is_initialized():  # or gloo's thread that frees a tensor as Python ends aborts the process
        torch.distributed.destroy_process_group()
    metrics |= {f"baseline/{name}": float(value) for name, value in task.baselines(data.splits).items()}
    _keep(cfg, task, data, metrics, start)
    return metrics


def precision(name: str, accelerator: str) -> str:
    """Lightning's name for a precision, where `mixed` and `auto` depend on the machine.

    `mixed` is bf16 where the hardware computes in it, and otherwise fp16 with a gradient scaler on a GPU, float32 on
    a CPU. `auto` is the same, but float32 on other accelerators than CUDA and CPU.
    """
    if name not in ("auto", "mixed"):
        if name not in PRECISIONS:
            raise ConfigError("trainer: " + unknown("precision", name, ("auto", "mixed", *PRECISIONS)))
        return name
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def _check_pair(cfg: DictConfig) -> None:
    model, task = cfg.model.name, cfg.run.task
    can = models.find(model).tasks
    if task not in can:
        raise ConfigError(f"{model} cannot do {task}; it does: {', '.join(can)}")
    for part in cfg.run.overrides:
        name, _, arrangement = part.partition("=")  # an optional group, of which Hydra lets a name without a file pass
        if name == "arrangement" and arrangement not in ("null", *can):
            raise ConfigError(unknown("arrangement", arrangement, can))


def _seed(seed: Any) -> None:
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed}")
    L.seed_everything(seed, workers=True, verbose=False)


def _limit_threads(threads: Any) -> None:
    if threads is None:
        return
    if type(threads) is not int or threads < 1:
        raise ConfigError(f"threads must be a whole number of at least 1, or null, got {threads}")
    torch.set_num_threads(threads)


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones.

    It gives large blocks back to the system at once, and to get each page of them anew in every step takes longer
    than all the arithmetic of a small network.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for parameter, size in ((_M_TRIM_THRESHOLD, 2**30), (_M_MMAP_THRESHOLD, 2**25), (_M_TOP_PAD, 2**26)):
            library.mallopt(parameter, size)


def _look_for_gpus_once() -> None:
    """Say so where there is none: Adam asks in each step, and torch then loads NVIDIA's library anew."""
    if not torch.cuda.is_available():
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


def _check_resume(path: Path, settings: dict[str, Any]) -> int:
    """See that the checkpoint can be read and is of the same run; gives how many batches that had seen."""
    if not path.is_file():
        raise ConfigError(f"resume: no such file: {path}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        then = checkpoint["hyper_parameters"]
        # As metrics.csv counts, with the batch in which it was kept; the global step counts those of two optimisers
        loop = checkpoint["loops"]["fit_loop"]
        seen = loop["epoch_loop.batch_progress"]["total"]
        step = int(loop["epoch_loop.state_dict"]["_batches_that_stepped"] + seen["ready"] - seen["completed"])
        changed = [name for name in settings if settings[name] != then[name]]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ConfigError(f"resume: {path} is not a checkpoint of zoo, or it is damaged") from error
    for name in changed:
        raise ConfigError(f"resume: {path} was trained with {name}={then[name]}, not {name}={settings[name]}")
    return step


@rank_zero_only
def _keep_earlier_metrics(trainer: L.Trainer, step: int) -> None:
    """Keep what metrics.csv held up to the batch where a run goes on, which Lightning's logger deletes as it starts."""
    for logger in trainer.loggers:
        file = Path(logger.log_dir or "", "metrics.csv")
        if not isinstance(logger, CSVLogger) or not file.exists():
            continue
        with file.open(newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if int(row["step"]) < step]
        writer = logger.experiment
        writer.metrics_keys = list(rows[0]) if rows else []
        with file.open("w", newline="") as lines:
            table = csv.DictWriter(lines, writer.metrics_keys)
            table.writeheader()
            table.writerows(rows)


def _instantiate(cfg: DictConfig, name: str, **more: Any) -> Any:
    """What a part of the config describes, given `more` arguments; a value that it refuses is the user's mistake."""
    for missing in sorted(OmegaConf.missing_keys(cfg[name])):
        raise ConfigError(f"{missing} is needed: give {missing}=…")
    for fault in misfits(_plain(cfg[name]), name):
        raise ConfigError(fault)
    try:  # plain lists and dicts, since those of OmegaConf do not load from a checkpoint with weights_only
        described = instantiate(cfg[name], _partial_="_target_" in cfg[name], _convert_="all")
        return described(**more) if "_target_" in cfg[name] else described
    except InstantiationException as error:
        raise ConfigError(f"{name}: {error.__cause__ or error}") from error
    except (TypeError, ValueError, ImportError, MisconfigurationException) as error:  # of a TPU, torch_xla is missing
        raise error if isinstance(error, ZooError) else ConfigError(f"{name}: {error}") from error


def _start(cfg: DictConfig) -> Artefact | None:
    """What the network starts from; the options of that one hold, but for those of the command line."""
    if cfg.init_from is None:
        return None
    start = load(cfg.init_from)
    if start.model != cfg.model.name:
        raise ConfigError(f"init_from: {cfg.init_from} is a {start.model}, not a {cfg.model.name}")
    for name, value in start.options.items():
        if not any(part.lstrip("+").startswith(f"model.{name}=") for part in cfg.run.overrides):
            OmegaConf.update(cfg, f"model.{name}", value, force_add=True)
    return start


def _task(cfg: DictConfig, data: DataModule, start: Artefact | None) -> Task:
    def network(spec: Spec) -> nn.Module:
        try:
            network = models.build(cfg.model.name, spec, **_options(cfg))
        except (TypeError, ValueError) as error:
            if start is not None and str(start.spec) != str(spec):
                fault = f"{cfg.init_from} is for {start.spec}, and {cfg.run.task} on {cfg.run.data} for {spec}"
                raise ConfigError(f"init_from: {fault}; the options of its network do not fit") from error
            raise error if isinstance(error, SpecError) else ConfigError(f"model: {error}") from error
        if start is not None:
            for line in start_from(start.network.state_dict(), start.spec, network, spec):
                log.info("init_from=%s: %s", cfg.init_from, line)
        return network

    task: Task = _instantiate(cfg, "task", spec=data.spec, network=network)
    try:
        task.finetune(_plain(cfg.freeze), cfg.layer_decay)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return task


def _options(cfg: DictConfig) -> dict[str, Any]:
    """What the network is built with; null stands for its own default."""
    return {name: value for name, value in _plain(cfg.model).items() if name != "name" and value is not None}


def _stated(cfg: DictConfig, network: nn.Module) -> dict[str, Any]:
    """The options again, but with the sizes that null stood for: a later version's defaults may be others."""
    arguments = inspect.signature(type(network)).parameters
    nulls = {name: arguments[name].default for name, value in cfg.model.items() if value is None and name in arguments}
    return {name: size for name, size in nulls.items() if isinstance(size, int | float | tuple)} | _options(cfg)


def _trainer(cfg: DictConfig, task: Task, data: DataModule) -> L.Trainer:
    chosen_by = {"monitor": task.monitor, "mode": task.mode}
    callbacks: list[Callback] = [
        callback(**{**chosen_by, **callback.keywords}) if isinstance(callback, partial) else callback
        for callback in _instantiate(cfg, "callbacks").values()
        if callback is not None  # null leaves one out
    ]
    loggers: list[Logger] = [logger for logger in _instantiate(cfg, "logger").values() if logger is not None]
    options: dict[str, Any] = {"precision": precision(cfg.trainer.precision, cfg.trainer.accelerator)}
    several = cfg.trainer.strategy == "auto" and cfg.trainer.devices not in (1, "auto")
    if several or cfg.trainer.strategy == "ddp":
        options["strategy"] = DDPStrategy(find_unused_parameters=task.alternates)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    trainer: L.Trainer = _instantiate(
        cfg, "trainer", callbacks=callbacks, logger=loggers, default_root_dir=cfg.folder, **options
    )
    if cfg.epochs is None:
        if type(cfg.batches) is not int or cfg.batches < 1:
            raise ConfigError(f"give epochs, or a positive number of batches instead; got batches={cfg.batches}")
        data.trainer = trainer  # who knows how many processes share the batches
        trainer.fit_loop.max_epochs = ceil(cfg.batches / len(data.train_dataloader()) / task.steps_per_batch)
    elif trainer.max_epochs == -1:  # Lightning's word for a run without end, and schedules have one
        raise ConfigError("epochs must be a whole number of at least 0, got -1")
    return trainer


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"folder: {folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"folder: {folder} cannot be written to")


def _fit(cfg: DictConfig, trainer: L.Trainer, task: Task, data: DataModule) -> None:
    try:
        trainer.fit(task, data, ckpt_path=cfg.resume, weights_only=True)
    except MisconfigurationException as error:
        raise ConfigError(f"trainer: {error}") from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        fault = "this network normalises over the examples of a step, and one is too few"
        raise ConfigError(f"data.batch_size={data.batch_size}: {fault}; give 2 or more") from error
    except SystemExit as stop:  # on Ctrl-C, and on SIGTERM with no code, as if all were done
        if trainer.is_global_zero and (last := Path(cfg.folder, "last.ckpt")).exists():
            log.warning("Stopped; the same command with resume=%s goes on", os.path.relpath(last))
        sys.exit(stop.code or 128 + signal.SIGTERM)


def _restore_best(trainer: L.Trainer, task: Task) -> None:
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    if best:
        checkpoint = torch.load(best, map_location="cpu", weights_only=True)
        task.load_state_dict(checkpoint["state_dict"])


@rank_zero_only
def _keep(cfg: DictConfig, task: Task, data: DataModule, metrics: dict[str, float], start: Artefact | None) -> None:
    folder = Path(os.path.relpath(cfg.folder))
    network = task.trained_network.cpu()
    recipe = _recipe(cfg, start)
    artefact = Artefact(cfg.model.name, _stated(cfg, network), task.spec, network, metrics, recipe)
    file = folder / "model.safetensors"
    save(artefact, file)
    captions = task.pictures(folder)
    if (folder / "metrics.csv").exists():
        pictures.curves(folder / "metrics.csv", folder / "curves.png")
        captions["curves.png"] = "Training and validation, by epoch."
    (folder / "card.md").write_text(_card(cfg, artefact, data, task.notes(), captions), encoding="utf-8")
    log.info(", ".join(f"{name} {value:.4g}" for name, value in metrics.items()))
    log.info("What came of it: %s; see card.md and %s", folder, ", ".join(captions))
    log.info('Use it: zoo.load("%s")(%s)', file, artefact.spec.input.example())


class ProgressBar(RichProgressBar):
    """Lightning's, but figures are gathered only for a refresh, and the logger's version is not shown."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        shown = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if shown % self.refresh_rate == 0 or shown == trainer.num_training_batches:
            super().on_train_batch_end(trainer, *args)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


def _recipe(cfg: DictConfig, start: Artefact | None = None) -> dict[str, Any]:
    """How to train it again; `before` are the commands, in their order, that trained what it started from."""
    overrides = [_portable(part) for part in cfg.run.overrides]
    overrides = [part for part in overrides if not part.startswith(_PRIVATE) or DATA in part]
    overrides = [part for part in overrides if not (part.startswith("init_from=") and Path(part[10:]).exists())]
    config = {name: _plain(cfg[name]) for name in ("model", "task", "data", "trainer", "seed", "epochs", "batches")}
    config["data"] = {name: _portable(value) for name, value in config["data"].items()}
    for name in ("root", "path", "test_root"):
        if not str(config["data"].get(name)).startswith(DATA):
            config["data"].pop(name, None)
    before = [] if start is None else [*start.recipe.get("before", []), start.recipe.get("command", "unknown")]
    return {
        "command": " ".join(["python scripts/train.py", *map(_quoted, overrides)]),
        **({"before": before} if before else {}),
        "config": config,
        "versions": {"torch": torch.__version__, "lightning": L.__version__},
    }


def _quoted(override: str) -> str:
    """An override as a shell takes it; $ZOO_DATA stays what the shell puts the folder for."""
    if re.fullmatch(r"[\w@%+=:,./$~-]+", override):
        return override
    return '"' + re.sub(r'(["\\`]|\$(?!ZOO_DATA))', r"\\\1", override) + '"'


def _portable(value: Any) -> Any:
    """A setting with the folder that $ZOO_DATA names written as that."""
    folder = os.environ.get("ZOO_DATA")
    return value.replace(folder.rstrip("/"), DATA) if isinstance(value, str) and folder else value


def _summary(cfg: DictConfig, task: Task, data: DataModule, trainer: L.Trainer) -> str:
    counts = ", ".join(f"{len(examples)} {split}" for split, examples in data.splits.items())
    return (
        f"{cfg.run.model} · {cfg.run.task} · {cfg.run.data} ({counts}): {task.spec}, "
        f"{_parameters(task.trained_network):,} parameters, "
        f"{trainer.max_epochs} epochs, {trainer.precision} on {trainer.accelerator.name()}"
    )


def _card(cfg: DictConfig, artefact: Artefact, data: DataModule, notes: list[str], captions: dict[str, str]) -> str:
    lines = [
        f"# {cfg.run.model} · {cfg.run.task} · {cfg.run.data}",
        "",
        f"{artefact.spec}, {_parameters(artefact.network):,} parameters.",
        "",
        "## Data",
        "",
        " ".join((type(data).__doc__ or "").split("Args:")[0].split()),
        "",
        "| split | examples |",
        "|---|---|",
        *(f"| {split} | {len(examples)} |" for split, examples in data.splits.items()),
        "",
        "## Command",
        "",
        *(f"    {command}" for command in (*artefact.recipe.get("before", ()), artefact.recipe["command"])),
        "",
        "## Metrics",
        "",
        "| metric | value |",
        "|---|---|",
        *(f"| {name} | {value:.4g} |" for name, value in artefact.metrics.items()),
        "",
        *(line for note in notes for line in (note, "")),
        "## Use",
        "",
        "    import zoo",
        "",
        '    model = zoo.load("model.safetensors")',
        f"    model({artefact.spec.input.example()})",
        "",
        "## Pictures",
        "",
        *(f"{caption}\n\n![{caption}]({file})\n" for file, caption in captions.items()),
    ]
    return "\n".join(lines)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _plain(node: Any) -> Any:
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def quieten_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers",  # the data is in memory
        ".*is smaller than the logging interval",  # losses are logged once an epoch
        ".*exists and is not empty",  # the folder is the run's own
        ".*It will use the implementation from `LightningModule`",  # as it should
        r"Found \d+ module\(s\) in eval mode",  # what is frozen
        "RNN module weights are not part of single contiguous chunk",  # where recurrent dropout has changed them
        "Grad strides do not match bucket view",  # of 1 x 1 convolutions, whose layout is ambiguous
        ".*when logging on epoch level in distributed setting",  # what is not summed up is alike on all processes
        ".*treespec, LeafSpec",  # Lightning 2.6 on torch 2.15
        r".*functional\.all_gather is deprecated",  # likewise
    ):
        warnings.filterwarnings("ignore", message)
