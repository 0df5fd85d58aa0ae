"""Reading tables and texts from files; each error is one line."""

from __future__ import annotations

import codecs
import csv
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str | os.PathLike[str], *, separator: str = ",", encoding: str = "utf-8") -> pd.DataFrame:
    """Read a CSV file with a header, or a Parquet file (a name that ends in .parquet or .pq; this needs pyarrow).

    Cells that are empty, "?" or one of pandas' words for missing (NA, nan, null, …) are missing. Rows count from 1.

    Args:
        path: the file.
        separator: ASCII character between the cells of a CSV file; a tab may be written as \\t.
        encoding: text encoding of a CSV file.

    Raises:
        DataError: there is no such file, it is empty, ragged, damaged or has another encoding; or the separator is
            impossible.
    """
    import pandas as pd

    separator = "\t" if separator == "\\t" else separator
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n':
        raise DataError(f"separator must be one ASCII character, or \\t for a tab, and no quote; got {separator!r}")
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
            f"{path} is not {encoding} ({error.reason} at byte {error.start}); to train on it give its encoding, for "
            f"example data.encoding={_encoding_of(path.read_bytes())}; otherwise save it as utf-8"
        ) from error
    except (OSError, ValueError, LookupError, csv.Error) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    frame.index += 1
    return frame.rename(columns=str.strip)


def _check_shape(path: Path, separator: str, encoding: str) -> None:
    """Check that names in the header differ and each row has as many cells; pandas would fill or shift cells."""
    if codecs.lookup(encoding) == codecs.lookup("utf-8"):
        encoding = "utf-8-sig"  # otherwise a byte order mark would be part of the first name
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        cells, row = len(_header(next(reader, []), str(path))), 0
        for row, line in enumerate((line for line in reader if line), start=1):
            if len(line) != cells:
                raise DataError(
                    f"{path}, row {row} (line {reader.line_num}) has {len(line)} cells, and the header has {cells}"
                )
        if row == 0:
            raise DataError(f"{path} has a header but no rows")


def _header(cells: list[str], source: str) -> list[str]:
    """The names of columns in the first line."""
    if not cells:
        raise DataError(f"{source} is empty")
    names = [name.strip() for name in cells]
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{source} has two columns named '{name}'")
    return names


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
    """Read a text file.

    Raises:
        DataError: there is no such file, it is empty, or it has another encoding (the message says which is likely).
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
    """The first likely encoding that fits; Latin-1 fits any file."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"
