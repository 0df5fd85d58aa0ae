"""Photographs of any size, as patches or whole, and any folder of images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.columns import Examples
from zoo.data.core.data_module import DataModule
from zoo.data.core.loader import ResumableLoader
from zoo.data.core.splits import random_split, split_fractions
from zoo.errors import DataError, SpecError
from zoo.spec import Classes, Image, Spec

log = logging.getLogger(__name__)

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
NAMED = 5  # unreadable files that the log names
UNREADABLE = ("stop", "skip")


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


class Patches:
    """A column of square patches of images, which are cut out when a batch is indexed.

    Args:
        images: uint8 (C, H, W), each of its own size, at least `size` in height and width.
        size: height and width of a patch.
        stride: pixels from one patch to the next, in each direction.
    """

    def __init__(self, images: Sequence[Tensor], size: int, stride: int) -> None:
        self.size = size
        self.channels = images[0].shape[0]
        self.values = torch.cat([image.flatten() for image in images])
        starts, widths, planes = [], [], []
        before = 0
        for image in images:
            height, width = image.shape[-2:]
            rows, columns = (torch.arange(0, length - size + 1, stride) for length in (height, width))
            corners = (rows[:, None] * width + columns).flatten() + before
            starts.append(corners)
            widths.append(torch.full_like(corners, width))
            planes.append(torch.full_like(corners, height * width))
            before += image.numel()
        self.starts, self.widths, self.planes = torch.cat(starts), torch.cat(widths), torch.cat(planes)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> Tensor:
        return self.index_select(0, torch.tensor([index]))[0]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The patches of B rows, uint8 (B, C, size, size)."""
        along = torch.arange(self.size)
        places = (
            self.starts[rows, None, None, None]
            + self.planes[rows, None, None, None] * torch.arange(self.channels)[:, None, None]
            + self.widths[rows, None, None, None] * along[:, None]
            + along
        )
        return self.values[places]


