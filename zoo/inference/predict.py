"""Prediction for many inputs: image files, rows of a table, lines of text or of JSON; from files or standard input."""

from __future__ import annotations

import csv
import gc
import glob
import io
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import PIL.Image
import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from rich.console import Console
from rich.progress import track

from zoo.errors import ConfigError, DataError, SpecError, ZooError, one_line, unknown
from zoo.inference.pages import lines_of as lines_of_page
from zoo.inference.streams import Line, TableStream, lines_in, lines_of, standard_input
from zoo.spec import Image, Series, Table, TextLine
from zoo.spec.files import read_table
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load

if TYPE_CHECKING:
    import pandas as pd


class Example(NamedTuple):
    """One input.

    Args:
        name: in the answer.
        raw: what the model takes, one for each of its arguments.
        place: where it stands, for messages; the name where that says it.
    """

    name: str
    raw: tuple[Any, ...]
    place: str = ""


class Row(NamedTuple):
    """A row of a table; to cut it out by itself takes a hundred times as long as to read it with others."""

    frame: pd.DataFrame
    place: int


def _joined(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as one table: those that follow one another are cut out of theirs together."""
    import pandas as pd

    parts: list[tuple[pd.DataFrame, int, int]] = []
    for frame, place in rows:
        if parts and parts[-1][0] is frame and parts[-1][2] == place:
            parts[-1] = (frame, parts[-1][1], place + 1)
        else:
            parts.append((frame, place, place + 1))
    tables = [frame.iloc[first:last] for frame, first, last in parts]
    return tables[0] if len(tables) == 1 else pd.concat(tables)


STANDARD_INPUT = "-"
_JSON = json.JSONEncoder(ensure_ascii=False)  # json.dumps makes one each time
ROWS = 8192  # of a file that are answered together, at least: each column is encoded at once
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)  # what moves a terminal's cursor, or is no character
MAX_NAME = 100  # characters of the name of an image that is saved, which may come from a text


def predict(cfg: DictConfig) -> int:
    """Answer all inputs, as `conf/use/predict.yaml` describes; standard error names those that do not fit.

    Returns:
        The number of inputs without an answer.

    Raises:
        ConfigError: a setting is impossible, or there is no such file.
        ArtefactError: the model cannot be loaded.
        SpecError: a table does not fit the model, or the model has no such option.
        DataError: a table cannot be read.
    """
    if cfg.format not in WRITERS:
        raise ConfigError(unknown("format", cfg.format, WRITERS))
    if type(cfg.batch_size) is not int or cfg.batch_size < 1:
        raise ConfigError(f"batch_size must be a whole number of at least 1, got {cfg.batch_size}")
    if not isinstance(cfg.options, (DictConfig, type(None))):
        raise ConfigError(f"options have names, such as options={{temperature: 0.5}}; got {cfg.options}")
    if not isinstance(cfg.output, (str, type(None))):
        raise ConfigError(f"output is the name of a file or folder; got {cfg.output}; in quotes, \"'5'\", 5 is a name")
    artefact = _on_device(load(cfg.model), cfg.device)
    inputs = _inputs(artefact, cfg.input)
    batch_size = 1 if sys.stdin.isatty() else cfg.batch_size
    failures = Failures()
    total, examples = _examples(artefact, inputs, batch_size, failures)
    options: Any = {} if cfg.options is None else OmegaConf.to_container(cfg.options)
    with _places(cfg.output, artefact) as (file, folder), _loaded_for_good():
        together = max(batch_size, ROWS) if isinstance(artefact.spec.input, Table) and total else batch_size
        answers = _answers(artefact, examples, together, options, failures, file.flush)
        console = Console(stderr=True)
        shown = track(answers, cfg.model, total, console=console, transient=True, disable=not console.is_terminal)
        rows = ({"input": name, **_fields(name, answer, folder)} for name, answer in shown)
        WRITERS[cfg.format](rows, file)
    return len(failures)


@contextmanager
def _loaded_for_good() -> Iterator[None]:
    """Spare the garbage collector all that is loaded by now: it would look through it again with every few answers.

    They take half of the time on 200,000 rows of a table.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _on_device(artefact: Artefact, device: str | None) -> Artefact:
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if chosen.type == "meta":
            raise ConfigError("device=meta computes nothing; choose cpu or cuda")
        return artefact.to(chosen)
    except (RuntimeError, AssertionError, TypeError) as error:  # an AssertionError if torch was built without CUDA
        raise ConfigError(f"device={device}: {str(error).splitlines()[0]}") from error


class Failures(list[str]):
    """Messages about inputs without an answer, each printed to standard error at once: a stream may never end."""

    def append(self, line: str) -> None:
        super().append(line)
        print(one_line(line), file=sys.stderr)


# Inputs


def _inputs(artefact: Artefact, given: Any) -> list[str]:
    """The files or patterns, one for each argument of the model."""
    several = given if isinstance(given, ListConfig) else [given]
    inputs = [str(each) for each in several if each is not None]
    takes = artefact.spec.input.takes
    if inputs != [STANDARD_INPUT] and len(inputs) != len(takes):
        if len(takes) == 1:
            raise ConfigError(f"give one file or one pattern of image files as the input; got {given}")
        raise ConfigError(f"give input=[…] with {len(takes)} patterns of files, for {', '.join(takes)}")
    return inputs


def _examples(
    artefact: Artefact, inputs: list[str], batch_size: int, failures: Failures
) -> tuple[int | None, Iterator[Example]]:
    """The number of inputs, if it is known, and the inputs.

    The kind of the spec's input decides how they are read. A model for lines of text also takes pages, which are cut
    into lines; pages without lines are added to `failures`.
    """
    described = artefact.spec.input
    if isinstance(described, Table):
        if inputs == [STANDARD_INPUT]:
            stream = TableStream(lines_of(standard_input()), _separator(described), "standard input")
            return None, _streamed_rows(described, stream, batch_size, failures)
        return _rows_of_file(described, inputs[0], batch_size, failures)
    if isinstance(described, Series):
        if inputs == [STANDARD_INPUT]:
            return 1, iter([Example(STANDARD_INPUT, (_table_on_standard_input(),))])
        return _files(inputs, failures)
    if isinstance(described, TextLine):
        return None, _lines_of_pages(_files(inputs, failures)[1], failures)
    if described.reads_files:
        return _files(inputs, failures)
    lines = _lines(inputs[0], failures)
    return None, (
        (Example(line.text, (line.text,), f"line {line.number}") for line in lines)
        if described.is_text
        else _json_values(lines, failures)
    )


def _rows_of_file(
    described: Table, file: str, batch_size: int, failures: Failures
) -> tuple[int | None, Iterator[Example]]:
    """The rows of a file, and their number if it is known.

    Raises:
        DataError, SpecError: it is no such table, or no row of it fits.
    """
    try:
        frame = described.read(file)
    except DataError as error:
        found = _rows_one_by_one(described, file, batch_size, failures)
        if found is None:
            raise error
        return None, found
    try:
        described.encode(frame)
    except SpecError:
        if not any(_fits(described, _joined(row.raw)) for row in _rows(frame)):
            raise
    return len(frame), _rows(frame)


def _rows(frame: pd.DataFrame) -> Iterator[Example]:
    """The rows of a table with their numbers."""
    for place, number in enumerate(frame.index):
        yield Example(str(number), (Row(frame, place),), f"row {number}")


def _fits(described: Table, row: pd.DataFrame) -> bool:
    try:
        described.encode(row)
    except SpecError:
        return False
    return True


def _rows_one_by_one(described: Table, file: str, batch_size: int, failures: Failures) -> Iterator[Example] | None:
    """The rows of a CSV file that cannot be read as a whole; None if its first line does not name the columns."""
    encoding = described.dialect.encoding if described.dialect else "utf-8"
    try:
        stream = TableStream(lines_in(Path(file).expanduser(), encoding), _separator(described), file)
    except (OSError, LookupError, DataError):
        return None
    return _streamed_rows(described, stream, batch_size, failures) if {*described.slices} <= {*stream.names} else None


def _streamed_rows(described: Table, stream: TableStream, batch_size: int, failures: Failures) -> Iterator[Example]:
    """The rows of a table as their lines come in; those that cannot be read are added to `failures`."""
    for frame, numbers in stream.tables(batch_size, failures.append):
        for row, number in zip(_rows(described.read(frame)), numbers):
            yield row._replace(place=f"line {number}")


def _separator(described: Table) -> str:
    return described.dialect.separator if described.dialect else ","


def _files(inputs: list[str], failures: Failures) -> tuple[int | None, Iterator[Example]]:
    """Files, by one pattern for each argument of the model, or by their names on standard input."""
    if inputs == [STANDARD_INPUT]:
        names = (line.text.split("\t") for line in _lines(STANDARD_INPUT, failures))
        return None, (Example(files[0], tuple(files)) for files in names)
    columns = [_matching(pattern) for pattern in inputs]
    if len({len(column) for column in columns}) > 1:
        counts = ", ".join(f"{len(column)} of {pattern}" for column, pattern in zip(columns, inputs))
        raise ConfigError(f"there must be as many files of each: {counts}")
    return len(columns[0]), (Example(files[0], files) for files in zip(*columns))


def _lines_of_pages(pages: Iterator[Example], failures: Failures) -> Iterator[Example]:
    """The lines of images, from top to bottom; if an image has several, they are numbered."""
    for name, (page,), _ in pages:
        try:
            lines = lines_of_page(page)
        except SpecError as error:
            failures.append(_message(name, error))
            continue
        for number, line in enumerate(lines, start=1):
            yield Example(name if len(lines) == 1 else f"{name}, line {number}", (line,))


def _matching(pattern: str) -> list[str]:
    pattern = str(Path(pattern).expanduser())
    found = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())
    if not found and not Path(pattern).is_file():
        raise ConfigError(f"no file matches {pattern}; a pattern is such as 'scans/*.png', in quotes")
    return found or [pattern]  # a file whose name looks like a pattern


