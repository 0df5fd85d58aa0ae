"""Decoded images: in memory where they are few, otherwise in a file that is decoded once and mapped into memory.

A cache is a folder: `pixels.npy` holds all pixels end to end as uint8, `images.npz` the place, size and sums of each
image, and `about.json`, which is written last, what it was made from. It is made under another name and renamed, so
that it is there whole or not at all, and made again where the images or the settings have changed.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import mmap
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from zoo.errors import DataError, SpecError
from zoo.files import PART, Mapped, cache_folder, check_room, gigabytes, one_line, reserve, user_path
from zoo.progress import track
from zoo.spec import Image
from zoo.spec.image_decoding import Decoded, Decoder, Job, channel_sums, decode_here, decode_in_processes
from zoo.spec.image_files import image_size

log = logging.getLogger(__name__)

VERSION = 1
IN_MEMORY = 64 * 2**20  # bytes of files, and of pixels, up to which nothing is cached
FEW = 2_000  # files, likewise
MAX_PROCESSES = 32


@dataclass(frozen=True)
class ImageFiles:
    """The files of a folder of images, with what tells whether one has changed.

    Args:
        root: the folder.
        names: of the files, below it.
        sizes: of the files, in bytes.
        times: when they were changed, in nanoseconds.
    """

    root: Path
    names: Sequence[str]
    sizes: np.ndarray
    times: np.ndarray

    def source(self, row: int) -> str | bytes:
        """The path of a file, or its bytes."""
        return os.path.join(self.root, self.names[row])

    def told(self, row: int, fault: str) -> str:
        """What is wrong with a file, which is named."""
        return fault

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(f"{name}\0".encode(errors="surrogatepass"))
        digest.update(np.stack([self.sizes, self.times]).astype("<i8").tobytes())
        return digest.hexdigest()


class DecodedImages(Sequence[Tensor]):
    """Images (C, H, W), uint8, each of its own size, end to end in memory or in a file that is mapped.

    Args:
        values: all pixels.
        starts: of each image in `values` (N,).
        heights, widths: of each image (N,); 0 for a file that is no usable image.
        sums, squares: of each image's pixels, scaled to 0..1, by channel, and of their squares (N, C).
        source: the cache's folder and the map of its pixels; None if they are in memory.
    """

    def __init__(
        self,
        values: Tensor,
        starts: Tensor,
        heights: Tensor,
        widths: Tensor,
        sums: Tensor,
        squares: Tensor,
        source: tuple[Path, Mapped] | None = None,
    ) -> None:
        self.values, self.starts = values, starts
        self.heights, self.widths = heights, widths
        self.sums, self.squares = sums, squares
        self.channels = sums.shape[1]
        self._source = source

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> DecodedImages:
        """These images (C, H, W), in memory."""
        channels, heights, widths = torch.tensor([image.shape for image in images]).T
        counts = channels * heights * widths
        sums, squares = zip(*(channel_sums(image) for image in images))
        return cls(
            torch.cat([image.flatten() for image in images]),
            counts.cumsum(0) - counts,
            heights,
            widths,
            torch.stack(sums),
            torch.stack(squares),
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: Any) -> Any:
        start, (height, width) = int(self.starts[row]), self.shape_of(row)
        self.touch(1, self.channels * height * width)
        return self.values[start : start + self.channels * height * width].view(self.channels, height, width)

    def __reduce__(self) -> Any:
        return super().__reduce__() if self._source is None else (opened, (self._source[0],))

    @property
    def usable(self) -> list[int]:
        """The rows of files that are images."""
        return self.heights.nonzero()[:, 0].tolist()

    def shape_of(self, row: int) -> tuple[int, int]:
        """Height and width of an image."""
        return int(self.heights[row]), int(self.widths[row])

    def touch(self, parts: int, size: int) -> None:
        """As of `Mapped`, where these images lie in one."""
        if self._source is not None:
            self._source[1].touch(parts, size)

    def statistics(self, rows: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all pixels of some images, scaled to 0..1."""
        chosen = torch.as_tensor(rows)
        count = int((self.heights[chosen] * self.widths[chosen]).sum())
        sums, squares = (numbers[chosen].cumsum(0)[-1] for numbers in (self.sums, self.squares))  # one after another
        mean = sums / count
        std = (squares / count - mean.square()).clamp(min=1e-6).sqrt()
        return tuple(mean.tolist()), tuple(std.tolist())


