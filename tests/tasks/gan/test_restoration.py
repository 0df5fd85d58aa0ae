"""Restoration: what each of the two optimisers may move, what is measured, and that it learns to fill a hole."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from zoo import models
from zoo.data.core.columns import Examples
from zoo.data.images import Digits
from zoo.data.photos import Photos, WholeImages
from zoo.errors import ConfigError, DataError, SpecError
from zoo.models import PatchDiscriminator
from zoo.spec import Classes, Image, MaskedImage, Spec
from zoo.tasks.gan.degradations import Degradation, Downscale, Grey, Mask
from zoo.tasks.gan.restoration import Restoration

TrainerBuilder = Callable[..., L.Trainer]
ADAM = partial(torch.optim.Adam, lr=2e-3)


def restoration(spec: Spec, **options: object) -> Restoration:
    torch.manual_seed(0)
    network = partial(models.build, "gan", width=8, depth=1)
    discriminator = partial(PatchDiscriminator, width=8, depth=1)
    return Restoration(spec, network, ADAM, degradation=Mask(), discriminator=discriminator, **options)


def test_each_optimiser_moves_its_own_network_alone(trainer: TrainerBuilder, digits: Digits) -> None:
    """With a learning rate of zero for one of them, that network stays as it was, and the other learns."""
    still = partial(torch.optim.SGD, lr=0.0)
    for frozen, options in (("discriminator", {"discriminator_optimiser": still}), ("network", {})):
        task = restoration(digits.spec, **options)
        if frozen == "network":
            task.optimiser, task.discriminator_optimiser = still, ADAM
        before = copy.deepcopy({"network": task.network, "discriminator": task.discriminator})
        trainer(max_epochs=1, limit_train_batches=2, limit_val_batches=0).fit(task, digits)
        for name, old in before.items():
            same = all(torch.equal(a, b) for a, b in zip(old.parameters(), getattr(task, name).parameters()))
            assert same == (name == frozen), name


def test_gradients_are_clipped_before_both_steps(trainer: TrainerBuilder, digits: Digits) -> None:
    """Plain gradient descent at rate 1 moves the weights by the gradient, so no further than the clip."""
    task = restoration(digits.spec, max_grad_norm=0.01, schedule="constant")
    task.optimiser = task.discriminator_optimiser = partial(torch.optim.SGD, lr=1.0)
    before = copy.deepcopy({"network": task.network, "discriminator": task.discriminator})
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(task, digits)
    for name, old in before.items():
        moves = [new - was for new, was in zip(getattr(task, name).parameters(), old.parameters())]
        assert nn.utils.get_total_norm(moves).item() == pytest.approx(0.01, rel=1e-2)


def test_it_learns_to_fill_a_hole_in_a_flat_picture(trainer: TrainerBuilder, digits: Digits) -> None:
    """Each picture is of one shade, so whoever looks at what is known can tell what is hidden."""
    shades = torch.randint(0, 256, (512, 1, 1, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = Digits(batch_size=32)
    data.setup()
    data.splits = {split: type(data.splits["train"])(shades.expand(-1, 1, 8, 8).contiguous()) for split in data.splits}
    task = restoration(digits.spec, ema=None)
    fitted = trainer(max_epochs=6)
    fitted.fit(task, data)
    figures = fitted.test(task, data, verbose=False)[0]
    assert figures["test/l1"] < 0.1  # the mean shade would be off by 0.25


def test_validation_is_the_same_each_time(trainer: TrainerBuilder, digits: Digits) -> None:
    task = restoration(digits.spec)
    first, second = (trainer().validate(task, digits, verbose=False)[0] for _ in range(2))
    assert first == second


def test_its_figures_are_those_of_the_hole(trainer: TrainerBuilder, digits: Digits) -> None:
    """An untrained network is judged by hand, a picture at a time."""
    task = restoration(digits.spec)
    figures = trainer(limit_test_batches=1).test(task, digits, verbose=False)[0]
    pictures = digits.splits["test"].columns[0][: digits.batch_size]
    spoilt, _, region = Mask()(pictures, torch.Generator().manual_seed(0))
    errors = []
    for picture, masked, hole in zip(pictures, spoilt, region):
        restored = task.picture.restore(task(task.spec.input.prepare(masked[None])))[0]
        errors += [abs(int(a) - int(b)) / 255 for a, b, h in zip(*map(Tensor.flatten, (restored, picture, hole))) if h]
    assert figures["test/l1"] == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_data_without_pictures_is_refused() -> None:
    masked = MaskedImage(1, 8, 8, (0.5,), (0.5,))
    with pytest.raises(SpecError, match="restoration needs data with images"):
        restoration(Spec(masked, Image(1, 8, 8, (0.5,), (0.5,))))
    with pytest.raises(ValueError, match="adversarial_weight must be at least 0, got -1"):
        restoration(Spec(Image(1, 8, 8, (0.5,), (0.5,)), Classes(("a", "b"))), adversarial_weight=-1)


def test_a_discriminator_that_halves_the_pictures_away_is_refused_when_it_is_built() -> None:
    spec = Spec(Image(1, 8, 8, (0.5,), (0.5,)), Classes(("a", "b")))
    network = partial(models.build, "gan", width=8, depth=1)
    with pytest.raises(ConfigError, match="pictures of 8 x 8 pixels are too small for the discriminator"):
        Restoration(spec, network, ADAM, degradation=Mask(), discriminator=partial(PatchDiscriminator, depth=4))


@pytest.mark.parametrize(("degradation", "size"), [(Downscale(2), (16, 40)), (Grey(), (40, 1))], ids=["small", "grey"])
def test_a_test_picture_that_is_too_small_is_named_before_training(
    trainer: TrainerBuilder, degradation: Degradation, size: tuple[int, int]
) -> None:
    """Test pictures are of any size, and those of training say nothing of them."""
    data = Photos(patch=32, stride=64)
    data.setup()
    whole = [torch.zeros(3, 40, 40, dtype=torch.uint8), torch.zeros(3, *size, dtype=torch.uint8)]
    data.splits["test"] = Examples(WholeImages(whole))
    network = partial(models.build, "gan", width=8)
    task = Restoration(data.spec, network, ADAM, degradation=degradation, discriminator=PatchDiscriminator)
    fitting = trainer(max_epochs=1, limit_train_batches=1)
    with pytest.raises(SpecError, match=f"{size[0]} x {size[1]} pixels are too small"):
        fitting.fit(task, data)
    assert fitting.global_step == 0


def test_grey_pictures_are_refused_where_colours_are_to_be_learned(trainer: TrainerBuilder) -> None:
    """Three equal channels; of one pixel in colour something can be learned."""
    network = partial(models.build, "gan", width=8)
    grey = torch.randint(0, 256, (100, 1, 32, 32), dtype=torch.uint8).expand(-1, 3, -1, -1).contiguous()
    coloured = grey.clone()
    coloured[-1, 0, 0, 0] ^= 1
    data = Photos(patch=32, stride=64)
    data.setup()
    task = Restoration(data.spec, network, ADAM, degradation=Grey(), discriminator=PatchDiscriminator)
    data.splits["train"] = Examples(coloured)
    trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0).fit(task, data)
    data.splits["train"] = Examples(grey)
    fitting = trainer(max_epochs=1, limit_train_batches=1)
    with pytest.raises(DataError, match="the pictures to learn from are all grey"):
        fitting.fit(task, data)
    assert fitting.global_step == 0


def test_what_is_shown_comes_from_all_of_the_test_split(trainer: TrainerBuilder, digits: Digits) -> None:
    task = restoration(digits.spec)
    trainer().test(task, digits, verbose=False)
    split = digits.splits["test"].columns[0]
    rows = [next(i for i, picture in enumerate(split) if picture.equal(shown["true"])) for shown in task._shown]
    assert (len(rows), rows[0], rows[-1]) == (12, 0, len(split) - 1)
    gaps = torch.tensor(rows).diff()
    assert gaps.max() - gaps.min() <= 1


def test_of_a_large_picture_the_middle_is_shown_or_all_of_it(digits: Digits) -> None:
    task = restoration(digits.spec)
    picture = torch.zeros(3, 400, 200, dtype=torch.uint8)
    picture[:, :200] = 200
    assert task._view(picture[:, :50, :60]).shape == (3, 50, 60)
    whole = task._view(picture)
    assert whole.shape == (3, 96, 48)
    assert whole.float().mean() == pytest.approx(100, abs=2)
    task.degradation = Downscale(2)
    assert torch.equal(task._view(picture), picture[:, 152:248, 52:148])
