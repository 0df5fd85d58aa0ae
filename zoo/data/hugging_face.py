"""Data sets of the Hugging Face Hub, or saved in its formats: images or texts with what is learned of them, or tables.

The library `datasets` reads them into Arrow files, which are mapped into memory. Nothing that comes with a data set is
executed: from version 4 on, the library runs no script of a repository and reads no pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from zoo import check
from zoo.data.arrays import Frame
from zoo.data.core.arrow import (
    ArrowImages,
    class_names,
    frame_of,
    is_cell,
    is_image,
    is_string,
    opened,
    text_of,
)
from zoo.data.core.cache import DecodedImages, decoded
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.data.core.kinds import TEXT_WORDS
from zoo.data.core.labelled_files import HELD_OUT, draw_splits
from zoo.data.core.notes import listed
from zoo.data.core.splits import split_fractions
from zoo.data.core.targets import TARGET_KINDS, of_columns
from zoo.data.csv_text import AUTO_VOCAB, SPLIT, CsvText
from zoo.data.image_columns import SizedImages
from zoo.data.layouts import NAMED, SPLITS
from zoo.data.photos import UNREADABLE
from zoo.errors import DataError, unknown
from zoo.files import quoted, user_path
from zoo.spec import Encoded, Image, Spec
from zoo.spec.image import FITS

if TYPE_CHECKING:
    import pandas as pd

AUTO, KINDS = "auto", ("auto", "images", "texts", "table")
LOOKED_AT = 1_000  # rows, to tell texts from words


class HuggingFace(DataModule):
    """A data set of the Hub, or of a folder or file of its formats (`save_to_disk`, Parquet, CSV, JSON lines, images).

    Splits called `train`, `validation` (or `val`) and `test` are taken as they are; those that are missing are drawn
    from `train`, class by class. What the columns hold decides what it is: a column of images gives images, one of
    texts gives texts, other columns are a table.

    Args:
        name: of a data set on the Hub, such as `owner/name`, or the path of a folder or a file.
        subset: one of several of a data set (the Hub's `subset`, or config); None for the only one.
        revision: a commit, branch or tag of a data set on the Hub; None for the newest.
        kind: `images`, `texts`, `table`, or `auto`.
        input: the column of images or texts; None for the only one, or for the texts of most words.
        target: the column to learn, or several of them; None for none, of tables; `auto` for `label`, `labels`, or the
            only column of classes.
        target_kind: `classes`, `labels`, `values` or `auto`, as in `ImageFolder`, `CsvText` and `TableData`.
        kinds: of a table's columns, as in `TableData`.
        size, channels, fit, unreadable: of images, as in `ImageFolder`.
        augment: of images, as in `DataModule`.
        level, min_freq, max_vocab, max_length: of texts, as in `CsvText`.
        cache: folder for the Arrow files of what is downloaded or converted, and for decoded images; None for those of
            the library (~/.cache/huggingface) and of the zoo (~/.cache/zoo).
        batch_size: examples a batch.
        val_fraction, test_fraction: fractions of `train`, above 0, where these splits are missing.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such data set, it would run a script, a column is missing, or an image cannot be read.
    """

    def __init__(
        self,
        name: str,
        *,
        subset: str | None = None,
        revision: str | None = None,
        kind: str = AUTO,
        input: str | None = None,  # noqa: A002  # what the config calls it
        target: str | Sequence[str] | None = AUTO,
        target_kind: str = AUTO,
        kinds: Mapping[str, str] | None = None,
        size: int = 64,
        channels: int = 3,
        fit: str = "stretch",
        unreadable: str = "stop",
        augment: Callable[[Any], Encoded] | None = None,
        level: str = "words",
        min_freq: int = 1,
        max_vocab: int | str | None = AUTO_VOCAB,
        max_length: int = 400,
        cache: str | None = None,
        batch_size: int = 64,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size, augment)
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {channels}")
        self.path, self.subset, self.revision = str(name), subset, revision
        self.kind = check.one_of("kind", kind, KINDS)
        self.input = input
        self.target = target if target is None or isinstance(target, str) else list(map(str, target))
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.image = {"channels": channels, "size": check.whole("size", size, 4, 4096)}
        self.fit = check.one_of("fit", fit, FITS)
        self.unreadable = check.one_of("unreadable", unreadable, UNREADABLE)
        self.texts: dict[str, Any] = {
            "level": level, "min_freq": min_freq, "max_vocab": max_vocab, "max_length": max_length
        }  # fmt: skip
        self.kinds = kinds
        self.cache = None if cache is None else str(user_path(cache))
        self.split: dict[str, Any] = {
            "val_fraction": val_fraction, "test_fraction": test_fraction, "split_seed": split_seed
        }  # fmt: skip
        split_fractions(val_fraction, test_fraction)

    def prepare_data(self) -> None:
        """Download, convert and decode, on one process of all; the others find it in the cache."""
        self._source.prepare_data()

    def take_fold(self, number: int, count: int, *, one_encoding: bool = False) -> None:
        self._source.take_fold(number, count, one_encoding=one_encoding)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        return self._source.load()

    # What it is

    @cached_property
    def _source(self) -> DataModule:
        """What reads the columns that were found."""
        parts = self._parts(opened(self.path, self.subset, self.revision, self.cache))
        features = parts["train"].features
        targets = self._targets(features)
        kind, column = self._kind(parts["train"], targets)
        parts = {split: part for split, part in parts.items() if self._has(part, split, [*targets, *column])}
        where = Path(self.path).name
        source: DataModule
        if kind == "table":
            kept = [name for name in features if name in targets or is_cell(features[name])]
            if left := [name for name in features if name not in kept]:
                self.note(f"columns that hold no single numbers or words are left out: {', '.join(left[:NAMED])}")
            frames = {split: frame_of(part.select_columns(kept)) for split, part in parts.items()}
            source = _Rows(
                frames,
                targets,
                target_kind=self.target_kind,
                kinds=self.kinds,
                batch_size=self.batch_size,
                **self.split,
            )
        elif not targets:
            raise DataError(f"{kind} are learned from with a target: give data.target=COLUMN")
        elif kind == "texts":
            frames = {split: text_of(part.select_columns([*column, *targets])) for split, part in parts.items()}
            source = _Texts(
                where,
                frames,
                text=column[0],
                label=targets,
                target_kind=self.target_kind,
                batch_size=self.batch_size,
                **self.texts,
                **self.split,
            )
        else:
            source = _Images(where, parts, column[0], targets, self)
        if kind != "images":
            self.augment = None
        source.notes = self.notes
        self.note(
            f"{quoted(where)} is read as {'a ' * (kind == 'table')}{kind}" + "".join(f" ('{name}')" for name in column)
        )
        return source

    def _parts(self, splits: Mapping[str, Any]) -> dict[str, Any]:
        """The splits by our names."""
        parts = {SPLITS[name.lower()]: part for name, part in splits.items() if name.lower() in SPLITS}
        if len(splits) == 1:
            parts = {"train": next(iter(splits.values()))}
        elif "train" not in parts:
            raise DataError(f"{self.path} has no split called train, but {', '.join(splits)}")
        if left := [name for name in splits if name.lower() not in SPLITS and len(splits) > 1]:
            self.note(f"splits of other names are passed over: {listed(left)}")
        return parts

    def _targets(self, features: Mapping[str, Any]) -> list[str]:
        if self.target is None:
            return []
        if self.target != AUTO:
            targets = [self.target] if isinstance(self.target, str) else self.target
            for name in targets:
                if name not in features:
                    raise DataError(f"{self.path}: {unknown('column', name, features)}; data.target names it")
            return targets
        classes = [name for name, feature in features.items() if class_names(feature)]
        found = next((name for name in ("label", "labels") if name in features), None)
        if found is None and len(classes) == 1:
            found = classes[0]
        if found is None:
            raise DataError(f"which column is to be learned? Give data.target=COLUMN; there are {', '.join(features)}")
        return [found]

    def _kind(self, train: Any, targets: Sequence[str]) -> tuple[str, list[str]]:
        """What it is, and the column of images or texts, if any."""
        others = {name: feature for name, feature in train.features.items() if name not in targets}
        if self.input is not None and self.input not in others:
            raise DataError(f"{self.path}: {unknown('column', self.input, others)}; data.input names it")
        images = [name for name, feature in others.items() if is_image(feature)]
        written = [name for name, feature in others.items() if is_string(feature)]
        if self.input is not None:
            images, written = ([name for name in names if name == self.input] for names in (images, written))
        if self.kind == "images" or (self.kind == AUTO and images):
            if len(images) != 1:
                listed = ", ".join(images) or f"none of {', '.join(others)}"
                raise DataError(
                    f"{self.path}: one column of images is needed, and there is {listed}; data.input=COLUMN"
                )
            return "images", images
        if self.kind == "table":
            return "table", []
        lengths = _words_a_cell(train, written)
        wordy = [name for name, count in lengths.items() if count >= TEXT_WORDS]
        if self.kind == "texts" or self.input is not None or wordy:
            if not written:
                raise DataError(f"{self.path} has no column of texts; data.input=COLUMN names one of texts or images")
            return "texts", [max(written, key=lengths.__getitem__)]
        return "table", []

    def _has(self, part: Any, split: str, columns: Sequence[str]) -> bool:
        """Whether a split has what is to be learned; another one is passed over."""
        missing = [name for name in columns if name not in part.features]
        if not missing and (split == "train" or not _is_unlabelled(part, columns)):
            return True
        fault = f"it has no column '{missing[0]}'" if missing else "its labels are hidden (-1)"
        self.note(f"the split {split} is passed over: {fault}; another one is drawn from train", warn=True)
        return False


def _words_a_cell(rows: Any, names: Sequence[str]) -> dict[str, float]:
    """How many words the cells of some columns have in the mean."""
    first = frame_of(rows.select_columns(list(names)).select(range(min(LOOKED_AT, len(rows))))) if names else {}
    counts = {name: first[name].dropna().astype("string").str.count(r"\S+") for name in names}
    return {name: float(its.mean()) if len(its) else 0.0 for name, its in counts.items()}


def _is_unlabelled(rows: Any, names: Sequence[str]) -> bool:
    """Whether a column to learn holds nothing, or -1 alone, as those of a test that is kept secret."""
    columns = frame_of(rows.select_columns([name for name in names if is_cell(rows.features[name])]))
    return any(bool(cells.isna().all()) or list(cells.unique()) == [-1] for _, cells in columns.items())


# Kinds


class _Rows(Frame):
    """A table whose validation and test rows may be given."""

    def __init__(self, frames: Mapping[str, pd.DataFrame], target: Sequence[str], **options: Any) -> None:
        super().__init__(frames["train"], list(target) or None, **options)
        self.held_out = {split: frames[split] for split in HELD_OUT if split in frames}

    def read_held_out(self) -> dict[str, pd.DataFrame]:
        return self.held_out


class _Texts(CsvText):
    """Texts that are columns of tables already."""

    def __init__(self, name: str, frames: Mapping[str, pd.DataFrame], **options: Any) -> None:
        super().__init__(name, **options)
        self.frames = frames

    def _parts(self) -> list[pd.DataFrame]:
        return [frame.assign(**{SPLIT: "" if split == "train" else split}) for split, frame in self.frames.items()]


class _Images(DataModule):
    """Images of a column of Arrow files, with what is learned of them."""

    def __init__(
        self, name: str, parts: Mapping[str, Any], column: str, targets: Sequence[str], given: HuggingFace
    ) -> None:
        import pandas as pd

        super().__init__(given.batch_size)
        self.given = given
        splits = [("" if split == "train" else split, part) for split, part in parts.items()]
        self.splits_given = [split for split, part in splits for _ in range(len(part))]
        self.files = ArrowImages.of(Path(given.path), parts, column)
        cells = pd.concat([text_of(part.select_columns(list(targets))) for part in parts.values()])
        self.targets = of_columns(cells, targets, given.target_kind, f"{name}, row")

    def prepare_data(self) -> None:
        _ = self._decoded

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        images, given = self._decoded, self.given
        fractions = (given.split["val_fraction"], given.split["test_fraction"])
        drawn = draw_splits(self.splits_given, self.targets, fractions, given.split["split_seed"], "images")
        rows = {split: part[np.isin(part, images.usable)] for split, part in drawn.items()}
        if skipped := len(images) - len(images.usable):
            self.note(f"skipped {skipped} of {len(images)} images that cannot be read", warn=True)
        output = self.targets.output(rows["train"])
        encoded = self.targets.encoded(output)
        mean, std = images.statistics(rows["train"].tolist())
        image = Image(given.image["channels"], given.image["size"], given.image["size"], mean, std, fit=given.fit)
        return Spec(image, output), {
            split: Examples(SizedImages(images, part.tolist()), encoded[torch.from_numpy(part)])
            for split, part in rows.items()
        }

    @cached_property
    def _decoded(self) -> DecodedImages:
        channels, size = self.given.image["channels"], self.given.image["size"]
        half = (0.5,) * channels
        image = Image(channels, size, size, half, half, fit=self.given.fit)
        return decoded(self.files, image, cache=self.given.cache, stop=self.given.unreadable == "stop")
