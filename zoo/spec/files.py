"""Reading tables and texts from files, with every fault told in one line."""

from __future__ import annotations

import codecs
import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | os.PathLike[str], *, separator: str = ",", encoding: str = "utf-8") -> pd.DataFrame:
    """Read a CSV file with a header, or a Parquet file (by its name's ending; that takes pyarrow).

    Cells that are empty, "?" or one of pandas' words for it (NA, nan, null, …) are missing. Rows are counted from 1.

    Args:
        path: of the file.
        separator: of the cells of a CSV file.
        encoding: of its text.

    Raises:
        DataError: no such file, or an empty, ragged, wrongly encoded or damaged one.
    """
    import pandas as pd

    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a CSV file")
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path)
    try:
        _check_shape(path, separator, encoding)
        frame = pd.read_csv(path, sep=separator, encoding=encoding, index_col=False, low_memory=False, na_values=["?"])
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} ({error.reason} at byte {error.start}); "
            "give its encoding, for example data.encoding=cp1252"
        ) from error
    except (OSError, ValueError, LookupError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    frame.index += 1
    return frame.rename(columns=str.strip)


def _check_shape(path: Path, separator: str, encoding: str) -> None:
    """See that there is a header of different names, and as many cells in each row; pandas would fill or shift."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        header = next(reader, [])
        if not header:
            raise DataError(f"{path} is empty")
        names = [name.strip() for name in header]
        for name in names:
            if names.count(name) > 1:
                raise DataError(f"{path} has two columns named '{name}'")
        cells, row = len(header), 0
        for row, line in enumerate((line for line in reader if line), start=1):
            if len(line) != cells:
                raise DataError(
                    f"{path}, row {row} (line {reader.line_num}) has {len(line)} cells, and the header has {cells}"
                )
        if row == 0:
            raise DataError(f"{path} has a header but no rows")


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_parquet(path).reset_index(drop=True)
    except ImportError as error:
        raise DataError('reading Parquet takes pyarrow: pip install "zoo[parquet]"') from error
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"cannot read {path}: {error}") from error
    frame.index += 1
    return frame


def read_text(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> str:
    """Read a text file, whole.

    Raises:
        DataError: no such file, an empty one, or one of another encoding (the message says which it seems to be).
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a text file")
    try:
        data = path.read_bytes()
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} ({error.reason} at byte {error.start}); it may be {_encoding_of(data)}"
        ) from error
    except (OSError, LookupError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text.replace("\r\n", "\n")


def _encoding_of(data: bytes) -> str:
    """The first likely encoding that fits; Latin-1 fits everything."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"
