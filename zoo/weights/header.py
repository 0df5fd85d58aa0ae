"""Reading and checking the header of an artefact, before anything is built after what it says."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from zoo.errors import ArtefactError
from zoo.files import is_regular, quoted
from zoo.weights import format1

FORMAT = 2
NO_DIGEST = "0" * 64
MAX_HEADER = 16 * 2**20  # bytes: room for a vocabulary, not for an attack on memory
MAX_LISTS = 100_000  # lists and objects in it: each takes a hundred bytes of memory, and two in the file
SPARSE = 2**26  # bytes from which a file is looked at that takes less room on the disk than it says


def read(path: Path, *, header_alone: bool = False) -> bytes:
    """The bytes of a file, or those of its header, if that can be one.

    Raises:
        ArtefactError: no such file, no regular one, or no safetensors file; the message does not name the file.
    """
    try:
        if path.is_dir() or path.suffix == ".ckpt":
            raise ArtefactError(_weights_of_run(path))
        if path.exists() and not is_regular(path):
            raise ArtefactError("it is no regular file")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            status = os.fstat(file.fileno())
            size = status.st_size
            if size < 8 or length > size - 8:
                raise ArtefactError(f"truncated, or not a safetensors file ({size} bytes)")
            if length > MAX_HEADER:
                raise ArtefactError(f"its header claims {length} bytes; {MAX_HEADER} is the limit")
            if size > SPARSE and getattr(status, "st_blocks", size) * 512 < size // 4:
                raise ArtefactError(f"it claims {size} bytes, most of which were never written")
            file.seek(0)
            return file.read(8 + length if header_alone else -1)
    except (OSError, ValueError) as error:  # a ValueError for a name that no file can have
        reason = "no such file" if isinstance(error, FileNotFoundError) else getattr(error, "strerror", "") or error
        raise ArtefactError(str(reason)) from error


def verified(data: bytes) -> dict[str, Any]:
    """Our part of the file's header, after its digest has shown that the file is undamaged.

    Raises:
        ArtefactError: it has not, or as for `entries`.
    """
    header = entries(data)
    digest = str(header["sha256"]).encode(errors="replace")
    place, whole, found = data.find(digest), memoryview(data), hashlib.sha256()
    for part in (whole[:place], NO_DIGEST.encode(), whole[place + len(digest) :]):
        found.update(part)
    if place < 0 or found.hexdigest().encode() != digest:
        raise ArtefactError("damaged: its contents do not match its sha256")
    return header


def entries(data: bytes) -> dict[str, Any]:
    """Our part of the file's header, with today's names.

    Raises:
        ArtefactError: it is damaged, too large, from a newer zoo, or lacks a part.
    """
    text = data[8 : 8 + int.from_bytes(data[:8], "little")]
    check_lists(data)
    try:
        header = json.loads(json.loads(text)["__metadata__"]["zoo"])
        version, _ = header["format"], header["sha256"]
        header = format1.renamed(header) if version == 1 else header
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError("its header is damaged, or zoo did not write it") from error
    if type(version) is not int or version < 1:
        raise ArtefactError(f"its header is damaged: there is no format {quoted(version)}")
    if version > FORMAT:
        raise ArtefactError(f"it has format {quoted(version)}, and this zoo reads up to {FORMAT}; update zoo")
    _check_kinds(header)
    return header


def check_lists(data: bytes) -> None:
    """See that the header of a file has no more lists and objects than may be read again.

    Raises:
        ArtefactError: it has.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    if (lists := data.count(b"[", 8, end) + data.count(b"{", 8, end)) > MAX_LISTS:
        raise ArtefactError(f"its header has {lists:,} lists and objects; {MAX_LISTS:,} is the limit")


def _check_kinds(header: dict[str, Any]) -> None:
    kinds = {"model": str, "options": dict, "spec": dict, "calibration": dict, "metrics": dict, "recipe": dict}
    for name, kind in kinds.items():
        if not isinstance(header.get(name), kind):
            raise ArtefactError(f"its header has no {name}, or not of the right kind")
    for name, value in header["metrics"].items():
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:  # NaN fails too
            raise ArtefactError(f"its header is damaged: the metric {quoted(name)} is {quoted(value)}")
    parents, command = header["recipe"].get("parent_commands", []), header["recipe"].get("command", "")
    if not isinstance(parents, list) or not all(isinstance(line, str) for line in [*parents, command]):
        raise ArtefactError("its header is damaged: the commands of its recipe are no text")


def _weights_of_run(path: Path) -> str:
    """What a folder, or a checkpoint, is not, and the file of its run that is meant."""
    what = "a folder" if path.is_dir() else "a checkpoint, to go on with a run (resume=)"
    weights = (path if path.is_dir() else path.parent) / "model.safetensors"
    if is_regular(weights):
        return f"it is {what}; the trained network is {weights}"
    return f"it is {what}; give the file model.safetensors of a finished run, which is not here"
