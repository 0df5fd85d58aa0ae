"""The Arrow files of the library `datasets`: opened and mapped into memory, as tables, and as images to decode."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.core.cache import ImageFiles
from zoo.errors import DataError, first_line, install
from zoo.files import one_line, quoted, user_path
from zoo.spec.cells import words

if TYPE_CHECKING:
    import pandas as pd

BUILDERS = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".json": "json", ".arrow": "arrow"}
SAVED = ("dataset_dict.json", "state.json")  # what `save_to_disk` writes
AT_ONCE = 10_000  # rows


def library() -> Any:
    """The module `datasets`.

    Raises:
        DataError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"data=hf takes the library datasets: {install('hf')}") from error
    return datasets


def opened(name: str, subset: str | None, revision: str | None, cache: str | None) -> dict[str, Any]:
    """The splits of a data set, each a `datasets.Dataset`; arguments as in `zoo.data.hugging_face.HuggingFace`.

    Raises:
        DataError: there is none, it is damaged, or it would run a script.
    """
    datasets, path = library(), user_path(name)
    if not path.exists() and (name.startswith((".", "~", os.sep)) or name.count("/") > 1):
        raise DataError(f"there is no file or folder {path.resolve()}; data.name is one, or a name such as owner/name")
    try:
        if any((path / saved).is_file() for saved in SAVED):
            found = datasets.load_from_disk(str(path))
        elif path.is_file():
            builder = BUILDERS.get(path.suffix.lower())
            if builder is None:
                raise DataError(f"{path} is none of the files that are read ({', '.join(BUILDERS)})")
            found = datasets.load_dataset(builder, data_files=str(path), cache_dir=cache)
        else:
            name = str(path) if path.exists() else name
            found = datasets.load_dataset(name, subset, revision=revision, cache_dir=cache)
    except DataError:
        raise
    except IndexError as error:  # of a list of files
        raise DataError(f"the data set {quoted(name)} has no rows") from error
    except Exception as error:  # of many libraries
        raise DataError(one_line(f"cannot read the data set {quoted(name)}: {first_line(error)}")) from error
    return dict(found) if isinstance(found, dict) else {"train": found}


# Columns


def is_image(feature: Any) -> bool:
    return isinstance(feature, library().Image)


def is_cell(feature: Any) -> bool:
    """Whether a column holds a number, a word, a date or a class in each row."""
    return isinstance(feature, (library().Value, library().ClassLabel))


def is_string(feature: Any) -> bool:
    return isinstance(feature, library().Value) and feature.dtype.endswith("string")


def is_list(feature: Any) -> bool:
    return isinstance(feature, list) or hasattr(feature, "feature")


def class_names(feature: Any) -> list[str]:
    """The names of a column of classes, or of lists of them; none of another one."""
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    return list(getattr(inner, "names", None) or ()) if isinstance(inner, library().ClassLabel) else []


def frame_of(rows: Any) -> pd.DataFrame:
    """The cells of some rows, classes by their names; rows count from 1."""
    import pandas as pd

    frame = rows.to_pandas()
    for name, feature in rows.features.items():
        if (names := class_names(feature)) and not is_list(feature):
            codes = frame[name].fillna(-1).astype("int64")
            frame[name] = pd.Categorical.from_codes(codes, names).astype(object)
    frame.index += 1
    return frame


def text_of(rows: Any) -> pd.DataFrame:
    """The cells of some rows as text, empty where they are missing; lists are those of JSON."""
    frame = frame_of(rows)
    for name, feature in rows.features.items():
        if is_list(feature):
            names = class_names(feature)
            frame[name] = [
                "" if cell is None else json.dumps([names[code] if names else str(code) for code in cell.tolist()])
                for cell in frame[name]
            ]
        else:
            cells = frame[name].astype("string") if is_string(feature) else words(frame[name])
            frame[name] = cells.fillna("").astype(object)
    return frame


# Images


@dataclass(frozen=True)
class ArrowImages(ImageFiles):
    """Images in the rows of Arrow files, as `ImageFiles`; the size of one is that of its bytes.

    Args:
        parts: data sets with the column, in order.
        column: of images.
    """

    parts: Sequence[Any] = ()
    column: str = ""
    starts: Sequence[int] = field(default=())

    @classmethod
    def of(cls, root: Path, parts: Mapping[str, Any], column: str) -> ArrowImages:
        """The images of several splits.

        Args:
            root: where they come from, for messages and as the name of their cache.
            parts: the splits.
            column: of images.
        """
        plain = library().Image(decode=False)
        chosen = [part.select_columns([column]).cast_column(column, plain) for part in parts.values()]
        names = [f"{split}, row {row}" for split, part in parts.items() for row in range(1, len(part) + 1)]
        sizes = np.concatenate([_sizes(part, column) for part in chosen])
        starts = np.cumsum([0, *map(len, chosen)]).tolist()
        return cls(root, names, sizes, np.zeros_like(sizes), chosen, column, starts)

    def source(self, row: int) -> str | bytes:
        part = bisect_right(self.starts, row) - 1
        cell = self.parts[part][row - self.starts[part]][self.column] or {}
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        return str(cell["path"]) if cell.get("path") else b""

    def told(self, row: int, fault: str) -> str:
        return f"{self.root.name}, {self.names[row]}: {fault}"

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(super().fingerprint.encode())
        for part in self.parts:
            for file in part.cache_files:
                stat = os.stat(file["filename"])
                digest.update(f"{file['filename']}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
        return digest.hexdigest()


def _sizes(rows: Any, column: str) -> np.ndarray:
    """Bytes of each image (N,); 0 of a file that is only named."""
    import pyarrow.compute as compute

    counts = [
        compute.fill_null(compute.binary_length(chunk.field("bytes")), 0).to_numpy(zero_copy_only=False)
        for table in rows.with_format("arrow").iter(AT_ONCE)
        for chunk in table[column].chunks
    ]
    return np.concatenate(counts).astype(np.int64) if counts else np.zeros(0, np.int64)
