"""Each task trains, validates, tests and predicts with plain Lightning and a plain DataLoader of tuples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from zoo import models
from zoo.models import Discriminator, PatchDiscriminator
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Image, Spec, Tokens
from zoo.tasks.gan import AdversarialOptions, Downscale, Generation, Grey, Mask, Restoration
from zoo.tasks.task import Task

OPTIONS = TrainingOptions(partial(torch.optim.Adam, lr=1e-3), schedule="cosine", max_grad_norm=1.0, ema=0.9)
PARTS = AdversarialOptions(accumulate=2)
BATCH, SIDE = 6, 24
IMAGE = Image(3, SIDE, SIDE, (0.5,) * 3, (0.5,) * 3)


def rows() -> dict[str, tuple[Task, TensorDataset]]:
    """Each task of this folder, and examples for it."""
    images = torch.randint(0, 256, (2 * BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    labels, captions = torch.arange(2 * BATCH) % 2, torch.randint(2, 4, (2 * BATCH, 2, 5))
    small, deep = (partial(models.build, "gan", width=8, **more) for more in ({}, {"depth": 1}))
    patches = {"discriminator": partial(PatchDiscriminator, width=8, depth=1), "adversarial": PARTS}
    whole = {"discriminator": partial(Discriminator, width=8), "adversarial": PARTS}
    alone = Spec(IMAGE, IMAGE)
    labelled, captioned = Spec(IMAGE, Classes(("a", "b"))), Spec(IMAGE, Tokens(("cat", "dog"), "words", 5))
    return {
        "inpainting": (Restoration(alone, deep, OPTIONS, degradation=Mask(), **patches), TensorDataset(images)),
        "super_resolution": (
            Restoration(alone, small, OPTIONS, degradation=Downscale(2), feature_weight=0.1, **patches),
            TensorDataset(images),
        ),
        "colourisation": (Restoration(alone, deep, OPTIONS, degradation=Grey(), **patches), TensorDataset(images)),
        "generation": (Generation(alone, small, OPTIONS, **whole), TensorDataset(images)),
        "generation of classes": (Generation(labelled, small, OPTIONS, **whole), TensorDataset(images, labels)),
        "text_to_image": (
            Generation(captioned, small, OPTIONS, contrastive_weight=1.0, diversity_weight=1.0, **whole),
            TensorDataset(images, captions),
        ),
    }


@pytest.mark.parametrize("name", rows())
def test_a_plain_loader_is_enough(trainer: Callable[..., L.Trainer], name: str) -> None:
    task, examples = rows()[name]
    before = [weights.clone() for weights in task.trained_network.parameters()]
    fitted = trainer(max_epochs=1)
    fitted.fit(task, DataLoader(examples, BATCH), DataLoader(examples, BATCH))
    assert fitted.global_step == 4  # two of each network
    assert any(not torch.equal(*pair) for pair in zip(before, task.trained_network.parameters()))
    (metrics,) = fitted.test(task, DataLoader(examples, BATCH), verbose=False)
    assert set(metrics) == ({"test/l1", "test/psnr", "test/ssim"} if isinstance(task, Restoration) else set())
    predictions = fitted.predict(task, DataLoader(examples, BATCH))
    assert predictions is not None
    assert torch.cat(predictions).shape == (2 * BATCH, 3, SIDE, SIDE)
