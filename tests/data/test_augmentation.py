"""Random changes of photographs."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from zoo.data.augmentation import AlternatingFlip, PhotoAugmentation, RandomFlip, adjusted
from zoo.errors import DataError
from zoo.spec import Classes, Image, Values


def images(count: int = 40, channels: int = 3, height: int = 12, width: int = 16) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=random)


def test_without_options_it_is_a_random_flip() -> None:
    for rotate90 in (False, True):
        torch.manual_seed(3)
        flipped = RandomFlip(rotate90)(images())
        torch.manual_seed(3)
        assert torch.equal(PhotoAugmentation(rotate90=rotate90)(images()), flipped)
    assert torch.equal(PhotoAugmentation(flip=False)(images()), images())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"crop": 0.2},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"erase": 1.0},
        {"randaugment": 2},
        {"crop": 0.3, "brightness": 0.4, "saturation": 0.4, "hue": 0.1, "erase": 0.5},
    ],
)
def test_each_image_is_changed_in_its_own_way(options: dict[str, float], channels: int) -> None:
    torch.manual_seed(0)
    augment = PhotoAugmentation(flip=False, **options)  # type: ignore[arg-type]
    batch = images(1, channels).expand(20, -1, -1, -1).clone()
    before = batch.clone()
    changed = augment(batch)
    assert changed.shape == batch.shape
    assert changed.dtype == torch.uint8
    assert torch.equal(batch, before)
    assert len(changed.flatten(1).unique(dim=0)) > 5
    torch.manual_seed(0)
    assert torch.equal(augment(batch), changed)


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("which", ["brightness", "contrast", "saturation"])
def test_colours_are_those_of_torchvision(which: str, factor: float) -> None:
    factors = {name: torch.ones(40) for name in ("brightness", "contrast", "saturation")}
    factors[which] = torch.full((40,), factor)
    ours = adjusted(images(), **factors, hue=torch.zeros(40))
    theirs = getattr(functional, f"adjust_{which}")(images(), factor)
    assert (ours.int() - theirs.int()).abs().max() <= 2  # torchvision truncates


def test_hues_turn_and_grey_stays() -> None:
    one, turns = torch.ones(1), torch.tensor([0.5])
    red = torch.tensor([200, 90, 90], dtype=torch.uint8).view(1, 3, 1, 1)
    turned = adjusted(red, one, one, one, turns).flatten().tolist()
    assert turned[0] < min(turned[1:])  # cyan
    grey = torch.full((1, 3, 2, 2), 120, dtype=torch.uint8)
    assert (adjusted(grey, one, one, one, turns).int() - 120).abs().max() <= 1
    assert torch.equal(adjusted(red, one, one, one, 2 * turns), red)  # once around


def test_a_crop_is_a_part_of_the_image() -> None:
    """Of a ramp, at least the wanted share of it, and never beyond its ends."""
    torch.manual_seed(0)
    ramp = torch.arange(100, dtype=torch.uint8).expand(200, 1, 100, 100)
    cropped = PhotoAugmentation(flip=False, crop=0.25)(ramp)[:, 0, 0].int()
    shares = (cropped[:, -1] - cropped[:, 0] + 1) / 100
    assert shares.min() >= 0.5 / (4 / 3) ** 0.5 - 0.03
    assert shares.max() > 0.9
    assert (cropped.diff(dim=1) >= 0).all()
    assert cropped[:, 0].min() < 5
    assert cropped[:, -1].max() > 95


def test_erasing_takes_a_rectangle_of_some_images() -> None:
    torch.manual_seed(0)
    batch = torch.zeros(400, 1, 30, 30, dtype=torch.uint8)
    batch[..., ::2] = 200
    erased = PhotoAugmentation(flip=False, erase=0.5)(batch) == 100
    share = erased.float().mean(dim=(1, 2, 3))
    assert 0.4 < (share > 0).float().mean() < 0.6
    assert share.max() < 0.4
    rows, columns = erased[:, 0].any(dim=2).sum(dim=1), erased[:, 0].any(dim=1).sum(dim=1)
    assert torch.equal(rows * columns, erased.sum(dim=(1, 2, 3)))


def test_mixup_mixes_targets_as_it_mixes_images() -> None:
    torch.manual_seed(0)
    augment = PhotoAugmentation(mixup=0.4)
    assert augment.mixes
    labels = torch.arange(40) % 4
    batch = (labels * 60).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 5, 5)
    mixed, targets = augment.mix(batch, labels, Classes(("a", "b", "c", "d")))
    assert torch.allclose(targets.sum(dim=1), torch.ones(40))
    assert ((targets > 0).sum(dim=1) == 2).any()
    means = (targets * torch.arange(4)).sum(dim=1) * 60
    assert (mixed[:, 0, 0, 0].float() - means).abs().max() <= 0.51
    values = labels[:, None].float()
    mixed, targets = augment.mix(batch, values, Values(("v",), (0.0,), (1.0,)))
    assert (mixed[:, 0, 0, 0].float() - targets[:, 0] * 60).abs().max() <= 0.51
    with pytest.raises(DataError, match=r"mixup mixes classes or values.*data\.augment\.mixup=0"):
        augment.mix(batch, batch, Image(3, 5, 5, (0.5,) * 3, (0.5,) * 3))


@pytest.mark.parametrize(
    "options", [{"crop": 0}, {"hue": 0.6}, {"erase": 2}, {"randaugment": 1.5}, {"mixup": -1}, {"small": 8}]
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        PhotoAugmentation(**options)  # type: ignore[arg-type]


def test_two_epochs_show_each_image_both_ways() -> None:
    batch, flip = images(), AlternatingFlip()
    shown = []
    for epoch in range(4):
        flip.epoch = epoch
        shown.append(flip(batch))
    for first, second in pairwise(shown):
        for image, one, other in zip(batch, first, second):
            assert {one.numpy().tobytes(), other.numpy().tobytes()} == {
                image.numpy().tobytes(),
                image.flip(-1).contiguous().numpy().tobytes(),
            }
    kept = [bool(torch.equal(one, image)) for one, image in zip(shown[0], batch)]
    assert 0.2 < sum(kept) / len(kept) < 0.8


def test_photographs_are_flipped_in_turns_and_shifted() -> None:
    augment = PhotoAugmentation(alternate=True)
    augment.set_epoch(1)
    flip = AlternatingFlip()
    flip.epoch = 1
    assert torch.equal(augment(images()), flip(images()))
    shifted = PhotoAugmentation(flip=False, shift=2)(images())
    assert torch.equal(PhotoAugmentation(flip=False, shift=0)(images()), images())
    for image, moved in zip(images(), shifted):  # the middle of each is somewhere within two pixels
        places = [(row, column) for row in range(5) for column in range(5)]
        assert any(torch.equal(moved[:, 2:-2, 2:-2], image[:, r : r + 8, c : c + 12]) for r, c in places)
    for options in ({"rotate90": True}, {"flip": False}):
        with pytest.raises(ValueError, match="alternate"):
            PhotoAugmentation(alternate=True, **options)


def test_the_first_epochs_see_small_images() -> None:
    augment = PhotoAugmentation(flip=False, small=2, small_epochs=1)
    batch = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    means = batch.float().view(2, 3, 2, 2, 2, 2).mean(dim=(3, 5)).round()
    torch.testing.assert_close(augment(batch).float(), means)
    augment.set_epoch(1)
    assert augment(batch).equal(batch)
