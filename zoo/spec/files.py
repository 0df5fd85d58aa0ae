"""Reading tables and texts from files; each error is one line."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import json
import lzma
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

from zoo.errors import DataError, install
from zoo.files import one_line, quoted
from zoo.spec.cells import plain_columns
from zoo.spec.delimited import Delimited, read_delimited
from zoo.spec.dialect import Dialect, encoding_of

if TYPE_CHECKING:
    import pandas as pd

ZIP = b"PK\x03\x04"  # how such files begin
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
MAX_UNPACKED = 2**31  # bytes of what is in a compressed file,
MAX_GROWTH, SMALL = 200, 2**26  # or so many times the file's own, once there are more than so many
AT_ONCE = 2**20  # bytes
WORKBOOK = "an Excel workbook; save its sheet as CSV"


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
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a CSV file")
    with _unpacked(path) as file:
        try:
            return _read_file(file, options)
        except DataError as error:
            if file == path:
                raise
            raise DataError(str(error).replace(str(file), str(path))) from error


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself; or what is in it, in a folder that is there for as long, if it is compressed.

    Raises:
        DataError: it is damaged, has several files in it, is a workbook of Excel, or grows to more than the limit.
    """
    with path.open("rb") as file:
        start = file.read(8)
    opened = next((opened for mark, opened in PACKED.items() if start.startswith(mark)), None)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path} is {WORKBOOK}")
    if opened is None and not start.startswith(ZIP):
        yield path
        return
    with TemporaryDirectory() as folder:
        try:
            if opened is not None:
                inner = Path(folder, path.stem)
                with opened(path, "rb") as source:
                    _copy(source, inner, path)
            else:
                inner = _unzipped(path, Path(folder))
        except (OSError, EOFError, zlib.error, lzma.LZMAError, BadZipFile, RuntimeError) as error:
            raise DataError(one_line(f"cannot read {path}: {error}")) from error
        yield inner


def _unzipped(path: Path, folder: Path) -> Path:
    """The one file of a zip file, written to a folder."""
    with ZipFile(path) as packed:
        names = [one.filename for one in packed.infolist() if not one.is_dir()]
        if "xl/workbook.xml" in names:
            raise DataError(f"{path} is {WORKBOOK}")
        names = [name for name in names if not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"{path} holds {len(names)} files ({quoted(names)}); a table is one: unpack it")
        inner = folder / Path(names[0]).name
        with packed.open(names[0]) as source:
            _copy(source, inner, path)
    return inner


def _copy(source: IO[bytes], inner: Path, path: Path) -> None:
    """Write what is in a compressed file, up to the limit: a few kilobytes may hold more than any disk.

    Raises:
        DataError: it is more.
    """
    limit = min(MAX_UNPACKED, max(SMALL, MAX_GROWTH * path.stat().st_size))
    size = 0
    with inner.open("wb") as target:
        while data := source.read(AT_ONCE):
            size += target.write(data)
            if size > limit:
                raise DataError(
                    f"{path} has {path.stat().st_size:,} bytes and holds more than {limit:,}, which is the limit of "
                    "what is unpacked; unpack it yourself if that is right"
                )


def _read_file(path: Path, options: dict[str, Any]) -> Delimited:
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


def _read_json(path: Path) -> pd.DataFrame:
    """Objects, one a line or all in one list, or one object whose lists are the columns; a list or an object within a
    cell stays JSON."""
    import pandas as pd

    text = read_text(path)
    whole: Any = None
    try:
        if text.lstrip().startswith(("[", "{")):
            whole = json.loads(text)
    except ValueError as error:
        if not text.lstrip().startswith("{"):
            raise DataError(f"{path} is no JSON: {error}") from error
    if isinstance(whole, dict) and _are_columns(list(whole.values())):
        frame = pd.DataFrame(
            {name: list(cells.values() if isinstance(cells, dict) else cells) for name, cells in whole.items()}
        )
    else:
        frame = pd.DataFrame(_objects(path, _of_lines(path, text) if whole is None else whole))
    frame.index += 1
    return plain_columns(frame)


def _of_lines(path: Path, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise DataError(f"{path}, line {number} is no JSON: {error}") from error
    return rows


def _are_columns(values: list[Any]) -> bool:
    """Whether these are columns of one length, as lists or as pandas' to_json writes them."""
    lengths = {len(cells) if isinstance(cells, list | dict) else 0 for cells in values}
    return len(lengths) == 1 and max(lengths) > 1


def _objects(path: Path, rows: Any) -> list[dict[str, Any]]:
    rows = rows if isinstance(rows, list) else [rows]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f'{path}, row {number} is {quoted(json.dumps(row))}, not an object such as {{"text": …}}')
    return rows


def read_text(path: str | os.PathLike[str], *, encoding: str | None = None) -> str:
    """Read a text file, which may be compressed by gzip, bzip2, xz or zip.

    Args:
        path: the file.
        encoding: as `data.encoding` gives it; None for UTF-8 and no other.

    Raises:
        DataError: there is no such file, it is empty, or it has another encoding (the message says which is likely).
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"no such file: {path}" if not path.is_dir() else f"{path} is a folder; give a text file")
    try:
        with _unpacked(path) as file:
            data = file.read_bytes()
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        likely = _encoding_of(data)
        advice = f"give data.encoding={likely}" if encoding else "save it as UTF-8"
        raise DataError(
            f"{path} is not {encoding or 'utf-8'} ({error.reason} at byte {error.start}); it may be {likely}: {advice}"
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
