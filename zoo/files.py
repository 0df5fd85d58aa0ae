"""Files on this machine: replaced whole or not at all, told of in one line, removed where a kill left them."""

from __future__ import annotations

import errno
import glob
import mmap
import os
import reprlib
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from zoo.errors import ConfigError, DataError
from zoo.errors import one_line as one_line

PART = ".part"  # the end of the name of a file that is being written
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # full ones, limits, damage
AT_ONCE = 16 * 2**20  # bytes of a map that stay in this process's memory
AROUND = 2**18  # bytes that Linux maps around each that is read, or some times more
_ABANDONED = 24 * 60 * 60  # seconds after which what a killed process left is removed
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple = 3, 4, 4, 4
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` once it is whole; whatever goes wrong, the old one stays.

    It is written in the same folder, never by way of the system's temporary folder, which may be another disk. Its
    mode is that of the umask.

    Args:
        path: of the file; its folder is made if need be.
        sync: wait until the disk has it, so that it outlasts a power failure and not only a kill.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}{PART}")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            part.unlink()
        if isinstance(error, OSError) and error.errno in _OF_DISKS and error.filename is None:
            error.filename = str(path)  # which a write does not name
        raise
    if sync:
        _sync_folder(path.parent)


def remove_abandoned(folder: Path, seconds: float = _ABANDONED) -> None:
    """Remove what processes that were killed while they wrote have left, unless it is younger than some seconds."""
    for part in folder.glob(f".*{PART}"):
        with suppress(FileNotFoundError):  # another process has just finished it
            if time.time() - part.stat().st_mtime > seconds:
                part.unlink()


def cache_folder() -> Path:
    """The user's folder of what can be downloaded or computed again: $ZOO_CACHE, or ~/.cache/zoo."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ZOO_CACHE") or Path(base, "zoo"))


def user_path(path: str | os.PathLike[str]) -> Path:
    """A path as a person writes it: `~` and `~name` at its beginning are homes; of a name that nobody has, it stays."""
    return Path(os.path.expanduser(path))


def if_address(path: str | os.PathLike[str]) -> str:
    """What a message that there is no such file adds where the path is an address; nothing for others."""
    return "; an address is not read: download it" if os.fspath(path).startswith(("http:/", "https:/")) else ""


def matching(pattern: str) -> list[str]:
    """The paths of the files that match a pattern, such as `scans/*.png`, in order; or of the one file of that name.

    Raises:
        ConfigError: there is none, or it is a folder.
    """
    pattern = str(user_path(pattern))
    if Path(pattern).is_file():  # whose name may look like a pattern
        return [pattern]
    found = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())
    if not found and Path(pattern).is_dir():
        raise ConfigError(f"{pattern} is a folder; give its files by a pattern, such as '{Path(pattern, '*.png')}'")
    if not found:
        raise ConfigError(f"no file matches {pattern}; a pattern is such as 'scans/*.png', in quotes")
    return found


def output_path(given: Any, read: Iterable[str | os.PathLike[str]]) -> Path:
    """The path that `output=` names.

    Args:
        given: the setting.
        read: files that are read, over which nothing is written.

    Raises:
        ConfigError: it is no path, or that of a file that is read.
    """
    if not isinstance(given, str):
        raise ConfigError(f"output is the name of a file or folder; got {given}; in quotes, \"'5'\", 5 is a name")
    output = user_path(given)
    for path in map(user_path, read):
        if output.exists() and path.exists() and output.samefile(path):
            raise ConfigError(f"output: {output} is read itself, and would be lost; give another file")
    return output


class Mapped(mmap.mmap):
    """A file that is mapped into memory, of which little stays in the memory of this process."""

    _touched = 0

    def touch(self, parts: int, size: int) -> None:
        """Count what was read or written, so many parts of so many bytes, and let go of the pages now and then."""
        self._touched += parts * (size + AROUND)
        if self._touched > AT_ONCE:
            self.let_go()

    def let_go(self) -> None:
        """Let go of all pages. They stay in the system's own cache, but no longer in this process's memory."""
        self._touched = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            self.madvise(mmap.MADV_DONTNEED)


def check_room(folder: Path, needed: int, what: str, remedy: str) -> None:
    """Refuse to write so many bytes into a folder whose disk has no room for them.

    Raises:
        DataError: it has none; the message says what takes the room, and the remedy.
    """
    free = shutil.disk_usage(folder).free
    if needed > 0.95 * free:
        raise DataError(f"{what} {gigabytes(needed)} and {folder} has {gigabytes(free)} free; {remedy}")


def reserve(file: IO[bytes], size: int) -> None:
    """Give a file its full size, so that a full disk is noticed at once."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.truncate(size)


def gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def is_regular(path: Path) -> bool:
    """Whether it is a file, and no folder, pipe or device; a link is what it leads to."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # of a name that no file can have
        return False


def quoted(value: Any) -> str:
    """A value of unknown size as a message shows it: short, on one line, control characters escaped."""
    return _SHORT.repr(value)


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the new name too; not every system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
