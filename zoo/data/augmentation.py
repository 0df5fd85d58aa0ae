"""Random changes of photographs, for a whole batch on its device, each image in its own way.

Shape letters: B batch, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.data.images import RandomShift
from zoo.errors import DataError
from zoo.spec import Classes, MultiLabel, Output, Values

RATIO = 4 / 3  # of a crop's sides, at most, either way
ERASED = (0.02, 0.33)  # of an image's area
ERASED_RATIO = 3.3  # of the sides of what is erased, at most, either way
GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


class AlternatingFlip:
    """Flip each image of a batch (B, C, H, W) horizontally in every second epoch, and so one half of them in each.

    Two epochs show each image both ways; at random, half of the images would look the same in both (Jordan, "94 % on
    CIFAR-10 in 3.29 seconds on a single GPU", 2024). Which half begins follows from the pixels: from whether their sum
    is odd.
    """

    def __init__(self) -> None:
        self.epoch = 0

    def __call__(self, batch: Tensor) -> Tensor:
        turn = (batch.flatten(1).sum(dim=1) + self.epoch) % 2 == 1
        return torch.where(turn[:, None, None, None], batch.flip(-1), batch)


class RandomFlip:
    """Flip each image of a batch (B, C, H, W) horizontally with probability 0.5.

    Args:
        rotate90: also flip vertically, and transpose square images, so that all rotations by 90 degrees and their
            mirror images are equally likely.
    """

    def __init__(self, rotate90: bool = False) -> None:
        self.rotate90 = rotate90

    def __call__(self, batch: Tensor) -> Tensor:
        chance = torch.rand(3, len(batch), 1, 1, 1, device=batch.device) < 0.5
        batch = torch.where(chance[0], batch.flip(-1), batch)
        if self.rotate90:
            batch = torch.where(chance[1], batch.flip(-2), batch)
            if batch.shape[-1] == batch.shape[-2]:
                batch = torch.where(chance[2], batch.transpose(-1, -2), batch)
        return batch


class PhotoAugmentation:
    """What photographs usually want: flips, and as asked shifts, crops, colours, erasing, RandAugment and mixup.

    The steps are those of torchvision's `RandomResizedCrop`, `RandAugment`, `ColorJitter` and `RandomErasing`, in this
    order. Hue is turned in the plane of chroma (YIQ), what is erased gets the image's mean colour. Mixup: Zhang, Cisse,
    Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", 2018.

    Args:
        flip: as `RandomFlip`.
        rotate90: as in `RandomFlip`.
        crop: the smallest part of an image's area that a crop keeps, above 0; 1 for no crops. It is resized to the
            image's size; its sides are stretched by up to 4/3.
        brightness, contrast, saturation: the largest change of each, as a fraction; 0 for none.
        hue: the largest turn of hues, as a fraction of the whole circle, up to 0.5.
        erase: probability that a rectangle of 2 to 33 % of an image is erased.
        randaugment: number of torchvision's RandAugment operations; it works image by image, which takes longer.
        magnitude: of these operations, from 0 to 30.
        mixup: alpha of mixup, usually 0.1 to 0.4; 0 for none. Targets are mixed likewise, for classification and
            regression.
        alternate: flip as `AlternatingFlip`, in turns instead of at random.
        shift: as `RandomShift`, by up to so many pixels.
        small: side in pixels to which images are averaged down in the first `small_epochs` epochs, which makes these
            cheaper (Howard, "Training ImageNet in 18 minutes", 2018).
        small_epochs: their number.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        flip: bool = True,
        rotate90: bool = False,
        crop: float = 1.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        erase: float = 0.0,
        randaugment: int = 0,
        magnitude: int = 9,
        mixup: float = 0.0,
        alternate: bool = False,
        shift: int = 0,
        small: int | None = None,
        small_epochs: int = 0,
    ) -> None:
        if (small is None) != (small_epochs == 0):
            raise ValueError(f"small and small_epochs go together, and they are {small} and {small_epochs}")
        if alternate and (rotate90 or not flip):
            raise ValueError("alternate is about flips alone: it goes with flip=true and rotate90=false")
        self.in_turns = AlternatingFlip() if alternate else None
        self.flip = RandomFlip(rotate90) if (flip or rotate90) and not alternate else None
        self.shift = RandomShift(shift) if check.whole("shift", shift, 0) else None
        self.crop = check.positive("crop", check.fraction("crop", crop))
        self.brightness = check.fraction("brightness", brightness)
        self.contrast = check.fraction("contrast", contrast)
        self.saturation = check.fraction("saturation", saturation)
        self.hue = check.between("hue", hue, 0, 0.5)
        self.erase = check.fraction("erase", erase)
        self.randaugment = check.whole("randaugment", randaugment, 0, 10)
        self.magnitude = check.whole("magnitude", magnitude, 0, 30)
        self.mixup = check.at_least_zero("mixup", mixup)
        self.small = None if small is None else check.whole("small", small)
        self.small_epochs = check.whole("small_epochs", small_epochs, 0)
        self.epoch = 0

    def __call__(self, batch: Tensor) -> Tensor:
        """Change images (B, C, H, W) of uint8. They keep their size, except in the epochs of small ones."""
        batch = self._changed(batch)
        if self.small is not None and self.epoch < self.small_epochs:
            batch = functional.interpolate(batch.float(), self.small, mode="area").round().to(batch.dtype)
        return batch

    def _changed(self, batch: Tensor) -> Tensor:
        if self.in_turns is not None:
            batch = self.in_turns(batch)
        if self.shift is not None:
            batch = self.shift(batch)
        if self.crop < 1:
            batch = _cropped(batch, self.crop)
        if self.flip is not None:
            batch = self.flip(batch)
        if self.randaugment:
            batch = self._operated(batch)
        if self.brightness or self.contrast or self.saturation or self.hue:
            batch = adjusted(batch, *self._factors(batch))
        return _erased(batch, self.erase) if self.erase else batch

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next images are for, from 0 on."""
        self.epoch = epoch
        if self.in_turns is not None:
            self.in_turns.epoch = epoch

    @property
    def mixes(self) -> bool:
        """Whether `mix` is wanted."""
        return self.mixup > 0

    def mix(self, batch: Tensor, targets: Tensor, output: Output) -> tuple[Tensor, Tensor]:
        """Mix each image (B, C, H, W) with another, and its target: a class (B,) becomes probabilities (B, K).

        Raises:
            DataError: the targets are neither classes, labels nor values.
        """
        if not isinstance(output, Classes | MultiLabel | Values):
            raise DataError(f"mixup mixes classes or values, and this data has {output.word}; set data.augment.mixup=0")
        share = torch.distributions.Beta(*torch.full((2,), self.mixup, device=batch.device)).sample((len(batch),))
        other = torch.randperm(len(batch), device=batch.device)
        part = share.view(-1, 1, 1, 1)
        mixed = (batch * part + batch[other] * (1 - part)).round().to(batch.dtype)
        if isinstance(output, Classes):
            targets = functional.one_hot(targets, len(output.names)).float()
        part = share.view(-1, *[1] * (targets.ndim - 1))
        return mixed, targets * part + targets[other] * (1 - part)

    def _operated(self, batch: Tensor) -> Tensor:
        from torchvision.transforms import v2

        operate = v2.RandAugment(self.randaugment, self.magnitude)
        return torch.stack([operate(image) for image in batch])

    def _factors(self, batch: Tensor) -> Tensor:
        """Brightness, contrast, saturation and turn of hue of each image (4, B)."""
        changes = torch.tensor([self.brightness, self.contrast, self.saturation, self.hue])[:, None]
        drawn = torch.rand(4, len(batch), device=batch.device) * 2 - 1
        return drawn * changes.to(batch.device) + torch.tensor([1.0, 1.0, 1.0, 0.0])[:, None].to(batch.device)


def adjusted(batch: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Images (B, C, H, W) of uint8 with other colours.

    Args:
        batch: grey ones have neither saturation nor hue.
        brightness, contrast, saturation: factors (B,), as those of torchvision's `adjust_brightness` and so on.
        hue: turns (B,), as fractions of the whole circle.
    """
    brightness, contrast, saturation = (part.view(-1, 1, 1, 1) for part in (brightness, contrast, saturation))
    pixels = (batch.float() * brightness).clamp(0, 255)
    mean = _grey(pixels).mean(dim=(2, 3), keepdim=True)
    pixels = (pixels * contrast + mean * (1 - contrast)).clamp(0, 255)
    if pixels.shape[1] == 3:
        grey = _grey(pixels)
        pixels = (pixels * saturation + grey * (1 - saturation)).clamp(0, 255)
        pixels = torch.einsum("bij,bjhw->bihw", _hue_turns(hue), pixels).clamp(0, 255)
    return pixels.round().to(batch.dtype)


