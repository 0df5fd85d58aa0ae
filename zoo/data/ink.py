"""Handwriting as strokes: the Pendigits, files of one's own, and digits that are drawn from rules.

Shape letters: N inks, B batch, T points.
"""

from __future__ import annotations

import hashlib
import math
import string
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import random_split, split_fractions, split_sizes
from zoo.data.hands import Written, lines_of, written
from zoo.errors import DataError, SpecError
from zoo.files import one_line, quoted, replacing, user_path
from zoo.spec import Classes, Spec, Strokes, Transcript
from zoo.spec.files import read_text
from zoo.spec.ink_files import LINES, SUFFIXES, read_ink, read_points, read_unipen, strokes_of_rows
from zoo.spec.json_files import json_lines
from zoo.spec.strokes import last_repeated, sizes_of

Augment = Callable[[tuple[Tensor, Tensor]], tuple[Tensor, Tensor]]
Batch = tuple[Tensor, Tensor]

PENDIGITS_URL = "https://archive.ics.uci.edu/static/public/81/pen+based+recognition+of+handwritten+digits.zip"
PENDIGITS = {  # the sha256 of each file
    "pendigits-orig.tra": "a66225d68d7d68591e62944df1ad33b3f5aa608e2df2505844b41f5568a80da4",
    "pendigits-orig.tes": "ddb1c19e277a56c7ffe682cc024d6ab73696f9adcc1643ef9ed5aa753007e081",
}
VAL_WRITERS = (3, 11, 17, 26)  # of the 30 who wrote the training file


class StrokeAugmentation:
    """Rotate, shear, stretch and bend each ink of a batch at random, about its first point.

    Args:
        degrees: largest angle, in either direction, up to 90.
        shear: largest slant: the share of a height by which the top moves to the side, at least 0.
        scale: largest fraction by which width and height grow or shrink, each by itself, at least 0 and below 1.
        bend: largest displacement by a slow wave along the path, in heights of the ink, at least 0.
        jitter: largest displacement of each point, in heights of the ink, at least 0: coordinates are whole numbers,
            and a network that is to learn how likely they are must not count on that.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, degrees: float = 0.0, shear: float = 0.0, scale: float = 0.0, bend: float = 0.0, jitter: float = 0.0
    ) -> None:
        self.degrees = check.between("degrees", degrees, 0, 90)
        self.shear = check.at_least_zero("shear", shear)
        self.scale = check.fraction("scale", scale, one=False)
        self.bend = check.at_least_zero("bend", bend)
        self.jitter = check.at_least_zero("jitter", jitter)

    def __call__(self, batch: Batch) -> Batch:
        points, lengths = batch
        places, height = points[..., :2], sizes_of(points, lengths)[:, None, None]
        if self.bend:
            places = places + self.bend * height * self._waves(places, lengths)
        if self.jitter:
            places = places + self.jitter * height * (2 * torch.rand_like(places) - 1)
        return torch.cat([places @ self._maps(len(points), points.device), points[..., 2:]], dim=2), lengths

    def _maps(self, count: int, device: torch.device) -> Tensor:
        """A matrix for each ink (B, 2, 2), which turns rows (x, y)."""
        angle, slant, wide, high = 2 * torch.rand(4, count, device=device) - 1
        angle, slant = angle * math.radians(self.degrees), slant * self.shear
        wide, high = 1 + wide * self.scale, 1 + high * self.scale
        cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        turn = torch.stack([cosine, sine, -sine, cosine], dim=1).view(-1, 2, 2)
        return torch.stack([wide, zero, slant * high, high], dim=1).view(-1, 2, 2) @ turn

    def _waves(self, places: Tensor, lengths: Tensor) -> Tensor:
        """Displacements (B, T, 2) between -1 and 1, by waves of which half to two and a half fit into the path."""
        held = last_repeated(places, lengths)
        passed = (held[:, 1:] - held[:, :-1]).square().sum(dim=2).sqrt().cumsum(dim=1)
        passed = torch.nn.functional.pad(passed, (1, 0)) / passed[:, -1:].clamp(min=1e-12)  # B, T, from 0 to 1
        count, phase, strength = torch.rand(3, len(places), 1, 2, device=places.device)
        angle = (0.5 + 2 * count) * passed[:, :, None] + phase
        return (2 * math.pi * angle).sin() * strength


class InkData(DataModule):
    """Characters as strokes with their labels; or, for writing, lines of them.

    Args:
        batch_size, augment: as in `DataModule`.
        points: of an ink, as in `zoo.spec.Strokes`.
        line_length: 1 gives each ink with its class. More gives training lines of 1 up to so many characters, which one
            writer wrote and which are put side by side, with their text; validation and test then hold single
            characters, as they were written.
        lines: training lines, where there are such.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        batch_size: int = 64,
        augment: Augment | None = None,
        points: int = 64,
        line_length: int = 1,
        lines: int = 10_000,
    ) -> None:
        super().__init__(batch_size, augment)
        self.strokes = Strokes(check.whole("points", points, 4, 1024))
        self.line_length = check.whole("line_length", line_length, 1, 20)
        self.lines = check.whole("lines", lines)

    @abstractmethod
    def read(self) -> dict[str, Written]:
        """The inks of `train`, `val` and `test`."""

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        parts = self.read()
        names = sorted({label for part in parts.values() for label in part.labels})
        if len(names) < 2:
            raise DataError(f"all inks are labelled {quoted(names[0])}; at least two classes are needed")
        if self.line_length == 1:
            places = {name: place for place, name in enumerate(names)}
            return Spec(self.strokes, Classes(tuple(names))), {
                split: Examples(Ragged.of(part.points), torch.tensor([places[label] for label in part.labels]))
                for split, part in parts.items()
            }
        transcript = Transcript("".join(sorted({sign for name in names for sign in name})))
        parts["train"] = lines_of(parts["train"], self.lines, self.line_length)
        return Spec(self.strokes, transcript), {
            split: Examples(Ragged.of(part.points), Ragged.of([transcript.encode(label) for label in part.labels]))
            for split, part in parts.items()
        }


