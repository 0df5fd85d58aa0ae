"""How Lightning writes and removes checkpoints: each whole or not at all, and none outside the run's folder.

Made for Lightning 2.6, which writes through fsspec: first to the system's temporary folder, then moved. Where that is
another disk, moving copies, and a kill leaves half a file in the place of the only checkpoint.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import CheckpointIO
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from zoo.errors import ConfigError
from zoo.files import is_regular, one_line, replacing
from zoo.training.checkpoint import FORMAT, holds_weights, moments

log = logging.getLogger(__name__)


class RunCheckpoints(CheckpointIO):
    """The checkpoints of one run; each holds the best weights so far, so that a run goes on from it alone.

    Args:
        folder: of the run; nothing outside it is removed.
        chosen_by: the callback that keeps the best checkpoint; None where none does.
    """

    def __init__(self, folder: Path, chosen_by: ModelCheckpoint | None = None) -> None:
        self.folder = folder
        self.chosen_by = chosen_by
        self._best: dict[str, Any] | None = None  # its step and state_dict
        self._resumed: dict[str, Any] | None = None

    def resume_from(self, checkpoint: dict[str, Any]) -> None:
        """Go on from a checkpoint that has been read and checked; Lightning is given it in place of the file."""
        self._resumed = checkpoint
        self._best = checkpoint["zoo"]["best"]
        if self._best is not None and self._best["state_dict"] is None:  # it is the best one itself
            self._best = {"step": self._best["step"], "state_dict": _copied(checkpoint["state_dict"])}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path, step = Path(path), checkpoint["global_step"]
        if self.chosen_by is not None and self.chosen_by.best_model_path == str(path):
            self._best = {"step": step, "state_dict": _copied(checkpoint["state_dict"])}
        best = self._best and self._best | ({"state_dict": None} if self._best["step"] == step else {})
        _write(checkpoint | {"zoo": {"format": FORMAT, "best": best, "moments": moments(checkpoint)}}, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        if self._resumed is None:
            raise ConfigError(f"resume: {path} has not been checked")
        checkpoint, self._resumed = self._resumed, None
        if self._best is not None and self.chosen_by is not None:
            self._keep_best(Path(checkpoint["callbacks"][self.chosen_by.state_key]["best_model_path"]))
        return checkpoint

    @rank_zero_only
    def _keep_best(self, path: Path) -> None:
        """See that the best checkpoint's file is that of the checkpoint from which a run goes on.

        It may be missing, where that one was moved, or of a later epoch, which is yet to come again.
        """
        assert self._best is not None
        if not holds_weights(path, self._best["state_dict"]):
            best = {"state_dict": self._best["state_dict"], "global_step": self._best["step"]}
            _write(best | {"zoo": {"format": FORMAT, "best": None}}, path)

    def remove_checkpoint(self, path: Any) -> None:
        path = Path(path)
        inside = self.folder.resolve() in path.resolve().parents
        if inside and path.suffix == ".ckpt" and is_regular(path) and not path.is_symlink():
            path.unlink()
        else:
            log.warning("%s is no checkpoint of this run, and stays", one_line(str(path), 200))


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    try:
        with replacing(path) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch says where in its own source; what it met is behind it
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
    except OSError as error:
        raise ConfigError(one_line(f"{path} cannot be written: {error.strerror or error}")) from error


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}
