"""Reading tables and texts from files; each error is one line."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import os
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, install
from zoo.files import one_line, quoted
from zoo.spec.delimited import Delimited, read_delimited
from zoo.spec.dialect import Dialect, encoding_of

if TYPE_CHECKING:
    import pandas as pd

GZIP = b"\x1f\x8b"  # how such a file begins


def read_table(path: str | os.PathLike[str], **options: Any) -> pd.DataFrame:
    """The cells of a file, as `read_file` reads it."""
    return read_file(path, **options).frame


def read_file(path: str | os.PathLike[str], **options: Any) -> Delimited:
    """Read a CSV file, a Parquet file (its name ends in .parquet or .pq; this needs pyarrow), or JSON lines (.jsonl,
    .ndjson or .json; an object for each row).

    Cells that are empty, "?" or NaN are missing. Rows count from 1.

    Args:
        path: the file.
        options: of a CSV file, as in `zoo.spec.delimited.read_delimited`.

    Raises:
        DataError: there is no such file, it is empty, ragged, damaged or has another encoding; or it is unclear how it
            is to be read.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a CSV file")
    if path.suffix.lower() in (".parquet", ".pq"):
        return Delimited(_read_parquet(path), Dialect())
    if path.suffix.lower() in (".jsonl", ".ndjson", ".json"):
        return Delimited(_read_json(path), Dialect())
    try:
        return read_delimited(path, **options)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {options.get('encoding')} ({error.reason} at byte {error.start}); its encoding looks like "
            f"{encoding_of(path)}: give data.encoding={encoding_of(path)}"
        ) from error
    except (OSError, ValueError, LookupError, csv.Error) as error:
        raise DataError(one_line(f"cannot read {path}: {error}")) from error


def import_pandas() -> Any:
    """The module pandas.

    Raises:
        DataError: it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise DataError(f"tables, other than rows of plain numbers, take pandas: {install('tables')}") from error
    return pandas


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
        raise DataError(f"reading Parquet takes pyarrow: {install('parquet')}") from error
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"cannot read {path}: {error}") from error
    frame.index += 1
    return frame


def _read_json(path: Path) -> pd.DataFrame:
    """Objects, one a line or all in one list; a list or an object within a cell stays JSON."""
    import pandas as pd

    text = read_text(path)
    lines = list(enumerate(text.split("\n"), start=1))
    try:
        if text.lstrip().startswith("["):
            rows, lines = json.loads(text), []
        else:
            rows = []
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    for number, line in lines:
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f'{path}, row {number} is {quoted(json.dumps(row))}, not an object such as {{"text": …}}')
        for name, cell in row.items():
            if isinstance(cell, (dict, list)):
                row[name] = json.dumps(cell, ensure_ascii=False)
    frame = pd.DataFrame(rows)
    frame.index += 1
    return frame


def read_text(path: str | os.PathLike[str], *, encoding: str = "utf-8") -> str:
    """Read a text file, which may be compressed by gzip.

    Raises:
        DataError: there is no such file, it is empty, or it has another encoding (the message says which is likely).
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a text file")
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(GZIP) else data
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {encoding} ({error.reason} at byte {error.start}); it may be {_encoding_of(data)}"
        ) from error
    except (OSError, EOFError, zlib.error, LookupError) as error:
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
