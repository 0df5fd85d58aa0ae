"""Images that fit in memory as uint8: scikit-learn's digits, and MNIST.

Pixels stay uint8 until they are on the device; means and standard deviations come from the training split.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from zoo.data.batches import Examples, TensorDataModule
from zoo.errors import DataError
from zoo.spec import Classes, Image, Spec

Augment = Callable[[Tensor], Tensor]


class RandomShift:
    """Shift each picture of a batch (B, C, H, W) by up to `pixels` each way; its edge is repeated.

    Raises:
        ValueError: the number of pixels is negative, or not whole.
    """

    def __init__(self, pixels: int) -> None:
        if type(pixels) is not int or pixels < 0:
            raise ValueError(f"pixels must be a whole number of at least 0, got {pixels}")
        self.pixels = pixels

    def __call__(self, batch: Tensor) -> Tensor:
        count, channels, height, width = batch.shape
        device = batch.device
        shift = torch.randint(-self.pixels, self.pixels + 1, (2, count, 1), device=device)
        rows = (torch.arange(height, device=device) + shift[0]).clamp(0, height - 1)  # B, H
        columns = (torch.arange(width, device=device) + shift[1]).clamp(0, width - 1)  # B, W
        picture = torch.arange(count, device=device)[:, None, None, None]
        channel = torch.arange(channels, device=device)[:, None, None]
        return batch[picture, channel, rows[:, None, :, None], columns[:, None, None, :]]


class RandomAffine:
    """Turn, scale and shift each picture of a batch (B, C, H, W) of uint8 at random, about its middle.

    Pixels are interpolated bilinearly, and the picture's edge is repeated.

    Args:
        degrees: the largest angle, either way.
        scale: the largest share by which it grows or shrinks, at least 0 and below 1.
        pixels: the largest shift each way, of fractions of a pixel too.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, degrees: float = 0.0, scale: float = 0.0, pixels: float = 0.0) -> None:
        if not (0 <= degrees <= 180 and 0 <= scale < 1 and pixels >= 0):
            raise ValueError(
                "degrees are from 0 to 180, scale at least 0 and below 1, pixels at least 0; "
                f"got {degrees}, {scale}, {pixels}"
            )
        self.degrees = degrees
        self.scale = scale
        self.pixels = pixels

    def __call__(self, batch: Tensor) -> Tensor:
        count, _, height, width = batch.shape
        angle, scale, right, down = torch.rand(4, count, device=batch.device) * 2 - 1  # -1..1
        angle, scale = angle * math.radians(self.degrees), 1 + scale * self.scale
        cosine, sine = angle.cos() / scale, angle.sin() / scale
        # affine_grid counts from -1 to 1 each way, so that pixels are not square in it
        rows = [cosine, -sine * height / width, right * (2 * self.pixels / width)]
        rows += [sine * width / height, cosine, down * (2 * self.pixels / height)]
        where = functional.affine_grid(torch.stack(rows, 1).view(count, 2, 3), list(batch.shape), align_corners=False)
        moved = functional.grid_sample(batch.float(), where, padding_mode="border", align_corners=False)
        return moved.round().to(batch.dtype)


class Digits(TensorDataModule):
    """1,797 real handwritten digits of 8 x 8 pixels and 17 shades, which come with scikit-learn.

    Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI, 1998. Split, stratified by class,
    into 70 % for training and 15 % each for validation and test.

    Args:
        batch_size, augment: as in `TensorDataModule`.
        split_seed: the seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: `split_seed` is out of range.
    """

    def __init__(self, batch_size: int = 64, augment: Augment | None = None, split_seed: int = 0) -> None:
        super().__init__(batch_size, augment)
        self.split_seed = _whole("split_seed", split_seed, 0, 2**32 - 1)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        images = torch.from_numpy(digits.images * (255 / 16)).round().to(torch.uint8)[:, None]  # N, 1, 8, 8
        labels = torch.from_numpy(digits.target)
        held_out = {"random_state": self.split_seed, "stratify": labels}
        train, rest = train_test_split(range(len(labels)), test_size=0.3, **held_out)
        held_out["stratify"] = labels[rest]
        val, test = train_test_split(rest, test_size=0.5, **held_out)
        rows = {"train": train, "val": val, "test": test}
        return _labelled(images, labels, rows, [str(digit) for digit in range(10)])


class MNIST(TensorDataModule):
    """70,000 handwritten digits of 28 x 28 pixels: 60,000 to train and validate on, the official 10,000 to test.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.

    Args:
        root: the folder that holds, or will hold, `MNIST/raw`; what is missing is downloaded by torchvision, which
            checks its md5.
        batch_size, augment: as in `TensorDataModule`.
        val_size: how many of the 60,000 are kept for validation.
        split_seed: the seed of that choice, from 0 to 2**32 - 1.

    Raises:
        ValueError: `val_size` is not from 1 to 59,999, or `split_seed` is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 256,
        augment: Augment | None = None,
        val_size: int = 5_000,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        self.root = Path(root).expanduser()
        self.val_size = _whole("val_size", val_size, 1, 59_999)
        self.split_seed = _whole("split_seed", split_seed, 0, 2**32 - 1)

    def prepare_data(self) -> None:
        from torchvision import datasets

        try:
            datasets.MNIST(self.root, download=True)
        except (OSError, RuntimeError, ValueError, AssertionError) as error:
            raise DataError(
                f"MNIST is not in {self.root.resolve()} and could not be downloaded ({' '.join(str(error).split())}); "
                "set data.root to a folder that holds MNIST/raw"
            ) from error

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from torchvision import datasets

        try:
            official = datasets.MNIST(self.root, train=True), datasets.MNIST(self.root, train=False)
        except (OSError, RuntimeError, ValueError, AssertionError, LookupError) as error:
            raise DataError(
                f"the MNIST files in {self.root.resolve()} are damaged ({error}); delete them to download them again"
            ) from error
        images = torch.cat([source.data for source in official])[:, None]  # N, 1, 28, 28
        labels = torch.cat([source.targets for source in official])
        if images.shape != (70_000, 1, 28, 28) or labels.shape != (70_000,):
            raise DataError(f"the MNIST files in {self.root.resolve()} hold {len(images)} images, not 70000")
        if labels.max() > 9:
            raise DataError(f"the MNIST files in {self.root.resolve()} are damaged (there is a label {labels.max()})")
        order = torch.randperm(60_000, generator=torch.Generator().manual_seed(self.split_seed))
        rows = {
            "train": order[self.val_size :],
            "val": order[: self.val_size],
            "test": torch.arange(60_000, 70_000),
        }
        return _labelled(images, labels, rows, [str(digit) for digit in range(10)])


def _whole(name: str, number: int, smallest: int, largest: int) -> int:
    if type(number) is not int or not smallest <= number <= largest:
        raise ValueError(f"{name} must be a whole number from {smallest} to {largest}, got {number}")
    return number


def _labelled(
    images: Tensor, labels: Tensor, rows: Mapping[str, Sequence[int] | Tensor], names: Sequence[str]
) -> tuple[Spec, dict[str, Examples]]:
    """Spec and splits of images (N, C, H, W) with labels (N,), whose rows are given for each split."""
    splits = {split: Examples(images[chosen], labels[chosen]) for split, chosen in rows.items()}
    pixels = images[rows["train"]].float() / 255
    channels, height, width = images.shape[1:]
    mean, std = tuple(pixels.mean(dim=(0, 2, 3)).tolist()), tuple(pixels.std(dim=(0, 2, 3)).tolist())
    return Spec(Image(channels, height, width, mean, std), Classes(tuple(names))), splits
