"""Images that fit in memory as uint8: scikit-learn's digits, and data sets that torchvision downloads.

Pixels stay uint8 until they are on the device. Mean and standard deviation are those of the training split.
"""

from __future__ import annotations

import math
import string
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.data.core.cache import decoded
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.layouts import layout
from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec import Classes, Image, Spec

Augment = Callable[[Tensor], Tensor]


class RandomShift:
    """Shift each image of a batch (B, C, H, W) by up to `pixels` in each direction; edge pixels are repeated.

    Raises:
        ValueError: `pixels` is negative or not an integer.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = check.whole("pixels", pixels, 0)

    def __call__(self, batch: Tensor) -> Tensor:
        count, channels, height, width = batch.shape
        shift = torch.randint(-self.pixels, self.pixels + 1, (2, count, 1), device=batch.device)
        rows = (torch.arange(height, device=batch.device) + shift[0]).clamp_(0, height - 1)  # B, H
        columns = (torch.arange(width, device=batch.device) + shift[1]).clamp_(0, width - 1)  # B, W
        pixels = (rows[:, :, None] * width + columns[:, None, :]).view(count, 1, -1).expand(-1, channels, -1)
        return batch.flatten(2).gather(2, pixels).view_as(batch)  # four times as fast as indexing by four tensors


class RandomAffine:
    """Rotate, scale, slant and shift each image of a batch (B, C, H, W) of uint8 at random, about its centre.

    Pixels are interpolated bilinearly, and edge pixels are repeated.

    Args:
        degrees: largest angle, in either direction, up to 180.
        scale: largest fraction by which an image grows or shrinks, at least 0 and below 1.
        pixels: largest shift in each direction; it may be a fraction of a pixel.
        shear: largest slant, in either direction: the share of its height by which an image leans over, at least 0 and
            below 1.
        aspect: largest fraction by which the width alone grows or shrinks, at least 0 and below 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, degrees: float = 0.0, scale: float = 0.0, pixels: float = 0.0, shear: float = 0.0, aspect: float = 0.0
    ) -> None:
        self.degrees = check.between("degrees", degrees, 0, 180)
        self.scale = check.fraction("scale", scale, one=False)
        self.pixels = check.at_least_zero("pixels", pixels)
        self.shear = check.fraction("shear", shear, one=False)
        self.aspect = check.fraction("aspect", aspect, one=False)

    def __call__(self, batch: Tensor) -> Tensor:
        count, _, height, width = batch.shape
        angle, scale, right, down = torch.rand(4, count, device=batch.device) * 2 - 1  # -1..1
        angle, scale = angle * math.radians(self.degrees), 1 + scale * self.scale
        cosine, sine = angle.cos() / scale, angle.sin() / scale
        lean, wide = torch.zeros(count, device=batch.device), torch.ones(count, device=batch.device)
        if self.shear or self.aspect:  # else no more random numbers are drawn
            lean, wide = torch.rand(2, count, device=batch.device) * 2 - 1
            lean, wide = lean * self.shear, 1 / (1 + wide * self.aspect)
        # affine_grid counts from -1 to 1 each way, so that pixels are not square in it
        across, upright = cosine * wide, sine * wide
        rows = [across, (across * lean - sine) * height / width, right * (2 * self.pixels / width)]
        rows += [upright * width / height, upright * lean + cosine, down * (2 * self.pixels / height)]
        where = functional.affine_grid(torch.stack(rows, 1).view(count, 2, 3), list(batch.shape), align_corners=False)
        moved = functional.grid_sample(batch.float(), where, padding_mode="border", align_corners=False)
        return moved.round().to(batch.dtype)


class Digits(DataModule):
    """1,797 real handwritten digits of 8 x 8 pixels and 17 grey levels, which come with scikit-learn.

    Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI, 1998. Split, stratified by class,
    into 70 % for training and 15 % each for validation and test.

    Args:
        batch_size, augment: as in `DataModule`.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: `split_seed` is out of range.
    """

    def __init__(self, batch_size: int = 64, augment: Augment | None = None, split_seed: int = 0) -> None:
        super().__init__(batch_size, augment)
        self.split_seed = check.seed("split_seed", split_seed)

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
        return _labelled(images, labels, rows, [str(digit) for digit in range(10)], ink=1.0)


