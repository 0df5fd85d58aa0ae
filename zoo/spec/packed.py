"""What a file is by its first bytes: packed ones are unpacked, and those that are neither table nor text are told."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

from zoo.errors import DataError, one_line
from zoo.files import quoted

ZIP = b"PK\x03\x04"  # how such files begin
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
MAX_UNPACKED = 2**31  # bytes of what is in a compressed file,
MAX_GROWTH, SMALL = 200, 2**26  # or so many times those that were read, once there are more than so many
AT_ONCE = 2**20  # bytes
WORKBOOK = "an Excel workbook; save its sheet as CSV"
PICKLE = "a pickle, and none is ever read; save it as CSV or Parquet"
OTHERS = {
    b"\xd0\xcf\x11\xe0": WORKBOOK,
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database of SQLite; export a table as CSV",
    b"\x93NUMPY": "an array of NumPy; numpy.savetxt or a DataFrame writes CSV",
    b"\x89HDF": "an HDF5 file; save its table as CSV or Parquet",
    b"ARROW1": "an Arrow (Feather) file; save it as Parquet or CSV",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), PICKLE),  # by protocol
    **dict.fromkeys((b"\x89PNG", b"\xff\xd8\xff"), "an image"),
    b"{\\rtf": "a text in RTF; save it as plain text",
    b"7z\xbc\xaf": "packed by 7-Zip; unpack it",
    b"Rar!": "packed by RAR; unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
}
ZIPPED = {
    "xl/workbook.xml": WORKBOOK,
    "content.xml": "an OpenDocument file; save its sheet as CSV, or its text as plain text",
    "word/document.xml": "a Word document; save it as plain text",
}


def kind_of(start: bytes) -> str:
    """What a file is that begins so, if it is neither table nor text: an image, packed, …; else ""."""
    packed = dict.fromkeys((*PACKED, ZIP), "packed")
    return _by_mark({**OTHERS, **packed, b"GIF8": "an image", b"PAR1": "a Parquet file"}, start) or ""


def _by_mark(marks: Mapping[bytes, Any], start: bytes) -> Any:
    """What stands for the mark that a file begins with; None if it has none of these."""
    return next((its for mark, its in marks.items() if start.startswith(mark)), None)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The file itself; or what is in it, in a folder that is there for as long, if it is compressed.

    Raises:
        DataError: it is damaged, has several files in it, is neither table nor text, or grows to more than the limit.
    """
    with path.open("rb") as file:
        start = file.read(16)
    if what := _by_mark(OTHERS, start):
        raise DataError(f"{path} is {what}")
    opened = _by_mark(PACKED, start)
    if opened is None and not start.startswith(ZIP):
        yield path
        return
    with TemporaryDirectory() as folder:
        try:
            if opened is not None:
                inner = Path(folder, path.stem)
                with path.open("rb") as packed, opened(packed, "rb") as source:
                    _copy(source, inner, path, packed.tell)
            else:
                inner = _unzipped(path, Path(folder))
        except (OSError, EOFError, zlib.error, lzma.LZMAError, BadZipFile, RuntimeError) as error:
            raise DataError(one_line(f"cannot read {path}: {error}")) from error
        yield inner


def _unzipped(path: Path, folder: Path) -> Path:
    """The one file of a zip file, written to a folder."""
    with ZipFile(path) as packed:
        files = {one.filename: one for one in packed.infolist() if not one.is_dir()}
        for name, what in ZIPPED.items():
            if name in files:
                raise DataError(f"{path} is {what}")
        names = [name for name in files if not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"{path} holds {len(names)} files ({quoted(names)}); a table is one: unpack it")
        inner, about = folder / Path(names[0]).name, files[names[0]]
        _check_growth(about.file_size, about.compress_size, path)  # no more than it says can be read from it
        with packed.open(about) as source:
            _copy(source, inner, path, lambda: about.compress_size)
    return inner


def _copy(source: IO[bytes], inner: Path, path: Path, taken: Callable[[], int]) -> None:
    """Write what is in a compressed file, up to the limit.

    Args:
        source: what is in it.
        inner: where it is written.
        path: of the compressed file.
        taken: says how many of its bytes have been read.

    Raises:
        DataError: it is more.
    """
    size = 0
    with inner.open("wb") as target:
        while data := source.read(AT_ONCE):
            size += target.write(data)
            _check_growth(size, taken(), path)


def _check_growth(size: int, packed: int, path: Path) -> None:
    """Refuse a file of which a few kilobytes hold more than any disk, as soon as that is seen.

    Args:
        size: bytes that are unpacked.
        packed: bytes from which they come.
        path: of the compressed file.

    Raises:
        DataError: they are too many.
    """
    if size > MAX_UNPACKED or (size > SMALL and size > MAX_GROWTH * packed):
        limit = f"{MAX_UNPACKED:,} bytes" if size > MAX_UNPACKED else f"{MAX_GROWTH} times what it takes"
        raise DataError(
            f"{path} has {path.stat().st_size:,} bytes, and what is in it grows to more than {limit}; unpack it "
            "yourself if that is right"
        )
