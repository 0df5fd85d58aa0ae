"""Videos of your own with a class, labels or values each, or with a label for each frame.

Shape letters: T frames, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.labelled_files import draw_splits, labelled_files
from zoo.data.core.splits import split_fractions
from zoo.data.core.targets import TARGET_KINDS, Targets, of_names
from zoo.data.labels import naming_column, read_labels, row_of, rows_of_names, split_column, splits_of
from zoo.data.layouts import LABELS, layout
from zoo.errors import DataError, SpecError, unknown
from zoo.files import user_path
from zoo.spec import Labels, Spec, Video
from zoo.spec.image import FITS, Image
from zoo.spec.image_files import frames_of

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".apng", ".gif", ".png", ".tif", ".tiff", ".webp")
MAX_BYTES = 4 * 2**30  # of all frames, which stay in memory


class VideoFolder(DataModule):
    """The videos of a folder: animated GIF, WebP, PNG or TIFF files.

    What is learned is a class, by a folder for each; or what the folder's `labels.csv` says of each video; or, where it
    has several rows for a video, the label of each frame, in the order of its column `frame` if there is one.

    Args:
        root: the folder.
        size: height and width of a frame, to which frames are resized.
        channels: 3 for colour, 1 for grey.
        fit: how frames of other proportions are resized: `stretch`, `crop` or `pad`.
        target: the column of `labels.csv` to learn; None for all but the one that names the videos.
        target_kind: `classes`, `labels`, `values` or `auto`, as in `ImageFolder`.
        label_separator: between the labels of a cell.
        batch_size: videos a batch.
        val_fraction, test_fraction: fractions of the videos, above 0.
        split_seed: seed of the split, from 0 to 2**32 - 1.

    Raises:
        ValueError: an option is out of range.
        DataError: there is no such folder, a file is no video, or the labels do not fit.
    """

    def __init__(
        self,
        root: str,
        *,
        size: int = 32,
        channels: int = 3,
        fit: str = "crop",
        target: str | Sequence[str] | None = None,
        target_kind: str = "auto",
        label_separator: str | None = None,
        batch_size: int = 16,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        split_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.root = user_path(root)
        half, side = (0.5,) * channels, check.whole("size", size, 8, 512)
        self.image = Image(channels, side, side, half, half, fit=check.one_of("fit", fit, FITS))
        self.target = target
        self.target_kind = check.one_of("target_kind", target_kind, TARGET_KINDS)
        self.label_separator = label_separator
        self.fractions = split_fractions(val_fraction, test_fraction)
        self.split_seed = check.seed("split_seed", split_seed)

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        by_frame = self._labels_of_frames()
        if by_frame is not None:
            return self._tagged(*by_frame)
        options: dict[str, Any] = {"target_kind": self.target_kind, "separator": self.label_separator}
        found = labelled_files(self.root, ENDINGS, "videos", target=self.target, **options)
        for note in found.notes:
            self.note(note)
        rows = draw_splits(found.splits, found.targets, self.fractions, self.split_seed, "videos")
        videos = self._read(found.paths)
        output = found.targets.output(rows["train"])
        encoded = found.targets.encoded(output)
        parts = {split: [videos[row] for row in part] for split, part in rows.items()}
        spec = Spec(self._video(parts["train"]), output)
        return spec, {split: Examples(Ragged.of(parts[split]), encoded[rows[split]]) for split in rows}

    def _labels_of_frames(self) -> tuple[list[Path], Sequence[str], list[list[str]]] | None:
        """The videos, their splits and the labels of their frames; None if labels are of whole videos."""
        table = self.root / LABELS
        if not table.is_file():
            return None
        found = layout(self.root, "images", ENDINGS, "videos")
        rows = rows_of_names(found, table)
        frame = read_labels(table, rows)
        naming = naming_column(frame, rows, table, "videos")
        if not frame[naming].duplicated().any():
            return None
        split, order = split_column(frame, naming), next((name for name in frame if name.lower() == "frame"), None)
        others = [name for name in frame if name not in (naming, split, order)]
        wanted = others[0] if self.target is None and len(others) == 1 else self.target
        if not isinstance(wanted, str) or wanted not in others:
            raise DataError(f"{table}: {unknown('column', str(wanted), others)}; data.target names the frames' label")
        self.note(f"{table.name} labels each frame by '{wanted}'")
        paths, splits, labels = [], [], []
        for name, part in frame.groupby(naming, sort=False):
            row = row_of(str(name), rows, f"{table}, line {part.index[0]}", "videos")
            paths.append(found.files.root / found.files.names[row])
            splits.append("" if split is None else splits_of(part[split], table, train=False)[0])
            labels.append(_in_order(part, order, table)[wanted].tolist())
        return paths, ["" if split == "train" else split for split in splits], labels

    def _tagged(
        self, paths: list[Path], given: Sequence[str], labels: list[list[str]]
    ) -> tuple[Spec, dict[str, Examples]]:
        videos = self._read(paths)
        for path, video, its in zip(paths, videos, labels):
            if len(video) != len(its):
                raise DataError(f"{path.name} has {len(video)} frames, and {LABELS} has {len(its)} labels for it")
        every: Targets = of_names([label for its in labels for label in its])
        codes = every.codes.split([len(its) for its in labels])
        rows = draw_splits(given, None, self.fractions, self.split_seed, "videos")
        parts = {split: [videos[row] for row in part] for split, part in rows.items()}
        spec = Spec(self._video(parts["train"]), Labels(every.names))
        return spec, {
            split: Examples(Ragged.of(parts[split]), Ragged.of([codes[row] for row in part]))
            for split, part in rows.items()
        }

    def _read(self, paths: Sequence[Path]) -> list[Tensor]:
        """The frames of each video, uint8 (T, C, H, W)."""
        videos, total = [], 0
        for path in paths:
            try:
                frames = torch.stack([self.image.encode(frame) for frame in frames_of(path)])
            except SpecError as error:
                raise DataError(str(error)) from error
            total += frames.numel()
            if total > MAX_BYTES:
                raise DataError(f"the frames of {self.root} take more than 4 GB; give a smaller data.size")
            videos.append(frames)
        lengths = [len(video) for video in videos]
        if max(lengths) == 1:
            raise DataError(
                f"no file of {self.root} has more than one frame: all frames of a video stand in one file; images are "
                "for data=image_folder"
            )
        self.note(f"{len(videos)} videos of {min(lengths)} to {max(lengths)} frames")
        return videos

    def _video(self, train: Sequence[Tensor]) -> Video:
        """The spec, with the statistics of the training frames."""
        pixels = torch.cat([video.transpose(0, 1).flatten(1) for video in train], dim=1)  # C, all pixels
        levels = torch.arange(256, dtype=torch.double) / 255
        shares = torch.stack([channel.bincount(minlength=256) for channel in pixels]).double() / pixels.shape[1]
        mean = shares @ levels
        std = (shares @ levels.square() - mean.square()).clamp(min=1e-6).sqrt()
        channels, side = self.image.channels, self.image.size[0]
        return Video(channels, side, side, tuple(mean.tolist()), tuple(std.tolist()))


def _in_order(part: pd.DataFrame, order: str | None, table: Path) -> pd.DataFrame:
    """The rows of a video's frames, in their order."""
    import pandas as pd

    if order is None:
        return part
    numbers = pd.to_numeric(part[order], errors="coerce")
    if numbers.isna().any() or numbers.duplicated().any():
        line = part.index[(numbers.isna() | numbers.duplicated()).to_numpy().argmax()]
        raise DataError(f"{table}, line {line}: '{order}' is no number of a frame, or the second of its kind")
    return part.iloc[numbers.to_numpy().argsort()]
