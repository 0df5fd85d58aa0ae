"""How a folder of images is laid out, told from names and a table of labels before any image is read."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from zoo.data.core.cache import ImageFiles
from zoo.errors import DataError

ENDINGS = (
    ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
LAYOUTS = ("auto", "classes", "images")
SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
    "testing": "test", "dev": "val",
}  # fmt: skip
_OF_SPLIT = re.compile(r"[ _-]?(set|data|images)$")  # as in test_set
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # of Windows and macOS
LABELS = "labels.csv"
DESCRIBED = ("metadata.csv", "metadata.jsonl")  # tables of the Hugging Face Hub,
NAMES_FILES = b"file_name"  # and their column
TABLES = (".csv", ".tsv", ".txt", ".jsonl")  # endings of files that may be tables of labels
NAMED = 5  # files, folders or endings that a message names
FEW = 3  # images beside folders of images that are strays, or one of a hundred


@dataclass(frozen=True)
class Layout:
    """The images of a folder, in order, and what their places say of them.

    Args:
        files: the images.
        splits: `train`, `val` or `test` of each image; None where the folder does not say.
        folders: the class of each image; None where there are no classes.
        notes: what was recognised, and what was passed over, for people.
        what: its files are, for messages.
    """

    files: ImageFiles
    splits: tuple[str, ...] | None = None
    folders: tuple[str, ...] | None = None
    notes: tuple[str, ...] = field(default=())
    what: str = "images"


def layout(root: Path, kind: str = "auto", endings: Sequence[str] = ENDINGS, what: str = "images") -> Layout:
    """The layout of a folder: a folder for each class, folders for the splits, both, or images without classes.

    Hidden files and folders are passed over, and what systems leave behind.

    Args:
        root: the folder.
        kind: `classes`: each subfolder is a class, even one called test; `images`: subfolders say nothing;
            `auto`: what the names say.
        endings: of the files that count.
        what: these are, for messages.

    Raises:
        DataError: there is no such folder, it has no images, or its layout is a mistake.
    """
    if not root.is_dir():
        raise DataError(f"there is no folder {root.resolve()}; set data.root to a folder with {what}")
    files, notes = listed(root, endings, what)
    found = Layout(files, notes=notes, what=what)
    if kind == "images":
        return found
    tops = [_top(name) for name in files.names]
    words = {top: split_of(top) for top in dict.fromkeys(tops) if top}
    if kind == "auto" and "train" in words.values() and {"val", "test"} & set(words.values()):
        return _with_splits(found, tops, words)
    if kind == "auto" and len(words) == 1 and "" not in tops:
        inner = layout(root / tops[0], kind, endings, what)
        if inner.splits or inner.folders:
            return replace(inner, notes=(f"all {what} are in {tops[0]}/", *inner.notes))
        note = f"all {what} are in {tops[0]}/: one folder is no class, which takes two or more"
        return replace(found, notes=(*notes, note))
    return _with_classes(found, tops, needed=kind == "classes")


def split_of(word: str) -> str | None:
    """The split that a folder or a cell names, such as `training_set`."""
    return SPLITS.get(_OF_SPLIT.sub("", word.lower()))


def table_of(root: Path) -> Path | None:
    """The table of labels that lies in a folder: labels.csv, or one in the form of the Hugging Face Hub."""
    if (root / LABELS).is_file():
        return root / LABELS
    for name in DESCRIBED:
        if (root / name).is_file():
            with (root / name).open("rb") as file:
                if NAMES_FILES in file.read(4096):
                    return root / name
    return None


def listed(root: Path, endings: Sequence[str] = ENDINGS, what: str = "images") -> tuple[ImageFiles, tuple[str, ...]]:
    """All images of a folder and its subfolders, or files of other endings, sorted, and a note on what else is there.

    Raises:
        DataError: there is none.
    """
    images: list[tuple[str, int, int]] = []
    others: Counter[str] = Counter()
    for name, stat in _walk(root):
        ending = os.path.splitext(name)[1].lower()
        if name == LABELS or name in DESCRIBED:
            continue
        if ending in endings:
            images.append((name, stat.st_size, stat.st_mtime_ns))
        else:
            others[ending or "without an ending"] += 1
    passed = f"{others.total()} files are no {what} and are passed over: {_counted(others)}" if others else ""
    if not images:
        raise DataError(f"{root.resolve()} has no {what} ({', '.join(endings)}){passed and f'; {passed}'}")
    images.sort(key=lambda image: image[0].replace("/", "\0"))  # as paths are sorted: part by part
    names, sizes, times = zip(*images)
    return ImageFiles(root.resolve(), names, np.array(sizes), np.array(times)), (passed,) if passed else ()


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files of a folder, at any depth, hidden ones left out; links are followed, but not in circles."""
    todo, seen = [("", root.stat())], set()
    while todo:
        folder, stat = todo.pop()
        if (stat.st_dev, stat.st_ino) in seen and stat.st_ino:
            continue
        seen.add((stat.st_dev, stat.st_ino))
        with os.scandir(root / folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name.lower() in LITTER:
                    continue
                name = f"{folder}{entry.name}"
                if entry.is_dir():
                    todo.append((f"{name}/", os.stat(entry.path)))
                elif entry.is_file():
                    yield name, entry.stat()


def _with_splits(found: Layout, tops: Sequence[str], words: Mapping[str, str | None]) -> Layout:
    """The layout whose folders are splits; within them there may be a folder for each class."""
    root = found.files.root
    if others := [
        f"{top}/" if top else f"{found.what} of its own" for top in dict.fromkeys(tops) if not words.get(top)
    ]:
        raise DataError(
            f"{root} has {_some([f'{top}/' for top in words if words[top]])}, which look like splits, and beside them "
            f"{_some(others)}; move one of the two, or set data.layout=classes (or images)"
        )
    splits = tuple(words[top] or "" for top in tops)
    inner = [_top(name.split("/", 1)[1]) for name in found.files.names]
    note = f"the folders {_some([f'{top}/' for top in words])} are taken as the splits"
    kinds = {split: {top for top, its in zip(inner, splits) if its == split} for split in dict.fromkeys(splits)}
    if all("" in its or len(its) < 2 for its in kinds.values()):
        one = kinds["train"] - {""}
        more = (f"train has one folder, {min(one)}/, which is no class: classes are two or more",) if one else ()
        return replace(found, splits=splits, notes=(*found.notes, note, *more))
    flat = [split for split, its in kinds.items() if "" in its]
    if flat:
        raise DataError(
            f"the {found.what} of {flat[0]} in {root} are not all in folders of classes, those of the others are; move "
            "those without a class elsewhere"
        )
    for split, its in kinds.items():
        if strange := sorted(its - kinds["train"]):
            known = _some(sorted(kinds["train"]))
            raise DataError(f"{_some(strange)} in {split} of {root} is no class of train: {known}")
    return replace(found, splits=splits, folders=tuple(inner), notes=(*found.notes, note))


def _with_classes(found: Layout, tops: Sequence[str], *, needed: bool) -> Layout:
    """The layout whose folders are classes, if there are two or more; a few images beside them are passed over."""
    root, names = found.files.root, found.files.names
    classes, strays = set(filter(None, tops)), [name for name, top in zip(names, tops) if not top]
    if len(classes) < 2:
        if needed:
            raise DataError(f"{root} has {len(classes)} folders with {found.what}; classes need at least two")
        return found
    beside = f"{len(strays)} of {len(names)} {found.what} are in no folder of a class ({_some(strays)})"
    if not needed and len(strays) > max(FEW, len(names) // 100):
        note = f"{beside}: nothing is taken as a class; data.layout=classes takes the folders"
        return replace(found, notes=(*found.notes, note))
    chosen = [row for row, top in enumerate(tops) if top]
    kept = only(found, chosen)
    passed = (f"{beside} and are passed over",) if strays else ()
    note = f"{len(classes)} folders are taken as the classes: {_some([f'{top}/' for top in sorted(classes)])}"
    return replace(kept, folders=tuple(tops[row] for row in chosen), notes=(*found.notes, *passed, note))


def only(found: Layout, rows: Sequence[int]) -> Layout:
    """The layout of some of its images."""
    files = found.files
    names = [files.names[row] for row in rows]
    splits, folders = (part and tuple(part[row] for row in rows) for part in (found.splits, found.folders))
    kept = ImageFiles(files.root, names, files.sizes[rows], files.times[rows])
    return Layout(kept, splits, folders, found.notes, found.what)


def _top(name: str) -> str:
    """The first folder of a name; "" if there is none."""
    return sys.intern(name.split("/", 1)[0]) if "/" in name else ""


def _some(names: Sequence[str]) -> str:
    """Some of many names, for a message."""
    return ", ".join(names[:NAMED]) + " …" * (len(names) > NAMED)


def _counted(counts: Counter[str]) -> str:
    return _some([f"{count} {name}" for name, count in counts.most_common()])
