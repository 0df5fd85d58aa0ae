"""Every cell on a CUDA device in software, where `.ci/run` finds one: it trains, and no step waits for the device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils._pytree import tree_leaves

from zoo.data.core import data_module
from zoo.tasks.task import Task
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
        assert all("tasks/sequence/ocr.py" in one or "torch/autograd" in one for one in others)
    assert {computed for _, _, computed in watch.device_log.recurrent} <= {"float32"}


@pytest.mark.usefixtures("blank_plots")
def test_nothing_is_refused_where_kernels_are_deterministic(
    monkeypatch: pytest.MonkeyPatch, root: Path, cell: str, short: Callable[..., TrainedArtefact]
) -> None:
    if cell in FUSED:
        pytest.skip("CUDA's fused recurrent cells have no kernel that computes on the CPU")
    watch = Watch(softgpu.Log(root / "zoo"))
    watch.device_log.stop()  # but for the one step
    callbacks = report.callbacks
    monkeypatch.setattr(report, "callbacks", lambda task, splits: [*callbacks(task, splits), watch])
    few = "++trainer.limit_train_batches=1", "trainer.precision=bf16-mixed"
    with softgpu.SoftGPU(watch.device_log, ask_cuda=True):
        short("trainer=gpu", *few, "+trainer.deterministic=true", "trainer.benchmark=false")
    assert watch.operators[0]
    # but for what is compiled on the card, as the product is
    assert not [refusal for refusal in watch.device_log.refusals if "driver error" not in refusal[1]]
    print(f"{cell}: {watch.operators[0]} operators in the first step")


@pytest.mark.usefixtures("blank_plots")
@pytest.mark.parametrize("cell", ["cnn-classification", "gru-forecasting"], indirect=True)
def test_data_that_lies_on_the_device_trains_as_if_it_were_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, short: Callable[..., TrainedArtefact]
) -> None:
    found: list[dict[str, torch.Tensor]] = []
    transfer = Task.transfer_batch_to_device
    for fits in (True, False):
        places: set[str] = set()

        def seen(task: Task, batch: Any, *where: Any, places: set[str] = places) -> Any:
            places.update(leaf.device.type for leaf in tree_leaves(batch))
            return transfer(task, batch, *where)

        monkeypatch.setattr(data_module, "fits_on_gpu", lambda *_, fits=fits: fits)
        monkeypatch.setattr(Task, "transfer_batch_to_device", seen)
        with softgpu.SoftGPU():
            found.append(short("trainer=gpu", f"folder={tmp_path / str(fits)}").network.state_dict())
        assert places == {"cuda" if fits else "cpu"}
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())


@pytest.mark.parametrize(
    ("cell", "few"),
    [
        ("cnn-classification", []),
        ("gan-generation", []),
        ("rbm-features", []),
        ("lstm-tagging", []),
        ("mlp-regression", ["data=csv", "data.path=prices.csv", "data.target=price", "data.val_fraction=0.02"]),
    ],
    indirect=["cell"],
)
def test_collectives_take_tensors_of_the_device(
    overrides: list[str], tmp_path: Path, forks: Any, cell: str, few: list[str]
) -> None:
    """Two processes by gloo; both end with the same weights and the same validation.

    Of the table one row is validated on, so that the second process has none.
    """
    rows = "".join(f"{number},{number / 7}\n" for number in range(60))
    (tmp_path / "prices.csv").write_text(f"size,price\n{rows}", encoding="utf-8")
    script = Path(__file__).with_name("fit_on_two_devices.py")
    shared = [f"folder={tmp_path / 'run'}", "trainer.precision=bf16-mixed", *overrides, *few]
    codes = forks.two_machines(script, tmp_path, *shared, cwd=tmp_path, said=tmp_path)
    assert codes == [0, 0], [(tmp_path / f"{rank}.txt").read_text()[-3000:] for rank in range(2)]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first == second
    assert {"c10d::allreduce_", "c10d::allgather_"} <= set(first["called"])
