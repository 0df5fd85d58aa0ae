"""Photographs of any size, as patches or whole, and any folder of images."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from zoo import check
from zoo.data.core.cache import DecodedImages, ImageFiles, decoded
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.loader import ResumableLoader
from zoo.data.core.splits import random_split, split_fractions
from zoo.data.core.targets import TARGET_KINDS, Targets, of_names
from zoo.data.image_columns import Patches, SizedImages, WholeImages
from zoo.data.labels import of_table
from zoo.data.layouts import LAYOUTS, NAMED, TABLES, Layout, layout, table_of
from zoo.errors import DataError
from zoo.files import user_path
from zoo.spec import Image, Spec
from zoo.spec.image import FITS

log = logging.getLogger(__name__)

UNREADABLE = ("stop", "skip")


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
        self,
        batch_size: int = 16,
        augment: Callable[[Any], Any] | None = None,
        patch: int = 64,
        stride: int = 16,
    ) -> None:
        super().__init__(batch_size, augment)
        self.patch = check.whole("patch", patch, 16, 96)
        self.stride = check.whole("stride", stride, 1, 96)

    def expected_specs(self) -> Sequence[Spec]:
        image = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
        return [Spec(image, image)]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        from sklearn.datasets import load_sample_images

        photos = [torch.tensor(photo).permute(2, 0, 1) for photo in load_sample_images().images]
        columns = {"train": (slice(0, 448), self.stride), "val": (slice(448, 544), 32), "test": (slice(544, 640), 32)}
        cut = {split: DecodedImages.of([photo[:, :, part] for photo in photos]) for split, (part, _) in columns.items()}
        splits = {split: Examples(Patches(cut[split], self.patch, stride)) for split, (_, stride) in columns.items()}
        image = Image(3, None, None, *cut["train"].statistics([0, 1]))
        return Spec(image, image), splits


class ImageFolder(DataModule):
    """The images of a folder and its subfolders, in patches or whole.

    Folders called `train`, `val` (or `valid`, `validation`) and `test` are the splits; other subfolders, or those
    within them, are the classes. Or a table, `labels.csv`, says what is learned of each image: a class or values.
    Splits that the folder does not give are drawn at random.

    Large folders are decoded once, by several processes, into a cache that later runs map into memory.

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
        fit: how images of other proportions are resized: `stretch`, `crop` or `pad`, as in `zoo.spec.Image`.
        layout: `auto`; `classes`: each subfolder is a class, whatever its name; `images`: subfolders say nothing.
        labels: a table of labels; None for `labels.csv` in the folder, if there is one.
        target: the column of the table to learn, or several of them; None for all but the one that names the images.
        target_kind: of a table: `classes`, `labels` (any number of them an image), `values`, or `auto`, which takes
            several columns of 0 and 1 as labels, and numbers as values unless they are up to 20 different whole ones.
        label_separator: between the labels of a cell, such as `;`, where an image has several.
        stratify: draw splits class by class.
        draft: read JPEGs at a part of their size where that is at least twice `size`, which is several times as fast.
        cache: folder for what is decoded; None for the user's, ~/.cache/zoo. Up to 64 MB are decoded in each run.

    Raises:
        ValueError: an option is out of range, or both or neither of patch and size are given.
        DataError: there is no such folder, its layout is a mistake, it has too few images, or one of them cannot be
            used.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 16,
        augment: Callable[[Any], Any] | None = None,
        patch: int | None = 64,
        size: int | None = None,
        stride: int | None = None,
        channels: int = 3,
        test_root: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        unreadable: str = "stop",
        split_seed: int = 0,
        *,
        fit: str = "stretch",
        layout: str = "auto",
        labels: str | None = None,
        target: str | Sequence[str] | None = None,
        target_kind: str = "auto",
        label_separator: str | None = None,
        stratify: bool = True,
        draft: bool = True,
        cache: str | None = None,
    ) -> None:
        super().__init__(batch_size, augment)
        if (patch is None) == (size is None):
            raise ValueError(f"give either patch or size, and null for the other; got patch={patch} and size={size}")
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}")
        self.root = user_path(root)
        self.test_root = None if test_root is None else user_path(test_root)
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
        self.fit = check.one_of("fit", fit, FITS)
        self.layout = check.one_of("layout", layout, LAYOUTS)
        self.labels = None if labels is None else user_path(labels)
        self.target = target
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.label_separator = label_separator
        self.stratify, self.draft, self.cache = stratify, draft, cache

    def expected_specs(self) -> Sequence[Spec]:
        """What the names of files and the labels say; nothing is decoded for it."""
        image = Image(self.channels, self.size, self.size, (0.5,) * self.channels, (0.5,) * self.channels, fit=self.fit)
        labels = self._layouts[0][1]
        return [Spec(image, image if labels is None else labels.output(range(len(labels.codes))))]

    def prepare_data(self) -> None:
        """Decode the images, on one process of all; the others find them in the cache."""
        _ = self._images

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        (found, labels), images = self._layouts[0], self._images[0]
        rows = self._split(found, labels, images.usable)
        if not rows["train"] or not rows["val"]:
            raise DataError(f"{self.root.resolve()} has only {len(images.usable)} images; a split needs at least 3")
        image = Image(self.channels, self.size, self.size, *images.statistics(rows["train"]), fit=self.fit)
        columns = {split: self._column(split, images, chosen) for split, chosen in rows.items() if chosen}
        output = None if labels is None else labels.output(rows["train"])
        targets = {}
        if labels is not None and output is not None:
            encoded = labels.encoded(output)
            targets = {split: encoded[chosen] for split, chosen in rows.items()}
        if self.test_root is not None:
            theirs, tested = self._images[1], self._layouts[1][1]
            columns["test"] = self._column("test", theirs, theirs.usable)
            if tested is not None and output is not None:
                targets["test"] = self._as_ours(tested, labels).encoded(output)[theirs.usable]
        splits = {
            split: Examples(column, *([targets[split]] if output is not None else []))
            for split, column in columns.items()
        }
        return Spec(image, image if output is None else output), splits

    def test_dataloader(self) -> ResumableLoader:
        loader = super().test_dataloader()
        if isinstance(self.splits["test"].columns[0], WholeImages):
            loader.batches.batch_size = 1
        return loader

    @cached_property
    def _layouts(self) -> list[tuple[Layout, Targets | None]]:
        """The layouts of the folder and of that for the test, which are checked before anything is decoded."""
        found = [self._laid_out(self.root, self.labels)]
        if self.test_root is None:
            return found
        if "test" in (found[0][0].splits or ()):
            raise DataError(f"{self.root.resolve()} has a test split of its own; leave out data.test_root")
        ours, theirs = found[0][1], self._laid_out(self.test_root, None)
        if ours is None:
            theirs = theirs[0], None
        elif theirs[1] is None:
            raise DataError(f"{self.test_root.resolve()} has no labels, and {self.root.resolve()} has")
        else:
            self._as_ours(theirs[1], ours)
        return [*found, theirs]

    def _laid_out(self, root: Path, table: Path | None) -> tuple[Layout, Targets | None]:
        if table is None and self.layout == "auto":
            table = table_of(root)
        found = layout(root, self.layout if table is None else "images")
        labels = None
        if table is not None:
            found, labels = of_table(found, table, self.target, self.target_kind, self.label_separator)
        elif found.folders is not None:
            labels = of_names(found.folders)
        if labels is not None and self.patch is not None:
            raise DataError(
                f"{root.resolve()} has labels ({', '.join(labels.names[:NAMED])} …), and images "
                "with labels must be whole: data.patch=null data.size=64; data.layout=images takes no labels"
            )
        for note in found.notes:
            self.note(note)
        if labels is None and self.layout == "auto":
            for file in sorted(file for file in root.iterdir() if file.suffix.lower() in TABLES):
                self.note(f"{file.name} lies in the folder; if it labels the images, give data.labels={file}")
        return found, labels

    def _as_ours(self, theirs: Targets, ours: Targets | None) -> Targets:
        """The labels of the other folder, by the classes or columns of ours."""
        assert ours is not None
        if ours.kind != "classes" or theirs.kind != "classes":
            if theirs.names != ours.names:
                raise DataError(f"{self.test_root} has other {ours.kind} than {self.root.resolve()}")
            return theirs
        if not set(theirs.names) <= set(ours.names):
            raise DataError(f"{self.test_root} has classes that {self.root.resolve()} does not have")
        places = torch.tensor([ours.names.index(name) for name in theirs.names])
        return Targets("classes", ours.names, places[theirs.codes])

    @cached_property
    def _images(self) -> list[DecodedImages]:
        """The images of both folders, decoded."""
        roots = (self.root, self.test_root)
        return [self._decoded(found.files, root == self.test_root) for (found, _), root in zip(self._layouts, roots)]

    def _decoded(self, files: ImageFiles, whole: bool) -> DecodedImages:
        """The usable files of a folder and their images (C, H, W)."""
        half = (0.5,) * self.channels
        images = decoded(
            files,
            Image(self.channels, self.size, self.size, half, half, fit=self.fit),
            smallest=0 if whole else self.patch or 0,
            draft=self.draft,
            cache=self.cache,
            stop=self.unreadable == "stop",
        )
        unusable = (images.heights == 0).nonzero()[:, 0].tolist()
        if len(unusable) == len(images):
            raise DataError(f"none of the {len(images)} files in {files.root} is a usable image")
        if unusable:
            names = ", ".join(files.names[row] for row in unusable[:NAMED]) + " …" * (len(unusable) > NAMED)
            self.note(f"Skipped {len(unusable)} of {len(images)} files that are not usable images: {names}", warn=True)
        return images

    def _split(self, found: Layout, labels: Targets | None, usable: Sequence[int]) -> dict[str, list[int]]:
        """The rows of each split: those that the folder gives, the others drawn from its images for training."""
        given = {
            split: [row for row in usable if found.splits is not None and found.splits[row] == split]
            for split in ("train", "val", "test")
        }
        source = usable if found.splits is None else given["train"]
        val, test = (fraction * (not given[split]) for split, fraction in zip(("val", "test"), self.fractions))
        if not val and not test:
            return given
        groups = None
        if self.stratify and labels is not None and labels.kind == "classes":
            groups = labels.codes[list(source)].tolist()
            _check_counts(groups, labels.names, needed=1 + bool(val) + bool(test))
        drawn = random_split(len(source), (val, test), self.split_seed, groups)
        rows = {split: [source[place] for place in places] for split, places in drawn.items()}
        if self.test_root is not None:
            rows |= {"test": [], "train": rows["test"] + rows["train"]}
        return {split: given[split] if split != "train" and given[split] else rows[split] for split in rows}

    def _column(self, split: str, images: DecodedImages, rows: list[int]) -> SizedImages | Patches | WholeImages:
        if self.patch is None:
            return SizedImages(images, rows)
        if split == "test" and self.test_root is not None:
            return WholeImages(images, rows)
        return Patches(images, self.patch, self.stride if split == "train" else self.patch, rows)


def _check_counts(groups: Sequence[int], names: Sequence[str], needed: int) -> None:
    """See that each class has an image for each split."""
    counts = Counter(groups)
    for code, name in enumerate(names):
        if counts[code] < needed:
            raise DataError(
                f"class '{name}' has {counts[code]} image{'s' * (counts[code] != 1)}, and each split needs one: add "
                f"images, remove the class, or set data.stratify=false"
            )