def _lines(source: str, failures: Failures) -> Iterator[Line]:
    """The lines of a text file, or of standard input, that are not blank; those that are no text join `failures`."""
    if source == STANDARD_INPUT:
        yield from _readable(lines_of(standard_input()), failures)
        return
    try:
        yield from _readable(lines_in(Path(source).expanduser()), failures)
    except OSError as error:
        raise ConfigError(f"cannot read {source}: {error.strerror or error}") from error


def _readable(lines: Iterator[Line], failures: Failures) -> Iterator[Line]:
    for line in lines:
        if line.fault:
            failures.append(f"line {line.number} is {line.fault}")
        elif line.text.strip():
            yield line


def _json_values(lines: Iterator[Line], failures: Failures) -> Iterator[Example]:
    """The values of lines of JSON; other lines are added to `failures`."""
    for line in lines:
        try:
            yield Example(line.text, (json.loads(line.text),), f"line {line.number}")
        except (ValueError, RecursionError):
            failures.append(f"line {line.number}: each line must be JSON, and this is not: {line.text[:60]}")


def _table_on_standard_input() -> pd.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "standard input")
        file.write_bytes(sys.stdin.buffer.read())
        return read_table(file)


# Answers


def _answers(
    artefact: Artefact,
    examples: Iterator[Example],
    batch_size: int,
    options: dict[str, Any],
    failures: Failures,
    flush: Callable[[], None],
) -> Iterator[tuple[str, Any]]:
    """The name of each input and its answer; an input that does not fit is added to `failures`.

    Answers are flushed before the next inputs are read, for which a stream may have one wait.
    """
    if not isinstance(artefact.spec.input, Table):
        artefact(*([] for _ in artefact.spec.input.takes), **options)  # a wrong option is an error now
    while batch := list(islice(examples, batch_size)):
        for example, answer in zip(batch, _answered(artefact, batch, options)):
            if isinstance(answer, ZooError):
                failures.append(_message(example.place or example.name, answer))
            else:
                yield example.name, answer
        flush()