def _grey(pixels: Tensor) -> Tensor:
    """The brightness (B, 1, H, W) of images."""
    if pixels.shape[1] == 1:
        return pixels
    return torch.einsum("c,bchw->bhw", pixels.new_tensor(GREY), pixels)[:, None]


def _hue_turns(turns: Tensor) -> Tensor:
    """Matrices (B, 3, 3) that turn the hue of red, green and blue, and keep the brightness."""
    to_yiq = turns.new_tensor([GREY, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])
    cosine, sine = (2 * math.pi * turns).cos(), (2 * math.pi * turns).sin()
    zero, one = torch.zeros_like(turns), torch.ones_like(turns)
    turn = torch.stack([one, zero, zero, zero, cosine, -sine, zero, sine, cosine], dim=1).view(-1, 3, 3)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def _cropped(batch: Tensor, smallest: float) -> Tensor:
    """A random part of each image, of at least that share of its area, in the image's size."""
    area, ratio, right, down = torch.rand(4, len(batch), device=batch.device)
    area = smallest + (1 - smallest) * area
    ratio = ((2 * ratio - 1) * math.log(RATIO)).exp()
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    zero = torch.zeros_like(width)
    rows = [width, zero, (2 * right - 1) * (1 - width), zero, height, (2 * down - 1) * (1 - height)]
    where = functional.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(batch.shape), align_corners=False)
    cropped = functional.grid_sample(batch.float(), where, padding_mode="border", align_corners=False)
    return cropped.round().to(batch.dtype)


def _erased(batch: Tensor, probability: float) -> Tensor:
    """With that probability, a rectangle of each image has its mean colour."""
    count, _, height, width = batch.shape
    chance, area, ratio, right, down = torch.rand(5, count, 1, device=batch.device)
    area = ERASED[0] + (ERASED[1] - ERASED[0]) * area
    ratio = ((2 * ratio - 1) * math.log(ERASED_RATIO)).exp()
    wide, tall = (area * ratio).sqrt().clamp(max=1) * width, (area / ratio).sqrt().clamp(max=1) * height
    left, top = right * (width - wide), down * (height - tall)
    columns, rows = torch.arange(width, device=batch.device) + 0.5, torch.arange(height, device=batch.device) + 0.5
    inside = ((rows >= top) & (rows < top + tall))[:, :, None] & ((columns >= left) & (columns < left + wide))[:, None]
    mean = batch.float().mean(dim=(2, 3), keepdim=True).round().to(batch.dtype)
    return torch.where((inside & (chance < probability)[:, :, None])[:, None], mean, batch)
