"""A run's folder: one run's alone, and written to only once all that was asked for has been checked."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf, read_write

from zoo.errors import ConfigError
from zoo.files import one_line, remove_abandoned, replacing, user_path
from zoo.training.recipe import overrides_given

try:
    import fcntl
except ImportError:  # not on Windows, where two runs in one folder are not told
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
SHARED = "ZOO_RUN_FOLDER"  # in which the first process of a distributed run tells the others its folder


def choose(folder: str | None, resume: str | None, generated: str) -> tuple[Path, bool]:
    """A run's folder as it is asked for, and whether the user named it.

    Args:
        folder: as given by the user, in `folder=` or `hydra.run.dir=`.
        resume: a checkpoint, whose folder the run goes on in.
        generated: the name of the folder where neither is given; the time follows.
    """
    if folder is not None:
        return user_path(folder).absolute(), True
    if resume is not None:
        return user_path(resume).absolute().parent, True
    return Path(generated).absolute() / f"{datetime.now():%Y-%m-%d_%H-%M-%S}", False


class FolderOfHydra(Callback):
    """Take `hydra.run.dir=…` as `folder=…`: the run makes it once all is checked, and Hydra nothing before that."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        if any(part.lstrip("+").startswith("hydra.run.dir=") for part in config.hydra.overrides.hydra):
            config.folder = config.folder or config.hydra.run.dir
            with read_write(config.hydra):
                config.hydra.run.dir = "."


def of_sweep(hydra: DictConfig) -> str | None:
    """The folder that Hydra made for one run of a sweep; None for a run by itself."""
    return hydra.runtime.output_dir if str(hydra.mode).endswith("MULTIRUN") else None


@contextmanager
def claimed(folder: Path, chosen_by_user: bool, made_by_hydra: bool = False) -> Iterator[Path]:
    """Have a folder for this run alone, from now until the end; the kernel gives it back where the run is killed.

    A generated name that another run has taken gets a number. A run that ends without leaving anything leaves no
    folder either. Of a distributed run the first process claims the folder, and the others are told.

    Raises:
        ConfigError: the folder is in use by another run, or cannot be made or written to.
    """
    if getattr(rank_zero_only, "rank", 0) != 0:
        yield Path(os.environ.get(SHARED, folder))
        return
    try:
        folder, made = _make(folder, chosen_by_user)
        found = (folder / LOCK).exists()  # of a run that was killed
        handle = _lock(folder)
    except OSError as error:
        raise ConfigError(one_line(f"folder: {folder} cannot be written to: {error.strerror or error}")) from error
    os.environ[SHARED] = str(folder)
    refused = True
    try:
        yield folder
        refused = False
    finally:
        os.environ.pop(SHARED, None)
        with suppress(FileNotFoundError):
            if not (found and refused):  # which changes nothing
                (folder / LOCK).unlink()
        os.close(handle)
        _remove_empty([folder, *made] if made_by_hydra else made)


def write_config(folder: Path, cfg: DictConfig, hydra: DictConfig | None = None) -> None:
    """Write what was asked for and what was chosen to `.hydra/`, as Hydra does before anything is checked."""
    for written in (folder, folder / ".hydra"):
        remove_abandoned(written, seconds=0)
    parts: dict[str, Any] = {"config": cfg, "overrides": overrides_given(cfg)}
    if hydra is not None:
        parts["hydra"] = OmegaConf.create({"hydra": hydra})
    for name, part in parts.items():
        with replacing(folder / ".hydra" / f"{name}.yaml", sync=False) as file:
            file.write(OmegaConf.to_yaml(part).encode("utf-8", "backslashreplace"))


@contextmanager
def logged(folder: Path, name: str = "train.log") -> Iterator[None]:
    """Log to a file in the folder too, in place of Hydra's handler, which opens it before anything is checked."""
    handler = logging.FileHandler(folder / name, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _make(folder: Path, chosen_by_user: bool) -> tuple[Path, list[Path]]:
    """Make a folder and those above it; gives it, and all that were not there."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    if chosen_by_user:
        folder.mkdir(exist_ok=True)
        return folder, made
    for number in range(1, 10_000):
        numbered = folder if number == 1 else folder.with_name(f"{folder.name}_{number}")
        try:
            numbered.mkdir()
        except FileExistsError:
            continue
        return numbered, [numbered, *(path for path in made if path != folder)]
    raise ConfigError(f"folder: {folder} and 9,999 others are taken")


def _lock(folder: Path) -> int:
    """A lock on a folder, which ends with the process that has it."""
    path = folder / LOCK
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is None:
                return handle
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
            os.close(handle)  # a run that has just ended removed it
        except BlockingIOError as error:
            os.close(handle)
            raise ConfigError(one_line(f"folder: {folder} is in use by another run; give another one")) from error


def _remove_empty(made: list[Path]) -> None:
    """Remove those folders that were made for a run which leaves nothing in them."""
    for path in dict.fromkeys(made):
        with suppress(OSError):  # it holds something
            path.rmdir()
