"""Time and memory of reading one's own data, beside pandas and torchvision, and for ten times the data.

All data is generated; `size=0.1` gives a tenth of it. Each run is a process of its own; contestants take turns, three
times and once with ten times the data, and the median counts. Memory is the largest resident size above that after the
imports.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import lightning as L
import numpy as np
import pandas as pd
import torch

from zoo import models
from zoo.benchmarks import Row
from zoo.data import CaptionFolder, CsvRatings, CsvSequences, CsvSeries, CsvText, HuggingFace, ImageFolder, VideoFolder
from zoo.data.reviews import generate_reviews
from zoo.data.tables import Csv
from zoo.tasks.rbm import Recommendation

ROUNDS = 3
LEAST = 40  # examples
SIZES = {  # and ten times
    "table": 100_000, "texts": 20_000, "ratings": 500_000, "series": 100_000, "images": 1_500, "captions": 500,
    "videos": 50, "sequences": 50_000, "hf": 50_000,
}  # fmt: skip
FRAMES = 16  # of a video
USERS, FILMS, RATINGS = 138_493, 26_744, 20_000_263  # of MovieLens 20M
STEPS = 50  # of training on so many ratings, and of a sequence
FOLDERS = ("images", "captions", "videos")

# What is read


def table(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{place}": random.normal(size=rows).round(5) for place in range(8)})
    frame["name"] = random.choice(["alpha", "beta", "gamma"], rows)
    frame["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D")
    frame.assign(y=random.normal(size=rows).round(3)).to_csv(path, index=False)


def texts(path: Path, rows: int) -> None:
    sentences = generate_reviews(rows, Random(0), depths=(0, 1, 2), reserved=False)
    pd.DataFrame([(each.text, each.positive) for each in sentences], columns=["text", "label"]).to_csv(
        path, index=False
    )


def ratings(path: Path, rows: int, users: int | None = None, films: int | None = None) -> None:
    random = np.random.default_rng(0)
    weights = 1 / (np.arange(films or rows // 500) + 20)
    columns = {
        "user": random.integers(0, users or rows // 100, rows),
        "item": random.choice(len(weights), rows, p=weights / weights.sum()),
        "rating": random.integers(1, 6, rows),
    }
    pd.DataFrame(columns).to_csv(path, index=False)


def series(path: Path, rows: int) -> None:
    values = np.random.default_rng(0).normal(size=(rows, 4)).cumsum(axis=0).round(4)
    pd.DataFrame(values, columns=list("abcd")).assign(time=np.arange(rows)).to_csv(path, index=False)


def images(path: Path, count: int) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (path / name).mkdir(parents=True)
    for number in range(count):
        pixels = random.integers(0, 255, (12, 12, 3), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)
        Image.fromarray(pixels).save(path / ("cat", "dog")[number % 2] / f"{number}.jpg")


def captions(path: Path, count: int) -> None:
    """Images, and a sentence on each."""
    images(path, count)
    names = [f"{('cat', 'dog')[number % 2]}/{number}.jpg" for number in range(count)]
    sentences = [each.text for each in generate_reviews(count, Random(0), depths=(0, 1, 2), reserved=False)]
    pd.DataFrame({"image": names, "caption": sentences}).to_csv(path / "captions.csv", index=False)


def videos(path: Path, count: int) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(count):
        folder = path / ("left", "right")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        frames = random.integers(0, 255, (FRAMES, 48, 48, 3), dtype=np.uint8)
        first, *others = map(Image.fromarray, frames)
        first.save(folder / f"{number}.webp", save_all=True, append_images=others)


def sequences(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(rows, 3)).round(4), columns=list("xyz"))
    gesture = np.arange(rows) // STEPS
    frame.assign(id=gesture, target=np.array(["circle", "line"])[gesture % 2]).to_csv(path, index=False)


def parquet(path: Path, rows: int) -> None:
    table(path, rows)
    pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))


# Contestants


def _pandas(path: Path) -> None:
    pd.read_csv(path)


def _sparse(path: Path) -> None:
    from scipy.sparse import csr_array

    frame = pd.read_csv(path)
    csr_array((frame["rating"], (pd.factorize(frame["user"])[0], pd.factorize(frame["item"])[0])))


def _torchvision(path: Path) -> None:
    from torchvision.datasets import ImageFolder as Folder
    from torchvision.transforms import v2

    steps = [v2.PILToTensor(), v2.Resize((32, 32)), v2.ToDtype(torch.float32, scale=True)]
    loader = torch.utils.data.DataLoader(Folder(str(path), v2.Compose(steps)), batch_size=64, num_workers=2)
    for _ in loader:
        pass


def _pillow(path: Path) -> None:
    """All frames of all videos, at the size of ours."""
    from PIL import Image, ImageSequence

    for file in sorted(path.glob("*/*.webp")):
        with Image.open(file) as video:
            np.stack([np.asarray(frame.convert("RGB").resize((32, 32))) for frame in ImageSequence.Iterator(video)])


def _hugging_face(path: Path) -> None:
    name, cache = str(path.with_suffix(".parquet")), str(path.parent / "cache")
    HuggingFace(name, target="y", cache=cache).setup()


def _images(path: Path) -> None:
    data = ImageFolder(str(path), patch=None, size=32, batch_size=64, cache=str(path.parent / "cache"))
    data.setup()
    image: Any = data.spec.input
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        for batch in loader:
            image.prepare(batch[0])


def _movielens(path: Path) -> None:
    """Read, and train for some steps."""
    data = CsvRatings(str(path))
    data.setup()
    task = Recommendation(data.spec, partial(models.build, "rbm"), partial(torch.optim.SGD, lr=0.1))
    options: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(
        accelerator="cpu", max_steps=STEPS, limit_val_batches=STEPS, limit_test_batches=STEPS,
        enable_model_summary=False, **options,
    )  # fmt: skip
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)


OURS: dict[str, Callable[[Path], Any]] = {
    "table": lambda path: Csv(str(path), "y").setup(),
    "texts": lambda path: CsvText(str(path)).setup(),
    "ratings": lambda path: CsvRatings(str(path)).setup(),
    "series": lambda path: CsvSeries(str(path), "time", ["a"], context_length=48, horizon=12).setup(),
    "images": _images,
    "images again": _images,
    "captions": lambda path: CaptionFolder(str(path), size=32, cache=str(path.parent / "cache")).setup(),
    "videos": lambda path: VideoFolder(str(path), size=32).setup(),
    "sequences": lambda path: CsvSequences(str(path), target="target").setup(),
    "hf": _hugging_face,
    "movielens": _movielens,
}
THEIRS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "table": ("pandas.read_csv", _pandas),
    "texts": ("pandas.read_csv", _pandas),
    "ratings": ("pandas.read_csv and scipy.sparse", _sparse),
    "series": ("pandas.read_csv", _pandas),
    "images": ("torchvision's ImageFolder and a DataLoader of 2 workers", _torchvision),
    "images again": ("torchvision's ImageFolder and a DataLoader of 2 workers", _torchvision),
    "captions": ("torchvision's ImageFolder and a DataLoader of 2 workers", _torchvision),
    "videos": ("Pillow", _pillow),
    "sequences": ("pandas.read_csv", _pandas),
    "hf": ("pandas.read_parquet", lambda path: pd.read_parquet(path.with_suffix(".parquet"))),
}
MAKERS: dict[str, Callable[[Path, int], None]] = {
    "table": table, "texts": texts, "ratings": ratings, "series": series, "images": images, "captions": captions,
    "videos": videos, "sequences": sequences, "hf": parquet,
}  # fmt: skip


def run(root: Path, size: float = 1.0) -> list[Row]:
    """Print the table, and give its rows.

    Args:
        root: not used; all data is generated.
        size: of the data, as a share of what is usual.
    """
    print("| data | seconds | theirs | MB | theirs | beside |\n|---|---|---|---|---|---|", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, usual in SIZES.items():
            for times, rounds in ((1, ROUNDS), (10, 1)):
                count = times * max(LEAST, round(size * usual))
                path = Path(folder) / f"{kind}_{count}" / ("images" if kind in FOLDERS else "data.csv")
                path.parent.mkdir(exist_ok=True)
                _in_a_process(MAKERS[kind], path, count)
                rows += _rows(kind, path, f"{kind} of {count:,}", rounds)
                if kind == "images":
                    rows += _rows("images again", path, f"{kind} of {count:,}, a second run", rounds)
        path, count = Path(folder) / "movielens.csv", round(size * RATINGS)
        _in_a_process(ratings, path, count, max(2, round(size * USERS)), FILMS)
        rows += _rows("movielens", path, f"ratings of {FILMS:,} films, {count:,}, and {STEPS} steps", 1)
    return rows


def _rows(kind: str, path: Path, name: str, rounds: int) -> list[Row]:
    """The time and the memory of both, in turns."""
    beside, theirs = THEIRS.get(kind, ("", None))
    mine: list[tuple[float, float]] = []
    others: list[tuple[float, float]] = []
    for _ in range(rounds):
        if kind in FOLDERS:
            shutil.rmtree(path.parent / "cache", ignore_errors=True)
        mine.append(_in_a_process(OURS[kind], path))
        others += [] if theirs is None else [_in_a_process(theirs, path)]
    rows = [
        Row(f"{name}: {unit}", [each[place] for each in mine], [each[place] for each in others])
        for place, unit in enumerate(("seconds", "MB"))
    ]
    cells = [f"{statistics.median(part):.3g}" if part else "" for row in rows for part in (row.ours, row.theirs)]
    print(f"| {name} | {' | '.join(cells)} | {beside} |", flush=True)
    return rows


def _in_a_process(step: Callable[..., Any], *arguments: Any) -> tuple[float, float]:
    """Seconds and megabytes of a step in a process of its own, which has all imports already."""
    fork: Any = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_measure, args=(sender, step, arguments))
    process.start()
    sender.close()
    try:
        seconds, megabytes = receiver.recv()
    finally:
        process.join()
    return seconds, megabytes


def _measure(sender: Any, step: Callable[..., Any], arguments: Sequence[Any]) -> None:
    """Send the seconds of a step, and the megabytes of its largest resident size above that at its start."""
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the largest size so far is that of now
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    step(*arguments)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send((seconds, max(1.0, (after - before) / 1024)))
