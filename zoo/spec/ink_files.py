"""Ink in files: JSON, InkML, CSV and UNIPEN."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, unknown
from zoo.files import one_line, quoted, user_path

if TYPE_CHECKING:
    import pandas as pd

InkStrokes = list[list[list[float]]]

SUFFIXES = (".json", ".inkml", ".csv")
LINES = (".jsonl", ".ndjson")  # of files with a line for each ink
_UNIPEN = (".SEGMENT", ".COMMENT", ".PEN_DOWN", ".PEN_UP")
MAX_FILE = 2**26  # bytes of a file of one ink


def read_ink(path: str | os.PathLike[str]) -> Any:
    """The strokes of a file, with y downwards.

    - `.json`: a list of strokes, each a list of points [x, y]; or an object that has such a list under `strokes`,
      or lists of x and y under `drawing`, as Quick, Draw! has them.
    - `.inkml`: W3C's Ink Markup Language. Each trace is a stroke; its channels X and Y are found by `traceFormat`, and
      are the first two where there is none; one whose `orientation` is `-ve` is turned over.
    - `.csv`: columns `stroke`, `x` and `y`, a row a point; points of one stroke stand together.

    Raises:
        DataError: there is no such file, it has another ending, is damaged, or does not say where strokes end.
    """
    path = user_path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path} is no file of ink: {unknown('ending', suffix, SUFFIXES)}")
    if not os.path.isfile(path):
        raise DataError(f"no such file: {path}")
    if path.stat().st_size > MAX_FILE:
        raise DataError(f"{path} has {path.stat().st_size:,} bytes, too many for one ink; the limit is {MAX_FILE:,}")
    if suffix == ".csv":
        return _of_csv(path)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig" if suffix == ".json" else _encoding_of(data)).removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError, LookupError) as error:
        raise DataError(one_line(f"cannot read {path}: {error}")) from error
    return _of_json(text, path) if suffix == ".json" else _of_inkml(text, path)


def _of_json(text: str, path: Path) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(one_line(f"{path} is no JSON: {error}")) from None
    if isinstance(found, dict) and isinstance(found.get("drawing"), list):
        return {"drawing": found["drawing"]}
    strokes = found.get("strokes") if isinstance(found, dict) else found
    if not isinstance(strokes, list):
        raise DataError(f"{path} is neither a list of strokes nor an object that has one under 'strokes'")
    return strokes


def _encoding_of(xml: bytes) -> str:
    """The encoding of a file of XML, by its byte order mark or its first line."""
    if xml.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = re.match(rb"""\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["']""", xml.removeprefix(codecs.BOM_UTF8))
    return declared[1].decode() if declared else "utf-8"


def read_points(path: Path) -> pd.DataFrame:
    """A table of points; where x and y have a comma before their fractions, it is read."""
    from zoo.spec.files import read_table

    def are_numbers(frame: pd.DataFrame) -> bool:
        return all(frame[name].dtype.kind in "iuf" for name in frame if str(name).strip().lower() in ("x", "y"))

    frame = read_table(path)
    if are_numbers(frame):
        return frame
    with_commas = read_table(path, decimal=",")
    return with_commas if are_numbers(with_commas) else frame


def _of_csv(path: Path) -> InkStrokes:
    frame = read_points(path)
    columns = {str(name).strip().lower(): name for name in frame.columns}
    for name in ("stroke", "x", "y"):
        if name not in columns:
            more = ", which tells where the pen leaves the paper" if name == "stroke" else ""
            raise DataError(f"{path} has no column '{name}'{more}; an ink has the columns stroke, x and y")
    if "ink" in columns and (count := frame[columns["ink"]].nunique()) > 1:
        raise DataError(f"{path} holds {count} inks, by its column 'ink'; give each a file, or all a .jsonl file")
    return strokes_of_rows(frame, columns, path)