def _answered(artefact: Artefact, batch: Sequence[Example], options: dict[str, Any]) -> list[Any]:
    """The answers to a batch; the error of each input that does not fit, which is looked for in halves."""
    columns = [list(column) for column in zip(*(example.raw for example in batch), strict=True)]
    inputs: list[Any] = [_joined(columns[0])] if isinstance(artefact.spec.input, Table) else columns
    try:
        answers: list[Any] = artefact(*inputs, **options)
    except (ZooError, ValueError) as error:
        if len(batch) == 1:
            if isinstance(error, SpecError | DataError):
                return [error]
            raise
        half = len(batch) // 2
        return _answered(artefact, batch[:half], options) + _answered(artefact, batch[half:], options)
    return answers


def _message(name: str, error: ZooError) -> str:
    """The error's message, with the name of the input."""
    return str(error) if name in str(error) else f"{name}: {error}"


# Outputs


@contextmanager
def _places(output: str | None, artefact: Artefact) -> Iterator[tuple[IO[str], Path | None]]:
    """The file for answers, and the folder for answers that are images."""
    if isinstance(artefact.spec.output, Image):
        if output is None:
            raise ConfigError(f"{artefact.model} answers with images: give their folder, output=…")
        folder = Path(output).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{output} cannot be the folder of images: {error.strerror}") from error
        yield sys.stdout, folder
    elif output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # for names of files that are not valid text, as \\udcff
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout, None
    else:
        try:
            with Path(output).expanduser().open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file, None
        except OSError as error:
            raise ConfigError(f"cannot write {output}: {error.strerror}") from error


