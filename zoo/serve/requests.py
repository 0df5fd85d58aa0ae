"""Raw input from JSON and from uploaded files, by the kind of a spec's input.

A string is never the name of a file here: images come as base64 or as numbers, and all else as plain JSON.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import tempfile
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError, SpecError, ZooError
from zoo.files import quoted
from zoo.spec import Image, InputKind, MaskedImage, Series, SmallImage, Table, TextLine, Video, read_image
from zoo.spec.image_files import image_size, open_image

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import PIL.Image

RawInput = tuple[Any, ...]
MAX_COUNT = 256  # of an option that is a whole number, such as a beam's width: it costs time
_DATA_URL = re.compile(r"data:[\w.+/-]*;base64,", re.ASCII)


class Refusal(Exception):
    """A request that gets no answer: an HTTP status, and a line that says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Pixels:
    """How many pixels the images of a request may still have."""

    left: int

    def take(self, count: int) -> None:
        """Count some.

        Raises:
            Refusal: there are too many.
        """
        self.left -= count
        if self.left < 0:
            raise Refusal(413, "the images of this request have too many pixels; send smaller ones, or fewer at once")


@dataclass
class Asked:
    """What a request asks: its inputs, or what is wrong with one in its place, and the options of the answers."""

    inputs: list[RawInput | ZooError]
    options: dict[str, Any]
    table: pd.DataFrame | None = None  # the rows of an uploaded CSV


# JSON


def from_json(kind: InputKind, body: bytes, pixels: Pixels) -> Asked:
    """What the JSON of a request asks.

    Raises:
        Refusal: it is not JSON, or not of the form that is meant.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is not JSON") from error
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list) or not asked.keys() <= FIELDS:
        raise Refusal(422, 'the body has the form {"inputs": [...]}, with "options": {...} if need be')
    return Asked([_input(kind, value, pixels) for value in asked["inputs"]], options_from(asked.get("options") or {}))


FIELDS = {"inputs", "options"}


def options_from(options: Any) -> dict[str, Any]:
    """The options of a request.

    Raises:
        Refusal: they are no object of names and plain values, or one would take too long.
    """
    if not isinstance(options, dict):
        raise Refusal(422, f'options are an object, such as {{"seed": 3}}, not {quoted(options)}')
    for name, value in options.items():
        if type(value) is int and name != "seed" and value > MAX_COUNT:
            raise Refusal(422, f"{name} may be up to {MAX_COUNT} in a request, not {quoted(value)}")
        if isinstance(value, dict):
            raise Refusal(422, f"option {quoted(name)} is a plain value, not an object")
    return options


def _input(kind: InputKind, value: Any, pixels: Pixels) -> RawInput | ZooError:
    try:
        return raw_input(kind, value, pixels)
    except ZooError as error:
        return error


@singledispatch
def raw_input(kind: InputKind, value: Any, pixels: Pixels) -> RawInput:
    """What `kind.encode` is given, from the JSON of one input.

    Raises:
        SpecError: it is not of the form that is meant.
        Refusal: the request has too many pixels.
    """
    if not kind.is_text and _has_text(value):  # it could be the name of a file
        raise SpecError(f"there is text in it, and {kind.word} is given as {kind.example()[:200]}")
    return (value,)


def _has_text(value: Any) -> bool:
    """Whether a string stands in JSON, at any depth but as the name of a member."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            return True
        if isinstance(each, (list, dict)):
            waiting.extend(each.values() if isinstance(each, dict) else each)
    return False


@raw_input.register
def _(kind: Table, value: Any, pixels: Pixels) -> RawInput:
    if not isinstance(value, dict):  # a list would be several rows, and a string a file
        raise SpecError(f"a row is an object of column names and cells, not {quoted(value)}")
    return (value,)


@raw_input.register
def _(kind: Series, value: Any, pixels: Pixels) -> RawInput:
    if not isinstance(value, (dict, list)) or (isinstance(value, list) and _has_text(value)):
        raise SpecError(f"a series is an object of names and lists of numbers, not {quoted(value)}")
    return (value,)


@raw_input.register(Image)
@raw_input.register(TextLine)
def _(kind: Image | TextLine, value: Any, pixels: Pixels) -> RawInput:
    return (_image(value, pixels, _times(kind)),)


@raw_input.register
def _(kind: MaskedImage, value: Any, pixels: Pixels) -> RawInput:
    if not isinstance(value, dict) or set(value) != set(kind.takes):
        raise SpecError('a masked image is an object {"image": ..., "mask": ...}, where the mask is bright in the hole')
    return tuple(_image(value[name], pixels) for name in kind.takes)


@raw_input.register
def _(kind: Video, value: Any, pixels: Pixels) -> RawInput:
    if not isinstance(value, str):
        return (_array(value, pixels),)
    return (_video(_decoded(value), pixels),)


