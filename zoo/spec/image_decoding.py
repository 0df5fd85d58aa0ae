"""Many image files, decoded once: the pixels go to one file, end to end, and what is known of each comes back.

Large folders are decoded by several processes. Each is a fresh Python that reads jobs from its standard input and
ends with it, so that it needs no guard in the caller's script, works in notebooks, and dies with its parent. It imports
this module alone, which needs torch and Pillow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from torch import Tensor

import zoo
from zoo.errors import SpecError
from zoo.spec.image import Image
from zoo.spec.image_files import read_image

CHUNK = 64  # files that a process is given together
AHEAD = 16  # such chunks for each process that are under way or wait to be fetched
OVERSAMPLED = 2  # times the wanted size, at least, that a JPEG is read at when it is read at a part of its size


@dataclass(frozen=True)
class Decoded:
    """What is known of a decoded image, or why it could not be.

    Args:
        row: number of the file, from 0.
        height, width: in pixels; 0 for a file that is no usable image.
        sums, squares: of each channel's pixels, scaled to 0..1, and of their squares.
        error: what is wrong with the file.
    """

    row: int
    height: int = 0
    width: int = 0
    sums: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Decoder:
    """Turns files into pixels.

    Args:
        image: of one size, or of any size, which is kept.
        draft: read a JPEG at a half, a quarter or an eighth of its size where that is at least twice the wanted size.
    """

    image: Image
    draft: bool

    def decode(self, row: int, file: str | bytes, place: int, size: int, target: IO[bytes]) -> Decoded:
        """Write the pixels (C, H, W) of a file, by its path or its bytes, to `target`, which has `size` bytes for them
        from `place` on."""
        side = None if self.image.height is None else OVERSAMPLED * max(self.image.size)
        try:
            pixels = self.image.pixels(read_image(file, at_least=side if self.draft else None))
        except SpecError as error:
            return Decoded(row, error=str(error))
        if pixels.numel() != size:
            named = "the file" if isinstance(file, bytes) else file
            return Decoded(row, error=f"cannot read {named} as an image: it changed while it was read")
        target.seek(place)
        target.write(pixels.numpy().tobytes())
        sums, squares = (tuple(numbers.tolist()) for numbers in channel_sums(pixels))
        height, width = pixels.shape[1:]
        return Decoded(row, height, width, sums, squares)


def channel_sums(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of each channel of an image (C, H, W), scaled to 0..1: the sum of pixels and that of their squares, float64."""
    scaled = pixels.flatten(1).double() / 255
    return scaled.sum(1), scaled.square().sum(1)


Job = tuple[int, str | bytes, int, int]  # arguments of `Decoder.decode`


def decode_here(decoder: Decoder, jobs: Iterable[Job], target: IO[bytes]) -> Iterator[Decoded]:
    """Decode in this process, in order."""
    for job in jobs:
        yield decoder.decode(*job, target)


def decode_in_processes(decoder: Decoder, jobs: Iterable[Job], target: Path, processes: int) -> Iterator[Decoded]:
    """Decode in so many other processes, in order; they write to the file `target`, which is there already.

    Raises:
        SpecError: a process died, such as by a damaged file that makes a library crash.
    """
    workers = [_Worker(decoder, target) for _ in range(processes)]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in workers:
        idle.put(worker)
    pool = ThreadPoolExecutor(processes)
    jobs = iter(jobs)
    try:
        while window := [chunk for _ in range(AHEAD * processes) if (chunk := list(islice(jobs, CHUNK)))]:
            for results in pool.map(partial(_on_a_worker, idle), window):
                yield from results
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.stop()


def _on_a_worker(idle: SimpleQueue[_Worker], jobs: Sequence[Job]) -> list[Decoded]:
    worker = idle.get()
    try:
        return worker.decode(jobs)
    finally:
        idle.put(worker)


class _Worker:
    """Another process that decodes."""

    def __init__(self, decoder: Decoder, target: Path) -> None:
        here = str(Path(zoo.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for the parent
        )
        self._send({"image": asdict(decoder.image), "draft": decoder.draft, "target": str(target)})

    def decode(self, jobs: Sequence[Job]) -> list[Decoded]:
        assert self.process.stdout is not None
        try:
            self._send(jobs)
            answers = json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            first, last = (job[0] if isinstance(job[1], bytes) else job[1] for job in (jobs[0], jobs[-1]))
            raise SpecError(f"a process that decodes images died between {first} and {last}") from None
        return [Decoded(**answer) for answer in answers]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except OSError:  # what was not sent
                continue

    def _send(self, message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message, default=_text_of) + "\n")
        self.process.stdin.flush()


def _text_of(data: bytes) -> dict[str, str]:
    """Bytes as JSON."""
    return {"base64": b64encode(data).decode()}


def _bytes_of(data: dict[str, Any]) -> Any:
    return b64decode(data["base64"]) if set(data) == {"base64"} else data


def serve() -> None:
    """What a process that decodes does: each line of standard input is a list of jobs, answered by one line."""
    lines = map(partial(json.loads, object_hook=_bytes_of), sys.stdin.buffer)
    setup = next(lines)
    decoder = Decoder(Image(**setup["image"]), setup["draft"])
    with open(setup["target"], "r+b") as target:
        for jobs in lines:
            decoded = [asdict(result) for result in decode_here(decoder, jobs, target)]
            target.flush()
            print(json.dumps(decoded), flush=True)
