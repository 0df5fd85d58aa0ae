"""Every cell on a CUDA device in software, where `.ci/run` finds one: it trains, and no step waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from zoo.training import report
from zoo.training.trained import TrainedArtefact

softgpu = pytest.importorskip("softgpu", reason="needs the software CUDA device, whose script `run` starts Python")
pytestmark = pytest.mark.skipif(softgpu.reason() is not None, reason=str(softgpu.reason()))

KNOWN = {"cnn-ocr": 8}  # within torch's CTC: texts, lengths and what it makes of them, forward and backward
FUSED = {"gru-handwriting", "lstm-handwriting"}  # their cells are one kernel on CUDA, which has no twin on the CPU
SCALER = "torch/amp/grad_scaler.py"  # looks once a step, for each optimizer, whether gradients were finite


class Watch(L.Callback):
    """What waits in each training step, and how many operators it has."""

    def __init__(self, device_log: Any) -> None:
        self.device_log = device_log
        self.waits: list[list[Any]] = []
        self.operators: list[int] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.device_log.start()

    def on_train_batch_end(self, *_: Any) -> None:
        self.device_log.stop()
        self.waits.append(self.device_log.waits)
        self.operators.append(self.device_log.operators.total())


@pytest.mark.usefixtures("blank_plots")
def test_it_trains_and_no_step_waits(
    monkeypatch: pytest.MonkeyPatch, root: Path, cell: str, mixed: str, short: Callable[..., TrainedArtefact]
) -> None:
    """The first step aside, which brings tables and particles to the device."""
    if cell in FUSED:
        pytest.skip("CUDA's fused recurrent cells have no kernel that computes on the CPU")
    watch = Watch(softgpu.Log(root / "zoo"))
    callbacks = report.callbacks
    monkeypatch.setattr(report, "callbacks", lambda task, splits: [*callbacks(task, splits), watch])
    with softgpu.SoftGPU(watch.device_log):
        artefact = short("trainer=gpu", f"trainer.precision={mixed}")
    print(f"{cell}, {mixed}: {watch.operators[-1]} operators a step")
    assert all(tensor.isfinite().all() for tensor in artefact.network.state_dict().values())
    assert len(watch.waits) >= 3
    for waits in watch.waits[1:]:
        of_scaler = [wait for wait in waits if wait.inside.startswith(SCALER)]
        assert len(of_scaler) <= (0 if mixed == "bf16-mixed" else 1 + cell.startswith("gan"))
        others = [str(wait) for wait in waits if wait not in of_scaler]
        assert len(others) <= KNOWN.get(cell, 0), others
    assert {computed for _, _, computed in watch.device_log.recurrent} <= {"float32"}


@pytest.mark.usefixtures("blank_plots")
def test_nothing_is_refused_where_kernels_are_deterministic(
    root: Path, cell: str, short: Callable[..., TrainedArtefact]
) -> None:
    if cell in FUSED:
        pytest.skip("CUDA's fused recurrent cells have no kernel that computes on the CPU")
    device_log = softgpu.Log(root / "zoo")
    few = "++trainer.limit_train_batches=1", "trainer.precision=bf16-mixed"
    with softgpu.SoftGPU(device_log, ask_cuda=True):
        short("trainer=gpu", *few, "+trainer.deterministic=true", "trainer.benchmark=false")
    assert not device_log.refusals