def _times(kind: InputKind) -> int:
    """How many pixels an answer has for each that is given."""
    return kind.scale**2 if isinstance(kind, SmallImage) else 1


def _image(value: Any, pixels: Pixels, times: int = 1) -> PIL.Image.Image | np.ndarray:
    if not isinstance(value, str):
        return _array(value, pixels, times)
    return image_from(_decoded(value), pixels, times)


def image_from(data: bytes, pixels: Pixels, times: int = 1) -> PIL.Image.Image:
    """An image from the bytes of a file; each of its pixels counts so many times."""
    width, height = image_size(data)
    pixels.take(times * width * height)
    return read_image(data)


def _video(data: bytes, pixels: Pixels) -> bytes:
    with open_image(data) as file:
        count = getattr(file, "n_frames", 1) * file.width * file.height
    pixels.take(count)
    return data


def _decoded(text: str) -> bytes:
    """The bytes of a file that a string holds."""
    try:
        return base64.b64decode(_DATA_URL.sub("", text[:100]) + text[100:], validate=True)
    except (binascii.Error, ValueError):
        raise SpecError(
            "this string is not the base64 of an image's file; no name or address of a file is read here"
        ) from None


def _array(value: Any, pixels: Pixels, times: int = 1) -> np.ndarray:
    """Pixels as JSON has them: lists of whole numbers from 0 to 255, or of numbers from 0 to 1."""
    import numpy as np

    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        array = np.asarray(None)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise SpecError("an image is the base64 of its file, or rows of pixels, all of one length")
    pixels.take(times * array.size)
    if array.dtype.kind in "iu":
        if array.size and (array.min() < 0 or array.max() > 255):
            raise SpecError("pixels that are whole numbers are from 0 to 255")
        return array.astype(np.uint8)
    return array


# Files


def from_files(kind: InputKind, fields: dict[str, list[bytes | str]], pixels: Pixels) -> Asked:
    """What a form asks: a field for each name in `kind.takes`, with a file for each input, and `options` as JSON.

    The file of a table is a CSV of any number of rows. A field may also hold text that is no file: of a text itself,
    and else as JSON.

    Raises:
        Refusal: another field, or as many files of each name as there must be are not there.
        ZooError: a file is not what it should be.
    """
    given = dict(fields)
    options = options_from(_json(given.pop("options", ["{}"])[-1]))
    if set(given) != set(kind.takes):
        raise Refusal(422, f"a form has the fields {', '.join(kind.takes)}, not {', '.join(map(quoted, given))}")
    columns = [given[name] for name in kind.takes]
    if len({len(column) for column in columns}) > 1:
        raise Refusal(422, f"there must be as many files of each: {', '.join(kind.takes)}")
    if isinstance(kind, Table) and isinstance(columns[0][0], bytes):
        if len(columns[0]) > 1:
            raise Refusal(422, "give one CSV file at a time")
        frame = table_from(kind, columns[0][0])
        return Asked([(row,) for row in frame.to_dict("records")], options, frame)
    return Asked([_from_parts(kind, parts, pixels) for parts in zip(*columns)], options)


def _from_parts(kind: InputKind, parts: tuple[bytes | str, ...], pixels: Pixels) -> RawInput | ZooError:
    try:
        if kind.reads_files and all(isinstance(part, bytes) for part in parts):
            files = [part for part in parts if isinstance(part, bytes)]
            if isinstance(kind, Video):
                return (_video(files[0], pixels),)
            return tuple(image_from(file, pixels, _times(kind)) for file in files)
        if isinstance(kind, Series) and isinstance(parts[0], bytes):
            return (table_from(kind, parts[0]),)
        text = _text(parts[0])
        return raw_input(kind, text if kind.is_text else _json(text), pixels)
    except ZooError as error:
        return error


def _text(part: bytes | str) -> str:
    try:
        return part if isinstance(part, str) else part.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise SpecError("a text is a file of UTF-8") from error


def _json(text: bytes | str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, f"this field is not JSON: {quoted(text)}") from error


def table_from(kind: Table | Series, data: bytes) -> pd.DataFrame:
    """The cells of an uploaded CSV file, read as the file that the network learned from.

    Raises:
        SpecError: a column is missing.
        DataError: it is no CSV file.
    """
    from zoo.spec.files import read_table

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "upload.csv")
        file.write_bytes(data)
        try:
            if isinstance(kind, Table):
                return kind.read(file)
            return read_table(file, like=kind.dialect, names=kind.names)
        except ZooError as error:
            raise type(error)(str(error).replace(str(file), "the file")) from None
        except UnicodeError as error:
            raise DataError("the file is no CSV file") from error