def strokes_of_rows(frame: Any, columns: dict[str, Any], path: Path) -> InkStrokes:
    """The strokes of a table's rows; a stroke is a run of rows with one value under `stroke`."""
    import pandas as pd

    numbers = frame[[columns["x"], columns["y"]]].apply(pd.to_numeric, errors="coerce")
    if (wrong := numbers.isna().any(axis=1)).any() or frame[columns["stroke"]].isna().any():
        row = frame.index[int((wrong | frame[columns["stroke"]].isna()).to_numpy().argmax())]
        raise DataError(f"{path}, row {row}: a point has a stroke and two numbers, x and y")
    stroke = frame[columns["stroke"]]
    runs = (stroke != stroke.shift()).cumsum()
    return [points.to_numpy("float64").tolist() for _, points in numbers.groupby(runs.to_numpy(), sort=True)]


_CHANNEL = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _of_inkml(text: str, path: Path) -> InkStrokes:
    from xml.etree import ElementTree

    if "<!ENTITY" in text:  # which may grow to gigabytes
        raise DataError(f"{path} defines entities, which ink has no use for; write them out")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(one_line(f"{path} is no InkML: {error}")) from None
    if _tag(root) != "ink":
        raise DataError(f"{path} is no InkML: its outermost element is {quoted(_tag(root))}, not 'ink'")
    channels = [channel for channel in root.iter() if _tag(channel) == "channel"]
    names = [channel.get("name", "") for channel in channels]
    places = (names.index("X"), names.index("Y")) if {"X", "Y"} <= set(names) else (0, 1)
    signs = [-1 if place < len(channels) and channels[place].get("orientation") == "-ve" else 1 for place in places]
    traces = [trace for trace in root.iter() if _tag(trace) == "trace"]
    return [
        [[sign * value for sign, value in zip(signs, point)] for point in _points(trace.text or "", places, path, n)]
        for n, trace in enumerate(traces, start=1)
    ]


def _points(text: str, channels: tuple[int, int], path: Path, number: int) -> Iterator[list[float]]:
    for place, point in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        values = point.split()
        if not all(_CHANNEL.fullmatch(value) for value in values) or len(values) <= max(channels):
            raise DataError(
                f"{path}, trace {number}, point {place}: {quoted(point)} is not explicit numbers, two or more; "
                "differences (' and \") are not read"
            )
        yield [float(values[channel]) for channel in channels]


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def read_unipen(text: str, path: Path) -> Iterator[tuple[str, list[str], InkStrokes]]:
    """The segments of a UNIPEN file: each one's label, the words of its comment, and its strokes with y downwards.

    Only what the Pendigits files hold is read: `.SEGMENT`, `.COMMENT`, `.PEN_DOWN`, `.PEN_UP` and points.

    Raises:
        DataError: a stroke has no pen-up, a point is outside of a stroke or is not two numbers.
    """
    label, down = "", False
    comment: list[str] = []
    strokes: InkStrokes = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or (words[0].startswith(".") and words[0] not in _UNIPEN):
            continue
        if down and words[0] in (".SEGMENT", ".PEN_DOWN"):
            raise DataError(f"{path}, line {number}: the stroke before has no .PEN_UP; the file is damaged")
        if words[0] == ".SEGMENT":
            if strokes:
                yield label, comment, strokes
            label, comment, strokes = words[-1].strip('"'), [], []
        elif words[0] == ".COMMENT":
            comment = words[1:]
        elif words[0] in (".PEN_DOWN", ".PEN_UP"):
            down = words[0] == ".PEN_DOWN"
            if down:
                strokes.append([])
        else:
            if not down or len(words) < 2:
                raise DataError(f"{path}, line {number}: {quoted(line.strip())} is no point of a stroke")
            try:
                strokes[-1].append([float(words[0]), -float(words[1])])
            except ValueError:
                raise DataError(f"{path}, line {number}: {quoted(line.strip())} is not two numbers") from None
    if down:
        raise DataError(f"{path}: its last stroke has no .PEN_UP; the file is damaged")
    if strokes:
        yield label, comment, strokes
