"""Shared by the tests of tasks: a Trainer that writes and prints nothing."""

from __future__ import annotations

from collections.abc import Callable

import lightning as L
import pytest

import zoo.training.reports  # noqa: F401  # registers what tests of a single file ask for
from zoo.training.runtime import quieten_lightning


@pytest.fixture
def trainer() -> Callable[..., L.Trainer]:
    """Gives a Trainer on the CPU, with some options of its own."""
    quieten_lightning()

    def trainer(**options: object) -> L.Trainer:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return L.Trainer(accelerator="cpu", enable_model_summary=False, num_sanity_val_steps=0, **quiet, **options)

    return trainer
