"""Reading tables and texts from files; each error is one line."""

from __future__ import annotations

import codecs
import csv
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, install
from zoo.files import if_address, one_line, user_path
from zoo.spec.cells import plain_columns
from zoo.spec.delimited import Delimited, read_delimited
from zoo.spec.dialect import Dialect, encoding_of
from zoo.spec.json_files import ENDINGS, is_json, read_json
from zoo.spec.packed import MAX_GROWTH, MAX_UNPACKED, unpacked

if TYPE_CHECKING:
    import pandas as pd


PARQUET = b"par1"  # how such files begin, in small letters
PARQUET_ENDINGS = (".parquet", ".pq")
NO_TABLES = {
    rb"<html|<!doctype": "a page of HTML",
    rb"<\?xml": "XML",
    rb"@relation": "an ARFF file",
    rb"__label__": "a file of fastText",
    rb"[-+.\d]+( \d+:[-+.e\d]+)+\s*\n": "a file of LIBSVM",
}


def read_table(path: str | os.PathLike[str], **options: Any) -> pd.DataFrame:
    """The cells of a file, as `read_file` reads it."""
    return read_file(path, **options).frame


def read_file(path: str | os.PathLike[str], **options: Any) -> Delimited:
    """Read a CSV file, a Parquet file (its name ends in .parquet or .pq; this needs pyarrow), or JSON lines (.jsonl,
    .ndjson or .json; an object for each row).

    Cells that are empty, "?" or NaN are missing. Rows count from 1. A file may be compressed by gzip, bzip2, xz or zip.

    Args:
        path: the file.
        options: of a CSV file, as in `zoo.spec.delimited.read_delimited`.

    Raises:
        DataError: there is no such file, it is empty, ragged, damaged or has another encoding; or it is unclear how it
            is to be read.
    """
    path = user_path(path)
    _check_is_file(path, "CSV")
    with unpacked(path) as file:
        try:
            return _read_file(file, options)
        except DataError as error:
            if file == path:
                raise
            raise DataError(str(error).replace(str(file), str(path))) from error


def _check_is_file(path: Path, wanted: str) -> None:
    if os.path.isfile(path):  # which answers for a name that no file can have, too
        return
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder; give a {wanted} file")
    raise DataError(f"no such file: {path}{if_address(path)}")


def _read_file(path: Path, options: dict[str, Any]) -> Delimited:
    with path.open("rb") as file:
        start = file.read(256).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if path.suffix.lower() in PARQUET_ENDINGS or start.startswith(PARQUET):
        return Delimited(_read_parquet(path), Dialect())
    if path.suffix.lower() in ENDINGS or is_json(start.decode("latin-1")):
        frame, notes = read_json(path, read_text(path))
        frame.index += 1
        return Delimited(plain_columns(frame), Dialect(), notes)
    for mark, what in NO_TABLES.items():
        if re.match(mark, start):
            raise DataError(f"{path} is {what}; a table is a CSV, Parquet or JSON file")
    try:
        return read_delimited(path, **options)
    except UnicodeDecodeError as error:
        if options.get("encoding") is None:
            raise DataError(f"{path} is neither a table nor a text, by its bytes") from error
        raise DataError(
            f"{path} is not {options['encoding']} ({error.reason} at byte {error.start}); its encoding looks like "
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
        raise DataError(
            f"tables, other than rows of plain numbers, names and booleans, take pandas: {install('tables')}"
        ) from error
    return pandas


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        _check_growth(path)
        frame = pd.read_parquet(path)
        frame = frame.reset_index(drop=frame.index.names == [None])  # of pandas, which has a name where it is a column
    except ImportError as error:
        raise DataError(f"reading Parquet takes pyarrow: {install('parquet')}") from error
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"cannot read {path}: {error}") from error
    frame.index += 1
    return plain_columns(frame)


def _check_growth(path: Path) -> None:
    """Refuse a file of a few bytes whose cells would fill any memory: one value may stand for a billion rows."""
    from pyarrow.parquet import read_metadata

    about = read_metadata(path)
    size = 8 * about.num_rows * about.num_columns
    if size > max(MAX_UNPACKED, MAX_GROWTH * path.stat().st_size):
        raise DataError(
            f"{path} has {path.stat().st_size:,} bytes, and its {about.num_rows:,} rows of {about.num_columns} columns "
            f"would take {size:,}; the limit is {MAX_GROWTH} times as many"
        )


def read_text(path: str | os.PathLike[str], *, encoding: str | None = None) -> str:
    """Read a text file, which may be compressed by gzip, bzip2, xz or zip.

    Args:
        path: the file.
        encoding: as `data.encoding` gives it; None for UTF-8 and no other.

    Raises:
        DataError: there is no such file, it is empty, or it has another encoding (the message says which is likely).
    """
    path = user_path(path)
    _check_is_file(path, "text")
    try:
        with unpacked(path) as file:
            data = file.read_bytes()
        text = data.decode(encoding or "utf-8")
        if encoding is not None and _is_utf8(data, encoding):
            raise DataError(f"{path} is utf-8 and not {encoding}: save all files in one encoding, data.encoding")
    except UnicodeDecodeError as error:
        likely = _encoding_of(data)
        advice = (
            f"give data.encoding={likely}" if encoding else f"save it as UTF-8: iconv -f {likely} -t utf-8 FILE > NEW"
        )
        raise DataError(
            f"{path} is not {encoding or 'utf-8'} ({error.reason} at byte {error.start}); it may be {likely}: {advice}"
        ) from error
    except (OSError, LookupError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{path} is empty")
    return text.replace("\r\n", "\n")


def _is_utf8(data: bytes, encoding: str) -> bool:
    """Whether a file is UTF-8 that another encoding would turn into other letters without a word."""
    name = codecs.lookup(encoding).name
    if name.startswith("utf-8") or (data.isascii() and (b"\0" in data or not name.startswith(("utf-16", "utf-32")))):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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