class PenDigits(InkData):
    """10,992 handwritten digits as the path of a pen, by 44 writers: 26 to train on, 4 for validation, 14 for the test.

    Source: Alpaydin and Alimoglu, "Pen-based recognition of handwritten digits", UCI, 1998 (CC BY 4.0), the original
    recordings of 100 points a second. No writer is in two splits; the test is the official one.

    Args:
        root: folder with `pendigits`; what is missing there is downloaded, and its sha256 checked.
        batch_size, augment, points, line_length, lines: as in `InkData`.

    Raises:
        ValueError: an option is out of range.
        DataError: the files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self,
        root: str,
        batch_size: int = 64,
        augment: Augment | None = None,
        points: int = 64,
        line_length: int = 1,
        lines: int = 10_000,
    ) -> None:
        super().__init__(batch_size, augment, points, line_length, lines)
        self.folder = user_path(root) / "pendigits"

    def prepare_data(self) -> None:
        if all((self.folder / name).is_file() for name in PENDIGITS):
            return
        try:
            self._download()
        except (OSError, ValueError, LookupError) as error:
            raise DataError(
                one_line(
                    f"pendigits is not in {self.folder.parent.resolve()} and could not be downloaded ({error}); set "
                    "data.root to the folder that has it"
                )
            ) from error

    def _download(self) -> None:
        import io
        import urllib.request
        import zipfile

        from zoo.data.core.unpack import uncompress

        with urllib.request.urlopen(PENDIGITS_URL, timeout=60) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read(2**26)))
        for name, digest in PENDIGITS.items():
            content = uncompress(archive.read(f"{name}.Z"))
            if hashlib.sha256(content).hexdigest() != digest:
                raise ValueError(f"{name} has another sha256 than it should have")
            with replacing(self.folder / name) as file:
                file.write(content)

    def read(self) -> dict[str, Written]:
        known, test = (self._file(name) for name in PENDIGITS)
        val = [row for row, writer in enumerate(known.writers) if writer in VAL_WRITERS]
        train = [row for row, writer in enumerate(known.writers) if writer not in VAL_WRITERS]
        return {"train": known.rows(train), "val": known.rows(val), "test": test}

    def _file(self, name: str) -> Written:
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            fault = f"pendigits is not in {self.folder.parent.resolve()}"
            raise DataError(f"{fault}; set data.root to the folder that has it") from error
        if hashlib.sha256(content).hexdigest() != PENDIGITS[name]:
            raise DataError(f"{path} is damaged (its sha256 differs); delete it to download it again")
        found = Written([], [], [])
        for label, comment, strokes in read_unipen(content.decode("ascii"), path):  # class, writer and number
            found.points.append(self.strokes.encode(strokes))
            found.labels.append(label)
            found.writers.append(int(comment[1]))
        return found


class StrokeDigits(InkData):
    """Digits drawn from rules, by as many made-up writers: strokes through a few points each, which differ by hand.

    They are generated, and easier to tell apart than real ones. No writer is in two splits.

    Args:
        train_size, val_size, test_size: digits in each split.
        per_writer: digits that a writer writes.
        data_seed: seed of the writers.
        batch_size, augment, points, line_length, lines: as in `InkData`.

    Raises:
        ValueError: an option is out of range.
    """

    def __init__(
        self,
        train_size: int = 2_000,
        val_size: int = 300,
        test_size: int = 300,
        per_writer: int = 50,
        data_seed: int = 0,
        batch_size: int = 64,
        augment: Augment | None = None,
        points: int = 64,
        line_length: int = 1,
        lines: int = 2_000,
    ) -> None:
        super().__init__(batch_size, augment, points, line_length, lines)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.per_writer = check.whole("per_writer", per_writer)
        self.data_seed = check.seed("data_seed", data_seed)

    def read(self) -> dict[str, Written]:
        parts, writer = {}, 0
        for split, size in self.sizes.items():
            part = Written([], [], [])
            while len(part) < size:
                for digit, strokes in written(self.data_seed, writer, min(self.per_writer, size - len(part))):
                    part.points.append(self.strokes.encode(strokes))
                    part.labels.append(string.digits[digit])
                    part.writers.append(writer)
                writer += 1
            parts[split] = part
        return parts


class InkFolder(InkData):
    """Strokes of one's own: a folder with a folder of files a class, a file of JSON lines, or a CSV file.

    - A folder: `seven/a.inkml`, `seven/b.json`, `one/c.csv`, …, as `zoo.spec.ink_files.read_ink` reads them.
    - `.jsonl`: a line an ink, such as `{"label": "7", "strokes": [[[0, 0], [9, 0], [5, 20]]], "writer": "ann"}`; or
      `.ndjson` as Quick, Draw! has it, `{"word": "cat", "drawing": [[[0, 9, 5], [0, 0, 20]]]}`; or a folder of such.
    - `.csv`: columns `ink`, `label`, `stroke`, `x` and `y`, a row a point, and `writer` where it is known.

    Where writers are known no writer is in two splits; otherwise each class is split at random.

    Args:
        path: the folder or file.
        val_fraction, test_fraction: fractions of the inks, or of the writers, above 0 and together below 1.
        split_seed: seed of the split.
        batch_size, augment, points, line_length, lines: as in `InkData`.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such file, it cannot be read, an ink is impossible, or there are too few.
    """

    def __init__(
        self,
        path: str,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        batch_size: int = 64,
        augment: Augment | None = None,
        points: int = 64,
        line_length: int = 1,
        lines: int = 10_000,
    ) -> None:
        super().__init__(batch_size, augment, points, line_length, lines)
        self.path = user_path(path)
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def read(self) -> dict[str, Written]:
        inks = self._inks()
        writers = sorted({str(writer) for writer in inks.writers if writer is not None})
        if len(writers) >= 3 and None not in inks.writers:
            self.note(f"{len(writers)} writers; each is in one split alone")
            chosen = random_split(len(writers), self.fractions, self.split_seed)
            split_of = {writers[place]: split for split, places in chosen.items() for place in places}
            splits = [split_of[str(writer)] for writer in inks.writers]
            rows = {name: [row for row, own in enumerate(splits) if own == name] for name in ("train", "val", "test")}
        else:
            self.note("fewer than three writers are named, so the same hand may be in two splits", warn=True)
            names = sorted(set(inks.labels))
            groups = [names.index(label) for label in inks.labels]
            rows = random_split(len(inks), self.fractions, self.split_seed, groups)
        empty = [split for split, chosen in rows.items() if not chosen]
        if empty:
            raise DataError(f"{self.path} has {len(inks)} inks, too few for three splits; none is left for {empty[0]}")
        return {split: inks.rows(rows[split]) for split in ("train", "val", "test")}

    def _inks(self) -> Written:
        found = Written([], [], [])
        for place, label, writer, strokes in self._labelled():
            try:
                found.points.append(self.strokes.encode(strokes))
            except SpecError as error:
                raise DataError(one_line(f"{place}: {error}")) from None
            found.labels.append(label)
            found.writers.append(writer)
        if not found.labels:
            raise DataError(f"{self.path} has no inks")
        return found

    def _labelled(self) -> Sequence[tuple[str, str, Any, Any]]:
        """Of each ink where it stands, its label, its writer and its strokes."""
        if self.path.is_dir():
            if files := sorted(file for file in self.path.glob("*/*") if file.suffix.lower() in SUFFIXES):
                return [(str(file), file.parent.name, None, read_ink(file)) for file in files]
            if files := sorted(file for file in self.path.iterdir() if file.suffix.lower() in LINES):
                return [ink for file in files for ink in _of_lines(file)]
            raise DataError(f"{self.path} has no folders, one a class, with files {', '.join(SUFFIXES)}")
        if not self.path.is_file():
            raise DataError(f"no such file or folder: {self.path}")
        if self.path.suffix.lower() == ".csv":
            return self._rows()
        if self.path.suffix.lower() in LINES:
            return _of_lines(self.path)
        raise DataError(f"{self.path} is no folder, and ends in none of {', '.join(LINES)} and .csv")

    def _rows(self) -> list[tuple[str, str, Any, Any]]:
        frame = read_points(self.path)
        columns = {str(name).strip().lower(): name for name in frame.columns}
        for name in ("ink", "label", "stroke", "x", "y"):
            if name not in columns:
                raise DataError(f"{self.path} has no column '{name}'; it needs ink, label, stroke, x and y")
        found = []
        for name, rows in frame.groupby(columns["ink"], sort=False):
            labels = rows[columns["label"]].unique()
            if len(labels) != 1 or labels[0] != labels[0]:
                raise DataError(f"{self.path}: ink {name} has not one label, but {quoted(labels.tolist())}")
            writer = str(rows[columns["writer"]].iloc[0]) if "writer" in columns else None
            found.append(
                (f"{self.path}, ink {name}", str(labels[0]), writer, strokes_of_rows(rows, columns, self.path))
            )
        return found


def _of_lines(path: Path) -> list[tuple[str, str, Any, Any]]:
    """The inks of a file of JSON lines, as `InkFolder` takes them."""
    found = []
    for number, ink in json_lines(path, read_text(path)):
        place = f"{path}, line {number}"
        label = ink.get("label", ink.get("word")) if isinstance(ink, dict) else None
        if not isinstance(label, str | int) or not {"strokes", "drawing"} & ink.keys():
            raise DataError(f"{place}: an ink is an object with 'label' and 'strokes', or 'word' and 'drawing'")
        found.append((place, str(label), ink.get("writer"), ink))
    return found
