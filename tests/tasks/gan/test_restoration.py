"""Restoration: what each of the two optimizers may move, what is measured, and that it learns to fill a hole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import models
from zoo.data.images import Digits
from zoo.errors import ConfigError, SpecError
from zoo.models import PatchDiscriminator
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Image, MaskedImage, Spec
from zoo.tasks.gan import AdversarialOptions, Mask, Restoration

TrainerBuilder = Callable[..., L.Trainer]
ADAM = partial(torch.optim.Adam, lr=2e-3)
EIGHT = Spec(Image(1, 8, 8, (0.5,), (0.5,)), Classes(("a", "b")))


def restoration(spec: Spec, optimizer: Any = ADAM, **options: Any) -> Restoration:
    torch.manual_seed(0)
    build = partial(models.build, "gan", width=8, depth=1)
    discriminator = partial(PatchDiscriminator, width=8, depth=1)
    return Restoration(spec, build, optimizer, degradation=Mask(), discriminator=discriminator, **options)


def test_each_optimizer_moves_its_own_network_alone(trainer: TrainerBuilder, digits: Digits) -> None:
    """With a learning rate of zero for one of them, that network stays as it was, and the other learns."""
    still = partial(torch.optim.SGD, lr=0.0)
    for frozen, generator, discriminator in (("discriminator", ADAM, still), ("network", still, ADAM)):
        adversarial = AdversarialOptions(discriminator_optimizer=discriminator)
        task = restoration(digits.spec, generator, adversarial=adversarial)
        before = copy.deepcopy({"network": task.network, "discriminator": task.discriminator})
        trainer(max_epochs=1, limit_train_batches=2, limit_val_batches=0).fit(task, digits)
        for name, old in before.items():
            same = all(torch.equal(a, b) for a, b in zip(old.parameters(), getattr(task, name).parameters()))
            assert same == (name == frozen), name


def test_gradients_are_clipped_before_both_steps(trainer: TrainerBuilder, digits: Digits) -> None:
    """Plain gradient descent at rate 1 moves the weights by the gradient, so no further than the clip."""
    task = restoration(digits.spec, TrainingOptions(partial(torch.optim.SGD, lr=1.0), max_grad_norm=0.01))
    before = copy.deepcopy({"network": task.network, "discriminator": task.discriminator})
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(task, digits)
    for name, old in before.items():
        moves = [new - was for new, was in zip(getattr(task, name).parameters(), old.parameters())]
        assert nn.utils.get_total_norm(moves).item() == pytest.approx(0.01, rel=1e-2)


def test_spectral_norms_move_once_for_each_network(trainer: TrainerBuilder, digits: Digits) -> None:
    """One power iteration while the generator learns, on true and restored images, and one for the discriminator."""
    task = restoration(digits.spec, feature_weight=1.0)
    spectral = task.discriminator[0].parametrizations.weight
    weight, right = spectral.original.detach().flatten(1).clone(), spectral[0]._v.clone()
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(task, digits)
    for _ in range(2):
        left = functional.normalize(weight @ right, dim=0)
        right = functional.normalize(weight.T @ left, dim=0)
    torch.testing.assert_close(spectral[0]._v, right)


def test_it_learns_to_fill_a_hole_in_a_flat_image(trainer: TrainerBuilder, digits: Digits) -> None:
    """Each image is of one shade, so whoever looks at what is known can tell what is hidden."""
    shades = torch.randint(0, 256, (512, 1, 1, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = Digits(batch_size=32)
    data.setup()
    data.splits = {split: type(data.splits["train"])(shades.expand(-1, 1, 8, 8).contiguous()) for split in data.splits}
    task = restoration(digits.spec, TrainingOptions(ADAM, schedule="cosine"))
    fitted = trainer(max_epochs=6, limit_val_batches=0)
    fitted.fit(task, data)
    metrics = fitted.test(task, data, verbose=False)[0]
    assert metrics["test/l1"] < 0.1  # the mean shade would be off by 0.25


def test_validation_is_the_same_each_time(trainer: TrainerBuilder, digits: Digits) -> None:
    task = restoration(digits.spec)
    first, second = (trainer().validate(task, digits, verbose=False)[0] for _ in range(2))
    assert first == second


def test_its_metrics_are_those_of_the_hole(trainer: TrainerBuilder, digits: Digits) -> None:
    """An untrained network is evaluated by hand, an image at a time."""
    task = restoration(digits.spec)
    metrics = trainer(limit_test_batches=1).test(task, digits, verbose=False)[0]
    images = digits.splits["test"].columns[0][: digits.batch_size]
    degraded, _, region = task.degrade((images,), 0)
    errors = []
    for image, masked, hole in zip(images, degraded, region):
        restored = task.image.restore(task(task.spec.input.prepare(masked[None])))[0]
        errors += [abs(int(a) - int(b)) / 255 for a, b, h in zip(*map(Tensor.flatten, (restored, image, hole))) if h]
    assert metrics["test/l1"] == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_it_predicts_whole_images(digits: Digits) -> None:
    """Without a trainer, and the same for one place of a batch each time."""
    task = restoration(digits.spec)
    batch = digits.splits["test"].__getitems__(torch.arange(5))
    restored = task.predict_step(batch, 3)
    assert (restored.dtype, restored.shape) == (torch.uint8, batch[0].shape)
    assert torch.equal(restored, task.restore(task.degrade(batch, 3)[0]))
    assert not torch.equal(restored, task.predict_step(batch, 4))


def test_what_cannot_work_is_refused() -> None:
    masked = MaskedImage(1, 8, 8, (0.5,), (0.5,))
    with pytest.raises(SpecError, match="images"):
        restoration(Spec(masked, Image(1, 8, 8, (0.5,), (0.5,))))
    with pytest.raises(ValueError, match="adversarial_weight"):
        restoration(EIGHT, adversarial_weight=-1)
    with pytest.raises(ValueError, match="feature_weight"):
        restoration(EIGHT, adversarial_weight=0, feature_weight=1)


def test_a_discriminator_that_halves_the_images_away_is_refused_when_it_is_built() -> None:
    build = partial(models.build, "gan", width=8, depth=1)
    with pytest.raises(ConfigError, match=r"8 x 8 .* discriminator"):
        Restoration(EIGHT, build, ADAM, degradation=Mask(), discriminator=partial(PatchDiscriminator, depth=4))