def _fields(name: str, answer: Any, folder: Path | None) -> dict[str, Any]:
    """An answer as a row of named parts; an image is saved, and its file is the answer."""
    if isinstance(answer, PIL.Image.Image):
        assert folder is not None
        file = _free(folder, Path(name).stem[:MAX_NAME])
        answer.save(file)
        return {"answer": str(file)}
    return answer if isinstance(answer, dict) else {"answer": answer}


def _free(folder: Path, stem: str) -> Path:
    """A free name in the folder, since images of different folders may have one name."""
    file, number = folder / f"{stem}.png", 1
    while file.exists():
        number += 1
        file = folder / f"{stem}_{number}.png"
    return file


def _write_table(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    """Aligned columns for people, without the probabilities of all classes and the like."""
    cells: list[list[str]] = []
    for row in rows:
        shown = {name: value for name, value in row.items() if not isinstance(value, dict)}
        cells = cells or [list(shown)]
        cells.append([f"{value:.4g}" if isinstance(value, float) else _text(value) for value in shown.values()])
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), file=file)


def _write_csv(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    """A header and a row for each answer; a nested part has a column `part.name`."""
    writer: csv.DictWriter[str] | None = None
    for row in rows:
        flat = dict(_flat(row))
        if writer is None:
            writer = csv.DictWriter(file, list(flat))
            writer.writeheader()
        writer.writerow(flat)


def _write_json(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    for row in rows:
        file.write(_JSON.encode(row) + "\n")


WRITERS = {"table": _write_table, "csv": _write_csv, "jsonl": _write_json}


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", cell) for inner, cell in _flat(value))
        else:
            yield _text(name), value if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _STEERING.sub(lambda sign: repr(sign[0])[1:-1], text)