def decoded(
    files: ImageFiles,
    image: Image,
    *,
    smallest: int = 0,
    draft: bool = True,
    cache: str | None = None,
    stop: bool = True,
) -> DecodedImages:
    """The pixels of image files: decoded, or from a cache of an earlier run.

    Args:
        files: the files.
        image: how they are encoded.
        smallest: least height and width of an image of any size.
        draft: as in `Decoder`.
        cache: folder for the cache; None for the user's.
        stop: whether a file that is no usable image is an error.

    Raises:
        DataError: a file is no usable image and `stop` is set, the cache cannot be written, or the disk has no room.
    """
    decoding = _Decoding(files, Decoder(image, draft), smallest, stop)
    if decoding.is_small:
        return decoding.in_memory()
    try:
        base = cache_folder() / "images" if cache is None else user_path(cache)
        base.mkdir(parents=True, exist_ok=True)
        folder = base / f"{files.root.name[:40]}-{decoding.key}"
        with FileLock(base / f".{folder.name}.lock"):  # another run, or another process of this one
            images = decoding.from_cache(folder)
    except SpecError as error:  # a process that decodes has died
        raise DataError(str(error)) from error
    except (OSError, RuntimeError) as error:  # of a home that cannot be told, the second
        where = "the user's cache folder" if cache is None else cache
        fault = f"no images can be cached in {where} ({error}); set data.cache to a folder"
        raise DataError(one_line(fault)) from error
    if stop and not images.heights.all():  # an earlier run skipped it
        file = files.root / files.names[int(images.heights.argmin())]
        raise DataError(f"{file} is no usable image; data.unreadable=skip ignores such files")
    return images


def opened(folder: Path) -> DecodedImages:
    """A cache that is there and whole.

    Raises:
        OSError, ValueError, KeyError: it is not.
    """
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    if (folder / "pixels.npy").stat().st_size != about["bytes"]:
        raise ValueError("the pixels have another size")
    if hashlib.sha256((folder / "images.npz").read_bytes()).hexdigest() != about["images"]:
        raise ValueError("the list of images is damaged")
    with np.load(folder / "images.npz", allow_pickle=False) as table:
        columns = {name: torch.from_numpy(table[name]) for name in table.files}
    with open(folder / "pixels.npy", "rb") as file:
        version = np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if version != (1, 0) or dtype != np.uint8 or file.tell() + shape[0] != about["bytes"]:
            raise ValueError("the pixels have another type")
        mapped = Mapped(file.fileno(), 0, access=mmap.ACCESS_COPY)  # copy: torch takes no read-only memory
        values = torch.frombuffer(mapped, dtype=torch.uint8, offset=file.tell())
    return DecodedImages(values, **columns, source=(folder, mapped))


