"""What this machine can do, as a run and `zoo doctor` tell of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

from zoo.errors import ConfigError
from zoo.hardware import check_gpu, doctor, let_products_repeat, precision, why_no_gpu
from zoo.training.run import train

Card = Callable[..., None]


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Card:
    """Pretends that there are cards of a kind."""

    def cards(count: int = 1, *, capability: tuple[int, int] = (9, 0), bf16: bool = True) -> None:
        properties = SimpleNamespace(name="Card", total_memory=80 * 2**30, major=capability[0], minor=capability[1])
        answers: dict[str, Any] = {
            "init": None,
            "is_available": True,
            "device_count": count,
            "get_device_name": "Card",
            "get_device_capability": capability,
            "get_device_properties": properties,
            "get_arch_list": ["sm_75", "sm_90", "compute_90"],
            "is_bf16_supported": bf16,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, lambda *args, answer=answer, **options: answer)

    return cards


def failing(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (
            RuntimeError("The NVIDIA driver on your system is too old (found version 11040). Please update it."),
            "The NVIDIA driver on your system is too old (found version 11040)",
        ),
        (RuntimeError("No CUDA GPUs are available"), "No CUDA GPUs are available"),
        (AssertionError("Torch not compiled with CUDA enabled"), "Torch not compiled with CUDA enabled"),
    ],
)
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str) -> None:
    monkeypatch.setattr(torch.cuda, "init", failing(error))
    assert why_no_gpu() == fault
    with pytest.raises(ConfigError, match="trainer=cpu") as raised:
        check_gpu(1, "mixed")
    assert fault in str(raised.value)


def test_a_card_that_is_too_old_for_this_torch(cards: Card) -> None:
    cards(capability=(6, 1))
    with pytest.raises(ConfigError, match=r"Card has compute capability 6\.1, and torch .* needs 7\.5 or more"):
        check_gpu(1, "mixed")


@pytest.mark.parametrize("devices", [3, "3", [0, 2]])
def test_more_devices_than_there_are(cards: Card, devices: Any) -> None:
    cards(2)
    with pytest.raises(ConfigError, match=r"this machine has 2 GPUs; give trainer\.devices=2"):
        check_gpu(devices, "mixed")


@pytest.mark.parametrize("devices", [1, 2, "2", [0, 1], [1], -1, "auto"])
def test_devices_that_are_there(cards: Card, devices: Any) -> None:
    cards(2)
    check_gpu(devices, "bf16-mixed")


def test_a_precision_that_the_card_has_not(cards: Card) -> None:
    cards(capability=(7, 5), bf16=False)
    with pytest.raises(ConfigError, match=r"Card does not compute in bf16; give trainer\.precision=16-mixed"):
        check_gpu(1, "bf16-mixed")
    check_gpu(1, "mixed")
    assert precision("mixed", "gpu") == "16-mixed"


@pytest.mark.parametrize(
    ("card", "override", "said"),
    [
        ({"capability": (6, 1)}, "seed=1", r"Card has compute capability 6\.1.*; trainer=cpu trains without one"),
        ({"bf16": False}, "trainer.precision=bf16-mixed", r"give trainer\.precision=16-mixed"),
        ({}, "trainer=ddp", r"trainer\.devices=2: this machine has 1 GPU; give trainer\.devices=1"),
    ],
)
def test_a_run_that_takes_the_best_there_is_asks_for_it_too(
    cards: Card, compose: Callable[..., DictConfig], card: dict[str, Any], override: str, said: str
) -> None:
    cards(**card)
    with pytest.raises(ConfigError, match=said):
        train(compose("train", "model=mlp", "trainer=auto", "folder=null", override))


def test_products_repeat_but_where_somebody_chose_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    let_products_repeat()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    let_products_repeat()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_doctor_tells_of_each_card(cards: Card, capsys: pytest.CaptureFixture[str]) -> None:
    cards(2)
    doctor()
    told = capsys.readouterr().out
    assert "GPU 1:         Card, 80.0 GiB, compute 9.0\n" in told
    assert "bf16-mixed, where trainer.precision is auto or mixed: this GPU computes in bf16\n" in told


def test_doctor_tells_why_there_is_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "init", failing(RuntimeError("No CUDA GPUs are available")))
    doctor()
    told = capsys.readouterr().out
    assert "GPU:           none: No CUDA GPUs are available\n" in told
    assert f"torch {torch.__version__}" in told


def test_doctor_tells_of_a_card_that_torch_cannot_use(cards: Card, capsys: pytest.CaptureFixture[str]) -> None:
    cards(capability=(6, 1))
    doctor()
    told = capsys.readouterr().out
    assert " needs 7.5 or more; give trainer=cpu\n" in told
    assert f"precision:     {precision('auto', 'cpu')}, where trainer.precision is auto or mixed: this CPU" in told
