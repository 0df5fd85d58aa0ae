"""On a real card: `pytest -m gpu`; the same tests run on the device in software, by its script `run`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from zoo.training.trained import TrainedArtefact

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("blank_plots", "device")]
SAME = "trainer=gpu", "trainer.precision=32-true", "trainer.benchmark=false", "+trainer.deterministic=true"


@pytest.fixture
def device() -> Iterator[None]:
    """A card, or else the one in software where it is started."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    software: Any = nullcontext
    if importlib.util.find_spec("softgpu") is not None:
        softgpu = importlib.import_module("softgpu")
        software = softgpu.SoftGPU if softgpu.reason() is None else nullcontext
    with software():
        yield


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_it_trains(short: Callable[..., TrainedArtefact], precision: str) -> None:
    artefact = short("trainer=gpu", f"trainer.precision={precision}")
    assert all(tensor.isfinite().all() for tensor in artefact.network.state_dict().values())


@pytest.mark.parametrize("cell", ["cnn-classification", "mlp-regression", "lstm-tagging"], indirect=True)
def test_float32_is_that_of_the_cpu(short: Callable[..., TrainedArtefact], tmp_path: Any) -> None:
    """But for TF32, which keeps ten bits: after four steps weights differ by less than a hundredth."""
    on_gpu = short(*SAME, f"folder={tmp_path / 'gpu'}", "model.dropout=0").network.state_dict()
    on_cpu = short("trainer=cpu", f"folder={tmp_path / 'cpu'}", "model.dropout=0").network.state_dict()
    for name, tensor in on_cpu.items():
        torch.testing.assert_close(on_gpu[name].cpu(), tensor, atol=0.01, rtol=0.01)


@pytest.mark.parametrize("cell", ["mlp-classification", "lstm-sentiment", "rbm-features"], indirect=True)
def test_a_run_is_repeated_bit_for_bit(short: Callable[..., TrainedArtefact], tmp_path: Any) -> None:
    first, second = (short(*SAME, f"folder={tmp_path / name}").network.state_dict() for name in ("a", "b"))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