@dataclass(frozen=True)
class _Decoding:
    """What is to be decoded, and how; arguments as in `decoded`."""

    files: ImageFiles
    decoder: Decoder
    smallest: int
    stop: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What the pixels depend on, besides the files."""
        image = {name: getattr(self.decoder.image, name) for name in ("channels", "height", "width", "fit")}
        return {"version": VERSION, "root": str(self.files.root), **image, "draft": self.decoder.draft} | {
            "smallest": self.smallest
        }

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.settings).encode()).hexdigest()[:16]

    @property
    def is_small(self) -> bool:
        """Whether it is not worth a cache."""
        if len(self.files.names) > FEW or self.files.sizes.sum() > IN_MEMORY:
            return False
        return bool(self.sizes.sum() <= IN_MEMORY)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Bytes of each image (N,), those of any size by their headers; 0 for a file to be skipped."""
        image = self.decoder.image
        if image.height is not None and image.width is not None:
            pixels = [image.height * image.width] * len(self.files.names)
        else:
            pixels = [self._pixels(row) for row in range(len(self.files.names))]
        return image.channels * np.array(pixels, dtype=np.int64)

    def _pixels(self, row: int) -> int:
        file = self.files.source(row)
        try:
            width, height = image_size(file)
            if min(height, width) < self.smallest:
                named = self.files.root / self.files.names[row]
                size = f"{height} x {width} pixels"
                raise SpecError(f"{named}, of {size}, is smaller than a patch of {self.smallest}")
        except SpecError as error:
            if self.stop:
                raise _unusable(str(error)) from error
            return 0
        return width * height

    def in_memory(self) -> DecodedImages:
        pixels, starts = io.BytesIO(bytes(int(self.sizes.sum()))), self.sizes.cumsum() - self.sizes
        table = self._table(decode_here(self.decoder, self._jobs(starts), pixels))
        buffer = pixels.getbuffer()
        values = torch.frombuffer(buffer, dtype=torch.uint8) if len(buffer) else torch.empty(0, dtype=torch.uint8)
        heights, widths, sums, squares = map(torch.from_numpy, table.values())
        return DecodedImages(values, torch.from_numpy(starts), heights, widths, sums, squares)

    def from_cache(self, folder: Path) -> DecodedImages:
        """The cache in a folder, which is made if it is missing, damaged, or of other files."""
        made_from = {**self.settings, "files": self.files.fingerprint}
        try:
            if json.loads((folder / "about.json").read_text(encoding="utf-8"))["from"] == made_from:
                return opened(folder)
            log.info("The images of %s have changed since they were cached", self.files.root)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("The cache %s is damaged (%s) and is made again", folder, error)
        remedy = "set data.cache to a folder on another disk, or a smaller data.size"
        check_room(folder.parent, int(self.sizes.sum()), "the decoded images take", remedy)
        part = folder.with_name(f".{folder.name}{PART}")  # the lock is ours, so that a killed run left it
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            self._write(part, made_from)
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return opened(folder)

    def _write(self, folder: Path, made_from: dict[str, Any]) -> None:
        target, total = folder / "pixels.npy", int(self.sizes.sum())
        processes = _processes(len(self.sizes), int(self.files.sizes.sum()))
        log.info(
            "Decoding %s images of %s once, in %d process%s: %s, in %s (delete it at any time)",
            f"{len(self.sizes):,}", self.files.root, processes, "es" * (processes > 1), gigabytes(total),
            folder.parent,
        )  # fmt: skip
        with open(target, "w+b") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (total,)})
            begin = file.tell()
            file.flush()
            reserve(file, begin + total)
            starts = self.sizes.cumsum() - self.sizes
            jobs = self._jobs(starts + begin)
            if processes == 1:
                results = decode_here(self.decoder, jobs, file)
            else:
                results = decode_in_processes(self.decoder, jobs, target, processes)
            table = self._table(track(results, "decoding", len(self.sizes)))
            file.flush()
            os.fsync(file.fileno())
        np.savez(folder / "images.npz", starts=starts, **table)  # type: ignore[arg-type]  # it takes them for options
        digest = hashlib.sha256((folder / "images.npz").read_bytes()).hexdigest()
        about = {"from": made_from, "bytes": begin + total, "images": digest}
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

    def _jobs(self, places: np.ndarray) -> Iterator[Job]:
        for row, (place, size) in enumerate(zip(places, self.sizes)):
            if size:
                yield row, self.files.source(row), int(place), int(size)

    def _table(self, results: Iterable[Decoded]) -> dict[str, np.ndarray]:
        """What is known of each image, by the name of the column; what was not decoded has height and width 0."""
        count, channels = len(self.sizes), self.decoder.image.channels
        heights, widths = np.zeros(count, np.int64), np.zeros(count, np.int64)
        sums, squares = np.zeros((count, channels)), np.zeros((count, channels))
        for result in results:
            if result.error:
                if self.stop:
                    raise _unusable(self.files.told(result.row, result.error))
                continue
            heights[result.row], widths[result.row] = result.height, result.width
            sums[result.row], squares[result.row] = result.sums, result.squares
        return {"heights": heights, "widths": widths, "sums": sums, "squares": squares}


def _unusable(fault: str) -> DataError:
    return DataError(f"{fault}; data.unreadable=skip ignores such files")


def _processes(count: int, size: int) -> int:
    """How many processes decode: one for each CPU, but not for a few seconds of work."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if count < FEW and size < IN_MEMORY else max(1, min(cpus, MAX_PROCESSES))
