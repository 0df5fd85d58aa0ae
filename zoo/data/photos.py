"""Photographs of any size: patches of them from memory, or whole pictures; any folder of images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.core.loader import Examples, ResumableLoader, TensorDataModule
from zoo.data.core.splits import check_shares, divide, seed_of, whole_number
from zoo.errors import DataError, SpecError
from zoo.spec import Classes, Image, Spec

log = logging.getLogger(__name__)

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
NAMED = 5  # unreadable files in one line
UNREADABLE = ("stop", "skip")


class RandomFlip:
    """Mirror each picture of a batch (B, C, H, W) left to right, or not; with `turns` also upside down, and square
    ones along their diagonal, so that all eight ways to lay a picture are as likely.
    """

    def __init__(self, turns: bool = False) -> None:
        self.turns = turns

    def __call__(self, batch: Tensor) -> Tensor:
        chance = torch.rand(3, len(batch), 1, 1, 1, device=batch.device) < 0.5
        batch = torch.where(chance[0], batch.flip(-1), batch)
        if self.turns:
            batch = torch.where(chance[1], batch.flip(-2), batch)
            if batch.shape[-1] == batch.shape[-2]:
                batch = torch.where(chance[2], batch.transpose(-1, -2), batch)
        return batch


class Patches:
    """A column of square patches of pictures, which are cut out as they are asked for.

    Args:
        pictures: uint8 (C, H, W), each of its own size, at least `size` each way.
        size: height and width of a patch.
        stride: pixels from one patch to the next, each way.
    """

    def __init__(self, pictures: Sequence[Tensor], size: int, stride: int) -> None:
        self.size = size
        self.channels = pictures[0].shape[0]
        self.values = torch.cat([picture.flatten() for picture in pictures])
        starts, widths, planes = [], [], []
        before = 0
        for picture in pictures:
            height, width = picture.shape[-2:]
            rows, columns = (torch.arange(0, length - size + 1, stride) for length in (height, width))
            corners = (rows[:, None] * width + columns).flatten() + before
            starts.append(corners)
            widths.append(torch.full_like(corners, width))
            planes.append(torch.full_like(corners, height * width))
            before += picture.numel()
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


class Pictures:
    """A column of whole pictures (C, H, W), each of its own size: one is served at a time."""

    def __init__(self, pictures: Sequence[Tensor]) -> None:
        self.pictures = list(pictures)

    @property
    def smallest(self) -> tuple[int, int]:
        """The least height and the least width."""
        return min(picture.shape[-2] for picture in self.pictures), min(picture.shape[-1] for picture in self.pictures)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Tensor:
        return self.pictures[index]

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """The pictures of B rows, which are of one size, (B, C, H, W)."""
        return torch.stack([self.pictures[row] for row in rows.tolist()])


class Photos(TensorDataModule):
    """Patches of the two photographs that come with scikit-learn, a temple and a flower, 640 x 427 pixels each.

    The left 70 % of each are for training, the next 15 % for validation, and the right 15 % for the test.

    Args:
        batch_size, augment: as in `TensorDataModule`.
        patch: height and width of a patch, from 16 to 96.
        stride: pixels from one training patch to the next, each way.

    Raises:
        ValueError: the patch or the stride is out of range.
    """

    def __init__(
        self, batch_size: int = 16, augment: RandomFlip | None = None, patch: int = 64, stride: int = 16
    ) -> None:
        super().__init__(batch_size, augment)
        self.patch = whole_number("patch", patch, 16, 96)
        self.stride = whole_number("stride", stride, 1, 96)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.datasets import load_sample_images

        photos = [torch.tensor(photo).permute(2, 0, 1) for photo in load_sample_images().images]
        columns = {"train": (slice(0, 448), self.stride), "val": (slice(448, 544), 32), "test": (slice(544, 640), 32)}
        splits = {
            split: Examples(Patches([photo[:, :, part] for photo in photos], self.patch, stride))
            for split, (part, stride) in columns.items()
        }
        picture = _picture([photo[:, :, columns["train"][0]] for photo in photos], channels=3)
        return Spec(picture, picture), splits


class ImageFolder(TensorDataModule):
    """The pictures of a folder and of the folders in it, in patches or whole.

    Where all of them lie in folders within the root, each such folder is a class, and its name the label. The split
    is random by file.

    Args:
        root: the folder.
        batch_size, augment: as in `TensorDataModule`.
        patch: height and width of the patches that are served; None for whole pictures.
        size: height and width to which whole pictures are resized; None with patches.
        stride: pixels from one training patch to the next, each way; None for half a patch.
        channels: 3 for colour, 1 for grey.
        test_root: another folder, whose pictures are then the test split, whole and each of its own size where there
            are patches; None to take the test split from `root`.
        val_share, test_share: of the files, above 0 and together below 1.
        unreadable: what becomes of a file that is no picture, or smaller than a patch: `stop` ends with its name,
            `skip` leaves it out and tells how many there were, and which.
        split_seed: the seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range, or both or neither of patch and size are given.
        DataError: there is no such folder, it has too few pictures, or one that cannot be used.
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
        val_share: float = 0.1,
        test_share: float = 0.1,
        unreadable: str = "stop",
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        if (patch is None) == (size is None):
            raise ValueError(f"give either patch or size, and null for the other; got patch={patch} and size={size}")
        if unreadable not in UNREADABLE:
            raise ValueError(f"unreadable must be stop or skip, got {unreadable}")
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}")
        self.root = Path(root).expanduser()
        self.test_root = None if test_root is None else Path(test_root).expanduser()
        if self.test_root is not None:
            ours, theirs = self.root.resolve(), self.test_root.resolve()
            if ours.is_relative_to(theirs) or theirs.is_relative_to(ours):
                raise ValueError(f"test_root and root share pictures: {theirs} and {ours}; give folders apart")
        self.patch = None if patch is None else whole_number("patch", patch, 8, 4096)
        self.size = None if size is None else whole_number("size", size, 4, 4096)
        self.stride = max(1, (patch or 2) // 2) if stride is None else whole_number("stride", stride, 1, 4096)
        self.channels = channels
        self.shares = check_shares(val_share, test_share)
        self.unreadable = unreadable
        self.split_seed = seed_of("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        files, pictures = self._read(self.root)
        rows = divide(len(files), self.shares, self.split_seed)
        if self.test_root is not None:
            rows |= {"test": [], "train": rows["test"] + rows["train"]}
        if not rows["train"]:
            raise DataError(f"{self.root.resolve()} has only {len(files)} pictures; a split needs at least 3")
        parts = {split: [pictures[row] for row in chosen] for split, chosen in rows.items()}
        picture = _picture(parts["train"], self.channels, self.size)
        names, labels = _classes(self.root, files)
        if self.test_root is not None:
            others, parts["test"] = self._read(self.test_root)
            folders = [_folder(self.test_root, other) for other in others]
            if names and not set(folders) <= set(names):
                raise DataError(f"{self.test_root.resolve()} has classes that {self.root.resolve()} has not")
            labels += [names.index(folder) for folder in folders] if names else []
            rows["test"] = list(range(len(files), len(files) + len(others)))
        columns = {split: self._columns(split, parts[split]) for split in parts}
        if not names:
            return Spec(picture, picture), {split: Examples(column) for split, column in columns.items()}
        if self.patch is not None:
            raise DataError("pictures with classes are served whole: give data.size, and data.patch=null")
        answers = torch.tensor(labels)
        return Spec(picture, Classes(tuple(names))), {
            split: Examples(columns[split], answers[rows[split]]) for split in columns
        }

    def test_dataloader(self) -> ResumableLoader:
        loader = super().test_dataloader()
        if isinstance(self.splits["test"].tensors[0], Pictures):
            loader.batches.batch_size = 1
        return loader

    def _columns(self, split: str, pictures: list[Tensor]) -> Tensor | Patches | Pictures:
        if self.patch is None:
            return torch.stack(pictures)
        if split == "test" and self.test_root is not None:
            return Pictures(pictures)
        return Patches(pictures, self.patch, self.stride if split == "train" else self.patch)

    def _read(self, root: Path) -> tuple[list[Path], list[Tensor]]:
        """The files of a folder, sorted, and their pictures (C, H, W)."""
        if not root.is_dir():
            raise DataError(f"there is no folder {root.resolve()}; set data.root to one with pictures")
        files = sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
        if not files:
            raise DataError(f"{root.resolve()} has no pictures ({', '.join(ENDINGS)})")
        kind = Image(self.channels, self.size, self.size, (0.5,) * self.channels, (0.5,) * self.channels)
        whole = root == self.test_root
        read, skipped = {}, []
        for file in files:
            try:
                picture = kind.encode(file)
                if self.patch is not None and not whole and min(picture.shape[-2:]) < self.patch:
                    tall, wide = picture.shape[-2:]
                    raise SpecError(f"{file} has {tall} x {wide} pixels, and a patch {self.patch} each way")
            except SpecError as error:
                if self.unreadable == "stop":
                    raise DataError(f"{error}; data.unreadable=skip leaves such files out") from error
                skipped.append(file)
            else:
                read[file] = picture
        if skipped:
            names = ", ".join(str(file.relative_to(root)) for file in skipped[:NAMED])
            names += " …" * (len(skipped) > NAMED)
            log.warning("Skipped %d of %d files that are no usable pictures: %s", len(skipped), len(files), names)
        if not read:
            raise DataError(f"none of the {len(files)} files in {root.resolve()} is a usable picture")
        return list(read), list(read.values())


def _classes(root: Path, files: Sequence[Path]) -> tuple[list[str], list[int]]:
    """Names of classes and the label of each file, where there are at least two folders and all files lie in one."""
    folders = [_folder(root, file) for file in files]
    names = sorted(set(folders))
    if "" in names or len(names) < 2:
        return [], []
    return names, [names.index(folder) for folder in folders]


def _folder(root: Path, file: Path) -> str:
    """The name of the folder within the root that a file lies in, however deep; "" where it lies in the root itself."""
    return file.relative_to(root).parts[0] if file.parent != root else ""


def _picture(pictures: Sequence[Tensor], channels: int, size: int | None = None) -> Image:
    """What a picture is, with mean and standard deviation of each channel over all pixels of pictures (C, H, W)."""
    sums, squares, count = torch.zeros(channels).double(), torch.zeros(channels).double(), 0
    for picture in pictures:
        scaled = picture.flatten(1).double() / 255
        sums, squares, count = sums + scaled.sum(1), squares + scaled.square().sum(1), count + scaled.shape[1]
    mean = sums / count
    std = (squares / count - mean.square()).clamp(min=1e-6).sqrt()
    return Image(channels, size, size, tuple(mean.tolist()), tuple(std.tolist()))
