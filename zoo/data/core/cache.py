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
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from zoo.errors import DataError, SpecError
from zoo.files import PART, cache_folder, one_line
from zoo.spec import Image
from zoo.spec.decoding import Decoded, Decoder, Job, channel_sums, decode_here, decode_in_processes

log = logging.getLogger(__name__)

VERSION = 1
IN_MEMORY = 64 * 2**20  # bytes of files, and of pixels, up to which nothing is cached
FEW = 2_000  # files, likewise
AT_ONCE = 16 * 2**20  # bytes of a map that stay in this process's memory
AROUND = 64 * 2**10  # bytes that Linux maps around each that is read
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

    def path(self, row: int) -> str:
        return os.path.join(self.root, self.names[row])

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
        source: tuple[Path, mmap.mmap] | None = None,
    ) -> None:
        self.values, self.starts = values, starts
        self.heights, self.widths = heights, widths
        self.sums, self.squares = sums, squares
        self.channels = sums.shape[1]
        self._source = source
        self._touched = 0

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
        """Count what was read of a map, so many parts of so many bytes, and let go of its pages now and then.

        They stay in the system's own cache, but no longer in this process's memory.
        """
        if self._source is None:
            return
        self._touched += parts * (size + AROUND)
        if self._touched > AT_ONCE and hasattr(mmap, "MADV_DONTNEED"):
            self._source[1].madvise(mmap.MADV_DONTNEED)
            self._touched = 0

    def statistics(self, rows: Sequence[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over all pixels of some images, scaled to 0..1."""
        chosen = torch.as_tensor(rows)
        count = int((self.heights[chosen] * self.widths[chosen]).sum())
        sums, squares = (numbers[chosen].cumsum(0)[-1] for numbers in (self.sums, self.squares))  # one after another
        mean = sums / count
        std = (squares / count - mean.square()).clamp(min=1e-6).sqrt()
        return tuple(mean.tolist()), tuple(std.tolist())


def decoded(
    files: ImageFiles, image: Image, *, shapes: Sequence[int] | None, draft: bool, cache: str | None, stop: bool
) -> DecodedImages:
    """The pixels of image files: decoded, or from a cache of an earlier run.

    Args:
        files: the files.
        image: how they are encoded.
        shapes: of each image of any size, height times width; 0 for a file that is not to be decoded. None where all
            images have the size of `image`.
        draft: as in `Decoder`.
        cache: folder for the cache; None for the user's.
        stop: whether a file that is no usable image is an error.

    Raises:
        DataError: a file is no usable image and `stop` is set, the cache cannot be written, or the disk has no room.
    """
    pixels = [image.height * image.width] * len(files.names) if image.height and image.width else list(shapes or ())
    sizes = image.channels * np.array(pixels, dtype=np.int64)
    decoder = Decoder(image, draft)
    if len(sizes) <= FEW and max(int(sizes.sum()), int(files.sizes.sum())) <= IN_MEMORY:
        return _in_memory(files, decoder, sizes, stop)
    settings = {"version": VERSION, "root": str(files.root), **asdict(decoder)}
    settings["image"] = {name: settings["image"][name] for name in ("channels", "height", "width", "fit")}
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    try:
        base = cache_folder() / "images" if cache is None else Path(cache).expanduser()
        folder = base / f"{files.root.name[:40]}-{key}"
        base.mkdir(parents=True, exist_ok=True)
        with FileLock(base / f".{folder.name}.lock"):  # another run, or another process of this one
            return _from_cache(folder, files, decoder, sizes, settings, stop)
    except SpecError as error:  # a process that decodes has died
        raise DataError(str(error)) from error
    except (OSError, RuntimeError) as error:  # of a home that cannot be told, the second
        where = "the user's cache folder" if cache is None else cache
        fault = f"no images can be cached in {where} ({error}); set data.cache to a folder"
        raise DataError(one_line(fault)) from error


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
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # copy: torch takes no read-only memory
        values = torch.frombuffer(mapped, dtype=torch.uint8, offset=file.tell())
    return DecodedImages(values, **columns, source=(folder, mapped))


def _in_memory(files: ImageFiles, decoder: Decoder, sizes: np.ndarray, stop: bool) -> DecodedImages:
    pixels = io.BytesIO(bytes(int(sizes.sum())))
    starts = sizes.cumsum() - sizes
    table = _table(files, decode_here(decoder, _jobs(files, starts, sizes), pixels), decoder.image.channels, stop)
    buffer = pixels.getbuffer()
    values = torch.frombuffer(buffer, dtype=torch.uint8) if len(buffer) else torch.empty(0, dtype=torch.uint8)
    heights, widths, sums, squares = (
        torch.from_numpy(table[name]) for name in ("heights", "widths", "sums", "squares")
    )
    return DecodedImages(values, torch.from_numpy(starts), heights, widths, sums, squares)


def _from_cache(
    folder: Path, files: ImageFiles, decoder: Decoder, sizes: np.ndarray, settings: dict[str, Any], stop: bool
) -> DecodedImages:
    """The cache in a folder, which is made if it is missing, damaged, or of other files."""
    made_from = {**settings, "files": files.fingerprint}
    try:
        if json.loads((folder / "about.json").read_text(encoding="utf-8"))["from"] == made_from:
            return opened(folder)
        log.info("The images of %s have changed since they were cached", files.root)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("The cache %s is damaged (%s) and is made again", folder, error)
    _check_room(folder.parent, int(sizes.sum()))
    part = folder.with_name(f".{folder.name}{PART}")  # the lock is ours, so that a killed run left it
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        _write(part, files, decoder, sizes, made_from, stop)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return opened(folder)


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise DataError(
            f"the decoded images take {_gigabytes(needed)} and {folder} has {_gigabytes(free)} free; set data.cache to "
            "a folder on another disk, or a smaller data.size"
        )


def _write(
    folder: Path, files: ImageFiles, decoder: Decoder, sizes: np.ndarray, made_from: dict[str, Any], stop: bool
) -> None:
    starts, total, target = sizes.cumsum() - sizes, int(sizes.sum()), folder / "pixels.npy"
    with open(target, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (total,)}
        np.lib.format.write_array_header_1_0(file, header)
        begin = file.tell()
        file.truncate(begin + total)
    processes = _processes(len(sizes), int(files.sizes.sum()))
    log.info(
        "Decoding %s images of %s once, in %d process%s: %s, in %s (delete it at any time)",
        f"{len(sizes):,}", files.root, processes, "es" * (processes > 1), _gigabytes(total), folder.parent,
    )  # fmt: skip
    jobs = _jobs(files, starts + begin, sizes)
    with open(target, "r+b") as file:
        results = (
            decode_here(decoder, jobs, file)
            if processes == 1
            else decode_in_processes(decoder, jobs, target, processes)
        )
        table = _table(files, _shown(results, len(sizes)), decoder.image.channels, stop)
        os.fsync(file.fileno())
    np.savez(folder / "images.npz", starts=starts, **table)  # type: ignore[arg-type]  # it takes them for options
    about = {
        "from": made_from,
        "bytes": begin + total,
        "images": hashlib.sha256((folder / "images.npz").read_bytes()).hexdigest(),
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _jobs(files: ImageFiles, places: np.ndarray, sizes: np.ndarray) -> Iterator[Job]:
    for row, (place, size) in enumerate(zip(places, sizes)):
        if size:
            yield row, files.path(row), int(place), int(size)


def _table(files: ImageFiles, results: Iterable[Decoded], channels: int, stop: bool) -> dict[str, np.ndarray]:
    """What is known of each image, by the name of the column; what was not decoded has height and width 0."""
    count = len(files.names)
    heights, widths = np.zeros(count, np.int64), np.zeros(count, np.int64)
    sums, squares = np.zeros((count, channels)), np.zeros((count, channels))
    for result in results:
        if result.error:
            if stop:
                raise DataError(f"{result.error}; data.unreadable=skip ignores such files")
            continue
        heights[result.row], widths[result.row] = result.height, result.width
        sums[result.row], squares[result.row] = result.sums, result.squares
    return {"heights": heights, "widths": widths, "sums": sums, "squares": squares}


def _processes(count: int, size: int) -> int:
    """How many processes decode: one for each CPU, but not for a few seconds of work."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if count < FEW and size < IN_MEMORY else max(1, min(cpus, MAX_PROCESSES))


def _shown(results: Iterable[Decoded], count: int) -> Iterator[Decoded]:
    """The same, with a progress bar where there is somebody to see it."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(track(results, "Decoding", count, console=console, transient=True, disable=not sys.stderr.isatty()))


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"
