"""Every use of the adversarial recipe from end to end: it runs, resumes exactly, and leaves plots."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo.training.run import Given, train

Run = Callable[..., Path]
PHOTOS = ["data.stride=64", "data.batch_size=16", "data.augment.rotate90=true"]
SMALL = ["epochs=2", "task.discriminator.width=8", "task.max_grad_norm=1", "task.accumulate=2", "model.width=8"]
TASKS = {
    "inpainting": ["data.batch_size=256"],
    "super_resolution": [*PHOTOS, "model.blocks=1"],
    "colourisation": [*PHOTOS, "model.depth=1", "task.adversarial_weight=0.02", "task.gradient_penalty=0.1"],
    "generation": ["data.batch_size=256"],
    "text_to_image": ["data.train_size=64", "data.val_size=32", "data.test_size=32", "data.batch_size=16"],
}


@pytest.fixture
def run(compose: Callable[..., DictConfig], tmp_path: Path) -> Run:
    """Trains with some overrides; gives the run's folder."""

    def run(name: str, *overrides: str, test: bool = True) -> Path:
        train(
            compose("train", "model=gan", "trainer=cpu", f"folder={tmp_path / name}", *SMALL, *overrides),
            Given(test=test),
        )
        return tmp_path / name

    return run


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # the second run keeps no such checkpoint
@pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.usefixtures("blank_plots")
@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=[] if task == "generation" else pytest.mark.slow) for task in TASKS]
)
def test_a_resumed_run_equals_the_uninterrupted_one(run: Run, task: str) -> None:
    """From a checkpoint within the first epoch: both optimizers, the average, and all that is drawn at random."""
    overrides = [f"task={task}", *TASKS[task]]
    keep = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, every_n_train_steps: 4, save_top_k: -1, "
    keep += "filename: '{step}', "
    whole = run(
        "whole", *overrides, f"+callbacks.way={keep} auto_insert_metric_name: false, dirpath: ${{folder}}/way}}"
    )
    for plot in ("growth.png", "growth.gif"):
        assert (whole / plot).stat().st_size > 500
    assert sorted(file.name for file in (whole / "samples").iterdir()) == ["00000.png", "00001.png"]
    first = min((whole / "way").iterdir(), key=lambda file: int(file.stem))
    shutil.copytree(whole / "way", whole.parent / "resumed")
    onward = f"resume={whole.parent / 'resumed' / first.name}"
    resumed = run("resumed", *overrides, onward, test=False)
    states = [torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (whole, resumed)]
    assert any(name.startswith("discriminator.") for name in states[0])
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert (whole / "samples" / "00001.png").read_bytes() == (resumed / "samples" / "00001.png").read_bytes()


@pytest.mark.usefixtures("no_plots")
@pytest.mark.parametrize("task", ["super_resolution", "colourisation"])
def test_restorers_take_images_of_any_size(run: Run, tmp_path: Path, task: str) -> None:
    few = ["epochs=1", "++trainer.limit_train_batches=3", "++trainer.limit_val_batches=1"]
    folder = run(task, f"task={task}", *TASKS[task], *few, test=False)
    restore = zoo.load(folder / "model.safetensors")
    sizes = [(40, 31), (17, 90)]
    images = [np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    PIL.Image.fromarray(images[0]).save(tmp_path / "photo.png")
    one, two = restore([tmp_path / "photo.png", images[1]])
    if task == "super_resolution":
        assert (one.size, two.size) == ((62, 80), (180, 34))
        tiled = restore(images[1], tile=8)
        assert np.abs(np.asarray(tiled).astype(int) - np.asarray(two)).max() <= 1  # where rounding is a close call
    else:
        assert (one.size, two.size) == ((31, 40), (90, 17))
        assert (np.asarray(one.convert("L")) == np.asarray(PIL.Image.fromarray(images[0]).convert("L"))).all()
        with pytest.raises(zoo.SpecError, match="1 x 9 pixels are too small"):
            restore(images[0][:1, :9])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mixed", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("task", TASKS)
def test_mixed_precision_on_a_gpu(run: Run, task: str, mixed: str) -> None:
    folder = run("gpu", f"task={task}", *TASKS[task], "trainer=gpu", f"trainer.precision={mixed}")
    state = zoo.load(folder / "model.safetensors").network.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["task=colourisation", "data=digits"], "colour"),
        (["task=super_resolution", "data=digits"], "8 x 8 pixels are too small"),
        (["task=super_resolution", "task.adversarial_weight=0"], "feature_weight"),
        (["task=colourisation", "model.depth=7"], "64 x 64 pixels are too small"),
        (["task=inpainting", "model.depth=4"], "8 x 8 pixels are too small"),
        (["task=inpainting", "task.gan_loss=hing"], "did you mean 'hinge'"),
        (["task=generation", "data=photos"], "one size"),
        (["task=generation", "task.evaluator.source=cnn.digit"], "did you mean 'cnn.digits'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_refused_before_training(
    run: Run, tmp_path: Path, overrides: list[str], fault: str
) -> None:
    with pytest.raises(zoo.ZooError, match=fault):
        run("refused", *overrides)
    assert not (tmp_path / "refused").exists()