class Official(DataModule):
    """Labelled images with official training and test sets; part of the former is held out for validation.

    Args:
        root: folder with a folder named `title`; torchvision downloads what is missing, and checks its md5.
        batch_size, augment: as in `DataModule`.
        val_size: images of the training set that are held out for validation.
        split_seed: seed of that choice, from 0 to 2**32 - 1.
        more: a folder of more images to train on, `FOLDER/<class>/*.png`; they are brought to the form of the others,
            as at use. None for none.

    Raises:
        ValueError: `val_size` leaves no image for training, or an option is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged; `more` has an image that cannot be
            read, or that is in no folder of a known class.
    """

    title: ClassVar[str]
    sizes: tuple[int, int]  # images in the two sets
    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)  # channels, height and width
    classes: Sequence[str]
    ink: ClassVar[float | None] = None  # as in `zoo.spec.Image`

    def __init__(
        self,
        root: str,
        batch_size: int = 256,
        augment: Augment | None = None,
        val_size: int = 5_000,
        split_seed: int = 0,
        more: str | None = None,
    ) -> None:
        super().__init__(batch_size, augment)
        self.root = user_path(root)
        self.more = None if more is None else user_path(more)
        self._has_more = False
        self.val_size = check.whole("val_size", val_size, 1, self.sizes[0] - 1)
        self.split_seed = check.seed("split_seed", split_seed)

    def expected_specs(self) -> Sequence[Spec]:
        half = (0.5,) * self.shape[0]
        return [Spec(Image(*self.shape, half, half), Classes(tuple(self.classes)))]

    @abstractmethod
    def download(self) -> None:
        """Download the files that are missing in `root`."""

    @abstractmethod
    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W), uint8, and labels (N,), int64, of one of the two sets."""

    def prepare_data(self) -> None:
        try:
            self.download()
        except (OSError, RuntimeError, ValueError, AssertionError) as error:
            raise DataError(
                f"{self.title} is not in {self.root.resolve()} and could not be downloaded "
                f"({' '.join(str(error).split())}); set data.root to the folder with {self.title}"
            ) from error

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        folder = self.root.resolve()
        try:
            parts = [self.read(train) for train in (True, False)]
        except (OSError, RuntimeError, ValueError, AssertionError, LookupError) as error:
            if "not found" in str(error):  # torchvision's words for missing files
                raise DataError(f"{self.title} is not in {folder}; set data.root to the folder that has it") from error
            raise DataError(
                f"the {self.title} files in {folder} are damaged ({error}); delete them to download them again"
            ) from error
        images, labels = (torch.cat(columns) for columns in zip(*parts))
        train, count = self.sizes[0], sum(self.sizes)
        if images.shape != (count, *self.shape) or labels.shape != (count,):
            raise DataError(f"the {self.title} files in {folder} have {len(images)} images, not {count}")
        if not 0 <= labels.min() <= labels.max() < len(self.classes):
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise DataError(f"the {self.title} files in {folder} are damaged (there is a label {wrong})")
        order = torch.randperm(train, generator=torch.Generator().manual_seed(self.split_seed))
        rows = {"train": order[self.val_size :], "val": order[: self.val_size], "test": torch.arange(train, count)}
        return _labelled(images, labels, rows, self.classes, self.ink)

    def setup(self, stage: str | None = None) -> None:
        """Read the images; for `test` without those of `more`, which it does not need."""
        super().setup(stage)
        if self.more is not None and stage != "test" and not self._has_more:
            both: Any = zip(self.splits["train"].columns, self._read_more(self.more, self.spec))
            self.splits["train"] = Examples(*(torch.cat(columns) for columns in both))
            self._has_more = True

    def _read_more(self, folder: Path, spec: Spec) -> tuple[Tensor, Tensor]:
        """The images (N, C, H, W) of a folder, in the form of the spec, and their labels (N,)."""
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder.resolve()}; set data.more to a folder of images, or to null")
        found = layout(folder, "images")
        files = found.files
        assert isinstance(spec.input, Image)
        labels = [self._class_of(name) for name in files.names]
        if None in labels:
            name = files.names[labels.index(None)]
            raise DataError(f"{folder / name} is in no folder of a class of {self.title}: {', '.join(self.classes)}")
        self.note(f"{len(labels):,} more images to train on, of {folder.resolve()}")
        for note in found.notes:
            self.note(f"data.more: {note}")
        images = decoded(files, spec.input, stop=False)
        if not images.heights.all():
            name = files.names[int(images.heights.argmin())]
            raise DataError(f"{folder / name} is no image that can be read; remove it from the folder data.more")
        return images.values.view(-1, *self.shape), torch.tensor(labels)

    def _class_of(self, name: str) -> int | None:
        """The class whose folder an image is in; its name may hold a slash, as `T-shirt/top` does."""
        return next((code for code, its in enumerate(self.classes) if name.startswith(f"{its}/")), None)


class MNIST(Official):
    """70,000 handwritten digits of 28 x 28 pixels: 60,000 for training and validation, the official 10,000 for test.

    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", 1998.

    Args:
        root, batch_size, augment, val_size, split_seed, more: as in `Official`.
    """

    title = "MNIST"
    sizes = (60_000, 10_000)
    classes: Sequence[str] = string.digits
    ink = 20 / 28

    def download(self) -> None:
        from torchvision import datasets

        datasets.MNIST(self.root, download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        from torchvision import datasets

        return _pixels(datasets.MNIST(self.root, train=train))


class FashionMNIST(Official):
    """70,000 photographs of clothes in the format of MNIST: 28 x 28 grey pixels, ten classes.

    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
    2017.

    Args:
        root, batch_size, augment, val_size, split_seed, more: as in `Official`.
    """

    title = "FashionMNIST"
    sizes = (60_000, 10_000)
    classes = (
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    )  # fmt: skip

    def download(self) -> None:
        from torchvision import datasets

        datasets.FashionMNIST(self.root, download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        from torchvision import datasets

        return _pixels(datasets.FashionMNIST(self.root, train=train))


class EMNIST(Official):
    """131,600 handwritten letters and digits of 28 x 28 pixels in 47 classes of equal size, the split `balanced`.

    Capitals and small letters that look alike are one class. The training set has 112,800 images.
    Source: Cohen, Afshar, Tapson, van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017.

    Args:
        root, batch_size, augment, val_size, split_seed, more: as in `Official`.
    """

    title = "EMNIST"
    sizes = (112_800, 18_800)
    classes = string.digits + string.ascii_uppercase + "abdefghnqrt"
    ink = 24 / 28

    def download(self) -> None:
        from torchvision import datasets

        datasets.EMNIST(self.root, "balanced", download=True)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        from torchvision import datasets

        images, labels = _pixels(datasets.EMNIST(self.root, "balanced", train=train))
        return images.transpose(2, 3).contiguous(), labels  # the files store them column by column


class CIFAR10(Official):
    """60,000 colour photographs of 32 x 32 pixels in ten classes: 50,000 for training, the official 10,000 for test.

    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009. This reads the binary version,
    because the usual one is a pickle.

    Args:
        root, batch_size, augment, val_size, split_seed, more: as in `Official`.
    """

    title = "cifar-10-batches-bin"
    sizes = (50_000, 10_000)
    shape = (3, 32, 32)
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    md5: ClassVar[str] = "c32a1d4ab5d03f1284b67883e8d87530"
    files: ClassVar[dict[bool, list[str]]] = {
        True: [f"data_batch_{number}.bin" for number in range(1, 6)],
        False: ["test_batch.bin"],
    }

    def download(self) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        folder = self.root / self.title
        if not all((folder / file).is_file() for files in self.files.values() for file in files):
            download_and_extract_archive(self.url, str(self.root), md5=self.md5)

    def read(self, train: bool) -> tuple[Tensor, Tensor]:
        content = b"".join((self.root / self.title / file).read_bytes() for file in self.files[train])
        records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 1 + math.prod(self.shape))
        return records[:, 1:].reshape(-1, *self.shape), records[:, 0].long()


def _pixels(source: Any) -> tuple[Tensor, Tensor]:
    """Images (N, 1, H, W) and labels of one of torchvision's data sets in MNIST's format."""
    return source.data[:, None], source.targets


def _labelled(
    images: Tensor,
    labels: Tensor,
    rows: Mapping[str, Sequence[int] | Tensor],
    names: Sequence[str],
    ink: float | None = None,
) -> tuple[Spec, dict[str, Examples]]:
    """The spec and the splits of images (N, C, H, W) with labels (N,), from the rows of each split."""
    splits = {split: Examples(images[chosen], labels[chosen]) for split, chosen in rows.items()}
    pixels = images[rows["train"]].float() / 255
    channels, height, width = images.shape[1:]
    mean, std = tuple(pixels.mean(dim=(0, 2, 3)).tolist()), tuple(pixels.std(dim=(0, 2, 3)).tolist())
    return Spec(Image(channels, height, width, mean, std, ink=ink), Classes(tuple(names))), splits