class WholeImages:
    """A column of whole images (C, H, W), each of its own size; a batch holds one of them."""

    def __init__(self, images: Sequence[Tensor]) -> None:
        self.images = list(images)

    @property
    def smallest(self) -> tuple[int, int]:
        """The smallest height and the smallest width."""
        return min(image.shape[-2] for image in self.images), min(image.shape[-1] for image in self.images)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The images of B rows, which must have one size: (B, C, H, W)."""
        return torch.stack([self.images[row] for row in rows.tolist()])


class Photos(DataModule):
    """Patches of the two photographs that come with scikit-learn, a temple and a flower of 640 x 427 pixels.

    The left 70 % of each are for training, the next 15 % for validation, and the right 15 % for test.

    Args:
        batch_size, augment: as in `DataModule`.
        patch: height and width of a patch, from 16 to 96.
        stride: pixels from one training patch to the next, in each direction.

    Raises:
        ValueError: the patch or the stride is out of range.
    """

    def __init__(
        self, batch_size: int = 16, augment: RandomFlip | None = None, patch: int = 64, stride: int = 16
    ) -> None:
        super().__init__(batch_size, augment)
        self.patch = check.whole("patch", patch, 16, 96)
        self.stride = check.whole("stride", stride, 1, 96)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.datasets import load_sample_images

        photos = [torch.tensor(photo).permute(2, 0, 1) for photo in load_sample_images().images]
        columns = {"train": (slice(0, 448), self.stride), "val": (slice(448, 544), 32), "test": (slice(544, 640), 32)}
        splits = {
            split: Examples(Patches([photo[:, :, part] for photo in photos], self.patch, stride))
            for split, (part, stride) in columns.items()
        }
        image = _image_spec([photo[:, :, columns["train"][0]] for photo in photos], channels=3)
        return Spec(image, image), splits


class ImageFolder(DataModule):
    """The images of a folder and its subfolders, in patches or whole.

    If all of them are in subfolders, each subfolder of the root is a class, and its name the label. Files are split at
    random.

    Args:
        root: the folder.
        batch_size, augment: as in `DataModule`.
        patch: height and width of patches; None for whole images.
        size: height and width to which whole images are resized; None for patches.
        stride: pixels from one training patch to the next, in each direction; None for half a patch.
        channels: 3 for colour, 1 for grey.
        test_root: another folder, whose images are the test split; with `patch` they are whole, each of its own size.
            None takes the test split from `root`.
        val_fraction, test_fraction: fractions of the files, above 0 and together below 1.
        unreadable: what to do with a file that is not an image or is smaller than a patch. `stop` is an error that
            names it; `skip` ignores it, and a warning says how many were skipped, and which.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range, or both or neither of patch and size are given.
        DataError: there is no such folder, it has too few images, or one of them cannot be used.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 16,
        augment: RandomFlip | None = None,
        patch: int | None = 64,
        size: int | None = None,
        stride: int | None = None,
        channels: int = 3,
        test_root: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        unreadable: str = "stop",
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        if (patch is None) == (size is None):
            raise ValueError(f"give either patch or size, and null for the other; got patch={patch} and size={size}")
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}")
        self.root = Path(root).expanduser()
        self.test_root = None if test_root is None else Path(test_root).expanduser()
        if self.test_root is not None:
            ours, theirs = self.root.resolve(), self.test_root.resolve()
            if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
                raise ValueError(f"test_root and root share images: {theirs} and {ours}; give separate folders")
        self.patch = None if patch is None else check.whole("patch", patch, 8, 4096)
        self.size = None if size is None else check.whole("size", size, 4, 4096)
        self.stride = max(1, (patch or 2) // 2) if stride is None else check.whole("stride", stride, 1, 4096)
        self.channels = channels
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.unreadable = check.one_of("unreadable", unreadable, UNREADABLE)
        self.split_seed = check.seed("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        files, images = self._read(self.root)
        rows = random_split(len(files), self.fractions, self.split_seed)
        if self.test_root is not None:
            rows |= {"test": [], "train": rows["test"] + rows["train"]}
        if not rows["train"]:
            raise DataError(f"{self.root.resolve()} has only {len(files)} images; a split needs at least 3")
        parts = {split: [images[row] for row in chosen] for split, chosen in rows.items()}
        image = _image_spec(parts["train"], self.channels, self.size)
        names, labels = _classes(self.root, files)
        if self.test_root is not None:
            others, parts["test"] = self._read(self.test_root)
            folders = [_folder(self.test_root, other) for other in others]
            if names and not set(folders) <= set(names):
                raise DataError(f"{self.test_root.resolve()} has classes that {self.root.resolve()} does not have")
            labels += [names.index(folder) for folder in folders] if names else []
            rows["test"] = list(range(len(files), len(files) + len(others)))
        columns = {split: self._columns(split, parts[split]) for split in parts}
        if not names:
            return Spec(image, image), {split: Examples(column) for split, column in columns.items()}
        if self.patch is not None:
            raise DataError("images with classes must be whole: give data.size, and data.patch=null")
        answers = torch.tensor(labels)
        return Spec(image, Classes(tuple(names))), {
            split: Examples(columns[split], answers[rows[split]]) for split in columns
        }

    def test_dataloader(self) -> ResumableLoader:
        loader = super().test_dataloader()
        if isinstance(self.splits["test"].columns[0], WholeImages):
            loader.batches.batch_size = 1
        return loader

    def _columns(self, split: str, images: list[Tensor]) -> Tensor | Patches | WholeImages:
        if self.patch is None:
            return torch.stack(images)
        if split == "test" and self.test_root is not None:
            return WholeImages(images)
        return Patches(images, self.patch, self.stride if split == "train" else self.patch)

    def _read(self, root: Path) -> tuple[list[Path], list[Tensor]]:
        """The usable files of a folder, sorted, and their images (C, H, W)."""
        if not root.is_dir():
            raise DataError(f"there is no folder {root.resolve()}; set data.root to a folder with images")
        files = sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        if not files:
            raise DataError(f"{root.resolve()} has no images ({', '.join(ENDINGS)})")
        kind = Image(self.channels, self.size, self.size, (0.5,) * self.channels, (0.5,) * self.channels)
        whole = root == self.test_root
        read, skipped = {}, []
        for file in files:
            try:
                image = kind.encode(file)
                if self.patch is not None and not whole and min(image.shape[-2:]) < self.patch:
                    tall, wide = image.shape[-2:]
                    raise SpecError(f"{file}, of {tall} x {wide} pixels, is smaller than a patch of {self.patch}")
            except SpecError as error:
                if self.unreadable == "stop":
                    raise DataError(f"{error}; data.unreadable=skip ignores such files") from error
                skipped.append(file)
            else:
                read[file] = image
        if skipped:
            names = ", ".join(str(file.relative_to(root)) for file in skipped[:NAMED])
            names += " …" * (len(skipped) > NAMED)
            log.warning("Skipped %d of %d files that are not usable images: %s", len(skipped), len(files), names)
        if not read:
            raise DataError(f"none of the {len(files)} files in {root.resolve()} is a usable image")
        return list(read), list(read.values())


def _classes(root: Path, files: Sequence[Path]) -> tuple[list[str], list[int]]:
    """The names of classes and the label of each file; both empty unless all files are in two or more subfolders."""
    folders = [_folder(root, file) for file in files]
    names = sorted(set(folders))
    if "" in names or len(names) < 2:
        return [], []
    return names, [names.index(folder) for folder in folders]


def _folder(root: Path, file: Path) -> str:
    """The name of the root's subfolder that a file is in, at any depth; "" if it is in the root itself."""
    return file.relative_to(root).parts[0] if file.parent != root else ""


def _image_spec(images: Sequence[Tensor], channels: int, size: int | None = None) -> Image:
    """The description of an image, with mean and standard deviation of each channel over all pixels of (C, H, W)."""
    sums, squares, count = torch.zeros(channels).double(), torch.zeros(channels).double(), 0
    for image in images:
        scaled = image.flatten(1).double() / 255
        sums, squares, count = sums + scaled.sum(1), squares + scaled.square().sum(1), count + scaled.shape[1]
    mean = sums / count
    std = (squares / count - mean.square()).clamp(min=1e-6).sqrt()
    return Image(channels, size, size, tuple(mean.tolist()), tuple(std.tolist()))
