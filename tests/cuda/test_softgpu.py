"""Every cell on a CUDA device in software, where `.ci/run` finds one: it trains, and no step waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import pytest
import torch

from zoo.training import report
from zoo.training.trained import TrainedArtefact

softgpu = pytest.importorskip("softgpu", reason="needs the software CUDA device, whose script `run` starts Python")
pytestmark = pytest.mark.skipif(softgpu.reason() is not None, reason=str(softgpu.reason()))


import os
PRECISION = os.environ.get("P", "bf16-mixed")


class Watch(L.Callback):
    """What waits in each training step, and how many operators it has."""

    def __init__(self, log: Any) -> None:
        self.device_log, self.waits, self.operators = log, [], []

    def on_train_batch_start(self, *_: Any) -> None:
        self.device_log.start()

    def on_train_batch_end(self, *_: Any) -> None:
        self.device_log.stop()
        self.waits.append([str(wait) for wait in self.device_log.waits])
        self.operators.append(self.device_log.operators.total())


@pytest.mark.usefixtures("blank_plots")
def test_it_trains_and_no_step_waits(
    monkeypatch: pytest.MonkeyPatch, root: Any, cell: str, short: Callable[..., TrainedArtefact]
) -> None:
    watch = Watch(softgpu.Log(root / "zoo"))
    callbacks = report.callbacks
    monkeypatch.setattr(report, "callbacks", lambda task, splits: [*callbacks(task, splits), watch])
    with softgpu.SoftGPU(watch.device_log):
        artefact = short("trainer=gpu", f"trainer.precision={PRECISION}")
    print(cell, watch.operators, watch.waits)
    assert all(tensor.isfinite().all() for tensor in artefact.network.state_dict().values())
