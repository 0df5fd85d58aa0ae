"""Dreams: what is dreamt of grows, in images of any size, and impossible wishes are one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor

import zoo
from zoo.inference.dream import ascend, dream, total_variation


def test_a_known_objective_is_found() -> None:
    """The image that is closest to another one is that one."""
    wanted = torch.rand(2, 1, 9, 12, generator=torch.Generator().manual_seed(0))
    frames = ascend(
        lambda x: -((x - wanted) ** 2).sum((1, 2, 3)),
        torch.full((2, 1, 9, 12), 0.5),
        steps=200,
        lr=0.01,
        smoothness=0.0,
        shift=0,
    )
    assert (frames[-1] / 255 - wanted).abs().mean() < 0.02


def test_smooth_images_have_little_variation() -> None:
    steps = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert total_variation(torch.stack([steps, steps.T, steps * 0])[:, None]).tolist() == [2.0, 2.0, 0.0]

    def brightness(x: Tensor) -> Tensor:
        return (x * pattern).sum((1, 2, 3))

    pattern = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    rough, smooth = (
        ascend(brightness, torch.full((1, 1, 16, 16), 0.5), steps=20, lr=0.01, smoothness=weight)[-1].float()
        for weight in (0.0, 0.5)
    )
    assert total_variation(smooth) < total_variation(rough)


def test_a_network_answers_its_dreams(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    file = dream(
        compose(
            "use/dream", "model=cnn.digits", "steps=40", "smoothness=0", "shift=0", f"output={tmp_path / 'all.png'}"
        )
    )
    with PIL.Image.open(file) as opened:
        sheet = np.asarray(opened)
    factor = sheet.shape[1] // 36  # four columns of 9 pixels, enlarged
    small = sheet[::factor, ::factor]
    network = zoo.load("cnn.digits")
    pixels = [small[row * 9 : row * 9 + 8, column * 9 : column * 9 + 8] for row in range(3) for column in range(4)][:10]
    answers = network.network(network.spec.input.prepare(torch.from_numpy(np.stack(pixels))[:, None])).argmax(1)
    assert (answers == torch.arange(10)).float().mean() >= 0.7
    with PIL.Image.open(file.with_suffix(".gif")) as animation:
        assert getattr(animation, "n_frames", 1) > 10


def test_a_photograph_keeps_its_proportions(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), "uint8")).save(tmp_path / "photo.png")
    settings = [f"image={tmp_path / 'photo.png'}", "steps=2", "octaves=2", f"output={tmp_path / 'dream.png'}"]
    for wish in (["stage=1"], ["stage=0", "channel=3"], ["label='7'"]):
        file = dream(compose("use/dream", "model=cnn.mnist", "size=45", *settings, *wish))
        with PIL.Image.open(file) as opened:
            assert opened.width * 30 == opened.height * 45


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model=cnn.digits", "label=x"], "unknown label 'x'"),
        (["model=cnn.digits", "steps=0"], "steps must be"),
        (["model=cnn.digits", "stage=3"], "stage is a whole number from 0 to 2"),
        (["model=cnn.digits", "stage=0", "channel=16"], "channel is a whole number from 0 to 15"),
        (["model=cnn.digits", "channel=1"], "give stage"),
        (["model=cnn.digits", "label='1'", "stage=0"], "not both"),
        (["model=cnn.digits", "octaves=0"], "octaves"),
        (["model=cnn.digits", "ratio=1"], "ratio"),
        (["model=cnn.digits", "output=dream.jpg", "steps=x"], "PNG"),  # told before any step
        (["model=cnn.digits", "output=5"], "output is the name"),
        (["model=cnn.digits", "seed=x"], "seed must be"),
        (["model=cnn.cifar10", "octaves=9"], "cannot take images of 2 x 2 pixels: give fewer octaves"),
        (["model=rbm.classification_mnist", "size=64"], "cannot take images of 64 x 64 pixels"),
        (["model=mlp.mnist", "stage=0"], "no stages"),
        (["model=lstm.reviews"], "networks that classify images"),
    ],
    ids=str,
)
def test_impossible_wishes(compose: Callable[..., DictConfig], settings: list[str], message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        dream(compose("use/dream", "steps=1", *settings))


def test_a_dream_is_not_written_over_what_is_read(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    for name in ("photo.png", "photo.gif"):
        PIL.Image.new("RGB", (16, 16)).save(tmp_path / name)
        settings = ["model=cnn.mnist", "steps=1", f"image={tmp_path / name}", f"output={tmp_path / 'photo.png'}"]
        with pytest.raises(zoo.ConfigError, match=f"{name} is read itself"):
            dream(compose("use/dream", *settings))


def test_a_folder_that_cannot_be_written_to_is_told_before_any_step(
    compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(zoo.ConfigError, match="cannot write"):
        dream(compose("use/dream", "model=cnn.digits", "steps=x", f"output={tmp_path / 'file' / 'dream.png'}"))
    with pytest.raises(zoo.ConfigError, match="steps must be"):
        dream(compose("use/dream", "model=cnn.digits", "steps=x", f"output={tmp_path / 'dream.png'}"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # nothing half-written stays
