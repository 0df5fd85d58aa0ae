"""On a real card: `pytest -m gpu`; the same tests run on the device in software, by its script `run`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity

import zoo
from zoo.benchmarks import gpu, quiet
from zoo.inference.export import export_artefact
from zoo.training.trained import TrainedArtefact
from zoo.weights.samples import random_inputs

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("blank_plots", "device")]
SAME = "trainer=gpu", "trainer.precision=32-true", "trainer.benchmark=false", "+trainer.deterministic=true"


@pytest.fixture
def device() -> Iterator[None]:
    """A card, or else the one in software where it is started."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    with importlib.import_module("softgpu").SoftGPU() if in_software() else nullcontext():
        yield


def in_software() -> bool:
    """Whether the card is the one in software."""
    return importlib.util.find_spec("softgpu") is not None and importlib.import_module("softgpu").reason() is None


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_it_trains(short: Callable[..., TrainedArtefact], precision: str) -> None:
    artefact = short("trainer=gpu", f"trainer.precision={precision}")
    assert all(tensor.isfinite().all() for tensor in artefact.network.state_dict().values())


@pytest.mark.parametrize("cell", ["cnn-classification", "mlp-regression", "lstm-tagging"], indirect=True)
def test_float32_is_that_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, short: Callable[..., TrainedArtefact], tmp_path: Any
) -> None:
    """After four steps, each tensor by less than a hundredth of its norm, and without TF32, which keeps ten bits.

    The first steps of Adam are as long for a gradient of rounding errors as for any other, so that single weights may
    be further apart.
    """
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    on_gpu = short(*SAME, f"folder={tmp_path / 'gpu'}", "model.dropout=0").network.state_dict()
    on_cpu = short("trainer=cpu", f"folder={tmp_path / 'cpu'}", "model.dropout=0").network.state_dict()
    for name, tensor in on_cpu.items():
        difference = (on_gpu[name].cpu() - tensor).double().norm()
        assert difference <= 0.01 * tensor.double().norm(), f"{name}: {difference}"


@pytest.mark.parametrize("cell", ["mlp-classification", "lstm-sentiment", "rbm-features"], indirect=True)
def test_a_run_is_repeated_bit_for_bit(short: Callable[..., TrainedArtefact], tmp_path: Any) -> None:
    first, second = (short(*SAME, f"folder={tmp_path / name}").network.state_dict() for name in ("a", "b"))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.mark.parametrize("cell", ["cnn-classification", "gan-generation", "rbm-features"], indirect=True)
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`", "ignore:Using ModelCheckpoint with manual")
def test_a_resumed_run_equals_the_uninterrupted_one(short: Callable[..., TrainedArtefact], tmp_path: Path) -> None:
    """Bit for bit, from the middle of an epoch, with the random numbers that the device draws."""
    keep = "+callbacks.way={_target_: lightning.pytorch.callbacks.ModelCheckpoint, every_n_train_steps: 2, "
    keep += f"save_top_k: -1, dirpath: {tmp_path / 'way'}}}"
    whole = short(*SAME, f"folder={tmp_path / 'whole'}", keep).network.state_dict()
    (tmp_path / "resumed").mkdir()
    first = min((tmp_path / "way").iterdir(), key=lambda file: file.stat().st_mtime)
    resumed = first.rename(tmp_path / "resumed" / "first.ckpt")
    found = short(*SAME, f"resume={resumed}", "folder=null").network.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in whole.items())


@pytest.mark.parametrize("cell", ["cnn-classification", "mlp-regression"], indirect=True)
def test_answers_of_the_device_are_those_of_the_cpu(short: Callable[..., TrainedArtefact], tmp_path: Path) -> None:
    """But for TF32; and what is exported from a network that lies on the device lies on the CPU."""
    artefact = short(*SAME)
    inputs = random_inputs(artefact.spec.input, 4)
    columns = [list(column) for column in zip(*inputs)]
    expected = numbers(artefact(*columns))
    artefact.to("cuda")
    assert numbers(artefact(*columns)) == pytest.approx(expected, abs=0.01, rel=0.01)
    export_artefact(artefact, tmp_path / "network.pt2", "torch_export")
    assert not any(tensor.is_cuda for tensor in torch.export.load(tmp_path / "network.pt2").state_dict.values())


@pytest.mark.parametrize("cell", ["mlp-regression"], indirect=True)
def test_memory_is_that_of_weights_gradients_and_moments(short: Callable[..., TrainedArtefact]) -> None:
    """Of a wide network on small batches: float32 four times, and the weights once more in bf16; within 20 %.

    The workspaces of cuBLAS, of 32 MiB and more, are there from a first run on.
    """
    short("trainer=gpu", "trainer.precision=bf16-mixed")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    artefact = short("trainer=gpu", "trainer.precision=bf16-mixed", "model.hidden_sizes=[1024,1024,1024]")
    used = torch.cuda.max_memory_allocated() - before
    parameters = sum(parameter.numel() for parameter in artefact.network.parameters())
    assert used == pytest.approx(parameters * (4 * 4 + 2), rel=0.2)


def test_the_suite_of_speed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    narrow = ["data=digits", "model.width=8", "task.discriminator.width=8"]
    small = {"mlp regression": gpu.CELLS["mlp regression"], "gan inpainting": narrow}
    profiled = ProfilerActivity.CPU if in_software() else gpu.PROFILED
    for name, few in {"CELLS": small, "ROUNDS": 1, "BATCHES": 2, "PROFILED": profiled}.items():
        monkeypatch.setattr(gpu, name, few)
    with quiet():
        plain, of_gan = gpu.run(Path("nowhere"))
    assert min(*plain.ours, *plain.theirs, *of_gan.ours) > 0
    assert not of_gan.theirs
    title, _, mlp, _ = (line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("|"))
    assert title[8].strip() == "operators a step"
    assert 10 < int(mlp[8]) < 500


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA GPUs")
@pytest.mark.parametrize("cell", ["cnn-classification", "gan-generation"], indirect=True)
def test_two_cards_train_one_network(root: Path, overrides: list[str], tmp_path: Path) -> None:
    """By NCCL; the run ends with one artefact, in one folder."""
    where = ["trainer=ddp", "trainer.accelerator=gpu", f"folder={tmp_path / 'two'}"]
    command = [sys.executable, str(root / "scripts" / "train.py"), *overrides, *where]
    subprocess.run(command, check=True, timeout=600)
    artefact = zoo.load(tmp_path / "two" / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in artefact.network.state_dict().values())


def numbers(answers: Any) -> list[float]:
    """All numbers of answers, in order."""
    if isinstance(answers, dict):
        answers = list(answers.values())
    if isinstance(answers, (list, tuple)):
        return [number for answer in answers for number in numbers(answer)]
    return [float(answers)] if isinstance(answers, (int, float)) else []
